"""Writing trees of pages: items in order, borders by content, bounded memory.

A writer keeps the items of its open page and, per level, the references not yet in a page. Borders
depend on names and ids only (docs/format/metadata.md), so equal parts of two snapshots give equal
pages. ``copy`` lets a half-written directory be closed for a partial snapshot.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from twofold.format import pages as fmt
from twofold.format import segments
from twofold.format.pages import (
    ChildListing,
    Failure,
    FailurePage,
    ListingPage,
    More,
    Node,
    NodeKind,
    NodePage,
    Owner,
    Reference,
    ReferencePage,
    SegmentPage,
)
from twofold.format.records import PageRef, TreeRef

SavePage = Callable[[bytes], bytes]
NOT_COUNTED = -1
Key = bytes | int | None
_NODE_COST = 64


class PageSink:
    """Builds the reference levels above leaves that arrive in order."""

    def __init__(self, save: SavePage) -> None:
        self._save = save
        self._levels: list[list[Reference]] = []

    def add(self, page: bytes, key: Key) -> None:
        """Store a leaf and note it."""
        self._note(0, Reference(self._save(page), key))

    def _note(self, level: int, reference: Reference) -> None:
        while True:
            if level == len(self._levels):
                self._levels.append([])
            open_refs = self._levels[level]
            open_refs.append(reference)
            border = fmt.ends_reference_page(reference.id) and len(open_refs) > 1
            if not border and len(open_refs) < fmt.MAX_REFERENCES:
                return
            reference = self._close(level)
            level += 1

    def _close(self, level: int) -> Reference:
        refs = self._levels[level]
        self._levels[level] = []
        page = ReferencePage(fmt.REFERENCES, level + 1, refs)
        return Reference(self._save(fmt.encode_page(page)), _joint_key(refs))

    def finish(self) -> PageRef:
        """Close all levels; the reference to the whole. At least one leaf must have been added."""
        level = 0
        while level < len(self._levels):
            refs = self._levels[level]
            top = level == len(self._levels) - 1
            if top and len(refs) == 1:
                return PageRef(refs[0].id, level)
            if refs:
                closed = self._close(level)
                self._note(level + 1, closed)
            level += 1
        raise ValueError("a tree of pages without pages")

    def copy(self) -> "PageSink":
        """An independent twin in the same state."""
        twin = PageSink(self._save)
        twin._levels = [list(refs) for refs in self._levels]
        return twin


def _joint_key(refs: list[Reference]) -> Key:
    first = refs[0].key
    if isinstance(first, int):
        return sum(r.key for r in refs if isinstance(r.key, int))
    return first


class NodeWriter:
    """Node pages of one directory, with the totals of its subtree."""

    def __init__(self, save: SavePage, page_key: bytes) -> None:
        self._sink = PageSink(save)
        self.page_key = page_key
        self._nodes: list[Node] = []
        self._owners: dict[Owner, int] = {}
        self._last: Owner | None = None  # neighbours mostly have one owner
        self._position = 0  # of that one
        self._size = 0
        self.directories = self.files = self.bytes = 0

    def add(self, node: Node, owner: Owner, ends_page: bool | None = None) -> None:
        """Append an entry; names ascend. ``ends_page`` of its name, if that is known."""
        if owner is not self._last:
            self._last = owner
            self._position = self._owners.setdefault(owner, len(self._owners))
        if node.owner != self._position:
            node = msgspec.structs.replace(node, owner=self._position)
        self._nodes.append(node)
        self._count(node)
        self._size += _NODE_COST + len(node.name) + len(node.content)
        if node.more is not None:
            self._size += _weight(node.more)
        full = len(self._nodes) >= fmt.MAX_ITEMS or self._size >= fmt.PAGE_AIM
        if ends_page is None:
            ends_page = fmt.ends_page(self.page_key, node.name)
        if full or ends_page:
            self._close()

    def add_files(self, nodes: Sequence[Node], owner: Owner) -> None:
        """``add`` for plain files of one owner whose names end no page."""
        size = self._size + sum([_NODE_COST + len(n.name) + len(n.content) for n in nodes])
        if len(self._nodes) + len(nodes) >= fmt.MAX_ITEMS or size >= fmt.PAGE_AIM:
            for node in nodes:
                self.add(node, owner, ends_page=False)
            return
        position = self._owners.setdefault(owner, len(self._owners))
        if position:
            nodes = [msgspec.structs.replace(node, owner=position) for node in nodes]
        self._last, self._position = owner, position
        self._nodes += nodes
        self._size = size
        self.files += len(nodes)
        self.bytes += sum([node.size for node in nodes])

    def _count(self, node: Node) -> None:
        if node.kind == NodeKind.DIRECTORY and node.ref is not None:
            self.directories += 1 + node.ref.directories
            self.files += node.ref.files
            self.bytes += node.ref.bytes
        else:
            self.files += 1
            self.bytes += node.size

    def _close(self) -> None:
        page = NodePage(fmt.NODES, list(self._owners), self._nodes)
        key = self._nodes[0].name if self._nodes else b""
        self._sink.add(fmt.encode_page(page), key)
        self._nodes, self._owners, self._size = [], {}, 0
        self._last = None

    def finish(self) -> TreeRef:
        """Close the directory. An empty one has a single empty page."""
        if self._nodes or not self._sink._levels:  # noqa: SLF001 - sink and writer are one mechanism
            self._close()
        ref = self._sink.finish()
        return TreeRef(ref.id, ref.level, self.directories, self.files, self.bytes)

    def copy(self) -> "NodeWriter":
        """An independent twin in the same state."""
        twin = NodeWriter.__new__(NodeWriter)
        twin.__dict__.update(self.__dict__)
        twin._sink = self._sink.copy()  # noqa: SLF001
        twin._nodes, twin._owners = list(self._nodes), dict(self._owners)  # noqa: SLF001
        return twin


def _weight(more: More) -> int:
    return len(more.holes) + sum(len(n) + len(v) + 8 for n, v in more.xattrs)


class ListingWriter:
    """Listing pages of one directory."""

    def __init__(self, save: SavePage, page_key: bytes, device: int) -> None:
        self._sink = PageSink(save)
        self._page_key = page_key
        self._device = device
        self._packed = bytearray()
        self._children: list[ChildListing] = []
        self._count = 0
        self._stored = self._bytes = self._excluded = 0
        self._first = b""

    def add(
        self,
        record: bytes,
        name: bytes,
        child: PageRef | None,
        size: int | None,
        ends_page: bool | None = None,
    ) -> None:
        """Append a record (name included) and the listing of the subdirectory, if it is one.

        ``size`` is the bytes stored of a file (0 for links and the like), ``NOT_COUNTED`` for
        directories and failures, None for what a rule left out. ``ends_page`` as for nodes.
        """
        if not self._count:
            self._first = name
        self._packed += record
        if child is not None:
            self._children.append(ChildListing(name, child))
        self._count += 1
        if size is None:
            self._excluded += 1
        elif size >= 0:
            self._stored += 1
            self._bytes += size
        full = self._count >= fmt.MAX_ITEMS or len(self._packed) >= fmt.PAGE_AIM
        if ends_page is None:
            ends_page = fmt.ends_page(self._page_key, name)
        if full or ends_page:
            self._close()

    def add_files(self, nodes: Sequence[Node], records: Sequence[bytes]) -> None:
        """``add`` for files whose names end no page."""
        packed = b"".join(records)
        size = len(self._packed) + len(packed)
        if self._count + len(nodes) >= fmt.MAX_ITEMS or size >= fmt.PAGE_AIM:
            for node, record in zip(nodes, records, strict=True):
                self.add(record, node.name, None, node.size, ends_page=False)
            return
        if not self._count:
            self._first = nodes[0].name
        self._packed += packed
        self._count += len(nodes)
        self._stored += len(nodes)
        self._bytes += sum([node.size for node in nodes])

    def _close(self) -> None:
        page = ListingPage(
            fmt.LISTING,
            self._device,
            bytes(self._packed),
            self._children,
            self._stored,
            self._bytes,
            self._excluded,
        )
        self._sink.add(fmt.encode_page(page), self._first)
        self._packed, self._children, self._count = bytearray(), [], 0
        self._stored = self._bytes = self._excluded = 0

    def finish(self) -> PageRef:
        """Close the listing."""
        if self._count or not self._sink._levels:  # noqa: SLF001
            self._close()
        return self._sink.finish()

    def copy(self) -> "ListingWriter":
        """An independent twin in the same state."""
        twin = ListingWriter.__new__(ListingWriter)
        twin.__dict__.update(self.__dict__)
        twin._sink = self._sink.copy()  # noqa: SLF001
        twin._packed, twin._children = bytearray(self._packed), list(self._children)  # noqa: SLF001
        return twin


def write_segments(save: SavePage, packed: Iterable[bytes]) -> tuple[bytes, TreeRef | None]:
    """(inline content, None) for short streams, (b"", segment pages) for long ones.

    ``packed`` yields single encoded segments in order.
    """
    head: list[bytes] = []
    size = 0
    source = iter(packed)
    for segment in source:
        head.append(segment)
        size += len(segment)
        if size > segments.INLINE_LIMIT:
            return b"", _segment_pages(save, _chain(head, source))
    return b"".join(head), None


def _chain(head: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from head
    yield from rest


def _segment_pages(save: SavePage, packed: Iterator[bytes]) -> TreeRef:
    sink = PageSink(save)
    page, length = bytearray(), 0
    for encoded in packed:
        segment = next(segments.iterate(encoded))
        page += encoded
        length += segment.length
        border = isinstance(segment.blob, bytes) and fmt.ends_segment_page(segment.blob)
        if border or len(page) >= fmt.PAGE_AIM:
            sink.add(fmt.encode_page(SegmentPage(fmt.SEGMENTS, bytes(page))), length)
            page, length = bytearray(), 0
    if page:
        sink.add(fmt.encode_page(SegmentPage(fmt.SEGMENTS, bytes(page))), length)
    ref = sink.finish()
    return TreeRef(ref.id, ref.level)


def write_failures(save: SavePage, failures: list[Failure]) -> PageRef | None:
    """Pages of the ledger's failures; None when there are none."""
    if not failures:
        return None
    sink = PageSink(save)
    page: list[Failure] = []
    size = 0
    for failure in failures:
        page.append(failure)
        size += len(failure.path) + len(failure.reason) + 32
        if size >= fmt.PAGE_AIM or len(page) >= fmt.MAX_ITEMS:
            sink.add(fmt.encode_page(FailurePage(fmt.FAILURES, page)), None)
            page, size = [], 0
    if page:
        sink.add(fmt.encode_page(FailurePage(fmt.FAILURES, page)), None)
    return sink.finish()
