"""What differs between two trees, of whatever kinds, in one walk through both.

Both walks give entries in the same order, so they are led side by side: the one that is behind goes
on, and where both are at one path, the entries are compared. Folders that are the same page in both
backups are not entered, and plain files of two images that are the same passed over (``twins``).
Where one side could not be read, nothing is said of what only the other side shows: it is told as
damage, and not as a change.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from twofold.errors import DamageFound
from twofold.format.pages import Node, NodeKind
from twofold.graph.pages import Owned
from twofold.repository import BlobReader
from twofold.view import nodes
from twofold.view.base import FileTree, Found, Path, Visit
from twofold.view.facets import MetadataComparer
from twofold.view.inside import ImageWalk
from twofold.view.same import Comparer, File
from twofold.view.twins import twins_of

_OFTEN = 256  # entries between two words of progress
ADDED, REMOVED, TYPE, CONTENT, METADATA = "added", "removed", "type", "content", "metadata"


class Start(NamedTuple):
    """A tree, and the entry in it from which on it is compared."""

    tree: FileTree
    found: Found


class Change(NamedTuple):
    """An entry that differs; ``path`` is from the starts on, ``what`` names all that differs."""

    sort: str
    path: Path
    before: Owned | None
    after: Owned | None
    what: tuple[str, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """Who is told how far it is and what could not be compared; paths are from the starts on."""

    damage: Callable[[Path, DamageFound], None]
    unknown: Callable[[Path, str], None]
    progress: Callable[[int, Path], None]
    """Now and then: how many entries were met, and where."""


class Changes:
    """Compares two trees once. ``unchanged`` counts entries that are equal in both."""

    def __init__(self, blobs: BlobReader, before: Start, after: Start, told: Told) -> None:
        self.unchanged = 0
        self._steps = 0
        self._before, self._after = before, after
        self._told = told
        self._contents = Comparer(blobs)
        self._metadata = MetadataComparer(before.tree, after.tree)
        self._twins = twins_of(before.tree, after.tree)

    def __iter__(self) -> Iterator[Change]:
        yield from self._top()
        if self._skipped(self._before.found.node, self._after.found.node):
            return
        same = self._same_below(self._before.found.node, self._after.found.node)
        one = _Side(self._before, self._told, same)
        other = _Side(self._after, self._told, same)
        while one.head is not None or other.head is not None:
            yield from self._step(one, other)

    def _top(self) -> Iterator[Change]:
        """The starts themselves; of the top of a backup nothing is known but its contents."""
        before, after = self._before.found, self._after.found
        if before.node.kind == after.node.kind and _nameless(self._before, self._after):
            return
        yield from self._pair((), Owned(before.node, before.owner), Owned(after.node, after.owner))

    def _step(self, one: "_Side", other: "_Side") -> Iterator[Change]:
        self._steps += 1
        if not self._steps % _OFTEN:
            self._told.progress(self._steps, one.path or other.path)
        if one.behind(other):
            if not other.misses(one.path):
                yield Change(REMOVED, one.path, one.owned, None)
            one.advance()
        elif other.behind(one):
            if not one.misses(other.path):
                yield Change(ADDED, other.path, None, other.owned)
            other.advance()
        else:
            yield from self._met(one, other)

    def _met(self, one: "_Side", other: "_Side") -> Iterator[Change]:
        yield from self._pair(one.path, one.owned, other.owned)
        if self._skipped(one.owned.node, other.owned.node):
            one.skip()
            other.skip()
        elif same := self._same_below(one.owned.node, other.owned.node):
            one.pass_over(same)
            other.pass_over(same)
        one.advance()
        other.advance()

    def _same_below(self, before: Node, after: Node) -> AbstractSet[bytes]:
        """Entries of two folders of images that are the same, which are then counted."""
        folders = before.kind == after.kind == NodeKind.DIRECTORY
        if self._twins is None or not folders:
            return frozenset()
        found = self._twins.names(nodes.number_of(before), nodes.number_of(after))
        self.unchanged += len(found)
        return found

    def _skipped(self, before: Node, after: Node) -> bool:
        """Whether two folders are the same, which is then counted."""
        if not _is_same_folder(self._before.tree, before, self._after.tree, after):
            return False
        if before.ref is not None:
            self.unchanged += before.ref.directories + before.ref.files
        return True

    def _pair(self, path: Path, before: Owned, after: Owned) -> Iterator[Change]:
        """An entry that is there on both sides."""
        if before.node.kind != after.node.kind:
            yield Change(TYPE, path, before, after, ("type",))
            return
        try:
            same = self._same_content(path, before.node, after.node)
            what = self._metadata.changes(before, after)
        except DamageFound as error:
            self._told.damage(path, error)
            return
        if not same or "target" in what:
            what = what if same else ("content", *what)
            yield Change(CONTENT, path, before, after, what)
        elif what:
            yield Change(METADATA, path, before, after, what)
        else:
            self.unchanged += 1

    def _same_content(self, path: Path, before: Node, after: Node) -> bool:
        if before.kind != NodeKind.FILE:
            return True
        one, other = File(self._before.tree, before), File(self._after.tree, after)
        refusal = one.refusal or other.refusal
        if refusal and before.size == after.size:
            self._told.unknown(path, refusal)
            return True
        return self._contents.same(one, other)


class _Side:
    """One of the two walks; ``head`` is the entry it is at, None at the end."""

    def __init__(self, start: Start, told: Told, same: AbstractSet[bytes]) -> None:
        self.head: Visit | None = None
        self.path: Path = ()
        self._told = told
        self._lost: set[Path] = set()
        is_folder = start.found.node.kind == NodeKind.DIRECTORY
        self._walk = start.tree.walk(start.found, self._damage) if is_folder else None
        if same:
            self.pass_over(same)
        self._rest = iter(self._walk) if self._walk is not None else iter(())
        self.advance()

    @property
    def owned(self) -> Owned:
        """The entry."""
        assert self.head is not None
        return Owned(self.head.node, self.head.owner)

    def advance(self) -> None:
        """Go on to the next entry."""
        self.head = next((visit for visit in self._rest if not visit.leaving), None)
        self.path = self.head.path if self.head is not None else ()

    def skip(self) -> None:
        """Keep out of the folder this is at."""
        if self._walk is not None:
            self._walk.skip()

    def pass_over(self, names: AbstractSet[bytes]) -> None:
        """Tell nothing of some entries of the folder this is at."""
        if isinstance(self._walk, ImageWalk):
            self._walk.pass_over(names)

    def behind(self, other: "_Side") -> bool:
        """Whether this entry comes first."""
        if self.head is None or other.head is None:
            return self.head is not None
        return self.path < other.path

    def misses(self, path: Path) -> bool:
        """Whether an entry may be here although it is not met: its folder could not be read."""
        return bool(self._lost) and any(path[:end] in self._lost for end in range(len(path)))

    def _damage(self, path: Path, error: DamageFound) -> None:
        self._lost.add(path)
        self._told.damage(path, error)


def _nameless(*starts: Start) -> bool:
    return any(start.tree.counted and not start.found.path for start in starts)


def _is_same_folder(one: FileTree, before: Node, other: FileTree, after: Node) -> bool:
    """Whether both are one page of the repository, which says all about what is below."""
    return (
        before.kind == NodeKind.DIRECTORY
        and one.counted
        and other.counted
        and before.ref is not None
        and after.ref is not None
        and before.ref.page == after.ref.page
    )
