"""Reading streams in the order of the disk, in large windows, each unit once.

Streams come sorted by their first unit. Neighbours go into one window of about 4 MiB, which is read
by one request; what lies outside of it (the further runs of fragmented files) is read apart.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from twofold.disk.base import HOLE, BlockReader
from twofold.format.image import iterate_runs
from twofold.imaging.gather import Wanted

WINDOW = 8 << 20
"""Bytes of the longest stream that is read at once."""
_JOINED = 4 << 20  # bytes of a window after which no further stream goes into it
_GAP = 256 << 10  # bytes not wanted that are read along rather than starting another window
_FEW = 4096  # streams in one window


class Layout(NamedTuple):
    """Where the units of a volume are."""

    reader: BlockReader
    origin: int
    unit: int
    units: int


class Batch(NamedTuple):
    """Neighbouring streams with what lies in their units, read at once.

    ``whole``: (position, where it begins in the ``window``) of each that lies in one run, which is
    almost every one. ``apart``: (position, bytes) of those put together from several places. The
    bytes are all that is in the units: ``valid`` of them are the stream's, then comes what happens
    to lie behind.
    """

    window: memoryview
    whole: list[tuple[int, int]]
    apart: list[tuple[int, memoryview]]


def groups(layout: Layout, streams: Sequence[Wanted], small: Sequence[int]) -> "Iterator[Group]":
    """Streams at the positions given, each no longer than ``WINDOW``, as they are read together."""
    unit = layout.unit
    group = Group(0)
    for position in small:
        wanted = streams[position]
        first = wanted.first * unit
        runs = None if wanted.units else list(iterate_runs(wanted.runs, layout.units))
        end = first + (wanted.units if runs is None else _leading(runs)) * unit
        far = end - group.low > _JOINED or first - group.high > _GAP or group.count >= _FEW
        if group.count and far:
            yield group
            group = Group(first)
        elif not group.count:
            group = Group(first)
        group.count += 1
        group.high = max(group.high, end)
        if runs is None:
            group.whole.append((position, first - group.low))
        else:
            group.apart.append((position, runs))
    if group.count:
        yield group


class Group:
    """Streams that will be read together; bytes."""

    __slots__ = ("apart", "count", "high", "low", "whole")

    def __init__(self, low: int) -> None:
        self.low = self.high = low
        self.count = 0
        self.whole: list[tuple[int, int]] = []
        self.apart: list[tuple[int, list[tuple[int, int]]]] = []

    def place(self, layout: Layout) -> tuple[int, int]:
        """(first byte, bytes) of the window on the volume."""
        return layout.origin + self.low, self.high - self.low

    def read(self, layout: Layout, window: memoryview | None = None) -> Batch:
        """Fetch what was gathered, the window unless it is there already.

        ``Refused`` when the reader of the layout is in a hurry.
        """
        if window is None:
            window = memoryview(layout.reader.read(*self.place(layout)))
        apart = [
            (position, _joined(layout, runs, window, self.low)) for position, runs in self.apart
        ]
        return Batch(window, self.whole, apart)


def _leading(runs: Sequence[tuple[int, int]]) -> int:
    """Units of the first stored run."""
    return next(units for first, units in runs if first != HOLE)


def _joined(
    layout: Layout, runs: Sequence[tuple[int, int]], window: memoryview, low: int
) -> memoryview:
    parts: list[bytes | memoryview] = []
    for first, units in runs:
        start, size = first * layout.unit, units * layout.unit
        if first == HOLE:
            parts.append(bytes(size))
        elif low <= start and start + size <= low + len(window):
            parts.append(window[start - low : start - low + size])
        else:
            parts.append(layout.reader.read(layout.origin + start, size))
    return memoryview(b"".join(parts))


class Later(NamedTuple):
    """Bytes of the volume that the disk did not give at once."""

    start: int
    length: int


class LongPiece(NamedTuple):
    """Bytes of a long stream that are read at once; ``position`` is that of the stream.

    ``start`` is ``HOLE`` for some that lie nowhere.
    """

    position: int
    start: int
    length: int

    @property
    def place(self) -> tuple[int, int]:
        """(first byte, bytes) of what is to be read."""
        return (0, 0) if self.start == HOLE else (self.start, self.length)


def long_pieces(
    layout: Layout, streams: Sequence[Wanted], positions: Iterable[int]
) -> Iterator[LongPiece]:
    """What long streams are made of, window by window."""
    for position in positions:
        for first, units in iterate_runs(streams[position].runs, layout.units):
            if first == HOLE:
                yield LongPiece(position, HOLE, units * layout.unit)
                continue
            start, size = layout.origin + first * layout.unit, units * layout.unit
            for at in range(0, size, WINDOW):
                yield LongPiece(position, start + at, min(WINDOW, size - at))
