"""The clusters themselves, what is stored in runs of them, and the slots of directories."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec

from twofold.disk.base import BlockReader, Run
from twofold.errors import FormatError

SLOT = 32
"""Bytes of a directory's slot, in FAT as in exFAT."""
_PIECE = 1 << 16

Extent = tuple[int, int]
"""Offset on the volume and length, both in bytes."""


class Heap(msgspec.Struct, frozen=True):
    """The area of clusters, called data area by FAT and cluster heap by exFAT."""

    reader: BlockReader
    origin: int
    """Bytes before the first unit."""
    unit: int
    """Bytes of a cluster."""
    units: int

    @property
    def end(self) -> int:
        """Bytes before the end of the last unit."""
        return self.origin + self.units * self.unit

    def extents(self, runs: Iterable[Run]) -> Iterator[Extent]:
        """Where runs lie on the volume."""
        for first, count in runs:
            yield self.origin + first * self.unit, count * self.unit


def slots(reader: BlockReader, extents: Iterable[Extent]) -> Iterator[tuple[int, bytes]]:
    """The slots of a directory and their numbers: their offset on the volume in slots."""
    for offset, length in extents:
        for start in range(offset, offset + length, _PIECE):
            piece = reader.read(start, min(_PIECE, offset + length - start))
            for at in range(0, len(piece), SLOT):
                yield (start + at) // SLOT, piece[at : at + SLOT]


class RunContent:
    """Bytes stored in runs: ``valid`` of them, then zeros up to ``size``.

    ``runs`` cover ``size``; FormatError otherwise.
    """

    def __init__(self, heap: Heap, runs: Sequence[Run], size: int, valid: int) -> None:
        self._heap = heap
        self._extents = list(heap.extents(runs))
        self._ends = list(accumulate(length for _, length in self._extents))
        self._valid = valid
        self.size = size
        if (self._ends[-1] if self._ends else 0) < size:
            raise FormatError(f"{size} bytes are not covered by the clusters of their file")

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end."""
        if offset < 0 or length < 0:
            raise FormatError(f"no content has bytes {offset} to {offset + length}")
        end = min(offset + length, self.size)
        stored = b"".join(self._stored(offset, min(end, self._valid)))
        return stored + bytes(max(0, end - offset - len(stored)))

    def _stored(self, offset: int, end: int) -> Iterator[bytes]:
        index = bisect_right(self._ends, offset)
        while offset < end:
            start, length = self._extents[index]
            within = offset - (self._ends[index] - length)
            piece = min(end - offset, length - within)
            yield self._heap.reader.read(start + within, piece)
            offset += piece
            index += 1
