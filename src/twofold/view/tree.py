"""A files snapshot as a file system: find an entry, list a directory, walk everything.

Nothing here holds more than a page per directory on the way, and of those only the lowest few: a
walk puts the directories far above it to sleep (it keeps the last name) and, coming back, seeks the
page that holds the next one. So neither a million entries in a directory nor a depth of thousands
takes memory. Damage costs what it hits: the walk tells it and goes on with the next page.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from twofold.errors import DamageFound, FormatError, UsageError
from twofold.format.pages import Node, NodeKind, Owner, Reference
from twofold.format.records import Root, TreeRef
from twofold.format.segments import Segment, iterate_holes
from twofold.graph import PageStore
from twofold.graph.pages import Owned
from twofold.view.links import LinkGroups

Path = tuple[bytes, ...]
OnDamage = Callable[[Path, DamageFound], None]

_AWAKE = 16
"""Directories of a walk that keep a decoded page, from the lowest up."""


class Found(NamedTuple):
    """An entry and its path from the top of the snapshot; the top itself has the empty path."""

    path: Path
    node: Node
    owner: Owner


class Visit(NamedTuple):
    """A walk meets an entry or leaves a directory; ``parent`` is its path from the walk's start."""

    parent: Path
    node: Node
    owner: Owner
    leaving: bool

    @property
    def path(self) -> Path:
        """The path from the walk's start."""
        return (*self.parent, self.node.name)


class Tree:
    """The file system of one snapshot."""

    def __init__(self, pages: PageStore, root: Root) -> None:
        """``UsageError`` for an image: its files lie on partitions."""
        if root.kind != "files":
            raise UsageError(f"this snapshot is an {root.kind}, not a backup of files")
        self.pages = pages
        self.root = root

    @property
    def top(self) -> Found:
        """The root directory. Of itself a snapshot knows nothing but the contents."""
        node = Node(b"", NodeKind.DIRECTORY, 0o755, 0, self.root.time_ns, ref=self.root.tree)
        return Found((), node, Owner(0, 0))

    def find(self, path: Sequence[bytes]) -> Found | None:
        """The entry at a path, None if there is none. ``DamageFound``."""
        _, node, owner = self.top
        for name in path:
            if node.ref is None or node.kind != NodeKind.DIRECTORY:
                return None
            owned = self.pages.find(node.ref, name)
            if owned is None:
                return None
            node, owner = owned
        return Found(tuple(path), node, owner)

    def entries(self, directory: Node) -> Iterator[Owned]:
        """The entries of a directory by name, read page by page. ``DamageFound``."""
        return self.pages.nodes(_contents(directory))

    def walk(self, start: Found, on_damage: OnDamage | None = None) -> "Walk":
        """Everything below a directory, in name order; see ``Walk``."""
        return Walk(self.pages, start, on_damage)

    def groups(self) -> LinkGroups:
        """A finder of hard-link groups."""
        return LinkGroups(self.pages, self.root.listing)

    def segments(self, node: Node) -> Iterator[Segment]:
        """Content of a file in order. ``DamageFound``."""
        return self.pages.segments(node)

    def holes(self, node: Node) -> list[tuple[int, int]]:
        """(start, length) of what the source had not allocated. ``FormatError``."""
        return iterate_holes(node.more.holes) if node.more else []


def _contents(node: Node) -> TreeRef:
    if node.ref is None:
        raise FormatError(f"the directory {node.name!r} has no contents")
    return node.ref


class _Cursor:
    """Where a walk is in one directory."""

    def __init__(self, pages: PageStore, node: Node, owner: Owner) -> None:
        self.node = node
        self.owner = owner
        self._pages = pages
        self._pending = [_page_of(_contents(node))]
        self._page: list[Owned] = []
        self._at = 0
        self._last = b""
        self._asleep = self._seeking = False

    def next(self) -> Owned | None:
        """The next entry, None at the end. ``DamageFound`` for a page that is lost; go on then."""
        while self._at == len(self._page):
            if self._asleep:
                self._wake()
            elif not self._pending:
                return None
            else:
                self._turn(*self._pending.pop())
        owned = self._page[self._at]
        self._at += 1
        self._last = owned.node.name
        return owned

    def sleep(self) -> None:
        """Let go of everything but the place."""
        self._page, self._pending, self._at = [], [], 0
        self._asleep = True

    def _wake(self) -> None:
        self._asleep, self._seeking = False, True
        self._pending = [_page_of(_contents(self.node))]

    def _turn(self, ident: bytes, level: int) -> None:
        self._page, self._at = [], 0
        if level:
            below = self._pages.references(ident, level)
            if self._seeking:
                below = _from_name(below, self._last)
            self._pending += [(ref.id, level - 1) for ref in reversed(below)]
            return
        page = list(self._pages.nodes(TreeRef(ident)))
        at = 0
        while self._seeking and at < len(page) and page[at].node.name <= self._last:
            at += 1
        if at < len(page) and page[at].node.name <= self._last:
            raise FormatError(f"a directory holds {page[at].node.name!r} out of order")
        self._page, self._at, self._seeking = page, at, False


def _from_name(refs: list[Reference], last: bytes) -> list[Reference]:
    """The references from the page on that holds what follows a name."""
    first = 0
    for position, ref in enumerate(refs):
        if isinstance(ref.key, bytes) and ref.key <= last:
            first = position
    return refs[first:]


def _page_of(ref: TreeRef) -> tuple[bytes, int]:
    return ref.id, ref.level


class Walk:
    """An iterator over everything below a directory: each entry in name order, depth first.

    A directory is met before its contents and, when all of it was met, once more as ``leaving``.
    ``skip`` right after meeting it keeps the walk out; then it is not left either. Damage goes to
    ``on_damage`` with the directory's path and the walk goes on, or is raised where there is none.
    """

    def __init__(self, pages: PageStore, start: Found, on_damage: OnDamage | None = None) -> None:
        self._pages = pages
        self._on_damage = on_damage
        self._names: list[bytes] = []
        self._levels = [_Cursor(pages, start.node, start.owner)]
        self._here: Path = ()
        self._below: Owned | None = None

    def __iter__(self) -> "Walk":
        return self

    def skip(self) -> None:
        """Do not enter the directory that was met last."""
        self._below = None

    def __next__(self) -> Visit:
        if self._below is not None:
            self._enter(self._below)
        while True:
            try:
                owned = self._levels[-1].next()
                break
            except DamageFound as error:
                if self._on_damage is None:
                    raise
                self._on_damage(self._here, error)
        if owned is None:
            return self._leave()
        if owned.node.kind == NodeKind.DIRECTORY:
            self._below = owned
        return Visit(self._here, owned.node, owned.owner, False)

    def _enter(self, below: Owned) -> None:
        self._below = None
        self._levels.append(_Cursor(self._pages, *below))
        self._names.append(below.node.name)
        self._here = tuple(self._names)
        if len(self._levels) > _AWAKE:
            self._levels[-1 - _AWAKE].sleep()

    def _leave(self) -> Visit:
        if not self._names:
            raise StopIteration
        left = self._levels.pop()
        self._names.pop()
        self._here = tuple(self._names)
        return Visit(self._here, left.node, left.owner, True)
