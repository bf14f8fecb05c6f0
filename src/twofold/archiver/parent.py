"""The snapshot before, as proof of what has not changed.

A directory's stored listing is compared with the fresh one as bytes. Where they differ, entries are
compared one by one by merging the old listing with the new (both are sorted by name). Pages are
read only when needed; an unchanged directory never has its nodes decoded.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple, Protocol

from twofold.errors import DamageFound
from twofold.format.pages import ListingPage, Node, NodeKind
from twofold.format.records import PageRef, Root, TreeRef
from twofold.graph import PageStore
from twofold.graph.pages import Owned
from twofold.platform import Seen, records


class Old(NamedTuple):
    """An entry of the parent snapshot; ``owned`` is None when it was not stored."""

    name: bytes
    record: bytes
    owned: Owned | None


class Totals(NamedTuple):
    """Stored entries of one directory that are not directories, their bytes, and those excluded."""

    stored: int
    bytes: int
    excluded: int


class Proof(Protocol):
    """What of a parent snapshot is whole, where not all of it is known to be."""

    def is_whole(self, place: "ParentDir") -> bool:
        """Whether a directory is, with everything below it."""

    def holds(self, node: Node) -> bool:
        """Whether the content of a file is."""


_KEPT_LEVELS = 1


class ParentDir:
    """One directory of a parent snapshot.

    ``coming``: whether it is being listed ahead of the walk, None where that is not known yet;
    afterwards ``seen`` is what was found. ``expected_below``: its subdirectories are or will be.
    """

    __slots__ = (
        "_below",
        "_children",
        "_kept",
        "_tree",
        "above",
        "coming",
        "expected_below",
        "listing",
        "name",
        "pages",
        "proof",
        "seen",
    )

    def __init__(
        self,
        pages: PageStore,
        listing: PageRef,
        tree: TreeRef | None = None,
        above: "ParentDir | None" = None,
        name: bytes = b"",
        proof: Proof | None = None,
    ) -> None:
        self.pages = pages
        self.proof = proof
        self.listing = listing
        self._tree = tree
        self.above = above
        self.name = name
        self.coming: bool | None = None
        self.expected_below = False
        self.seen: Seen | None = None
        self._kept: list[ListingPage] | None = None
        self._children: dict[bytes, PageRef] | None = None
        self._below: dict[bytes, ParentDir] = {}

    @property
    def tree(self) -> TreeRef:
        """Its node pages; looked up in the directory above when first asked for."""
        if self._tree is None:
            assert self.above is not None
            found = self.pages.find(self.above.tree, self.name)
            if found is None or found.node.kind != NodeKind.DIRECTORY or found.node.ref is None:
                raise DamageFound(f"the parent snapshot lists {self.name!r} but does not hold it")
            self._tree = found.node.ref
        return self._tree

    def keep_pages(self) -> bool:
        """Read the listing now, for later; False for one too large or damaged."""
        if self._kept is None and self.listing.level <= _KEPT_LEVELS:
            with suppress(DamageFound):
                self._kept = list(self.pages.listing(self.listing))
        return self._kept is not None

    def with_pages(self, names: Iterable[bytes]) -> "list[ParentDir]":
        """Subdirectories, their listings read at once; where one is damaged, none is read yet."""
        places = [place for name in names if (place := self.child(name)) is not None]
        with suppress(DamageFound):
            found = self.pages.listings([place.listing for place in places])
            for place, page in zip(places, found, strict=True):
                if page is not None:
                    place._kept = [page]  # noqa: SLF001
        return places

    def drop_pages(self) -> None:
        """They will be read again if anybody asks."""
        self._kept = None

    @property
    def size_before(self) -> int:
        """Bytes of the listing that is kept."""
        return sum(len(page.packed) for page in self._kept or ())

    def _leaves(self) -> Iterable[ListingPage]:
        return self._kept if self._kept is not None else self.pages.listing(self.listing)

    def totals_if_same(self, scan: bytes) -> Totals | None:
        """What is stored of the directory, if its listing equals a fresh one byte for byte.

        None as well if what is stored of it is not whole: then each entry is looked at.
        """
        if self.proof is not None and not self.proof.is_whole(self):
            return None
        self.proof = None  # nor need anybody ask about what is below
        place = stored = size = excluded = 0
        children: dict[bytes, PageRef] = {}
        for page in self._leaves():
            end = place + len(page.packed)
            if scan[place:end] != page.packed:
                return None
            place = end
            stored, size = stored + page.stored, size + page.bytes
            excluded += page.excluded
            for child in page.children:
                children[child.name] = child.ref
        self._children = children
        return Totals(stored, size, excluded) if place == len(scan) else None

    def children(self) -> dict[bytes, PageRef]:
        """Listings of the subdirectories that were entered."""
        if self._children is None:
            self._children = {
                child.name: child.ref for page in self._leaves() for child in page.children
            }
        return self._children

    def child(self, name: bytes, tree: TreeRef | None = None) -> "ParentDir | None":
        """A subdirectory that was entered; ``tree`` if its node is at hand."""
        known = self._below.get(name)
        if known is None:
            ref = self.children().get(name)
            if ref is None:
                return None
            known = self._below[name] = ParentDir(self.pages, ref, tree, self, name, self.proof)
        elif tree is not None:
            known._tree = tree
        return known

    def forget(self, name: bytes) -> None:
        """The walk is through with a subdirectory."""
        self._below.pop(name, None)

    def entries(self) -> Iterator[Old]:
        """Everything it lists, by name, with the nodes of what was stored."""
        nodes = iter(self.pages.nodes(self.tree))
        owned = next(nodes, None)
        for page in self.pages.listing(self.listing):
            for name, record in records(page.packed):
                while owned is not None and owned.node.name < name:
                    owned = next(nodes, None)
                match = owned if owned is not None and owned.node.name == name else None
                if (
                    match is not None
                    and self.proof is not None
                    and not self.proof.holds(match.node)
                ):
                    continue
                yield Old(name, record, match)


def parent_of(pages: PageStore, root: Root, proof: Proof | None = None) -> ParentDir | None:
    """The root directory of a snapshot, None when it has no listing."""
    if root.listing is None or root.tree is None:
        return None
    return ParentDir(pages, root.listing, root.tree, proof=proof)


class Lookup:
    """Old entries asked for in ascending order of names; remembers where it is."""

    def __init__(self, parent: ParentDir | None) -> None:
        self._entries = parent.entries() if parent is not None else iter(())
        self._next = next(self._entries, None)

    def find(self, name: bytes) -> Old | None:
        """The old entry of this name. ``DamageFound`` when the old pages cannot be read."""
        while self._next is not None and self._next.name < name:
            self._next = next(self._entries, None)
        if self._next is not None and self._next.name == name:
            return self._next
        return None
