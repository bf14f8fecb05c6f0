"""Which entry of an image holds a byte of a volume: entries painted one over the other.

    entries in order ─► runs (start, end, entry, place in its stream) ─► sorted by start, the later
                                                                        one winning where two meet

What is left are spans that do not overlap, in four arrays: 28 bytes for each. Painting goes along
the volume with a heap of what covers the place at hand, the entry of the highest number on top.
"""

import heapq
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from twofold.errors import FormatError
from twofold.format.image import RAW_WINDOW, EntryRole, ExtentEntry, VolumeRecord, iterate_runs

_LARGEST = 1 << 62  # bytes: more than any disk has


class Span(NamedTuple):
    """Bytes of a volume that lie one after the other in the stream of an entry."""

    start: int
    end: int
    entry: int
    at: int


class Spans:
    """All spans of one volume, ascending."""

    def __init__(self) -> None:
        self._starts = array("Q")
        self._ends = array("Q")
        self._entries = array("I")
        self._places = array("Q")

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, start: int, end: int, entry: int, at: int) -> None:
        """One more span; until ``painted``, in the order of the entries."""
        self._starts.append(start)
        self._ends.append(end)
        self._entries.append(entry)
        self._places.append(at)

    def within(self, start: int, end: int) -> Iterator[Span]:
        """The spans that hold bytes of a range, whole."""
        position = max(0, bisect_right(self._starts, start) - 1)
        while position < len(self._starts) and self._starts[position] < end:
            if self._ends[position] > start:
                yield self._span(position)
            position += 1

    def extents(self) -> Iterator[tuple[int, int]]:
        """(start, end) of what is covered, neighbours joined."""
        here, there = 0, 0
        for start, end in zip(self._starts, self._ends, strict=True):
            if start != there:
                if there > here:
                    yield here, there
                here = start
            there = end
        if there > here:
            yield here, there

    def painted(self) -> "Spans":
        """The same in the order of the volume, what a later entry covers taken out."""
        out = Spans()
        covering: list[tuple[int, int]] = []  # (-number, end) of what began before ``place``
        place = 0
        for number in sorted(range(len(self)), key=self._starts.__getitem__):
            start = self._starts[number]
            if covering:
                self._paint(out, covering, place, start)
            place = start
            heapq.heappush(covering, (-number, self._ends[number]))
        self._paint(out, covering, place, None)
        return out

    def _paint(
        self, out: "Spans", covering: list[tuple[int, int]], place: int, until: int | None
    ) -> None:
        """Put out what is on top from ``place`` on, up to ``until`` or the end of it all."""
        while covering and (until is None or place < until):
            number, end = covering[0]
            if end <= place:
                heapq.heappop(covering)
                continue
            stop = end if until is None else min(end, until)
            whole = self._span(-number)
            out.join(Span(place, stop, whole.entry, whole.at + place - whole.start))
            place = stop

    def join(self, span: Span) -> None:
        """One more span; what only goes on with the last one makes that longer."""
        if self._ends and self._ends[-1] == span.start and self._entries[-1] == span.entry:
            before = self._span(len(self) - 1)
            if before.at + before.end - before.start == span.at:
                self._ends[-1] = span.end
                return
        self.add(*span)

    def _span(self, position: int) -> Span:
        return Span(
            self._starts[position],
            self._ends[position],
            self._entries[position],
            self._places[position],
        )


def check_geometry(volume: VolumeRecord) -> None:
    """``FormatError`` unless a volume's units lie inside of it."""
    numbers = (volume.start, volume.size, volume.origin, volume.units, volume.unit)
    if min(numbers) < 0 or max(numbers) >= _LARGEST or (volume.units and not volume.unit):
        raise FormatError(f"the sizes of partition {volume.number} are impossible")
    if volume.origin + volume.units * volume.unit > volume.size:
        raise FormatError(f"partition {volume.number} is smaller than what it holds")


def add_entry(spans: Spans, volume: VolumeRecord, number: int, entry: ExtentEntry) -> None:
    """The spans of an entry. ``FormatError`` for one that cannot be of this volume.

    A stream in units covers the last of them to its end: what is behind it there are zeros.
    """
    if not 0 <= entry.size < _LARGEST:
        raise FormatError(f"stream {entry.owner} has an impossible size")
    if entry.owner < 0:
        raise FormatError(f"a stream belongs to the impossible file {entry.owner}")
    if entry.role == EntryRole.RAW:
        unit, units, origin = 1, volume.size, 0
        length = entry.size
    elif entry.role in _IN_UNITS:
        unit, units, origin = volume.unit, volume.units, volume.origin
        length = -(-entry.size // unit) * unit if units else entry.size
    else:
        raise FormatError(f"an image has an entry of unknown role {entry.role}")
    at = 0
    for first, count in iterate_runs(entry.runs, units):
        end = min(at + count * unit, length)
        if first >= 0 and end > at:
            start = origin + first * unit
            if entry.role == EntryRole.RAW:
                _check_window(entry, start, start + end - at)
            spans.add(start, start + end - at, number, at)
        at = end
    if at < length:
        raise FormatError(f"the content of stream {entry.owner} lies nowhere on its volume")


_IN_UNITS = frozenset((EntryRole.FILE, EntryRole.CODED, EntryRole.META))


def _check_window(entry: ExtentEntry, start: int, end: int) -> None:
    low = entry.owner * RAW_WINDOW
    if start < low or end > low + RAW_WINDOW:
        raise FormatError(f"raw bytes {start} to {end} lie outside of their window")
