"""Content of attributes: resident values, and bytes in clusters as they are stored."""

from collections.abc import Iterator

import msgspec

from twofold.disk.base import HOLE, BlockReader
from twofold.disk.ntfs.runs import RunMap
from twofold.errors import FormatError


class Bytes(msgspec.Struct, frozen=True):
    """A resident value."""

    value: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.value)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end."""
        return self.value[clamp(self.size, offset, length)]


class Plain:
    """Bytes in clusters; holes and what is beyond the valid length read as zeros.

    FormatError when ``runs`` do not cover ``size``.
    """

    def __init__(
        self, reader: BlockReader, unit: int, runs: RunMap, size: int, valid: int | None = None
    ) -> None:
        if size > runs.units * unit:
            raise FormatError("an attribute is longer than its clusters")
        self._reader = reader
        self._unit = unit
        self._runs = runs
        self._valid = size if valid is None else min(valid, size)
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end."""
        part = clamp(self.size, offset, length)
        length = part.stop - part.start
        written = max(0, min(length, self._valid - part.start))
        pieces = [
            bytes(size) if place == HOLE else self._reader.read(place, size)
            for place, size in self._runs.pieces(part.start, written, self._unit)
        ]
        if written < length:
            pieces.append(bytes(length - written))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def holes(self) -> Iterator[tuple[int, int]]:
        """(start, length) of what has no clusters, in bytes."""
        return self._runs.holes(self.size, self._unit)


def clamp(size: int, offset: int, length: int) -> slice:
    """The part of ``size`` bytes that a read asks for; FormatError for a negative one."""
    if offset < 0 or length < 0:
        raise FormatError(f"a read of {length} bytes at {offset}")
    start = min(offset, size)
    return slice(start, min(start + length, size))
