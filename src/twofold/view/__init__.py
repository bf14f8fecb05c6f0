"""Looking into snapshots: which one is meant, and what is in it."""

from twofold.view.address import Address, parse_address, path_text, resolve
from twofold.view.contents import Contents, Piece
from twofold.view.links import Group, LinkGroups
from twofold.view.tree import Found, Path, Tree, Visit, Walk

__all__ = [
    "Address",
    "Contents",
    "Found",
    "Group",
    "LinkGroups",
    "Path",
    "Piece",
    "Tree",
    "Visit",
    "Walk",
    "parse_address",
    "path_text",
    "resolve",
]
