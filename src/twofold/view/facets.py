"""What two trees can both tell of an entry besides its content, and where they differ in that.

    both of Linux (ext, its backups)    mode, owner, attributes, flags of backups
    both of Windows (NTFS, FAT)         read-only (as mode), hidden and system, further streams
    one of each                         neither
    all                                 kind, time of the last change, where links lead, devices

Times are as coarse as the coarser of the two keeps them; FAT keeps local time, which can only be
compared with that of another FAT. Times of folders are left out: they follow what is in them.
"""

import msgspec

from twofold.errors import DamageFound
from twofold.format.pages import ExtraStream, Node, NodeKind
from twofold.graph.pages import Owned
from twofold.view.base import NO_OWNER, FileTree
from twofold.view.inside import WINDOWS, ImageTree
from twofold.view.same import File

_FATS = WINDOWS - {"ntfs"}
_SECOND = 10**9
_STEP = 1 << 20


class Facets(msgspec.Struct, frozen=True):
    """What a tree keeps of its entries. ``kind`` is the file system of an image, else empty."""

    windows: bool
    kind: str

    @classmethod
    def of(cls, tree: FileTree) -> "Facets":
        """By where the tree comes from."""
        if isinstance(tree, ImageTree):
            return cls(tree.windows, tree.kind)
        return cls(tree.windows, "")


class MetadataComparer:
    """Compares entries of one tree with those of another."""

    def __init__(self, before: FileTree, after: FileTree) -> None:
        self._trees = before, after
        self._before, self._after = Facets.of(before), Facets.of(after)
        self._alike = self._before.windows == self._after.windows

    def changes(self, before: Owned, after: Owned) -> tuple[str, ...]:
        """What differs, in words; both are of one kind. ``DamageFound``."""
        return tuple(self._changes(before, after))

    def _changes(self, before: Owned, after: Owned) -> list[str]:
        one, other = before.node, after.node
        found = []
        if self._alike and one.mode != other.mode:
            found.append("mode")
        if self._alike and self._owners_differ(before, after):
            found.append("owner")
        if one.kind != NodeKind.DIRECTORY and not self._same_time(one, other):
            found.append("mtime")
        if one.kind == NodeKind.SYMLINK and one.content != other.content:
            found.append("target")
        if one.more is not None or other.more is not None:
            found += self._more(one, other)
        return found

    def _owners_differ(self, before: Owned, after: Owned) -> bool:
        one, other = before.owner, after.owner
        if NO_OWNER in (one, other):
            return False
        return (one.uid, one.gid) != (other.uid, other.gid)

    def _same_time(self, one: Node, other: Node) -> bool:
        first, second = one.mtime_ns, other.mtime_ns
        if first == second or any(map(self._untimed, self._trees, (one, other))):
            return True
        kinds = self._before.kind, self._after.kind
        if kinds[0] == kinds[1]:
            return False
        if not _FATS.isdisjoint(kinds):
            return True
        coarse = any(
            kind and time % _SECOND == 0 for kind, time in zip(kinds, (first, second), strict=True)
        )
        step = _SECOND if coarse else 100 if "ntfs" in kinds else 1
        return first // step == second // step

    def _untimed(self, tree: FileTree, node: Node) -> bool:
        """Whether a node has the time that stands for none."""
        return isinstance(tree, ImageTree) and node.mtime_ns == tree.root.time_ns

    def _more(self, one: Node, other: Node) -> list[str]:
        found = []
        if self._flags(one, self._before) != self._flags(other, self._after):
            found.append("flags")
        if _device(one) != _device(other):
            found.append("device")
        if self._same_attributes_kept:
            if _attributes(one) != _attributes(other):
                found.append("streams" if self._before.windows and self._before.kind else "xattrs")
            elif self._streams_differ(one, other):
                found.append("streams")
        return found

    @property
    def _same_attributes_kept(self) -> bool:
        """Backups of Windows keep security descriptors, its images further streams."""
        images = bool(self._before.kind), bool(self._after.kind)
        return self._alike and (not self._before.windows or images[0] == images[1])

    def _flags(self, node: Node, facets: Facets) -> int:
        flags = node.more.flags if node.more is not None else 0
        if not self._alike:
            return 0
        mixed = bool(self._before.kind or self._after.kind)
        if facets.windows:
            return flags & _MARKS if mixed else flags
        return 0 if mixed else flags

    def _streams_differ(self, one: Node, other: Node) -> bool:
        """Of streams too long to be attributes."""
        mine, theirs = _streams(one), _streams(other)
        if [(s.name, s.size) for s in mine] != [(s.name, s.size) for s in theirs]:
            return True
        before, after = self._trees
        return any(not same_stream(File(before, one), File(after, other), s) for s in mine)


_MARKS = 0x2 | 0x4
"""Hidden and system: what an image tells of the attributes of Windows."""


def _device(node: Node) -> int:
    return node.more.device if node.more is not None else 0


def _attributes(node: Node) -> list[tuple[bytes, bytes]]:
    return sorted(node.more.xattrs) if node.more is not None else []


def _streams(node: Node) -> list[ExtraStream]:
    return sorted(node.more.streams, key=lambda s: s.name) if node.more is not None else []


def same_stream(one: File, other: File, stream: ExtraStream) -> bool:
    """Whether a stream has the same bytes on both sides; encrypted ones cannot be told apart."""
    if not isinstance(one.tree, ImageTree) or not isinstance(other.tree, ImageTree):
        return True
    if one.refusal or other.refusal:
        return True
    mine = one.tree.stream(one.node, stream.name)
    theirs = other.tree.stream(other.node, stream.name)
    for at in range(0, stream.size, _STEP):
        data = mine.read(at, _STEP)
        if data != theirs.read(at, _STEP):
            return False
        if not data:
            raise DamageFound("a stream ends before its size")
    return True
