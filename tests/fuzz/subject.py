"""Bytes that are damaged in place and made whole again, so that a run costs what it changes.

Samples of volumes are large and mostly empty: only pages with something in them are kept.
"""

import lzma
import struct
from pathlib import Path

from twofold.errors import FormatError

PAGE_BITS = 16
PAGE = 1 << PAGE_BITS
_EMPTY = bytes(PAGE)
_HEAD = struct.Struct("<QI")


class TooMuch(Exception):
    """A parser asked for more than its input can justify."""


class Subject:
    """An input that can be damaged. ``size`` may be made smaller; ``heal`` undoes everything."""

    def __init__(self, size: int, pages: dict[int, bytes]) -> None:
        self._whole = size
        self._pages = {number: bytearray(page) for number, page in pages.items()}
        self._before: list[tuple[int, bytes]] = []
        self.size = size

    def part(self, at: int, length: int) -> bytes:
        """Bytes at a place; zeros where nothing is kept."""
        number, start = at >> PAGE_BITS, at & PAGE - 1
        if start + length <= PAGE:
            page = self._pages.get(number)
            return bytes(page[start : start + length]) if page else bytes(length)
        parts = [self.part(at, PAGE - start)]
        left = length - len(parts[0])
        while left > 0:
            number += 1
            piece = min(left, PAGE)
            parts.append(bytes(self._pages.get(number, _EMPTY)[:piece]))
            left -= piece
        return b"".join(parts)

    def put(self, at: int, piece: bytes) -> None:
        """Other bytes at a place, as far as the input goes there."""
        piece = piece[: max(0, self._whole - at)]
        self._before.append((at, self.part(at, len(piece))))
        self._write(at, piece)

    def _write(self, at: int, piece: bytes) -> None:
        done = 0
        while done < len(piece):
            number, start = at + done >> PAGE_BITS, at + done & PAGE - 1
            step = min(PAGE - start, len(piece) - done)
            page = self._pages.setdefault(number, bytearray(PAGE))
            page[start : start + step] = piece[done : done + step]
            done += step

    def changed(self, start: int, end: int) -> bool:
        """Whether any byte of a range was put."""
        return any(at < end and start < at + len(old) for at, old in self._before)

    def places_changed(self) -> list[int]:
        """Where bytes were put, in that order."""
        return [at for at, _ in self._before]

    def heal(self) -> None:
        """As it was at first."""
        for at, old in reversed(self._before):
            self._write(at, old)
        self._before.clear()
        self.size = self._whole

    def whole(self) -> bytes:
        """All bytes."""
        return self.part(0, self.size)


class Meter:
    """A block reader of a subject that counts what is asked of it. ``turn`` is the run's number."""

    sector_size = 512

    def __init__(self, subject: Subject, most_reads: int, most_bytes: int, turn: int = 0) -> None:
        self._subject = subject
        self._reads = most_reads
        self._bytes = most_bytes
        self.size = subject.size
        self.turn = turn

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError("outside")
        self._reads -= 1
        self._bytes -= length
        if self._reads < 0 or self._bytes < 0:
            raise TooMuch(f"{-self._reads} reads, {-self._bytes} bytes beyond the bound")
        return self._subject.part(offset, length)


class Tracer(Meter):
    """Remembers what was read: the places that are worth damaging."""

    def __init__(self, subject: Subject, turn: int) -> None:
        super().__init__(subject, 1 << 20, 1 << 30, turn)
        self.read_at: dict[tuple[int, int], None] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        data = super().read(offset, length)
        if length:
            self.read_at[offset, length] = None
        return data


def packed(data: bytes) -> bytes:
    """A sample as the corpus keeps it: the pages with anything in them, compressed."""
    numbers = [
        n for n in range(-(-len(data) // PAGE)) if data[n * PAGE : (n + 1) * PAGE].strip(b"\0")
    ]
    head = _HEAD.pack(len(data), len(numbers)) + struct.pack(f"<{len(numbers)}I", *numbers)
    pages = (data[n * PAGE : (n + 1) * PAGE].ljust(PAGE, b"\0") for n in numbers)
    return lzma.compress(head + b"".join(pages), preset=9)


def unpacked(data: bytes) -> Subject:
    """The sample, ready to be damaged."""
    plain = lzma.decompress(data)
    size, count = _HEAD.unpack_from(plain)
    numbers = struct.unpack_from(f"<{count}I", plain, _HEAD.size)
    start = _HEAD.size + 4 * count
    pages = {n: plain[start + k * PAGE : start + (k + 1) * PAGE] for k, n in enumerate(numbers)}
    return Subject(size, pages)


def subject_of(data: bytes) -> Subject:
    """Bytes, ready to be damaged."""
    return Subject(
        len(data),
        {
            n: data[n * PAGE : (n + 1) * PAGE].ljust(PAGE, b"\0")
            for n in range(-(-len(data) // PAGE))
        },
    )


def load(path: Path) -> Subject:
    """A sample of the corpus."""
    data = path.read_bytes()
    return unpacked(data) if path.suffix == ".xz" else subject_of(data)
