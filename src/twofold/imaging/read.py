"""Reading streams in the order of the disk, in large windows, each unit once.

Streams come sorted by their first unit. Neighbours go into one window of at most 8 MiB, which is
read by one request; what lies outside of it (the further runs of fragmented files) is read apart.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twofold.disk.base import HOLE, BlockReader
from twofold.format.image import iterate_runs
from twofold.imaging.gather import Wanted

WINDOW = 8 << 20
_GAP = 256 << 10  # bytes not wanted that are read along rather than starting another window
_FEW = 4096  # streams in one window


class Layout(NamedTuple):
    """Where the units of a volume are."""

    reader: BlockReader
    origin: int
    unit: int
    units: int


class Batch(NamedTuple):
    """Neighbouring streams with the bytes of each, all valid ones, and the units read of each.

    ``stored`` is everything that lies in the stream's units, in its order: ``valid`` bytes of it
    are the stream's, the rest is what happens to lie behind. ``starts`` tells where in the
    ``window`` each lies, -1 for one that was put together from several places.
    """

    positions: list[int]
    stored: list[memoryview]
    starts: list[int]
    window: memoryview


def batches(layout: Layout, streams: Sequence[Wanted], small: Sequence[int]) -> Iterator[Batch]:
    """Streams at the positions given, each no longer than a window, with their bytes."""
    positions: list[int] = []
    placed: list[list[tuple[int, int]]] = []
    low = high = 0
    for position in small:
        runs = list(iterate_runs(streams[position].runs, layout.units))
        first = streams[position].first * layout.unit
        end = first + _leading(runs) * layout.unit
        far = end - low > WINDOW or first - high > _GAP or len(positions) >= _FEW
        if positions and far:
            yield _batch(layout, positions, placed, low, high)
            positions, placed = [], []
        if not positions:
            low = first
        positions.append(position)
        placed.append(runs)
        high = max(high, end) if len(positions) > 1 else end
    if positions:
        yield _batch(layout, positions, placed, low, high)


def _leading(runs: Sequence[tuple[int, int]]) -> int:
    """Units of the first stored run."""
    return next(units for first, units in runs if first != HOLE)


def _batch(
    layout: Layout,
    positions: list[int],
    placed: list[list[tuple[int, int]]],
    low: int,
    high: int,
) -> Batch:
    window = memoryview(layout.reader.read(layout.origin + low, high - low))
    stored = [_bytes(layout, runs, window, low, high) for runs in placed]
    starts = [runs[0][0] * layout.unit - low if len(runs) == 1 else -1 for runs in placed]
    return Batch(positions, stored, starts, window)


def _bytes(
    layout: Layout,
    runs: Sequence[tuple[int, int]],
    window: memoryview,
    low: int,
    high: int,
) -> memoryview:
    if len(runs) == 1:
        start = runs[0][0] * layout.unit - low
        return window[start : start + runs[0][1] * layout.unit]
    parts: list[bytes | memoryview] = []
    for first, units in runs:
        start, size = first * layout.unit, units * layout.unit
        if first == HOLE:
            parts.append(bytes(size))
        elif low <= start and start + size <= high:
            parts.append(window[start - low : start - low + size])
        else:
            parts.append(layout.reader.read(layout.origin + start, size))
    return memoryview(b"".join(parts))


def pieces_of(layout: Layout, wanted: Wanted) -> Iterator[tuple[int, bytes | None]]:
    """What a long stream's units hold, window by window: (bytes, data, None for a hole)."""
    for first, units in iterate_runs(wanted.runs, layout.units):
        if first == HOLE:
            yield units * layout.unit, None
            continue
        start, size = layout.origin + first * layout.unit, units * layout.unit
        for at in range(0, size, WINDOW):
            length = min(WINDOW, size - at)
            yield length, layout.reader.read(start + at, length)
