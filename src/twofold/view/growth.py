"""Where a tree grew: bytes that are new or changed, and bytes that are gone, by folder.

Both trees are walked side by side in the order of names. Folders that are the same page in both are
passed over; a folder on one side only is entered just as long as something below it could still be
among the ones that count most. Kept are those, and one level of names for each step down.

    new - gone = how much larger it is now

A changed file counts with the chunks that its other version does not have. Totals of a folder that
is not entered count a file once for each of its names: once such a file was met, all are entered.
"""

import heapq
from collections.abc import Callable, Iterator

import msgspec

from twofold.errors import DamageFound
from twofold.format.pages import Node, NodeKind, Owner
from twofold.view import nodes
from twofold.view.base import NO_OWNER, Found, Path
from twofold.view.grown import Grown, Growth, Side
from twofold.view.tree import Tree

_ENTRIES_PER_STEP = 4096


_Pair = tuple[Node | None, Node | None]


class _Level(msgspec.Struct):
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
        walk = _SideBySide(self, prefix, before, after)
        self.total.add(walk.run())

    def offer(self, where: Callable[[], Path], growth: Growth) -> None:
        """A folder is known whole."""
        full = len(self._heap) >= self._top
        if not growth.moved or (full and growth.moved < self._heap[0][0]):
            return
        path = where()
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

    def __init__(
        self, growths: Growths, prefix: Path, before: Side | None, after: Side | None
    ) -> None:
        """``prefix``: how the path of the start is told."""
        self._growths = growths
        self._prefix = prefix
        self._before = before
        self._after = after
        self._grown = Grown(before, after, growths.tell)
        self._entered: tuple[set[int], set[int]] = (set(), set())
        self._levels: list[_Level] = []
        self._names: list[bytes] = []
        """Of the folders on the way, but for the start: paths are made of them when needed."""

    def run(self) -> Growth:
        """Everything; the growth of the whole."""
        pair = tuple(side.found.node if side else None for side in (self._before, self._after))
        whole = _Level(iter(()))
        self._levels = [whole]
        self._meet((pair[0], pair[1]), ())
        while len(self._levels) > 1:
            level = self._levels[-1]
            found = self._next(level)
            if found is None:
                self._leave()
                continue
            self._meet(found, ((found[0] or found[1] or _NOTHING).name,))
        return whole.growth

    def _leave(self) -> None:
        level = self._levels.pop()
        self._levels[-1].growth.add(level.growth)
        self._growths.offer(self._path, level.growth)
        if self._names:
            self._names.pop()

    def _path(self, name: Path = ()) -> Path:
        """How the folder this is in, or an entry of it, is told."""
        return (*self._prefix, *self._names, *name)

    def _next(self, level: _Level) -> _Pair | None:
        try:
            return next(level.pairs, None)
        except DamageFound as error:
            self._growths.tell(self._path(), error)
            return None

    def _meet(self, pair: _Pair, name: Path) -> None:
        """Take in an entry of the folder this is in, or the start, which has no name here."""
        self._growths.met()
        before, after = pair
        if before is not None and after is not None and _is_folder(before) != _is_folder(after):
            self._meet((before, None), name)
            self._meet((None, after), name)
            return
        one = after or before
        if one is None:
            return
        if _is_folder(one):
            self._folder(before, after, name)
        else:
            grown = self._grown.of(before, after, (*self._names, *name), self._path(name))
            self._levels[-1].growth.add(grown)

    def _folder(self, before: Node | None, after: Node | None, name: Path) -> None:
        if before is not None and after is not None:
            if self._same_page(before, after):
                return
        else:
            known = self._known(before, after)
            if known is not None and not self._growths.matters(known.moved):
                self._levels[-1].growth.add(known)
                return
        if not self._enter(before, after):
            self._growths.tell(self._path(name), DamageFound("this folder is below itself"))
            return
        own = self._grown.of_folder(before, after, self._path(name))
        self._names += name
        self._levels.append(_Level(self._pairs(before, after), own))

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
        if self._grown.linked:
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

    def _pairs(self, before: Node | None, after: Node | None) -> Iterator[_Pair]:
        """Entries of both folders by name."""
        left = self._children(self._before, before)
        right = self._children(self._after, after)
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

    def _children(self, side: Side | None, node: Node | None) -> Iterator[Node]:
        if side is None or node is None:
            return

        def tell(_: Path, error: DamageFound) -> None:
            self._growths.tell(self._path(), error)

        walk = side.tree.walk(Found((), node, _owner(side)), tell)
        for visit in walk:
            walk.skip()
            yield visit.node


_NOTHING = Node(b"", NodeKind.FILE, 0, 0, 0)


def _is_folder(node: Node) -> bool:
    return node.kind == NodeKind.DIRECTORY


def _owner(side: Side) -> Owner:
    return side.found.owner if isinstance(side.tree, Tree) else NO_OWNER
