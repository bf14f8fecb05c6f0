"""Where a tree grew: bytes that are new or changed, and bytes that are gone, by folder.

Both trees are walked side by side in the order of names. Folders that are the same page in both are
passed over; a folder on one side only is entered just as long as something below it could still be
among the ones that count most. Kept are those, and one level of names for each step down.

    new - gone = how much larger it is now

A changed file counts with the chunks that its other version does not have.
"""

import heapq
from collections.abc import Callable, Iterator

import msgspec

from twofold.errors import DamageFound
from twofold.format.pages import Node, NodeKind, Owner
from twofold.format.segments import Absence, Segment
from twofold.view import nodes
from twofold.view.base import NO_OWNER, FileTree, Found, Path
from twofold.view.tree import Tree

_DEEPEST = 4096
_MOST_SEGMENTS = 1 << 20
_ENTRIES_PER_STEP = 4096


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


_Pair = tuple[Node | None, Node | None]


class _Level(msgspec.Struct):
    path: Path
    pairs: Iterator[_Pair]
    growth: Growth = msgspec.field(default_factory=Growth)


class Growths:
    """Compares pairs of trees and keeps the ``top`` folders that changed most."""

    def __init__(
        self, top: int, damaged: Callable[[Path, DamageFound], None], step: Callable[[int], None]
    ) -> None:
        self.total = Growth()
        self._top = max(top, 1)
        self._damaged = damaged
        self._step = step
        self._met = 0
        self._heap: list[tuple[int, int, Path, Growth]] = []

    def folders(self) -> list[tuple[Path, Growth]]:
        """The folders that count, each after the folder it is in."""
        return sorted(
            ((path, growth) for _, _, path, growth in self._heap), key=lambda pair: pair[0]
        )

    def compare(self, prefix: Path, before: Side | None, after: Side | None) -> None:
        """Take in one pair of folders, or of files."""
        walk = _SideBySide(self, before, after)
        self.total.add(walk.run(prefix))

    def offer(self, path: Path, growth: Growth) -> None:
        """A folder is known whole."""
        if not growth.moved:
            return
        item = (growth.moved, -len(path), path, growth)
        if len(self._heap) < self._top:
            heapq.heappush(self._heap, item)
        elif item[:3] > self._heap[0][:3]:
            heapq.heapreplace(self._heap, item)

    def matters(self, moved: int) -> bool:
        """Whether a folder in which so much came or went could be among those kept."""
        return len(self._heap) < self._top or moved > self._heap[0][0]

    def tell(self, path: Path, error: DamageFound) -> None:
        """Something could not be read."""
        self._damaged(path, error)

    def met(self) -> None:
        """One more entry was looked at."""
        self._met += 1
        if self._met % _ENTRIES_PER_STEP == 0:
            self._step(self._met)


class _SideBySide:
    """One walk through two trees."""

    def __init__(self, growths: Growths, before: Side | None, after: Side | None) -> None:
        self._growths = growths
        self._before = before
        self._after = after
        self._entered: tuple[set[int], set[int]] = (set(), set())
        self._levels: list[_Level] = []

    def run(self, prefix: Path) -> Growth:
        """Everything; the growth of the whole."""
        pair = tuple(side.found.node if side else None for side in (self._before, self._after))
        whole = _Level(prefix[:-1], iter(()))
        self._levels = [whole]
        self._meet((pair[0], pair[1]), prefix)
        while len(self._levels) > 1:
            level = self._levels[-1]
            found = self._next(level)
            if found is None:
                self._levels.pop()
                self._levels[-1].growth.add(level.growth)
                self._growths.offer(level.path, level.growth)
                continue
            name = (found[0] or found[1] or _NOTHING).name
            self._meet(found, (*level.path, name))
        return whole.growth

    def _next(self, level: _Level) -> _Pair | None:
        try:
            return next(level.pairs, None)
        except DamageFound as error:
            self._growths.tell(level.path, error)
            return None

    def _meet(self, pair: _Pair, path: Path) -> None:
        self._growths.met()
        before, after = pair
        if before is not None and after is not None and _is_folder(before) != _is_folder(after):
            self._meet((before, None), path)
            self._meet((None, after), path)
            return
        one = after or before
        if one is None:
            return
        if _is_folder(one):
            self._folder(before, after, path)
        else:
            self._levels[-1].growth.add(self._file(before, after, path))

    def _folder(self, before: Node | None, after: Node | None, path: Path) -> None:
        if before is not None and after is not None:
            if self._same_page(before, after):
                return
        else:
            known = self._known(before, after)
            if known is not None and not self._growths.matters(known.moved):
                self._levels[-1].growth.add(known)
                return
        if len(path) > _DEEPEST or not self._enter(before, after):
            self._growths.tell(path, DamageFound("this folder is below itself, or far too deep"))
            return
        self._levels.append(_Level(path, self._pairs(before, after, path)))

    def _same_page(self, before: Node, after: Node) -> bool:
        return self._both_paged and before.ref == after.ref

    @property
    def _both_paged(self) -> bool:
        return all(side is not None and side.tree.counted for side in (self._before, self._after))

    def _known(self, before: Node | None, after: Node | None) -> Growth | None:
        """What a folder on one side only comes to, where its tree knows without a walk."""
        side, node = (self._after, after) if after is not None else (self._before, before)
        if side is None or node is None or node.ref is None or not side.tree.counted:
            return None
        if after is not None:
            return Growth(bytes_new=node.ref.bytes, files_new=node.ref.files)
        return Growth(bytes_gone=node.ref.bytes, files_gone=node.ref.files)

    def _enter(self, before: Node | None, after: Node | None) -> bool:
        """Whether neither folder was entered before; pages cannot refer upwards."""
        for side, node, entered in (
            (self._before, before, self._entered[0]),
            (self._after, after, self._entered[1]),
        ):
            if node is None or side is None or side.tree.counted:
                continue
            number = nodes.number_of(node)
            if number in entered:
                return False
            entered.add(number)
        return True

    def _pairs(self, before: Node | None, after: Node | None, path: Path) -> Iterator[_Pair]:
        """Entries of both folders by name."""
        left = self._children(self._before, before, path)
        right = self._children(self._after, after, path)
        one, other = next(left, None), next(right, None)
        while one is not None or other is not None:
            if other is None or (one is not None and one.name < other.name):
                yield one, None
                one = next(left, None)
            elif one is None or other.name < one.name:
                yield None, other
                other = next(right, None)
            else:
                yield one, other
                one, other = next(left, None), next(right, None)

    def _children(self, side: Side | None, node: Node | None, path: Path) -> Iterator[Node]:
        if side is None or node is None:
            return

        def tell(_: Path, error: DamageFound) -> None:
            self._growths.tell(path, error)

        walk = side.tree.walk(Found((), node, _owner(side)), tell)
        for visit in walk:
            walk.skip()
            yield visit.node

    def _file(self, before: Node | None, after: Node | None, path: Path) -> Growth:
        if before is None and after is not None:
            return Growth(bytes_new=after.size, files_new=1)
        if after is None and before is not None:
            return Growth(bytes_gone=before.size, files_gone=1)
        if before is None or after is None or self._same(before, after):
            return Growth()
        try:
            new = self._new_bytes(before, after)
        except DamageFound as error:
            self._growths.tell(path, error)
            new = after.size
        gone = new - (after.size - before.size)
        if gone < 0:  # parts of it were repeated
            new, gone = new - gone, 0
        return Growth(bytes_new=new, bytes_gone=gone, files_changed=int(bool(new or gone)))

    def _same(self, before: Node, after: Node) -> bool:
        if self._both_paged:
            return (before.content, before.ref) == (after.content, after.ref)
        return (before.size, before.mtime_ns) == (after.size, after.mtime_ns)

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


_NOTHING = Node(b"", NodeKind.FILE, 0, 0, 0)


def _segments(tree: FileTree, node: Node) -> Iterator[Segment] | None:
    """The chunks of a file; None where its content is not kept as such."""
    return tree.segments(node) if tree.content(node) is None else None


def _is_folder(node: Node) -> bool:
    return node.kind == NodeKind.DIRECTORY


def _owner(side: Side) -> Owner:
    return side.found.owner if isinstance(side.tree, Tree) else NO_OWNER
