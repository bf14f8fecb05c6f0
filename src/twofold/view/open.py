"""From an address to the tree of files it is about, in either kind of snapshot.

Parsers of file systems are imported when an image is looked into.
"""

from typing import TYPE_CHECKING

from twofold.errors import TwofoldError, UsageError
from twofold.format.image import PartName, VolumeRecord
from twofold.format.records import Root
from twofold.graph import PageStore
from twofold.view.base import FileTree
from twofold.view.tree import Tree

if TYPE_CHECKING:
    from twofold.view.image import ImageDisk
    from twofold.view.inside import ImageTree

VolumeKey = tuple[bytes, int, int, int, int, int]


def snapshot_tree(pages: PageStore, root: Root, partition: PartName | None) -> FileTree:
    """The files of a snapshot, or of a partition of an image.

    ``UsageError`` for an image of which no partition is named, ``NewerFormat`` for a kind of
    snapshot that is not known, else as ``partition_tree``.
    """
    root.check_kind()
    if root.kind != "image":
        return Tree(pages, root)
    if partition is None:
        raise UsageError(
            "this backup is an image: its files lie on partitions",
            hint="name one, as in latest:p2:/path; 'twofold ls BACKUP' lists them",
        )
    return partition_tree(pages, root, partition)


def partition_tree(pages: PageStore, root: Root, partition: PartName) -> "ImageTree":
    """The files of a partition of an image.

    ``SnapshotNotFound`` when there is none of that name, ``TwofoldError`` when its file system
    cannot be looked into, ``DamageFound``.
    """
    from twofold.view.image import ImageDisk  # noqa: PLC0415

    disk = ImageDisk(pages, root)
    tree = files_of(pages, root, disk, partition)
    if tree is None:
        kind = disk.partition(partition).record.system or "unknown contents"
        raise TwofoldError(
            f"partition {partition} holds no file system that can be looked into ({kind})",
            hint=f"'twofold export --part {partition}' writes all of it into a file",
        )
    return tree


def files_of(
    pages: PageStore, root: Root, disk: "ImageDisk", partition: PartName
) -> "ImageTree | None":
    """The same out of an open image; None where the contents are not understood."""
    from twofold.disk.probe import open_file_system  # noqa: PLC0415
    from twofold.view.inside import ImageTree  # noqa: PLC0415

    volume = disk.partition(partition)
    system = open_file_system(volume)
    return None if system is None else ImageTree(pages, root, volume, system)


def volume_key(record: VolumeRecord) -> VolumeKey:
    """What volumes that hold the same bytes mostly have in common."""
    ref = record.entries
    return ref.id, ref.level, record.size, record.unit, record.units, record.origin
