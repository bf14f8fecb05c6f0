"""Looking into snapshots: which one is meant, and what is in it."""

from twofold.view.address import Address, parse_address, path_text, resolve
from twofold.view.ahead import ReadAhead
from twofold.view.base import FileTree, Found, Group, Groups, Path, Visit, Visits
from twofold.view.contents import Contents, Frame, Piece
from twofold.view.image import ImageDisk, ImageVolume
from twofold.view.inside import ImageTree
from twofold.view.links import LinkGroups
from twofold.view.open import partition_tree, snapshot_tree
from twofold.view.tree import Tree, Walk

__all__ = [
    "Address",
    "Contents",
    "FileTree",
    "Found",
    "Frame",
    "Group",
    "Groups",
    "ImageDisk",
    "ImageTree",
    "ImageVolume",
    "LinkGroups",
    "Path",
    "Piece",
    "ReadAhead",
    "Tree",
    "Visit",
    "Visits",
    "Walk",
    "parse_address",
    "partition_tree",
    "path_text",
    "resolve",
    "snapshot_tree",
]
