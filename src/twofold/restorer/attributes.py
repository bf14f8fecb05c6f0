"""From a node to the metadata its copy is given.

Owners go by name where this machine knows the name, else by number: a user keeps his files on a
computer that counts its users otherwise. Metadata of another operating system is told as lost, and
so is what the target takes and does not keep.
"""

import stat
from collections.abc import Sequence

from twofold.format.pages import More, Node, NodeKind, Owner, file_type
from twofold.platform import Attributes, Dropped, Platform
from twofold.view.nodes import is_absolute

_NONE: tuple[()] = ()
_KEEPS_ALL = Dropped()


class AttributeMaker:
    """Makes ``Attributes`` for one platform; owners are looked up once."""

    def __init__(self, platform: Platform, *, owner: bool, has_modes: bool = True) -> None:
        """``has_modes``: modes are those of the source, and not made up for it."""
        self.dropped = Dropped()
        """What the target drops in silence, once that is known."""
        self._platform = platform
        self._has_modes = has_modes
        self._owner = owner
        self._system = "windows" if platform.machine().system == "windows" else ""
        self._ids: dict[Owner, tuple[int | None, int | None]] = {}

    def of(self, node: Node, owner: Owner) -> Attributes:
        """What the node's copy is to be given. ``FormatError`` for a kind we do not know."""
        uid, gid = self._ids.get(owner) or self._look_up(owner)
        mode = node.mode & 0o7777 | file_type(node.kind)
        more = node.more
        if more is None:
            return Attributes(mode, node.mtime_ns, uid, gid, _NONE)
        return Attributes(mode, node.mtime_ns, uid, gid, more.xattrs, self._flags(more))

    def _flags(self, more: More) -> int | None:
        """Flags to set; where there are none, what the target's directory passes on may stay."""
        return more.flags if more.flags and more.system == self._system else None

    def losses(self, node: Node, wanted: Attributes) -> Sequence[str]:
        """What of a node, or of what it is to be given, cannot be restored here at all."""
        more = node.more
        silent = self._silent(wanted) if self.dropped != _KEEPS_ALL else _NONE
        if more is None:
            return silent
        found = [*silent]
        if more.streams:
            found.append("further data streams of a file cannot be kept here")
        if more.flags and more.system != self._system:
            found.append("file attributes of another operating system cannot be kept here")
        if more.system != self._system and _is_absolute_link(node):
            found.append("absolute links of another operating system lead elsewhere here")
        return found

    def _silent(self, wanted: Attributes) -> Sequence[str]:
        found = []
        everybody = self.dropped.owner
        if everybody and (wanted.uid, wanted.gid) not in ((None, None), everybody):
            found.append("owners are not kept by this file system")
        if self.dropped.mode and self._has_modes and not stat.S_ISLNK(wanted.mode):
            found.append("permissions are not kept by this file system")
        if any(name.startswith(self.dropped.xattrs) for name, _ in wanted.xattrs or ()):
            found.append("extended attributes or access lists are not kept by this file system")
        return found

    def _look_up(self, owner: Owner) -> tuple[int | None, int | None]:
        ids: tuple[int | None, int | None] = (None, None)
        if self._owner:
            uid, gid = self._platform.owner_ids(owner.user, owner.group)
            ids = (_or_number(uid, owner.uid), _or_number(gid, owner.gid))
        self._ids[owner] = ids
        return ids


def _is_absolute_link(node: Node) -> bool:
    return node.kind == NodeKind.SYMLINK and is_absolute(node.content)


def _or_number(known: int | None, number: int) -> int | None:
    """By name if that is known here, else by number; by neither what has no owner."""
    return known if known is not None or number < 0 else number
