"""Looking into snapshots: which one is meant, and what is in it."""

from twofold.view.address import Address, parse_address, path_text, resolve
from twofold.view.base import FileTree, Found, Group, Groups, Path, Visit, Visits
from twofold.view.contents import Contents, Piece
from twofold.view.growth import Growth, Growths, Side
from twofold.view.image import ImageDisk, ImageVolume
from twofold.view.inside import ImageTree
from twofold.view.links import LinkGroups
from twofold.view.open import partition_tree, snapshot_tree
from twofold.view.sharing import Amount, Sharing, Surroundings, sharing
from twofold.view.system_facts import Program, SystemFacts, User
from twofold.view.systems import Unread, systems_in
from twofold.view.tree import Tree, Walk

__all__ = [
    "Address",
    "Amount",
    "Contents",
    "FileTree",
    "Found",
    "Group",
    "Groups",
    "Growth",
    "Growths",
    "ImageDisk",
    "ImageTree",
    "ImageVolume",
    "LinkGroups",
    "Path",
    "Piece",
    "Program",
    "Sharing",
    "Side",
    "Surroundings",
    "SystemFacts",
    "Tree",
    "Unread",
    "User",
    "Visit",
    "Visits",
    "Walk",
    "parse_address",
    "partition_tree",
    "path_text",
    "resolve",
    "sharing",
    "snapshot_tree",
    "systems_in",
]
