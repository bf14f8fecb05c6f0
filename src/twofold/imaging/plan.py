"""What a restore of an image would do to a disk, and whether it may."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from twofold.errors import FormatError, NothingDone, RefusedUnsafe
from twofold.format.image import ImagePage, PartName, VolumeRecord, inner_runs
from twofold.imaging.estimate import Estimate
from twofold.imaging.new_ids import NewIds, Patch, new_ids
from twofold.view import ImageDisk
from twofold.view.image import no_partition
from twofold.view.spans import check_geometry


class Target(msgspec.Struct, frozen=True):
    """The disk or file that would be written. ``fresh``: it is new, so it reads as zeros."""

    path: bytes
    size: int
    sector_size: int
    is_device: bool
    fresh: bool
    uses: tuple[str, ...] = ()
    """Sentences why it must not be written."""
    identity: str = ""
    """What tells it from other targets, also after it was away; empty where nothing does."""
    title: str = ""
    """What people know it by: maker and model."""
    stamp: tuple[int, ...] = ()
    """Of a file that was there: what changes when another program replaces or writes it."""


class PartPlan(msgspec.Struct, frozen=True):
    """A volume, and the first byte of the target that it is written to.

    ``pieces``: of a volume within another one, (place on the target, bytes) of each of its pieces;
    ``at`` is where the other one begins.
    """

    volume: VolumeRecord
    at: int
    pieces: tuple[tuple[int, int], ...] = ()


class DiskPlan(msgspec.Struct, frozen=True):
    """Plain data: shown to the user, then carried out as it stands."""

    page: ImagePage
    target: Target
    parts: tuple[PartPlan, ...]
    """In the order of writing: what lies in another volume before that, the partition table last.
    """
    size: int
    """Bytes of the target that the image reaches."""
    bytes_used: int
    before: Estimate | None = None
    """What is on the target now, where anything can be told of it."""
    goes_on: bool = False
    """An earlier restore was cut off, and this one goes on with it."""
    new_ids: NewIds = msgspec.field(default_factory=NewIds)
    notes: tuple[str, ...] = ()
    """Sentences that have to be known before anything is written."""

    @property
    def patches(self) -> tuple[Patch, ...]:
        """Bytes that are to be others than in the image."""
        return self.new_ids.patches

    @property
    def destroys(self) -> bool:
        """Whether something of somebody is overwritten: not what an earlier run has made."""
        return not self.target.fresh


def with_new_ids(plan: DiskPlan, disk: ImageDisk) -> DiskPlan:
    """The same plan for a clone that has ids of its own. ``DamageFound``."""
    volumes = [(part.volume, None if part.pieces else part.at) for part in plan.parts]
    whole = any(not part.volume.number for part in plan.parts)
    return replace(plan, new_ids=new_ids(disk, volumes, whole=whole))


def plan_restore(
    page: ImagePage, target: Target, part: PartName | None = None, before: Estimate | None = None
) -> DiskPlan:
    """Plan a whole disk, or one partition or logical volume alone to the start of the target.

    Raises ``RefusedUnsafe`` for a target that is in use or too small, ``SnapshotNotFound`` for
    a partition that the image has not, ``FormatError`` for sizes that cannot be, ``NothingDone``
    for an image of nothing.
    """
    if target.uses:
        raise RefusedUnsafe(f"{target.path.decode(errors='replace')}: {'; '.join(target.uses)}")
    parts, size = _whole(page) if part is None else _one(page, part)
    if not target.fresh and target.size < size:
        raise RefusedUnsafe(
            f"the target has {target.size:,} bytes, the image needs {size:,}",
            hint="choose a target that is as large as the disk was",
        )
    if target.is_device and target.sector_size != page.table_sector and part is None:
        raise _other_sectors(page, target)
    if size < 0:
        raise FormatError("the disk of this image is impossible")
    if not size:
        raise NothingDone("the image is of a disk of no bytes, so there is nothing to write")
    for plan in parts:
        check_geometry(plan.volume)
        if not plan.pieces and plan.at + plan.volume.size > size:
            raise FormatError(f"partition {plan.volume.number} lies outside of its disk")
    used = sum(plan.volume.used for plan in parts)
    notes = tuple(_of_sectors(page, target, whole=part is None))
    return DiskPlan(page, target, parts, size, used, before, notes=notes)


def _other_sectors(page: ImagePage, target: Target) -> RefusedUnsafe:
    if page.table != "none":
        return RefusedUnsafe(
            f"the target has sectors of {target.sector_size} bytes, the partition table is for"
            f" {page.table_sector}, and would not be understood"
        )
    return RefusedUnsafe(
        f"the target has sectors of {target.sector_size} bytes, the disk had {page.table_sector},"
        " and not every file system works with others",
        hint="write its only partition alone ('IMAGE:p1'), which is not refused",
    )


def _of_sectors(page: ImagePage, target: Target, *, whole: bool) -> Iterator[str]:
    """What has to be known where sectors are of another size than those of the disk."""
    size = page.table_sector
    if target.is_device and target.sector_size != size:
        yield (
            f"the disk of the partition had sectors of {size} bytes, the target has"
            f" {target.sector_size}: not every file system works with others"
        )
    elif not target.is_device and whole and size != target.sector_size:
        yield (
            f"the disk had sectors of {size} bytes: whoever shows the file as a disk has to say so"
            f" ('losetup -b {size}')"
        )


def _whole(page: ImagePage) -> tuple[tuple[PartPlan, ...], int]:
    outer = [volume for volume in page.volumes if not volume.parent]
    outer.sort(key=lambda volume: (volume.number == 0, volume.start))
    parts = [part for volume in outer for part in _with_inner(page, volume, volume.start)]
    return tuple(parts), page.size


def _with_inner(page: ImagePage, outer: VolumeRecord, at: int) -> Iterator[PartPlan]:
    """The volumes in a volume that begins at a place of the target, then that one itself."""
    for volume in page.volumes:
        if volume.parent == outer.number and volume.parent:
            runs = inner_runs(volume, outer.size)
            yield PartPlan(volume, at, tuple((at + first, length) for first, length in runs))
    yield PartPlan(outer, at)


def _one(page: ImagePage, part: PartName) -> tuple[tuple[PartPlan, ...], int]:
    for volume in page.volumes:
        if volume.called == part and part:
            if volume.parent:
                return (PartPlan(volume, 0),), volume.size
            return tuple(_with_inner(page, volume, 0)), volume.size
    raise no_partition(page, part)
