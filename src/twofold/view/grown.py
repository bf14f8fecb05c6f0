"""What one entry adds to growth: its content and further streams, a file of several names once.

A new name of a file that was there before is no new file, and a file is not gone while another name
of it is left. Which names are one file is known by its number: in an image from the file system, in
a backup of files from the listing beside its pages.
"""

from collections.abc import Callable, Iterator

import msgspec

from twofold.errors import DamageFound
from twofold.format.pages import ExtraStream, Node, NodeKind
from twofold.format.segments import Absence, Segment
from twofold.view.base import FileTree, Found, Path
from twofold.view.facets import same_stream
from twofold.view.inside import ImageTree
from twofold.view.same import File

_MOST_SEGMENTS = 1 << 20
_ATTRIBUTE = b"user."

Streams = dict[bytes, bytes | ExtraStream]
"""Further streams by name: short ones with their content."""


class Growth(msgspec.Struct):
    """Bytes and entries of a folder with everything below it; a changed file is in neither count
    of entries but its own.
    """

    bytes_new: int = 0
    bytes_gone: int = 0
    files_new: int = 0
    files_gone: int = 0
    files_changed: int = 0

    def add(self, other: "Growth") -> None:
        """Count another one in."""
        self.bytes_new += other.bytes_new
        self.bytes_gone += other.bytes_gone
        self.files_new += other.files_new
        self.files_gone += other.files_gone
        self.files_changed += other.files_changed

    @property
    def moved(self) -> int:
        """Bytes that came or went; never less than that of any folder below."""
        return self.bytes_new + self.bytes_gone


class Side(msgspec.Struct, frozen=True):
    """A tree, and the folder or file of it that is compared."""

    tree: FileTree
    found: Found


class _Names:
    """Files of several names on one side, each met once."""

    def __init__(self, side: Side) -> None:
        self._start = side.found.path
        self.groups = side.tree.groups()
        self._met: set[tuple[int, int]] = set()

    def is_first(self, below: Path, node: Node, other: "_Names | None") -> bool:
        """Whether no name of this file was met here, nor is there one on the other side.

        ``below``: its path from the start on, empty for the start itself. ``DamageFound``.
        """
        if not node.linked:
            return True
        path = (*self._start, *below)
        group = self.groups.of(path[:-1], node)
        if group is None:
            return True
        key = group.device, group.inode
        if key in self._met:
            return False
        self._met.add(key)
        return other is None or not other.groups.holds(group, node)


class Grown:
    """Compares entries of two trees that stand at one path."""

    def __init__(
        self, before: Side | None, after: Side | None, tell: Callable[[Path, DamageFound], None]
    ) -> None:
        self.linked = False
        """Whether a file of several names was met: totals count such once for each name."""
        self._before, self._after = before, after
        self._tell = tell
        sides = before, after
        self._both_paged = all(side is not None and side.tree.counted for side in sides)
        self._images = all(side is not None and isinstance(side.tree, ImageTree) for side in sides)
        self._names = [None if side is None else _Names(side) for side in sides]
        self._alike = before is not None and after is not None and alike(before.tree, after.tree)

    def of(self, before: Node | None, after: Node | None, below: Path, path: Path) -> Growth:
        """Of a file, link or the like. ``below``: its path from the starts on; ``path`` as told."""
        if before is not None and after is not None and self._same(before, after):
            return Growth()
        try:
            new, gone = self._bytes(before, after)
        except DamageFound as error:
            self._tell(path, error)
            new, gone = after.size if after else 0, before.size if before else 0
        comes = after is not None and self._counts(1, after, below, path)
        goes = before is not None and self._counts(0, before, below, path)
        new, gone = new if comes else 0, gone if goes else 0
        if before is not None and after is not None:
            return Growth(new, gone, files_changed=int(bool(new or gone)))
        return Growth(new, gone, files_new=int(comes), files_gone=int(goes))

    def of_folder(self, before: Node | None, after: Node | None, path: Path) -> Growth:
        """Of a folder itself: the streams that stand beside what is in it."""
        try:
            return Growth(*self._streams_moved(before, after))
        except DamageFound as error:
            self._tell(path, error)
            return Growth()

    def _counts(self, at: int, node: Node, below: Path, path: Path) -> bool:
        """Whether the bytes of an entry count on its side."""
        self.linked = self.linked or node.linked
        mine, other = self._names[at], self._names[1 - at]
        try:
            return mine is None or mine.is_first(below, node, other if self._alike else None)
        except DamageFound as error:
            self._tell(path, error)
            return True

    def _same(self, before: Node, after: Node) -> bool:
        if self._both_paged:
            same = (before.content, before.ref) == (after.content, after.ref)
        else:
            same = _same_main(before, after)
        if not same or not (self._both_paged or self._images):
            return same
        return self._streams(0, before) == self._streams(1, after)

    def _bytes(self, before: Node | None, after: Node | None) -> tuple[int, int]:
        """(new, gone); parts that were repeated in a file may make more of it new than it holds."""
        if before is None or after is None:
            new, gone = after.size if after else 0, before.size if before else 0
        elif not self._both_paged and _same_main(before, after):
            new = gone = 0
        else:
            new = self._new_bytes(before, after)
            gone = new - (after.size - before.size)
            if gone < 0:
                new, gone = new - gone, 0
        more, less = self._streams_moved(before, after)
        return new + more, gone + less

    def _new_bytes(self, before: Node, after: Node) -> int:
        """Bytes of a file's chunks that are not in its version before."""
        if self._before is None or self._after is None or before.kind != NodeKind.FILE:
            return after.size
        old = _segments(self._before.tree, before)
        new = _segments(self._after.tree, after)
        if old is None or new is None:
            return after.size
        known: set[bytes | Absence | None] = {None, *Absence}  # what is not kept is nobody's
        for segment in old:
            known.add(segment.blob)
            if len(known) > _MOST_SEGMENTS:
                return after.size
        return sum(segment.length for segment in new if segment.blob not in known)

    # further streams

    def _streams(self, at: int, node: Node | None) -> Streams:
        side = (self._before, self._after)[at]
        if side is None or node is None or node.more is None or not side.tree.windows:
            return {}
        found: Streams = {each.name: each for each in node.more.streams}
        if isinstance(side.tree, ImageTree):  # which gives short ones as attributes
            for name, value in node.more.xattrs:
                if name.startswith(_ATTRIBUTE):
                    found[name.removeprefix(_ATTRIBUTE)] = value
        return found

    def _streams_moved(self, before: Node | None, after: Node | None) -> tuple[int, int]:
        """(new, gone) of all streams but the content."""
        mine, theirs = self._streams(0, before), self._streams(1, after)
        new = gone = 0
        for name in mine.keys() | theirs.keys():
            was, now = mine.get(name), theirs.get(name)
            if not self._same_stream(before, after, was, now):
                new += _length(now)
                gone += _length(was)
        return new, gone

    def _same_stream(
        self,
        before: Node | None,
        after: Node | None,
        was: bytes | ExtraStream | None,
        now: bytes | ExtraStream | None,
    ) -> bool:
        if was != now or not isinstance(was, ExtraStream):
            return was == now
        if None in (self._before, self._after, before, after):
            return True
        assert self._before and self._after and before and after
        one, other = File(self._before.tree, before), File(self._after.tree, after)
        return before.mtime_ns == after.mtime_ns or same_stream(one, other, was)


def alike(one: FileTree, other: FileTree) -> bool:
    """Whether both trees number their files in the same way."""
    if isinstance(one, ImageTree) and isinstance(other, ImageTree):
        return one.kind == other.kind
    return one.counted and other.counted


def _same_main(before: Node, after: Node) -> bool:
    return (before.size, before.mtime_ns) == (after.size, after.mtime_ns)


def _length(stream: bytes | ExtraStream | None) -> int:
    if stream is None:
        return 0
    return len(stream) if isinstance(stream, bytes) else stream.size


def _segments(tree: FileTree, node: Node) -> Iterator[Segment] | None:
    """The chunks of a file; None where its content is not kept as such."""
    return tree.segments(node) if tree.content(node) is None else None
