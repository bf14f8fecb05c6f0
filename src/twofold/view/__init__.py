"""Looking into snapshots: which one is meant, and what is in it."""

from twofold.view.address import (
    Address,
    address_text,
    is_absolute,
    parse_address,
    parse_argument,
    path_text,
    resolve,
)
from twofold.view.base import KIND_NAMES, FileTree, Found, Group, Groups, Path, Visit, Visits
from twofold.view.changes import Change, Changes, Start, Told
from twofold.view.contents import Contents, Piece
from twofold.view.filters import Filter
from twofold.view.finding import Finder
from twofold.view.growth import Growth, Growths, Side
from twofold.view.history import Sighting, Version, versions_of
from twofold.view.identity import Cutting, Identities
from twofold.view.image import FRAME, ImageDisk, ImageVolume
from twofold.view.inside import ImageTree
from twofold.view.links import LinkGroups
from twofold.view.open import (
    VolumeKey,
    files_of,
    partition_tree,
    snapshot_tree,
    volume_key,
)
from twofold.view.patterns import Patterns
from twofold.view.same import Comparer, File
from twofold.view.sharing import Amount, Sharing, Surroundings, sharing
from twofold.view.system_facts import Program, SystemFacts, User
from twofold.view.systems import Unread, systems_in
from twofold.view.tree import Tree, Walk

__all__ = [
    "FRAME",
    "KIND_NAMES",
    "Address",
    "Amount",
    "Change",
    "Changes",
    "Comparer",
    "Contents",
    "Cutting",
    "File",
    "FileTree",
    "Filter",
    "Finder",
    "Found",
    "Group",
    "Groups",
    "Growth",
    "Growths",
    "Identities",
    "ImageDisk",
    "ImageTree",
    "ImageVolume",
    "LinkGroups",
    "Path",
    "Patterns",
    "Piece",
    "Program",
    "Sharing",
    "Side",
    "Sighting",
    "Start",
    "Surroundings",
    "SystemFacts",
    "Told",
    "Tree",
    "Unread",
    "User",
    "Version",
    "Visit",
    "Visits",
    "VolumeKey",
    "Walk",
    "address_text",
    "files_of",
    "is_absolute",
    "parse_address",
    "parse_argument",
    "partition_tree",
    "path_text",
    "resolve",
    "sharing",
    "snapshot_tree",
    "systems_in",
    "versions_of",
    "volume_key",
]
