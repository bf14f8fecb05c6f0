"""Raw entries: byte ranges in windows of 64 MiB of the volume, read in the order of the disk.

A window that the reader knows to be all zeros is not read: a virtual disk may claim any size.
"""

from collections.abc import Iterable, Iterator

from twofold.disk.base import BlockReader
from twofold.disk.blocks import glance, hole_at, unread_in
from twofold.format.image import RAW_WINDOW, EntryRole, ExtentEntry, pack_runs
from twofold.format.segments import Absence, iterate, pack_absent, pack_zeros
from twofold.imaging.ahead import Ahead
from twofold.imaging.store import fixed, merged, torn
from twofold.pipeline import Lease, Run, Worker, store_piece, write_segments

UNKNOWN_PIECE = 1 << 20
"""Bytes of the pieces where nothing is known of the contents."""
_READ = 8 << 20
Range = tuple[int, int]
_Wanted = tuple[list[Range], list[bytes]]
"""Ranges that are read by one request, and the place of their segments."""


def windows(ranges: Iterable[Range]) -> Iterator[tuple[int, list[Range]]]:
    """(window number, its ranges), from (first byte, bytes) that ascend."""
    number, held = -1, list[Range]()
    for start, length in ranges:
        for window in range(start // RAW_WINDOW, (start + length - 1) // RAW_WINDOW + 1):
            if window != number:
                if held:
                    yield number, held
                number, held = window, []
            low = max(start, window * RAW_WINDOW)
            high = min(start + length, (window + 1) * RAW_WINDOW)
            held.append((low, high - low))
    if held:
        yield number, held


class RawStore:
    """Stores raw entries of one volume; ``finish`` gives them in order.

    What the disk does not give at once waits for ``store_waiting``.
    """

    def __init__(self, run: Run, reader: BlockReader, step: int, ahead: Ahead) -> None:
        self._run = run
        self._ahead = ahead
        self._reader = reader
        self._step = step
        self._held: dict[int, tuple[list[Range], list[list[bytes]]]] = {}
        self._later: list[tuple[list[Range], list[bytes]]] = []
        self.bytes_read = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the disk did not give everything at once."""
        return bool(self._later)

    def store(self, ranges: Iterable[Range]) -> None:
        """Read and store ranges of the volume."""
        self._read(self._wanted(windows(ranges)))

    def _wanted(self, found: Iterable[tuple[int, list[Range]]]) -> Iterator[_Wanted]:
        """What is to be read of windows, and the places where its segments will be."""
        for number, inside in found:
            segments: list[list[bytes]] = []
            self._held[number] = (inside, segments)
            if all(self._is_hole(*each) for each in inside):
                segments.append([pack_zeros(sum(length for _, length in inside))])
                continue
            for group in _groups(inside):
                segments.append([])
                yield group, segments[-1]

    def _read(self, wanted: Iterator[_Wanted]) -> None:
        for (group, out), lease in self._ahead.windows(self._reader, wanted, _place):
            if lease is not None:
                self._submit(group, out, lease.view, lease)
                continue
            data = glance(self._reader, *_span(group))
            if data is None:
                self._later.append((group, out))
            else:
                self._submit(group, out, memoryview(data))

    def amend(self, ranges: Iterable[Range]) -> None:
        """Store windows anew that have other ranges now; none has become empty."""
        found = [
            (number, inside)
            for number, inside in windows(ranges)
            if number not in self._held or self._held[number][0] != inside
        ]
        numbers = {number for number, _ in found}
        self._later = [x for x in self._later if x[0][0][0] // RAW_WINDOW not in numbers]
        self._read(self._wanted(found))

    def store_waiting(self) -> None:
        """Read and store what was put off, from the end backwards."""
        for group, out in reversed(self._later):
            self._submit(group, out, memoryview(self._reader.read(*_span(group))))
        self._later.clear()

    def _is_hole(self, start: int, length: int) -> bool:
        end = start + length
        while start < end:
            known = hole_at(self._reader, start)
            if not known:
                return False
            start += known
        return True

    def _submit(
        self, group: list[Range], out: list[bytes], window: memoryview, lease: Lease | None = None
    ) -> None:
        """Have a group stored, and the memory given back that it was read into."""
        low, length = _span(group)
        self.bytes_read += length
        step = self._step
        unread = unread_in(self._reader, low, length)

        def store(worker: Worker) -> None:
            for start, length in group:
                for first, count, absent in torn(start, length, unread):
                    if absent:
                        out.append(pack_absent(Absence.UNREADABLE, count))
                        continue
                    data = window[first - low : first - low + count]
                    out.extend(store_piece(worker, piece) for piece in fixed(data, first, step))

        self._run.flow.submit(store if lease is None else lease.last(store))

    def filled(self) -> Iterator[Range]:
        """Which bytes became more than zeros, after the flow has settled; each piece whole."""
        for inside, segments in self._held.values():
            parts = (part for group in segments for packed in group for part in iterate(packed))
            yield from _filled(inside, ((part.blob is not None, part.length) for part in parts))

    def finish(self) -> Iterator[ExtentEntry]:
        """The entries, after the flow has settled."""
        for number, (inside, segments) in sorted(self._held.items()):
            parts = merged(segment for group in segments for segment in group)
            content, ref = write_segments(self._run.flow.save_page, parts)
            yield ExtentEntry(
                owner=number,
                name=b"",
                role=EntryRole.RAW,
                size=sum(length for _, length in inside),
                runs=pack_runs(inside),
                content=content,
                ref=ref.page if ref is not None else None,
            )


def _filled(ranges: list[Range], parts: Iterable[tuple[bool, int]]) -> Iterator[Range]:
    """Where the parts lie that are more than zeros; they fill the ranges one after the other."""
    places = iter(ranges)
    at = end = 0
    for is_filled, length in parts:
        missing = length
        while missing:
            if at == end:
                at, size = next(places)
                end = at + size
            size = min(missing, end - at)
            if is_filled:
                yield at, size
            at, missing = at + size, missing - size


def _span(group: list[Range]) -> Range:
    """From the first to the last of ranges that ascend."""
    low = group[0][0]
    return low, sum(group[-1]) - low


def _place(wanted: _Wanted) -> Range:
    return _span(wanted[0])


def _groups(ranges: list[Range]) -> Iterator[list[Range]]:
    """Ranges that are read by one request: close together, at most 8 MiB in all."""
    group: list[Range] = []
    for start, length in ranges:
        at, end = start, start + length
        while at < end:
            if group and (group[0][0] + _READ <= at or at - sum(group[-1]) > _READ >> 5):
                yield group
                group = []
            low = group[0][0] if group else at
            part = min(end, low + _READ) - at
            group.append((at, part))
            at += part
    if group:
        yield group
