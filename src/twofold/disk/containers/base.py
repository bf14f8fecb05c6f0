"""What all disk-image containers have in common: bytes of the disk have a place in a file, or none.

A container answers one question: where is the byte at this offset kept, and how many of its
neighbours lie beside it? Reading joins the places asked for; walking them from the start gives the
extents that hold data. Everything outside of the extents reads as zeros and costs nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Literal, NamedTuple, Protocol

from twofold.disk.base import BlockReader
from twofold.disk.blocks import check_range, fill, hole_at
from twofold.errors import FormatError

SECTOR = 512
_PAGE = 16 * 1024
_PAGES = 256
_CONVERT = "another program (qemu-img convert) can turn it into a file that Twofold reads"


class Extent(NamedTuple):
    """Bytes of a disk that are stored: where they begin and how many they are."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first byte that follows."""
        return self.offset + self.length


class Place(NamedTuple):
    """Where bytes of the disk are kept: from ``at`` of ``source``; they are zeros when None."""

    source: BlockReader | None
    at: int
    length: int
    """How many lie there one after the other, at least 1; may go beyond the end of the disk."""


class SparseReader(BlockReader, Protocol):
    """A disk that knows which parts of it were never written."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what is not as it should be."""
        ...

    def extents(self) -> Iterator[Extent]:
        """What is stored, ascending and apart from each other; all else reads as zeros."""
        ...


class Container(ABC):
    """A disk kept in a file of some format. Methods raise FormatError where that is damaged."""

    def __init__(
        self, size: int, *, sector_size: int = SECTOR, notes: tuple[str, ...] = ()
    ) -> None:
        self.size = size
        self.sector_size = sector_size
        self.notes = notes

    @abstractmethod
    def place(self, offset: int) -> Place:
        """Where the byte at ``offset`` of the disk is kept."""

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes of the disk."""
        check_range(self, offset, length)
        parts = []
        while length:
            source, at, count = self.place(offset)
            count = min(count, length)
            parts.append(bytes(count) if source is None else source.read(at, count))
            offset += count
            length -= count
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def fill(self, offset: int, view: memoryview) -> bool:
        """Fill memory with bytes of the disk, as far as the files can do that."""
        check_range(self, offset, len(view))
        done = 0
        while done < len(view):
            source, at, count = self.place(offset + done)
            part = view[done : done + count]
            if source is None:
                part[:] = bytes(len(part))
            elif not fill(source, at, part):
                return False
            done += len(part)
        return True

    def hole(self, offset: int) -> int:
        """How many bytes from there on were never written, or are a hole of the file."""
        source, at, length = self.place(offset)
        return length if source is None else min(length, hole_at(source, at))

    def extents(self) -> Iterator[Extent]:
        """What is stored, neighbours joined."""
        start = offset = 0
        stored = False
        while offset < self.size:
            place = self.place(offset)
            if (place.source is not None) is not stored:
                if stored:
                    yield Extent(start, offset - start)
                start, stored = offset, not stored
            offset += place.length
        if stored:
            yield Extent(start, self.size - start)


class Tables:
    """Integers in the tables of a container, read in pages of which the last few are kept."""

    def __init__(self, reader: BlockReader, order: Literal["big", "little"]) -> None:
        self._order: Literal["big", "little"] = order
        # Caches hold readers and never their owner: a circle would keep it all until collected.
        self._page = lru_cache(_PAGES)(partial(_read_page, reader))

    def integer(self, at: int, width: int) -> int:
        """The unsigned integer of ``width`` bytes at an offset of the file."""
        number, start = divmod(at, _PAGE)
        data = self._page(number)[start : start + width]
        if len(data) != width:
            raise FormatError(f"a table lies outside of the file (byte {at})")
        return int.from_bytes(data, self._order)

    def repeats(self, at: int, width: int, byte: bytes = b"\0") -> int:
        """How many entries from there on are made of that byte alone, as far as one page tells."""
        number, start = divmod(at, _PAGE)
        rest = self._page(number)[start:]
        return (len(rest) - len(rest.lstrip(byte))) // width


class Owners:
    """Which block of the disk is at each place of a file: no place can be that of two.

    Else a small file could describe more than anybody can read. Blocks that lie one upon the other
    in part are not all found, but then a file describes at most twice its size. The last block is
    not looked at: who does not store what of it is behind the disk has another one right there.
    """

    def __init__(self, size: int, block: int) -> None:
        """``size``: bytes of the disk; ``block``: of a block."""
        self._block = block
        self._last = (size - 1) // block
        self._numbers: dict[int, int] = {}

    def check(self, at: int, number: int) -> None:
        """FormatError when what is at a byte of the file was another block's before."""
        if number == self._last:
            return
        if self._numbers.setdefault(at // self._block, number) != number:
            raise FormatError(f"two blocks of the disk lie at one place of the file (byte {at})")


def _read_page(reader: BlockReader, number: int) -> bytes:
    at = number * _PAGE
    return reader.read(at, max(min(_PAGE, reader.size - at), 0))


def refused(sentence: str) -> FormatError:
    """The error for an image that is in order but of a kind that is not read."""
    return FormatError(sentence, hint=_CONVERT)


def whole_sectors(size: int) -> int:
    """The size of a disk of whole sectors that holds ``size`` bytes."""
    return -(-size // SECTOR) * SECTOR
