"""What grew from one backup to another: two folders, partitions or whole disks side by side."""

from collections.abc import Callable

import msgspec

from twofold.commands.reading import Reading
from twofold.commands.stats_results import (
    FolderGrowth,
    GrowthStats,
    Losses,
    StatsResult,
)
from twofold.errors import DamageFound, PathNotFound, TwofoldError, UsageError
from twofold.events import Phase
from twofold.format.image import PartName
from twofold.repository import Snapshot
from twofold.view import (
    Address,
    Growth,
    Growths,
    ImageDisk,
    Path,
    Side,
    find_typed,
    part_order,
    partition_tree,
    path_text,
    resolve,
    snapshot_tree,
)


def of_growth(
    reading: Reading, address: Address, since: Address, top: int, losses: Losses
) -> StatsResult:
    """The ``top`` folders in which most came or went.

    ``SnapshotNotFound``, ``PathNotFound``, ``UsageError``.
    """
    earlier = resolve(since, reading.snapshots)
    since.refuse_partition(earlier)
    losses.emit(Phase("comparing folders"))
    growths = Growths(top, _teller(losses), losses.step)
    before, after = _Place(reading, earlier, since), _Place(reading, reading.snapshot, address)
    if before.whole_disk and after.whole_disk:
        _whole_disks(before, after, growths, losses)
    else:
        _one_pair(before, after, growths)
    return StatsResult(
        exit_code=losses.exit_code,
        growth=GrowthStats(
            earlier.id,
            earlier.root.time_ns,
            reading.snapshot.id,
            reading.snapshot.root.time_ns,
            *_figures(growths.total),
        ),
        folders=tuple(
            FolderGrowth(path_text(path), len(path), *_figures(growth))
            for path, growth in growths.folders()
        ),
    )


def _figures(growth: Growth) -> tuple[int, int, int, int, int]:
    return (
        growth.bytes_new,
        growth.bytes_gone,
        growth.files_new,
        growth.files_gone,
        growth.files_changed,
    )


def _teller(losses: Losses) -> Callable[[Path, DamageFound], None]:
    """Tells of damage below a path."""

    def tell(path: Path, error: DamageFound) -> None:
        shown = path_text(path).decode("utf-8", "surrogateescape")
        losses.tell(shown, f"part of this folder cannot be read: {error.message}")

    return tell


class _Place(msgspec.Struct, frozen=True):
    """What one of two addresses is about."""

    reading: Reading
    snapshot: Snapshot
    address: Address

    @property
    def whole_disk(self) -> bool:
        """Whether it is an image without a partition named."""
        return self.snapshot.root.kind == "image" and self.address.partition is None

    def side(self) -> Side | None:
        """The folder named; None when the backup does not have it."""
        tree = snapshot_tree(self.reading.pages, self.snapshot.root, self.address.partition)
        found = find_typed(tree, self.address.path or ())
        return Side(tree, found) if found is not None else None


def _one_pair(before: _Place, after: _Place, growths: Growths) -> None:
    left, right = before.side(), after.side()
    if left is None and right is None:
        shown = path_text(after.address.path or ()).decode("utf-8", "surrogateescape")
        raise PathNotFound(f"neither of the two backups holds '{shown}'")
    growths.compare(after.address.path or (), left, right)


def _whole_disks(before: _Place, after: _Place, growths: Growths, losses: Losses) -> None:
    if before.address.path or after.address.path:
        raise UsageError(
            "this backup is an image: its files lie on partitions",
            hint="name one, as in latest:p2:/path; 'twofold ls BACKUP' lists them",
        )
    left, right = _partitions(before, losses), _partitions(after, losses)
    for name in sorted({*left, *right}, key=part_order):
        growths.compare((f"p{name}".encode(),), left.get(name), right.get(name))


def _partitions(place: _Place, losses: Losses) -> dict[PartName, Side]:
    """The trees of all partitions that can be looked into."""
    root, pages = place.snapshot.root, place.reading.pages
    found = {}
    for record in ImageDisk(pages, root).partitions:
        try:
            tree = partition_tree(pages, root, record.called)
            found[record.called] = Side(tree, tree.top)
        except DamageFound as error:
            losses.tell(f"partition {record.called}", f"it cannot be looked into: {error.message}")
        except TwofoldError:
            continue  # it has no files
    return found
