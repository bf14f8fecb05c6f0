"""Block readers: an open file, a window of another reader, bytes in memory.

Devices are opened by the platform; what it gives is an open binary file as well.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from threading import Lock
from typing import BinaryIO

import msgspec

from twofold.disk.base import (
    BlockReader,
    FrozenBlocks,
    PhysicalBlocks,
)
from twofold.errors import FormatError


def check_range(reader: BlockReader, offset: int, length: int) -> None:
    """FormatError unless the range lies inside."""
    if offset < 0 or length < 0 or offset + length > reader.size:
        raise FormatError(f"bytes {offset} to {offset + length} are outside of {reader.size} bytes")


def hole_at(reader: BlockReader, offset: int) -> int:
    """How many bytes from there on any reader knows to be zeros; mostly that is none."""
    hole: Callable[[int], int] | None = getattr(reader, "hole", None)
    return hole(offset) if hole is not None else 0


def is_frozen(reader: BlockReader) -> bool:
    """Whether the file systems on it were flushed before it was frozen; of most nobody knows."""
    return isinstance(reader, FrozenBlocks) and reader.frozen


def unread_in(reader: BlockReader, offset: int, length: int) -> list[tuple[int, int]]:
    """(first byte, bytes) in a range of what any reader gave zeros for, as it could not read it."""
    # asked for every window: whether it is one of ``TornBlocks`` would take longer to find out
    unread: Callable[[int, int], list[tuple[int, int]]] | None = getattr(reader, "unread", None)
    return unread(offset, length) if unread is not None else []


def forget(reader: BlockReader) -> None:
    """Have any reader drop what is remembered of a disk, which may have changed since."""
    drop: Callable[[], None] | None = getattr(reader, "forget", None)
    if drop is not None:
        drop()


class Refused(Exception):
    """The disk did not give something at once; ``read`` may get it, or most of it."""


class AtOnce(msgspec.Struct, frozen=True):
    """Another reader as long as it gives everything at once; ``Refused`` where it does not."""

    whole: BlockReader

    @property
    def size(self) -> int:
        """That of the whole."""
        return self.whole.size

    @property
    def sector_size(self) -> int:
        """That of the whole."""
        return self.whole.sector_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. ``Refused``."""
        data = glance(self.whole, offset, length)
        if data is None:
            raise Refused
        return data


def glance(reader: BlockReader, offset: int, length: int) -> bytes | None:
    """What any reader gives at once; None where it is better asked by ``read``, after all else."""
    at_once: Callable[[int, int], bytes | None] = getattr(reader, "glance", reader.read)
    return at_once(offset, length)


def fill(reader: BlockReader, offset: int, view: memoryview) -> bool:
    """Have any reader fill memory, from any thread; False where ``glance`` is to be asked instead.

    What begins where a page does, there and on the disk, may come past the system's cache. OSError.
    """
    into: Callable[[int, memoryview], bool] | None = getattr(reader, "fill", None)
    return into(offset, view) if into is not None else False


def physical_sector(reader: BlockReader) -> int:
    """Bytes that the disk writes at once, 0 where nobody tells."""
    return reader.physical_sector if isinstance(reader, PhysicalBlocks) else 0


def between(start: int, end: int, without: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(first byte, bytes) of what is left of a range without others, which ascend in it."""
    for first, length in without:
        if first > start:
            yield start, first - start
        start = first + length
    if end > start:
        yield start, end - start


def joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(first byte, bytes) with those made one that follow one another."""
    start = end = 0
    for first, length in ranges:
        if first != end:
            if end > start:
                yield start, end - start
            start = first
        end = first + length
    if end > start:
        yield start, end - start


class FileBlocks:
    """An open seekable file or device; several threads may read."""

    def __init__(self, file: BinaryIO, *, sector_size: int = 512, size: int | None = None) -> None:
        self._file = file
        self._lock = Lock()
        self.sector_size = sector_size
        self.size = file.seek(0, 2) if size is None else size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        check_range(self, offset, length)
        with self._lock:
            self._file.seek(offset)
            data = self._file.read(length)
        if len(data) != length:
            raise FormatError(f"the file ends before byte {offset + length}")
        return data


class MemoryBlocks(msgspec.Struct, frozen=True):
    """Bytes in memory."""

    data: bytes
    sector_size: int = 512

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        check_range(self, offset, length)
        return self.data[offset : offset + length]


class Window(msgspec.Struct, frozen=True):
    """A part of another reader, as a partition is of a disk."""

    whole: BlockReader
    start: int
    size: int

    @property
    def sector_size(self) -> int:
        """That of the whole."""
        return self.whole.sector_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        check_range(self, offset, length)
        return self.whole.read(self.start + offset, length)

    def glance(self, offset: int, length: int) -> bytes | None:
        """What the whole gives at once."""
        check_range(self, offset, length)
        return glance(self.whole, self.start + offset, length)

    def fill(self, offset: int, view: memoryview) -> bool:
        """As the whole does."""
        check_range(self, offset, len(view))
        return fill(self.whole, self.start + offset, view)

    def hole(self, offset: int) -> int:
        """What the whole knows, which may go beyond this part."""
        return hole_at(self.whole, self.start + offset)

    def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Of this part what the whole knows."""
        found = unread_in(self.whole, self.start + offset, length)
        return [(first - self.start, count) for first, count in found]


class Pieces:
    """Several parts of another reader one behind the other, as a logical volume is."""

    def __init__(self, whole: BlockReader, start: int, runs: Sequence[tuple[int, int]]) -> None:
        """``runs``: (bytes from ``start`` on, bytes) of each part, in order."""
        self._whole = whole
        self._places = [start + first for first, _ in runs]
        self._ends = list(accumulate(length for _, length in runs))
        self.size = self._ends[-1] if self._ends else 0
        self.sector_size = whole.sector_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        check_range(self, offset, length)
        parts = [self._whole.read(place, count) for _, place, count in self._parts(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def glance(self, offset: int, length: int) -> bytes | None:
        """What the whole gives at once."""
        check_range(self, offset, length)
        found = [glance(self._whole, place, size) for _, place, size in self._parts(offset, length)]
        parts = [part for part in found if part is not None]
        return b"".join(parts) if len(parts) == len(found) else None

    def fill(self, offset: int, view: memoryview) -> bool:
        """As the whole does, all parts or none."""
        check_range(self, offset, len(view))
        return all(
            fill(self._whole, place, view[at - offset : at - offset + size])
            for at, place, size in self._parts(offset, len(view))
        )

    def hole(self, offset: int) -> int:
        """What the whole knows, up to the end of the part."""
        _, place, left = next(self._parts(offset, self.size - offset), (0, 0, 0))
        return min(hole_at(self._whole, place), left) if left else 0

    def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Of these parts what the whole knows."""
        return [
            (at + first - place, size)
            for at, place, count in self._parts(offset, length)
            for first, size in unread_in(self._whole, place, count)
        ]

    def _parts(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """(offset, place in the whole, bytes) of a range, part by part."""
        position = bisect_right(self._ends, offset)
        while length > 0 and position < len(self._ends):
            start = self._ends[position - 1] if position else 0
            count = min(self._ends[position] - offset, length)
            yield offset, self._places[position] + offset - start, count
            offset += count
            length -= count
            position += 1
