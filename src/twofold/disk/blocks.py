"""Block readers: an open file, a window of another reader, bytes in memory.

Devices are opened by the platform; what it gives is an open binary file as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO

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


def physical_sector(reader: BlockReader) -> int:
    """Bytes that the disk writes at once, 0 where nobody tells."""
    return reader.physical_sector if isinstance(reader, PhysicalBlocks) else 0


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


@dataclass(frozen=True, slots=True)
class MemoryBlocks:
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


@dataclass(frozen=True, slots=True)
class Window:
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

    def hole(self, offset: int) -> int:
        """What the whole knows, which may go beyond this part."""
        return hole_at(self.whole, self.start + offset)

    def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Of this part what the whole knows."""
        found = unread_in(self.whole, self.start + offset, length)
        return [(first - self.start, count) for first, count in found]
