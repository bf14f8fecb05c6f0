"""Run lists: which clusters hold an attribute, as NTFS packs them and as we keep them.

Packed ("mapping pairs"), each run is a byte whose low half tells the bytes of the length and whose
high half the bytes of the distance from the first cluster of the run before; both follow, little
endian and signed. No distance: a hole. A zero byte ends the list.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from twofold.disk.base import HOLE, Run
from twofold.errors import FormatError

MAX_RUNS = 1 << 19
"""Of one attribute: more are taken for damage, so that memory stays within 100 MiB."""


def decode_runs(data: bytes, at: int, end: int, units: int) -> list[Run]:
    """The runs packed in ``data[at:end]``; FormatError unless all lie within ``units`` clusters."""
    runs: list[Run] = []
    new = tuple.__new__  # a named tuple without the price of its Python-level constructor
    first = 0
    while at < end and (head := data[at]):
        middle = at + 1 + (head & 15)
        beyond = middle + (head >> 4)
        length = int.from_bytes(data[at + 1 : middle], "little", signed=True)
        if beyond > end or length <= 0:
            raise FormatError("a run list is cut short or has a run of no clusters")
        if beyond == middle:
            runs.append(new(Run, (HOLE, length)))
        else:
            first += int.from_bytes(data[middle:beyond], "little", signed=True)
            if first < 0 or first + length > units:
                raise FormatError(f"a run of clusters {first}+{length} is outside of the volume")
            runs.append(new(Run, (first, length)))
        at = beyond
    return runs


class RunMap:
    """Runs as two arrays (16 bytes per run), searchable by position."""

    __slots__ = ("_ends", "_firsts", "units")

    def __init__(self, runs: Iterable[Run]) -> None:
        self._ends = array("q")
        self._firsts = array("q")
        end = 0
        for first, units in runs:
            end += units
            self._ends.append(end)
            self._firsts.append(first)
        self.units = end

    def pieces(self, offset: int, length: int, unit: int) -> Iterator[tuple[int, int]]:
        """(byte on the volume or ``HOLE``, bytes) of a range that lies inside; ``unit`` bytes."""
        index = bisect_right(self._ends, offset // unit)
        while length:
            start = (self._ends[index - 1] if index else 0) * unit
            size = min(self._ends[index] * unit - offset, length)
            first = self._firsts[index]
            yield (HOLE if first == HOLE else first * unit + offset - start), size
            offset, length, index = offset + size, length - size, index + 1

    def holes(self, length: int, unit: int, step: int = 1) -> Iterator[tuple[int, int]]:
        """(start, length) of the holes below ``length``; of each only whole multiples of ``step``.

        All in bytes, ``length`` covered by the runs.
        """
        at = 0
        for place, size in self.pieces(0, length, unit):
            start, end = -(-at // step) * step, (at + size) // step * step
            if place == HOLE and start < end:
                yield start, end - start
            at += size

    def stored(self, start: int, units: int) -> int:
        """How many of ``units`` clusters from ``start`` on are no holes."""
        stop = min(start + units, self.units)
        total = 0
        index = bisect_right(self._ends, start)
        while start < stop:
            end = min(self._ends[index], stop)
            total += end - start if self._firsts[index] != HOLE else 0
            start, index = end, index + 1
        return total
