"""The streams of a volume's entries, found again and read at any place.

Of the entries themselves nothing is kept but which page holds how many: an entry is looked up when
it is needed, its page out of the last few decoded ones. So are the segments of its stream, and the
larger ones of the blobs, because every read of a blob proves it anew.
"""

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import accumulate

from twofold.errors import FormatError
from twofold.format.image import EntryRole, ExtentEntry, VolumeRecord
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.format.segments import Absence, Segment
from twofold.graph import PageStore
from twofold.repository import BlobReader
from twofold.view.base import Absent
from twofold.view.spans import Span, Spans, add_entry, check_geometry

_PAGES = 256
_STREAMS = 16
_WORTH_KEEPING = 64 << 10
_CACHE_BYTES = 16 << 20


class Blobs:
    """Data blobs; the last few large ones are kept. Safe to share between threads."""

    def __init__(self, reader: BlobReader) -> None:
        self._reader = reader
        self._kept: OrderedDict[bytes, Buffer] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def read(self, blob: bytes, length: int) -> Buffer:
        """A blob. ``DamageFound``, also when it is of another length."""
        with self._lock:
            found = self._kept.get(blob)
            if found is not None:
                self._kept.move_to_end(blob)
        if found is None:
            found = self._reader.read(BlobKind.DATA, blob)
            if len(found) >= _WORTH_KEEPING:
                self._keep(blob, found)
        if len(found) != length:
            raise FormatError("a stream's list of contents gives a wrong length")
        return found

    def _keep(self, blob: bytes, data: Buffer) -> None:
        with self._lock:
            if blob not in self._kept:
                self._kept[blob] = data
                self._held += len(data)
            while self._held > _CACHE_BYTES and len(self._kept) > 1:
                self._held -= len(self._kept.popitem(last=False)[1])


class Stream:
    """The content of one entry: its bytes, then zeros."""

    def __init__(self, blobs: Blobs, parts: Sequence[Segment], absent: Absent) -> None:
        """``absent`` is told what is read and not stored."""
        self._blobs = blobs
        self._absent = absent
        self._parts = [blob for blob, _ in parts]
        self._ends = array("Q", accumulate(length for _, length in parts))

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill a view that is all zeros from an offset on. ``DamageFound``."""
        for begin, stop, position in self._within(offset, offset + len(view)):
            blob = self._parts[position]
            if isinstance(blob, Absence):
                self._absent.add(blob, stop - begin)
            elif blob is not None:
                start = self._ends[position - 1] if position else 0
                data = memoryview(self._blobs.read(blob, self._ends[position] - start))
                view[begin - offset : stop - offset] = data[begin - start : stop - start]

    def filled(self, offset: int, end: int) -> Iterator[tuple[int, int]]:
        """(from, to) of what is no run of zeros, neighbours apart."""
        for begin, stop, position in self._within(offset, end):
            if self._parts[position] is not None:
                yield begin, stop

    def _within(self, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(from, to, position) of the parts that a range meets, up to the end of the last one."""
        position = bisect_right(self._ends, begin)
        while begin < end and position < len(self._ends):
            stop = min(self._ends[position], end)
            yield begin, stop, position
            begin = stop
            position += 1


class Entries:
    """The entries of one volume by their place in its order."""

    def __init__(self, pages: PageStore) -> None:
        self._ids: list[bytes] = []
        self._firsts = array("Q")  # the number of the first entry of each page
        # Caches hold the store and never their owner: a circle would keep it all until collected.
        self._page = lru_cache(_PAGES)(pages.extents_page)

    def add(self, ident: bytes, first: int) -> None:
        """One more page, by its blob id and the number of its first entry."""
        self._ids.append(ident)
        self._firsts.append(first)

    def get(self, number: int) -> ExtentEntry:
        """An entry. ``DamageFound``."""
        page = bisect_right(self._firsts, number) - 1
        return self._page(self._ids[page]).entries[number - self._firsts[page]]


class Streams:
    """What one volume's entries say."""

    def __init__(self, pages: PageStore, blobs: Blobs, volume: VolumeRecord) -> None:
        """Reads all entries once. ``DamageFound``."""
        self._entries = Entries(pages)
        self.absent = Absent()
        """What was read so far and is not stored."""
        self._files = array(
            "Q"
        )  # owners of the entries that are contents of files, which are first
        self._first_raw: int | None = None  # behind it all are raw
        self.spans = self._index(pages, volume)
        self._stream = lru_cache(_STREAMS)(partial(_open, pages, blobs, self._entries, self.absent))

    def _index(self, pages: PageStore, volume: VolumeRecord) -> Spans:
        check_geometry(volume)
        spans, number = Spans(), 0
        for ident, page in pages.extents_pages(volume.entries):
            if page.entries:
                self._entries.add(ident, number)
            for entry in page.entries:
                add_entry(spans, volume, number, entry)
                if entry.role == EntryRole.FILE:
                    self._files.append(entry.owner)
                elif entry.role == EntryRole.RAW and self._first_raw is None:
                    self._first_raw = number
                number += 1
        return spans.painted()

    def read_into(self, view: memoryview, number: int, offset: int) -> None:
        """Fill a view that is all zeros with bytes of an entry's stream. ``DamageFound``."""
        self._stream(number).read_into(view, offset)

    def filled(self, span: Span, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(from, to) of what a span covers of a range of the volume.

        Of raw entries, long runs of zeros are left out: they may be as long as the disk.
        """
        start, end = max(span.start, start), min(span.end, end)
        if self._first_raw is None or span.entry < self._first_raw:
            yield start, end
            return
        moved = span.start - span.at
        for first, last in self._stream(span.entry).filled(start - moved, end - moved):
            yield first + moved, last + moved

    def file(self, owner: int, name: bytes = b"") -> ExtentEntry | None:
        """The entry that is the content of a file, None where there is none. ``DamageFound``."""
        for number in range(bisect_left(self._files, owner), bisect_right(self._files, owner)):
            entry = self._entries.get(number)
            if entry.name == name:
                return entry
        return None


def _open(pages: PageStore, blobs: Blobs, entries: Entries, absent: Absent, number: int) -> Stream:
    return Stream(blobs, list(pages.stream(entries.get(number))), absent)
