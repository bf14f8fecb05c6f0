"""Sets of units as bitmaps, one bit each, and the runs of neighbouring members."""

import re
from collections.abc import Iterator
from operator import or_

from twofold.disk import bitmap

_ANY = re.compile(rb"\xff+|[^\x00]", re.DOTALL)


_LONG = 64  # bytes; runs of more are filled by slice


class UnitSet:
    """Some of the units 0 .. ``count``-1. ``bits``: lowest bit of the first byte is unit 0."""

    def __init__(self, count: int, bits: bytearray | None = None) -> None:
        self.count = count
        self.bits = bytearray((count + 7) // 8) if bits is None else bits

    # These three are called several times for every file of a disk, so they call nothing else.

    def add(self, first: int, units: int) -> None:
        """Add a run, which lies inside."""
        start, stop = first >> 3, (first + units + 7) >> 3
        if stop - start == 1:
            self.bits[start] |= ((1 << units) - 1) << (first & 7)
        elif stop - start > _LONG:
            bitmap.fill(self.bits, first, units)
        else:
            old = int.from_bytes(self.bits[start:stop], "little")
            new = old | ((1 << units) - 1) << (first & 7)
            self.bits[start:stop] = new.to_bytes(stop - start, "little")

    def meets(self, first: int, units: int) -> bool:
        """Whether any unit of a run is a member."""
        found = int.from_bytes(self.bits[first >> 3 : (first + units + 7) >> 3], "little")
        return bool(found & ((1 << units) - 1) << (first & 7))

    def holds(self, first: int, units: int) -> bool:
        """Whether all units of a run are members."""
        found = int.from_bytes(self.bits[first >> 3 : (first + units + 7) >> 3], "little")
        mask = ((1 << units) - 1) << (first & 7)
        return found & mask == mask

    def discard(self, unit: int) -> None:
        """Take one unit out."""
        self.bits[unit >> 3] &= ~(1 << (unit & 7))

    def include(self, other: "UnitSet") -> None:
        """Add all members of another set."""
        bitmap.change(self.bits, other.bits, or_)

    def without(self, other: "UnitSet") -> "UnitSet":
        """Members of this one only."""
        found = UnitSet(self.count, bytearray(self.bits))
        bitmap.change(found.bits, other.bits, lambda one, two: one & ~two)
        return found

    def __len__(self) -> int:
        return bitmap.count(self.bits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnitSet) and self.bits == other.bits

    __hash__ = None  # type: ignore[assignment]

    def runs(self) -> Iterator[tuple[int, int]]:
        """(first, units) of neighbouring members, ascending."""
        first = end = 0
        for start, units in self._pieces():
            if start != end:
                if end > first:
                    yield first, end - first
                first = start
            end = start + units
        if end > first:
            yield first, end - first

    def _pieces(self) -> Iterator[tuple[int, int]]:
        for found in _ANY.finditer(self.bits):
            start = found.start() << 3
            byte = self.bits[found.start()]
            if byte == 0xFF:
                yield start, (found.end() - found.start()) << 3
                continue
            yield from ((start + bit, 1) for bit in range(8) if byte >> bit & 1)
