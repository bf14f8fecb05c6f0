"""An image as the disk it was: every byte of it, and of each of its volumes, can be read.

    disk   = the frame, with each partition laid over the place where it begins
    volume = its entries painted in their order (``spans``), zeros where no entry is, and volumes
             that lie in it laid over the places that are theirs

Volumes are opened when they are first read: that takes one pass over their entries.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twofold.disk.blocks import check_range
from twofold.disk.containers import Extent
from twofold.errors import FormatError, SnapshotNotFound, UsageError
from twofold.format.image import ImagePage, PartName, VolumeRecord, inner_runs
from twofold.format.records import Root
from twofold.graph import PageStore
from twofold.view.base import Absent
from twofold.view.streams import Blobs, Streams

FRAME = 0
"""Number of the volume that is everything outside of the partitions."""


class Inner(NamedTuple):
    """Bytes of a volume that belong to a volume in it: there they are, here they lie."""

    start: int
    end: int
    volume: "ImageVolume"
    at: int


class ImageVolume:
    """One volume of an image, as a ``BlockReader``. Safe to share between threads."""

    def __init__(
        self,
        pages: PageStore,
        blobs: Blobs,
        record: VolumeRecord,
        sector_size: int,
        inner: "Sequence[Inner]" = (),
    ) -> None:
        """Reads the entries. ``inner`` ascends. ``DamageFound``."""
        self.record = record
        self._inner = inner
        self._starts = [each.start for each in inner]
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
        for volume, first, last, at in self._places(offset, offset + len(view)):
            part = view[first - offset : last - offset]
            if volume is not None:
                volume.read_into(part, at)
            else:
                self._own_into(part, first)

    def _own_into(self, view: memoryview, offset: int) -> None:
        end = offset + len(view)
        for span in self.streams.spans.within(offset, end):
            first, last = max(span.start, offset), min(span.end, end)
            part = view[first - offset : last - offset]
            self.streams.read_into(part, span.entry, span.at + first - span.start)

    def _places(
        self, offset: int, end: int
    ) -> "Iterator[tuple[ImageVolume | None, int, int, int]]":
        """(volume in this one or None, from, to, its byte) of what a range lies in."""
        position = max(0, bisect_right(self._starts, offset) - 1)
        for piece in self._inner[position:]:
            if piece.start >= end:
                break
            if offset < piece.start:
                yield None, offset, piece.start, 0
                offset = piece.start
            last = min(piece.end, end)
            if offset < last:
                yield piece.volume, offset, last, piece.at + offset - piece.start
                offset = last
        if offset < end:
            yield None, offset, end, 0

    @property
    def absent(self) -> Absent:
        """What was read so far and is not stored."""
        found = Absent()
        found.take(self.streams.absent)
        for volume in {piece.volume for piece in self._inner}:
            found.take(volume.absent)
        return found

    def extents(self) -> Iterator[Extent]:
        """What entries hold, ascending and apart from each other; all else reads as zeros."""
        return joined_extents(self.extents_within(0, self.size))

    def extents_within(self, offset: int, end: int) -> Iterator[Extent]:
        """The same of a range, where neighbours may be apart."""
        for volume, first, last, at in self._places(offset, end):
            if volume is None:
                for span in self.streams.spans.within(first, last):
                    for start, stop in self.streams.filled(span, first, last):
                        yield Extent(start, stop - start)
            else:
                for each in volume.extents_within(at, at + last - first):
                    yield Extent(each.offset - at + first, each.length)


def no_partition(page: ImagePage, name: PartName) -> SnapshotNotFound:
    """What is raised for the address of a partition that an image does not have."""
    volumes = [volume for volume in page.volumes if volume.number != FRAME]
    volumes.sort(key=lambda volume: (volume.parent or volume.number, volume.number))
    named = ", ".join(f"p{volume.called}" for volume in volumes) or "none"
    return SnapshotNotFound(f"the image has no partition {name}", hint=f"it has {named}")


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
        self._named = {each.called: each for each in self.page.volumes}
        outer = [each for each in self.partitions if not each.parent]
        self._parts = sorted(outer, key=lambda each: (each.start, each.size))
        self._starts = [each.start for each in self._parts]
        self._checked = False

    @property
    def partitions(self) -> tuple[VolumeRecord, ...]:
        """All volumes but the frame, by number; those in another one follow it."""
        found = [each for number, each in self._records.items() if number != FRAME]
        return tuple(sorted(found, key=lambda each: (each.parent or each.number, each.number)))

    def partition(self, name: PartName) -> ImageVolume:
        """A partition by what somebody called it. ``SnapshotNotFound``, ``DamageFound``."""
        if name == FRAME:
            raise no_partition(self.page, name)
        return self.volume(name)

    def record(self, name: PartName) -> VolumeRecord:
        """What is said of a volume, by its number or name. ``SnapshotNotFound``."""
        found = self._named.get(name) or self._records.get(name if isinstance(name, int) else -1)
        if found is None:
            raise no_partition(self.page, name)
        return found

    def volume(self, name: PartName) -> ImageVolume:
        """The same, or the frame. ``SnapshotNotFound``, ``DamageFound``."""
        record = self.record(name)
        opened = self._open.get(record.number)
        if opened is None:
            inner = self._inner_of(record)
            opened = ImageVolume(self._store, self._blobs, record, self.sector_size, inner)
            self._open[record.number] = opened
        return opened

    def _inner_of(self, record: VolumeRecord) -> list[Inner]:
        """The pieces of volumes in this one, ascending. ``DamageFound``."""
        found = []
        for each in self._records.values():
            if each.parent == record.number and each.parent:
                at = 0
                for start, length in inner_runs(each, record.size):
                    found.append(Inner(start, start + length, self.volume(each.number), at))
                    at += length
        return sorted(found, key=lambda piece: piece.start)

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
        return joined_extents(self._extents())

    def _extents(self) -> Iterator[Extent]:
        for volume, first, last in self._places(0, self.size):
            start = _start(volume)
            for offset, length in volume.extents_within(first - start, last - start):
                yield Extent(offset + start, length)

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


def joined_extents(extents: Iterator[Extent]) -> Iterator[Extent]:
    """Extents that follow one another made one."""
    before: Extent | None = None
    for here in extents:
        if before is not None and before.end == here.offset:
            before = Extent(before.offset, before.length + here.length)
            continue
        if before is not None:
            yield before
        before = here
    if before is not None:
        yield before
