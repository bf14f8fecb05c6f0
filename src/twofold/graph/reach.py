"""Reachability: every blob a snapshot needs.

Pages already visited are not entered again, so a thousand similar snapshots cost little more than
one.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from twofold.format.image import ExtentsPage, ImagePage
from twofold.format.names import BlobKind
from twofold.format.pages import FailurePage, ListingPage, Node, NodeKind, NodePage, SegmentPage
from twofold.format.records import PageRef, Root
from twofold.format.segments import iterate
from twofold.graph.pages import LeafT, PageStore, _owned, entry_path, volume_path


class Reach(NamedTuple):
    """One blob, and the path of the directory or file that needs it."""

    kind: BlobKind
    id: bytes
    path: bytes


class Seen(Protocol):
    """Which metadata pages were visited: a set of their ids, however it is kept."""

    def __contains__(self, page: bytes, /) -> bool: ...

    def add(self, page: bytes, /) -> None:
        """From now on it is in there."""
        ...


class _Walk:
    def __init__(self, pages: PageStore, seen: Seen) -> None:
        self.pages = pages
        self.seen = seen
        self.pending: list[tuple[bytes, int, type, bytes]] = []

    def push(self, ref: PageRef | None, leaf: type, path: bytes) -> None:
        if ref is not None and ref.id not in self.seen:
            self.pending.append((ref.id, ref.level, leaf, path))

    def run(self) -> Iterator[Reach]:
        while self.pending:
            ident, level, leaf, path = self.pending.pop()
            if ident in self.seen:
                continue
            self.seen.add(ident)
            yield Reach(BlobKind.META, ident, path)
            if level:
                for ref in self.pages.references(ident, level):
                    self.push(PageRef(ref.id, level - 1), leaf, path)
            else:
                yield from self.leaf(ident, leaf, path)

    def leaf(self, ident: bytes, leaf: type[LeafT], path: bytes) -> Iterator[Reach]:
        for page in self.pages.leaves(PageRef(ident, 0), leaf):
            if isinstance(page, NodePage):
                for node, _ in _owned(page):
                    yield from self.node(node, path)
            elif isinstance(page, ListingPage):
                for child in page.children:
                    self.push(child.ref, ListingPage, path + b"/" + child.name)
            elif isinstance(page, SegmentPage):
                yield from _blobs(page.packed, path)
            elif isinstance(page, ImagePage):
                for volume in page.volumes:
                    self.push(volume.entries, ExtentsPage, volume_path(path, volume))
            elif isinstance(page, ExtentsPage):
                for entry in page.entries:
                    below = entry_path(path, entry)
                    self.push(entry.ref, SegmentPage, below)
                    yield from _blobs(entry.content, below)

    def node(self, node: Node, path: bytes) -> Iterator[Reach]:
        below = path + b"/" + node.name
        if node.kind == NodeKind.DIRECTORY:
            self.push(node.ref.page if node.ref else None, NodePage, below)
        elif node.kind == NodeKind.FILE:
            self.push(node.ref.page if node.ref else None, SegmentPage, below)
            yield from _blobs(node.content, below)
        for stream in node.more.streams if node.more else ():
            self.push(stream.ref, SegmentPage, below)
            yield from _blobs(stream.content, below)


def _blobs(packed: bytes, path: bytes) -> Iterator[Reach]:
    for segment in iterate(packed):
        if isinstance(segment.blob, bytes):
            yield Reach(BlobKind.DATA, segment.blob, path)


def reachable(pages: PageStore, root: Root, seen: Seen) -> Iterator[Reach]:
    """Blobs needed by a snapshot; metadata pages in ``seen`` (and below) are passed over.

    ``seen`` is extended. Raises ``DamageFound`` at the first page that cannot be read; the caller
    may go on with the next snapshot. ``NewerFormat`` for a kind of snapshot that is not known: what
    it needs cannot be told.
    """
    root.check_kind()
    walk = _Walk(pages, seen)
    walk.push(root.tree.page if root.tree is not None else None, NodePage, b"")
    walk.push(root.listing, ListingPage, b"")
    walk.push(root.image, ImagePage, b"")
    walk.push(root.failures, FailurePage, b"")
    return walk.run()
