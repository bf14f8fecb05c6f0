"""Storing the streams of a volume: files cut by the common chunker, the rest at fixed places.

A file's stream is stored as a program reads it: its valid bytes, then zeros to its size. So it has
the blobs that a file backup of the same file has. If what lies in its last unit behind it is not
zero, or units hold something behind the valid bytes, a raw entry keeps those units as well.

What the disk does not give at once waits until everything else was read. What it cannot give then
either is marked as not stored, and cuts the stream in two.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from twofold.chunker import ZERO_RUN, Piece, StreamCutter, cut_whole
from twofold.disk.base import HOLE
from twofold.disk.blocks import AtOnce, Refused, glance, unread_in
from twofold.format.image import EntryRole, iterate_runs
from twofold.format.segments import (
    NOT_STORED,
    ZERO,
    Absence,
    iterate,
    pack_absent,
    pack_blob,
    pack_zeros,
)
from twofold.imaging.ahead import Ahead
from twofold.imaging.gather import Wanted
from twofold.imaging.read import WINDOW, Batch, Group, Later, Layout, LongPiece, groups, long_pieces
from twofold.imaging.units import UnitSet
from twofold.pipeline import Lease, Parts, Run, Worker, send, store_piece

Stored = tuple[int, bytes | memoryview | Later | None, Lease | None]
"""Bytes of a stream's units: how many, and what they are, None for a hole; the memory they lie in,
if it goes round."""
Valid = tuple[int, bytes | memoryview | Absence | Later | None, Lease | None]
"""Bytes of a stream: how many, and what they are, None for zeros, or why nobody knows (yet); the
memory they lie in, if it goes round."""
META_PIECE = 64 << 10
"""Bytes of the pieces of a file system's own tables: a small change costs little."""
_Work = tuple[int, EntryRole, memoryview]
"""Position, role and bytes of a stream that is cut."""
_HOLE_CALL = 1 << 20  # bytes of a hole that are announced to the chunker rather than shown


class _Gap(NamedTuple):
    """A piece of a long stream that is to be read later: where it begins, and its place."""

    at: int
    later: Later
    role: EntryRole
    parts: Parts
    place: int


class StreamStore:
    """Stores streams of one volume and keeps their segments by position.

    What the disk does not give at once waits for ``store_waiting``; when the flow has settled,
    ``finish`` makes the segments whole.
    """

    def __init__(self, run: Run, layout: Layout, claimed: UnitSet, ahead: Ahead) -> None:
        self._run = run
        self._ahead = ahead
        self._layout = layout
        self._hasty = layout._replace(reader=AtOnce(layout.reader))
        self._later: list[tuple[Sequence[Wanted], Group, list[list[bytes]]]] = []
        self._gaps: list[_Gap] = []
        self._filled: list[tuple[_Gap, Parts]] = []
        self._claimed = claimed
        self.bytes_read = 0
        self.torn: set[int] = set()
        """Positions of streams of which not all could be read."""

    @property
    def is_waiting(self) -> bool:
        """Whether the disk did not give everything at once."""
        return bool(self._later or self._gaps)

    def store(
        self, streams: Sequence[Wanted], positions: Sequence[int], segments: list[list[bytes]]
    ) -> None:
        """Read and store the streams at ``positions`` into the same places of ``segments``."""
        ordered = sorted(positions, key=lambda position: streams[position].first)
        small = [p for p in ordered if streams[p].size <= WINDOW and streams[p].size]
        layout, gathered = self._layout, groups(self._layout, streams, small)
        for group, lease in self._ahead.windows(
            layout.reader, gathered, lambda group: group.place(layout)
        ):
            try:
                self._group(streams, group, segments, lease)
            finally:
                if lease is not None:
                    lease.release()
        self._long(streams, [p for p in ordered if streams[p].size > WINDOW], segments)

    def _group(
        self,
        streams: Sequence[Wanted],
        group: Group,
        segments: list[list[bytes]],
        lease: Lease | None,
    ) -> None:
        """Store small streams, whose window lies in memory that goes round, unless it does not."""
        window = lease.view[: group.high - group.low] if lease is not None else None
        try:
            batch = group.read(self._hasty, window)
        except Refused:
            self._later.append((streams, group, segments))
        else:
            self._batch(streams, batch, segments, lease)

    def store_waiting(self) -> None:
        """Read and store what was put off, from the end backwards.

        It may turn out that units claimed are better left to the raw entries.
        """
        for gap in reversed(self._gaps):
            self._fill(gap)
        for streams, group, segments in reversed(self._later):
            self._batch(streams, group.read(self._layout), segments)
        self._gaps.clear()
        self._later.clear()

    def _fill(self, gap: _Gap) -> None:
        reader, (start, length), parts = self._layout.reader, gap.later, Parts()
        data = memoryview(reader.read(start, length))
        self.bytes_read += length
        for first, count, absent in torn(0, length, _from(start, unread_in(reader, start, length))):
            if absent:
                parts.put(parts.reserve(count), pack_absent(Absence.UNREADABLE, count))
                continue
            piece, chunker = data[first : first + count], self._run.chunker
            is_file = gap.role is EntryRole.FILE
            cut = cut_whole(chunker, piece) if is_file else fixed(piece, gap.at + first)
            send(self._run.flow, list(cut), parts)
        self._filled.append((gap, parts))

    def finish(self) -> None:
        """Put what came late into its places, after the flow has settled."""
        for gap, parts in self._filled:  # the last place of a stream comes first
            gap.parts.packed[gap.place : gap.place + 1] = parts.packed
        self._filled.clear()

    def _batch(
        self,
        streams: Sequence[Wanted],
        batch: Batch,
        segments: list[list[bytes]],
        lease: Lease | None = None,
    ) -> None:
        window, unit = batch.window, self._layout.unit
        short, spans, work = list[int](), array("Q"), list[_Work]()
        any_torn = is_torn(self._layout)
        longest = min(self._run.chunker.params.minimum, ZERO_RUN - 1)
        for position, start in batch.whole:
            wanted = streams[position]
            size, valid = wanted.size, wanted.valid
            end = start + wanted.units * unit
            self.bytes_read += end - start
            if any_torn and self._unread(wanted):
                self._torn(wanted, bytes(window[start:end]), segments, position)
                continue
            if start + valid < end:
                self._judge(wanted, window[start + valid : end], valid)
            if size <= longest and valid >= size and wanted.role is EntryRole.FILE:
                short.append(position)
                spans.append(start)
                spans.append(start + size)
            else:
                work.append((position, wanted.role, _as_read(wanted, window[start:end])))
        for position, stored in batch.apart:
            wanted = streams[position]
            self.bytes_read += len(stored)
            if any_torn and self._unread(wanted):
                self._torn(wanted, stored, segments, position)
                continue
            self._judge(wanted, stored[wanted.valid :], wanted.valid)
            work.append((position, wanted.role, _as_read(wanted, stored)))
        self._submit(streams, segments, (window, short, spans), work, lease)

    def _submit(
        self,
        streams: Sequence[Wanted],
        segments: list[list[bytes]],
        shorts: tuple[memoryview, list[int], "array[int]"],
        work: Sequence[_Work],
        lease: Lease | None,
    ) -> None:
        window, short, spans = shorts
        chunker = self._run.chunker

        def store(worker: Worker) -> None:
            ids = worker.store_many(window, spans)
            for position, blob_id in zip(short, ids, strict=True):
                segments[position] = [pack_blob(blob_id, streams[position].size)]
            for position, role, data in work:
                cut = cut_whole(chunker, data) if role is EntryRole.FILE else fixed(data, 0)
                apart = role is EntryRole.META  # folders far from one another are read together
                segments[position] = merged(store_piece(worker, each, apart=apart) for each in cut)

        if lease is not None:
            lease.hold()
        self._run.flow.submit(store if lease is None else lease.last(store))

    def _torn(
        self, wanted: Wanted, stored: bytes | memoryview, segments: list[list[bytes]], position: int
    ) -> None:
        self.torn.add(position)
        self._apart(wanted, [(len(stored), stored, None)], segments, position)

    def _long(
        self, streams: Sequence[Wanted], positions: Sequence[int], segments: list[list[bytes]]
    ) -> None:
        """Streams that are read in several windows, one stream after the other."""
        pieces = long_pieces(self._layout, streams, positions)
        found = self._ahead.windows(self._layout.reader, pieces, lambda piece: piece.place)
        for position, windows in groupby(found, key=lambda each: each[0].position):
            wanted = streams[position]
            self._apart(wanted, self._counted(windows), segments, position)
            if self._unread(wanted):
                self.torn.add(position)

    def _counted(self, windows: Iterable[tuple[LongPiece, Lease | None]]) -> Iterator[Stored]:
        """What a long stream's units hold; the memory of each window is there until the next."""
        for (_, start, length), lease in windows:
            if start == HOLE:
                yield length, None, None
            elif lease is not None:
                self.bytes_read += length
                try:
                    yield length, lease.view[:length], lease
                finally:
                    lease.release()
            else:
                data = glance(self._layout.reader, start, length)
                self.bytes_read += 0 if data is None else length
                yield length, Later(start, length) if data is None else data, None

    def _apart(
        self,
        wanted: Wanted,
        stored: Iterable[Stored],
        segments: list[list[bytes]],
        position: int,
    ) -> None:
        """A stream piece by piece; ``stored`` is what its units hold."""
        parts = Parts()
        segments[position] = parts.packed  # filled by the workers
        before = len(self._gaps)
        if wanted.role is EntryRole.FILE:
            self._cut(self._valid(wanted, stored), parts)
        else:
            self._fixed(self._valid(wanted, stored), parts, apart=wanted.role is EntryRole.META)
        if len(self._gaps) > before:
            self.torn.add(position)

    def _valid(self, wanted: Wanted, stored: Iterable[Stored]) -> Iterator[Valid]:
        """The stream as read, adding up to its size."""
        at = 0
        for length, data, lease in stored:
            inside = max(0, min(length, wanted.valid - at))
            if data is None:
                if inside:
                    yield inside, None, None
            elif isinstance(data, Later):
                if inside < length:
                    self._leave(wanted, at + inside)
                if inside:
                    yield inside, data._replace(length=inside), None
            else:
                view, unread = memoryview(data), self._unread(wanted)
                self._judge(wanted, view[inside:], at + inside, unread)
                for start, count, absent in torn(at, inside, unread):
                    yield count, Absence.UNREADABLE if absent else view[start - at :][:count], lease
            at += length
        if wanted.size > wanted.valid:
            yield wanted.size - wanted.valid, None, None

    def _unread(self, wanted: Wanted) -> list[tuple[int, int]]:
        """(first byte, bytes) of what its units hold that could not be read."""
        layout, found, at = self._layout, list[tuple[int, int]](), 0
        if not is_torn(layout):
            return found
        for first, units in iterate_runs(wanted.runs, layout.units):
            size = units * layout.unit
            if first >= 0:
                start = layout.origin + first * layout.unit
                unread = unread_in(layout.reader, start, size)
                found += [(at + low - start, count) for low, count in unread]
            at += size
        return found

    def _cut(self, valid: Iterable[Valid], parts: Parts) -> None:
        cutter = StreamCutter(self._run.chunker)
        rest = b""
        for length, data, lease in valid:
            if isinstance(data, (Absence, Later)):
                send(self._run.flow, cutter.split(rest, final=True)[0], parts)
                self._missing(EntryRole.FILE, length, data, parts)
                cutter, rest = StreamCutter(self._run.chunker), b""
                continue
            if data is None and length >= _HOLE_CALL:
                pieces, _ = cutter.split(rest, hole_follows=True)
                send(self._run.flow, pieces, parts)
                cutter.hole(length)
                rest = b""
                continue
            shown = bytes(length) if data is None else data
            buffer = b"".join((rest, shown)) if rest else shown
            pieces, used = cutter.split(buffer)
            send(self._run.flow, pieces, parts, lease if buffer is data else None)
            rest = bytes(memoryview(buffer)[used:])
        send(self._run.flow, cutter.split(rest, final=True)[0], parts)

    def _fixed(self, valid: Iterable[Valid], parts: Parts, *, apart: bool) -> None:
        at = 0
        for length, data, lease in valid:
            if isinstance(data, (Absence, Later)):
                self._missing(EntryRole.META, length, data, parts)
            else:
                pieces = [Piece(length, None)] if data is None else list(fixed(data, at))
                send(self._run.flow, pieces, parts, lease, apart=apart)
            at += length

    def _missing(self, role: EntryRole, length: int, why: Absence | Later, parts: Parts) -> None:
        """A place in a stream that nothing is known of, or not yet."""
        at, place = parts.size, parts.reserve(length)
        if isinstance(why, Later):
            self._gaps.append(_Gap(at, why, role, parts, place))
        else:
            parts.put(place, pack_absent(why, length))

    def _judge(
        self,
        wanted: Wanted,
        behind: memoryview,
        at: int,
        unread: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Leave to the raw entries what the stream alone would not give back."""
        if behind and (any_set(behind) or any(each[2] for each in torn(at, len(behind), unread))):
            self._leave(wanted, at)

    def _leave(self, wanted: Wanted, at: int) -> None:
        """Leave a stream's units from byte ``at`` on to the raw entries."""
        for number in _units(wanted, self._layout.units, at // self._layout.unit):
            self._claimed.discard(number)


def _from(start: int, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges counted from another byte on."""
    return [(first - start, count) for first, count in ranges]


def _units(wanted: Wanted, units: int, skip: int) -> Iterator[int]:
    """The stored units of a stream from number ``skip`` of the stream on."""
    at = 0
    for first, count in iterate_runs(wanted.runs, units):
        if first >= 0 and at + count > skip:
            yield from range(first + max(0, skip - at), first + count)
        at += count


def is_torn(layout: Layout) -> bool:
    """Whether anything at all of a volume could not be read."""
    return bool(unread_in(layout.reader, 0, layout.reader.size))


def torn(
    start: int, length: int, unread: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, bool]]:
    """A range in pieces: (first byte, bytes, whether they could not be read)."""
    end = start + length
    for first, size in unread:
        low, high = max(first, start), min(first + size, end)
        if low < high:
            if start < low:
                yield start, low - start, False
            yield low, high - low, True
            start = high
    if start < end:
        yield start, end - start, False


def _as_read(wanted: Wanted, stored: memoryview) -> memoryview:
    if wanted.valid >= wanted.size:
        return stored[: wanted.size]
    return memoryview(b"".join((stored[: wanted.valid], bytes(wanted.size - wanted.valid))))


def any_set(data: memoryview) -> bool:
    """Whether any byte is not zero."""
    step = len(_ZEROS)
    if len(data) <= step:
        return not _ZEROS.startswith(data)
    return any(not _ZEROS.startswith(data[at : at + step]) for at in range(0, len(data), step))


_ZEROS = bytes(1 << 20)


def fixed(data: bytes | memoryview, offset: int, step: int = META_PIECE) -> Iterator[Piece]:
    """Pieces that end at multiples of ``step`` from ``offset`` on; all-zero ones are zero runs."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        length = min(step - (offset + at) % step, len(view) - at)
        piece = view[at : at + length]
        yield Piece(length, piece if any_set(piece) else None)
        at += length


def merged(segments: Iterator[bytes]) -> list[bytes]:
    """Segments with neighbouring zero runs made one, and so with what is not stored."""
    out: list[bytes] = []
    zeros = 0
    for segment in segments:
        if segment[0] == ZERO:
            zeros += next(iterate(segment)).length
            continue
        if zeros:
            out.append(pack_zeros(zeros))
            zeros = 0
        if segment[0] == NOT_STORED and out and out[-1][:2] == segment[:2]:
            out[-1] = _joined(out[-1], segment)
        else:
            out.append(segment)
    if zeros:
        out.append(pack_zeros(zeros))
    return out


def _joined(one: bytes, other: bytes) -> bytes:
    """Two neighbouring segments that are not stored for one cause."""
    cause, length = next(iterate(one))
    assert isinstance(cause, Absence)
    return pack_absent(cause, length + next(iterate(other)).length)
