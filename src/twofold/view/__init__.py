"""Looking into snapshots: which one is meant, and what is in it.

What is asked for here is imported then: listing files needs none of the parsers of disks.
"""

from typing import TYPE_CHECKING

from twofold.door import opened_by

if TYPE_CHECKING:
    from twofold.view.address import (
        Address,
        address_text,
        is_absolute,
        parse_address,
        parse_argument,
        parse_part,
        part_order,
        path_text,
        resolve,
    )
    from twofold.view.ahead import ReadAhead
    from twofold.view.base import (
        KIND_NAMES,
        Absent,
        FileTree,
        Found,
        Group,
        Groups,
        Path,
        Visit,
        Visits,
        absent_in,
    )
    from twofold.view.changes import Change, Changes, Start, Told
    from twofold.view.contents import Contents, Frame, Piece, Result
    from twofold.view.filters import Filter
    from twofold.view.finding import Finder
    from twofold.view.grown import Growth, Side
    from twofold.view.growth import Growths
    from twofold.view.history import Sighting, Version, versions_of
    from twofold.view.identity import Cutting, Identities
    from twofold.view.image import FRAME, ImageDisk, ImageVolume
    from twofold.view.inside import ImageTree
    from twofold.view.links import LinkGroups
    from twofold.view.named_stream import named_stream
    from twofold.view.open import (
        VolumeKey,
        files_of,
        partition_tree,
        snapshot_tree,
        volume_key,
    )
    from twofold.view.patterns import Patterns
    from twofold.view.same import Comparer, File
    from twofold.view.sharing import Amount, Sharing, Surroundings, sharing_of
    from twofold.view.system_facts import Program, SystemFacts, User
    from twofold.view.systems import Unread, systems_in
    from twofold.view.tree import Tree, Walk
    from twofold.view.typed import find_spelled, find_typed, get_typed

__getattr__ = opened_by(
    __name__,
    {
        "address": "Address address_text is_absolute parse_address parse_argument parse_part"
        " part_order path_text resolve",
        "ahead": "ReadAhead",
        "base": "KIND_NAMES Absent FileTree Found Group Groups Path Visit Visits absent_in",
        "changes": "Change Changes Start Told",
        "contents": "Contents Frame Piece Result",
        "filters": "Filter",
        "finding": "Finder",
        "growth": "Growths",
        "grown": "Growth Side",
        "history": "Sighting Version versions_of",
        "identity": "Cutting Identities",
        "image": "FRAME ImageDisk ImageVolume",
        "inside": "ImageTree",
        "links": "LinkGroups",
        "named_stream": "named_stream",
        "open": "VolumeKey files_of partition_tree snapshot_tree volume_key",
        "patterns": "Patterns",
        "same": "Comparer File",
        "sharing": "Amount Sharing Surroundings sharing_of",
        "system_facts": "Program SystemFacts User",
        "systems": "Unread systems_in",
        "tree": "Tree Walk",
        "typed": "find_spelled find_typed get_typed",
    },
)

__all__ = [
    "FRAME",
    "KIND_NAMES",
    "Absent",
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
    "Frame",
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
    "ReadAhead",
    "Result",
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
    "absent_in",
    "address_text",
    "files_of",
    "find_spelled",
    "find_typed",
    "get_typed",
    "is_absolute",
    "named_stream",
    "parse_address",
    "parse_argument",
    "parse_part",
    "part_order",
    "partition_tree",
    "path_text",
    "resolve",
    "sharing_of",
    "snapshot_tree",
    "systems_in",
    "versions_of",
    "volume_key",
]
