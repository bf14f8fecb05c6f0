"""A files snapshot as a file system: find an entry, list a directory, walk everything.

Nothing here holds more than a page per directory on the way, and of those only the lowest few: a
walk puts the directories far above it to sleep (it keeps the last name) and, coming back, seeks the
page that holds the next one. So neither a million entries in a directory nor a depth of thousands
takes memory. Damage costs what it hits: the walk tells it and goes on with the next page.
"""

from collections.abc import Iterator, Sequence

from twofold.disk import Content
from twofold.errors import DamageFound, FormatError, UsageError
from twofold.format.pages import Node, NodeKind, Owner, Reference
from twofold.format.records import Root, TreeRef
from twofold.format.segments import Segment, iterate_holes
from twofold.graph import PageStore
from twofold.graph.pages import Owned
from twofold.view.base import Found, OnDamage, Path, Visit
from twofold.view.contents import fingerprint
from twofold.view.links import LinkGroups

_AWAKE = 16
"""Directories of a walk that keep a decoded page, from the lowest up."""


class Tree:
    """The file system of one snapshot. See ``base.FileTree``."""

    counted = True
    notes: tuple[str, ...] = ()

    def __init__(self, pages: PageStore, root: Root) -> None:
        """``UsageError`` for an image: its files lie on partitions. ``NewerFormat``."""
        root.check_kind()
        if root.kind != "files":
            raise UsageError(f"this snapshot is an {root.kind}, not a backup of files")
        self.pages = pages
        self.root = root

    @property
    def windows(self) -> bool:
        """Whether it was made on Windows."""
        return self.root.system.lower().startswith("win")

    @property
    def top(self) -> Found:
        """The root directory. Of itself a snapshot knows nothing but the contents."""
        node = Node(b"", NodeKind.DIRECTORY, 0o755, 0, self.root.time_ns, ref=self.root.files_tree)
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

    def content(self, node: Node) -> Content | None:
        """None: all content is in segments."""
        del node
        return None

    def fingerprint(self, node: Node) -> bytes:
        """The segments, or the id of the page that leads to them."""
        return fingerprint(node.content, node.ref.page if node.ref is not None else None)

    def refusal(self, node: Node) -> str:
        """Empty: whatever could not be read is not in the snapshot."""
        del node
        return ""

    def holes(self, node: Node) -> list[tuple[int, int]]:
        """(start, length) of what the source had not allocated. ``FormatError``."""
        return iterate_holes(node.more.holes) if node.more else []


def _contents(node: Node) -> TreeRef:
    if node.ref is None:
        raise FormatError(f"the directory {node.name!r} has no contents")
    return node.ref


class _Cursor:
    """Where a walk is in one directory: ``rest`` are the entries of a page still to come."""

    def __init__(self, pages: PageStore, node: Node, owner: Owner) -> None:
        self.node = node
        self.owner = owner
        self.rest: Iterator[Owned] = iter(())
        self.last = b""  # the name met last
        self._pages = pages
        self._pending = [_page_of(_contents(node))]
        self._asleep = self._seeking = False

    def turn(self) -> bool:
        """Go on to the next page with entries; False at the end. ``DamageFound`` for a lost one."""
        while True:
            if self._asleep:
                self._asleep, self._seeking = False, True
                self._pending = [_page_of(_contents(self.node))]
            elif not self._pending:
                return False
            elif self._read(*self._pending.pop()):
                return True

    def sleep(self) -> None:
        """Let go of everything but the place."""
        self.rest, self._pending = iter(()), []
        self._asleep = True

    def _read(self, ident: bytes, level: int) -> bool:
        """Whether the page has entries to go on with."""
        if level:
            below = self._pages.references(ident, level)
            if self._seeking:
                below = _from_name(below, self.last)
            self._pending += [(ref.id, level - 1) for ref in reversed(below)]
            return False
        page = list(self._pages.nodes(TreeRef(ident)))
        if self._seeking:
            page = [owned for owned in page if owned.node.name > self.last]
        elif page and page[0].node.name <= self.last:
            raise FormatError(f"a directory holds {page[0].node.name!r} out of order")
        self._seeking = self._seeking and not page
        self.rest = iter(page)
        return bool(page)


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
    """Everything below a directory. See ``base.Visits``."""

    def __init__(self, pages: PageStore, start: Found, on_damage: OnDamage | None = None) -> None:
        self._pages = pages
        self._on_damage = on_damage
        self._names: list[bytes] = []
        self._levels = [_Cursor(pages, start.node, start.owner)]
        self._skipped = False

    def skip(self) -> None:
        """Do not enter the directory that was met last."""
        self._skipped = True

    def __iter__(self) -> Iterator[Visit]:
        while True:
            yield from self._below(tuple(self._names))
            if not self._names:
                return
            left = self._levels.pop()
            self._names.pop()
            yield Visit(tuple(self._names), left.node, left.owner, True)

    def _below(self, here: Path) -> Iterator[Visit]:
        """The rest of the lowest directory, going down where it leads down."""
        cursor = self._levels[-1]
        new = tuple.__new__  # a named tuple without the price of its Python-level constructor
        while True:
            for owned in cursor.rest:
                node, owner = owned
                cursor.last = node.name
                self._skipped = False
                yield new(Visit, (here, node, owner, False))
                if node.kind == NodeKind.DIRECTORY and not self._skipped:
                    self._enter(owned)
                    cursor, here = self._levels[-1], tuple(self._names)
                    break
            else:
                if not self._turn(cursor, here):
                    return

    def _turn(self, cursor: _Cursor, here: Path) -> bool:
        while True:
            try:
                return cursor.turn()
            except DamageFound as error:
                if self._on_damage is None:
                    raise
                self._on_damage(here, error)

    def _enter(self, below: Owned) -> None:
        self._levels.append(_Cursor(self._pages, *below))
        self._names.append(below.node.name)
        if len(self._levels) > _AWAKE:
            self._levels[-1 - _AWAKE].sleep()
