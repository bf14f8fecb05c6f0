"""Where the bytes of an image's entries belong on a target: parts, each one blob or zeros.

A part is a segment of a stream. Its bytes may lie in several spans, for its units may lie apart.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from twofold.disk.base import HOLE
from twofold.errors import FormatError
from twofold.format.image import EntryRole, ExtentEntry, VolumeRecord, iterate_runs
from twofold.format.segments import Absence, only_blob
from twofold.graph import PageStore


class Span(NamedTuple):
    """Bytes of the target. ``offset`` is ``HOLE`` for bytes that lie nowhere: they are zero."""

    offset: int
    length: int


Spans = tuple[Span, ...]


class Part(NamedTuple):
    """A blob, or zeros where ``blob`` is None, and where it belongs.

    ``pad``: zeros that follow the last span, up to the end of a stream's last unit. ``absence``:
    why it is not known what belongs there; zeros stand for it.
    """

    blob: bytes | None
    length: int
    spans: Spans
    pad: int = 0
    absence: Absence | None = None

    @property
    def first(self) -> int:
        """The lowest byte of the target that is told, ``HOLE`` if there is none."""
        spans = self.spans
        if len(spans) == 1:
            return spans[0].offset
        return min((span.offset for span in spans if span.offset != HOLE), default=HOLE)


class Pieces:
    """Where the bytes of a volume are that lies in pieces: (place on the target, bytes) of each."""

    def __init__(self, pieces: Sequence[tuple[int, int]]) -> None:
        self._places = [place for place, _ in pieces]
        self._ends = list(accumulate(length for _, length in pieces))

    def spans(self, offset: int, length: int) -> Iterator[Span]:
        """The places of bytes of the volume, one after the other. ``FormatError``."""
        position = bisect_right(self._ends, offset)
        while length:
            if position >= len(self._ends):
                raise FormatError("a stream goes on behind the end of its volume")
            start = self._ends[position - 1] if position else 0
            count = min(self._ends[position] - offset, length)
            yield Span(self._places[position] + offset - start, count)
            offset += count
            length -= count
            position += 1


def parts_of(
    pages: PageStore,
    volume: VolumeRecord,
    entry: ExtentEntry,
    at: int,
    pieces: Pieces | None = None,
) -> Iterator[Part]:
    """The parts of an entry of a volume that begins at byte ``at`` of the target, or lies there.

    ``DamageFound`` when the list of its contents cannot be had.
    """
    if pieces is not None:
        for part in parts_of(pages, volume, entry, 0):
            yield from _laid_out(part, pieces)
        return
    only = _only_part(volume, entry, at)
    if only is not None:
        yield only
        return
    places = _Places(volume, entry, at)
    held: Part | None = None
    for blob, length in pages.stream(entry):
        if held is not None:
            yield held
        if isinstance(blob, Absence):
            held = Part(None, length, places.take(length), absence=blob)
        else:
            held = Part(blob, length, places.take(length))
    if held is not None:
        pad = places.pad()
        yield held._replace(pad=pad) if pad else held


def _laid_out(part: Part, pieces: Pieces) -> Iterator[Part]:
    """A part of a volume that lies in pieces; zeros behind it may lie apart from it."""
    spans: list[Span] = []
    for span in part.spans:
        spans += (span,) if span.offset == HOLE else pieces.spans(*span)
    last = part.spans[-1]
    behind = tuple(pieces.spans(last.offset + last.length, part.pad)) if part.pad else ()
    if len(behind) == 1 and behind[0].offset == sum(spans[-1]):
        yield part._replace(spans=tuple(spans))
        return
    yield part._replace(spans=tuple(spans), pad=0)
    if behind:
        yield Part(None, part.pad, behind)


def _only_part(volume: VolumeRecord, entry: ExtentEntry, at: int) -> Part | None:
    """The part of an entry that is one blob in one run, which is what almost every entry is."""
    found = only_blob(entry.content) if entry.ref is None else None
    if found is None or entry.role == EntryRole.RAW:
        return None
    blob, length = found
    run = next(iterate_runs(entry.runs, volume.units), None)
    if length != entry.size or not length or run is None or run[0] < 0:
        return None
    left = run[1] * volume.unit - length
    if left < 0:
        return None
    spans = (Span(at + volume.origin + run[0] * volume.unit, length),)
    return Part(blob, length, spans, min(-length % volume.unit, left))


class _Places:
    """Where the bytes of an entry lie, taken from its start on."""

    def __init__(self, volume: VolumeRecord, entry: ExtentEntry, at: int) -> None:
        raw = entry.role == EntryRole.RAW
        unit, origin = (1, 0) if raw else (volume.unit, volume.origin)
        self._unit, self._base = unit, at + origin
        self._runs = iterate_runs(entry.runs, volume.size if raw else volume.units)
        self._offset, self._left = 0, 0
        self._behind = -entry.size % unit if unit else 0

    def take(self, length: int) -> Spans:
        """Places of the next bytes; ``FormatError`` behind the runs."""
        if 0 < length <= self._left:
            return (self._span(length),)
        found = []
        while length:
            if not self._left:
                self._next()
            part = min(length, self._left)
            found.append(self._span(part))
            length -= part
        return tuple(found)

    def _next(self) -> None:
        run = next(self._runs, None)
        if run is None:
            raise FormatError("a stream is longer than its units")
        first, count = run
        self._offset = HOLE if first < 0 else self._base + first * self._unit
        self._left = count * self._unit

    def _span(self, length: int) -> Span:
        span = Span(self._offset, length)
        if self._offset != HOLE:
            self._offset += length
        self._left -= length
        return span

    def pad(self) -> int:
        """Bytes behind the end of the stream in its last unit, where that lies anywhere."""
        return min(self._behind, self._left) if self._offset != HOLE else 0
