"""Hard links: which entries of a snapshot are one file.

The tree only marks an entry as having further names; (device, inode) stands in the listing that
runs parallel to the tree (docs/format/metadata.md). Listings are read only for directories that
hold such entries, and found anew from the last place asked for.
"""

import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twofold.format.pages import ListingPage, Node
from twofold.format.records import PageRef
from twofold.graph import PageStore
from twofold.graph.pages import page_around
from twofold.platform import FLAG_FAILED, iterate
from twofold.view.base import Group


class _Leaf(NamedTuple):
    """One page of a listing, decoded for asking."""

    groups: dict[bytes, Group]
    children: dict[bytes, PageRef]


class _Reach(NamedTuple):
    """The names that a page would hold, from the first on; no ``end`` means all others."""

    first: bytes
    end: bytes | None

    def holds(self, name: bytes) -> bool:
        return self.first <= name and (self.end is None or name < self.end)


class LinkGroups:
    """Groups by path. Used from one thread; quick when asked in the order of a walk."""

    def __init__(self, pages: PageStore, listing: PageRef | None) -> None:
        self._pages = pages
        self._top = listing
        self._names: list[bytes] = []
        self._refs: list[PageRef | None] = []  # listings of the directories along _names
        self._leaf_id = b""
        self._leaf = _Leaf({}, {})
        self._leaf_of, self._reach = b"", _Reach(b"", None)
        self._files: set[int] | None = None  # marks of all files, once somebody asks

    def of(self, directory: Sequence[bytes], node: Node) -> Group | None:
        """The group of an entry; None when it is alone or nothing is known. ``DamageFound``."""
        listing = self._descend(directory)
        if listing is None:
            return None
        return self._leaf_for(listing, node.name).groups.get(node.name)

    def holds(self, group: Group, node: Node) -> bool:
        """Whether a file of this number is here, as large and old as a node. ``DamageFound``.

        The first question reads all listings.
        """
        if self._files is None:
            self._files = set()
            self._files.update(self._marks())
        return _mark(group.device, group.inode, node.size, node.mtime_ns) in self._files

    def _marks(self) -> Iterator[int]:
        waiting = [self._top] if self._top is not None else []
        while waiting:
            for page in self._pages.listing(waiting.pop()):
                waiting += [child.ref for child in page.children]
                for entry in iterate(page.packed):
                    if stat.S_ISREG(entry.mode) and not entry.flags & FLAG_FAILED:
                        yield _mark(page.device, entry.inode, entry.size, entry.mtime_ns)

    def _descend(self, directory: Sequence[bytes]) -> PageRef | None:
        """The listing of a directory, None when it was not kept."""
        common = 0
        for known, name in zip(self._names, directory, strict=False):
            if known != name:
                break
            common += 1
        del self._names[common:], self._refs[common:]
        here = self._refs[-1] if self._refs else self._top
        for name in directory[common:]:
            here = self._leaf_for(here, name).children.get(name) if here is not None else None
            self._names.append(name)
            self._refs.append(here)
        return here

    def _leaf_for(self, listing: PageRef, name: bytes) -> _Leaf:
        if listing.id == self._leaf_of and self._reach.holds(name):
            return self._leaf
        ident, reach = listing.id, _Reach(b"", None)
        for level in range(listing.level, 0, -1):
            ident, first, end = page_around(self._pages.references(ident, level), name)
            reach = _Reach(max(first, reach.first), reach.end if end is None else end)
        if ident != self._leaf_id:
            page = next(iter(self._pages.listing(PageRef(ident))))
            self._leaf, self._leaf_id = _decode(page), ident
        self._leaf_of, self._reach = listing.id, reach
        return self._leaf


def _mark(device: int, inode: int, size: int, mtime_ns: int) -> int:
    """What stands for a file among many; it takes less room than its numbers."""
    return hash((device, inode, size, mtime_ns))


def _decode(page: ListingPage) -> _Leaf:
    groups = {
        entry.name: Group(page.device, entry.inode, entry.links)
        for entry in iterate(page.packed)
        if entry.links > 1 and entry.inode
    }
    return _Leaf(groups, {child.name: child.ref for child in page.children})
