"""An image as the disk it was: every byte of it, and of each of its volumes, can be read.

    disk   = the frame, with each partition laid over the place where it begins
    volume = its entries painted in their order (``spans``), zeros where no entry is

Volumes are opened when they are first read: that takes one pass over their entries.
"""

from bisect import bisect_right
from collections.abc import Iterator

from twofold.disk.blocks import check_range
from twofold.disk.containers import Extent
from twofold.errors import FormatError, SnapshotNotFound, UsageError
from twofold.format.image import VolumeRecord
from twofold.format.records import Root
from twofold.graph import PageStore
from twofold.view.base import Absent
from twofold.view.streams import Blobs, Streams

FRAME = 0
"""Number of the volume that is everything outside of the partitions."""


class ImageVolume:
    """One volume of an image, as a ``BlockReader``. Safe to share between threads."""

    def __init__(
        self, pages: PageStore, blobs: Blobs, record: VolumeRecord, sector_size: int
    ) -> None:
        """Reads the entries. ``DamageFound``."""
        self.record = record
        self.size = record.size
        self.sector_size = sector_size
        self.streams = Streams(pages, blobs, record)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. ``DamageFound``, ``FormatError`` outside of the volume."""
        check_range(self, offset, length)
        found = bytearray(length)
        self.read_into(memoryview(found), offset)
        return bytes(found)

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill a view that is all zeros with what is stored from an offset on. ``DamageFound``."""
        end = offset + len(view)
        for span in self.streams.spans.within(offset, end):
            first, last = max(span.start, offset), min(span.end, end)
            part = view[first - offset : last - offset]
            self.streams.read_into(part, span.entry, span.at + first - span.start)

    @property
    def absent(self) -> Absent:
        """What was read so far and is not stored."""
        return self.streams.absent

    def extents(self) -> Iterator[Extent]:
        """What entries hold, ascending and apart from each other; all else reads as zeros."""
        for start, end in self.streams.spans.extents():
            yield Extent(start, end - start)


class ImageDisk:
    """The whole disk of an image, as a ``BlockReader``. Safe to share between threads."""

    def __init__(self, pages: PageStore, root: Root) -> None:
        """``UsageError`` for a backup of files, ``DamageFound``."""
        if root.image is None:
            raise UsageError("this backup is one of files: it has no disk and no partitions")
        self._store = pages
        self._blobs = Blobs(pages.blobs)
        self._open: dict[int, ImageVolume] = {}
        self.page = pages.image(root.image)
        self.size = self.page.size
        self.sector_size = self.page.table_sector
        self._records = {each.number: each for each in self.page.volumes}
        self._parts = sorted(self.partitions, key=lambda each: (each.start, each.size))
        self._starts = [each.start for each in self._parts]
        self._checked = False

    @property
    def partitions(self) -> tuple[VolumeRecord, ...]:
        """All volumes but the frame, by number."""
        numbers = sorted(number for number in self._records if number != FRAME)
        return tuple(self._records[number] for number in numbers)

    def volume(self, number: int) -> ImageVolume:
        """A volume by its number. ``SnapshotNotFound``, ``DamageFound``."""
        opened = self._open.get(number)
        if opened is None:
            record = self._records.get(number)
            if record is None:
                raise SnapshotNotFound(
                    f"the image has no partition {number}",
                    hint="'twofold ls BACKUP' lists its partitions",
                )
            opened = ImageVolume(self._store, self._blobs, record, self.sector_size)
            self._open[number] = opened
        return opened

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. ``DamageFound``, ``FormatError`` outside of the disk."""
        check_range(self, offset, length)
        found = bytearray(length)
        view = memoryview(found)
        for volume, first, last in self._places(offset, offset + length):
            part = view[first - offset : last - offset]
            volume.read_into(part, first - _start(volume))
        return bytes(found)

    def extents(self) -> Iterator[Extent]:
        """What is stored of the disk, ascending and apart from each other. ``DamageFound``."""
        before: Extent | None = None
        for here in self._extents():
            if before is not None and before.end == here.offset:
                before = Extent(before.offset, before.length + here.length)
                continue
            if before is not None:
                yield before
            before = here
        if before is not None:
            yield before

    def _extents(self) -> Iterator[Extent]:
        for volume, first, last in self._places(0, self.size):
            start = _start(volume)
            for offset, length in volume.extents():
                begin, end = max(offset + start, first), min(offset + length + start, last)
                if begin < end:
                    yield Extent(begin, end - begin)

    @property
    def absent(self) -> Absent:
        """What was read so far and is not stored."""
        found = Absent()
        for volume in self._open.values():
            found.take(volume.streams.absent)
        return found

    def _places(self, offset: int, end: int) -> Iterator[tuple[ImageVolume, int, int]]:
        """(volume, from, to) of what a range of the disk lies in; bytes of no volume are left out.

        ``FormatError`` where partitions overlap or go beyond the disk.
        """
        if not self._checked:
            self._check_parts()
        position = max(0, bisect_right(self._starts, offset) - 1)
        for part in self._parts[position:]:
            if part.start >= end:
                break
            yield from self._frame(offset, min(part.start, end))
            first, last = max(offset, part.start), min(end, part.start + part.size)
            if first < last:
                yield self.volume(part.number), first, last
            offset = max(offset, last)
        yield from self._frame(offset, end)

    def _frame(self, offset: int, end: int) -> Iterator[tuple[ImageVolume, int, int]]:
        record = self._records.get(FRAME)
        if record is not None:
            end = min(end, record.size)
            if offset < end:
                yield self.volume(FRAME), offset, end

    def _check_parts(self) -> None:
        end = 0
        for part in self._parts:
            if part.start < end or part.size < 0 or part.start + part.size > self.size:
                raise FormatError(f"partition {part.number} is not where a partition can be")
            end = part.start + part.size
        self._checked = True


def _start(volume: ImageVolume) -> int:
    """Where byte 0 of a volume is on the disk."""
    return volume.record.start if volume.record.number != FRAME else 0
