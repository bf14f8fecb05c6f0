"""Reading trees of pages (docs/format/metadata.md), checked on the way.

Every method is a generator over leaves in order with an explicit stack, so neither depth nor width
of hostile input can exhaust memory or the interpreter's stack. A page that refers upwards cannot
exist: ids are hashes of contents.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from twofold.errors import FormatError
from twofold.format.image import ExtentEntry, ExtentsPage, ImagePage, VolumeRecord
from twofold.format.names import BlobKind
from twofold.format.pages import (
    MAX_LEVEL,
    Failure,
    FailurePage,
    ListingPage,
    Node,
    NodeKind,
    NodePage,
    Owner,
    Reference,
    ReferencePage,
    SegmentPage,
    check_names,
    decode_page,
)
from twofold.format.records import PageRef, TreeRef
from twofold.format.segments import INLINE_LIMIT, Segment, iterate
from twofold.repository import BlobReader

_KINDS = frozenset(map(int, NodeKind))
_DIRECTORY = int(NodeKind.DIRECTORY)
LeafT = TypeVar("LeafT", NodePage, ListingPage, SegmentPage, FailurePage, ImagePage, ExtentsPage)


class Owned(NamedTuple):
    """A node with its owner resolved."""

    node: Node
    owner: Owner


class PageStore:
    """Pages of one repository, by reference."""

    def __init__(self, blobs: BlobReader) -> None:
        self.blobs = blobs

    def leaves(self, ref: PageRef, kind: type[LeafT]) -> Iterator[LeafT]:
        """All leaves below a reference, in order."""
        for _, page in self.leaves_with_ids(ref, kind):
            yield page

    def leaves_with_ids(self, ref: PageRef, kind: type[LeafT]) -> Iterator[tuple[bytes, LeafT]]:
        """(blob id, leaf) in order."""
        pending = [(ref.id, ref.level)]
        while pending:
            ident, level = pending.pop()
            if level == 0:
                yield ident, decode_page(self.blobs.read(BlobKind.META, ident), kind)
            else:
                below = self.references(ident, level)
                pending += [(r.id, level - 1) for r in reversed(below)]

    def references(self, ident: bytes, level: int) -> list[Reference]:
        """The references of one page. ``FormatError`` if it is of another level."""
        page = decode_page(self.blobs.read(BlobKind.META, ident), ReferencePage)
        if page.level != level or not 0 < level <= MAX_LEVEL:
            raise FormatError("a metadata page refers to the wrong level")
        return page.refs

    def nodes(self, tree: TreeRef) -> Iterator[Owned]:
        """All entries of a directory, by name."""
        last = b""
        for page in self.leaves(tree.page, NodePage):
            last = check_names(page.nodes, last)
            yield from _owned(page)

    def find(self, tree: TreeRef, name: bytes) -> Owned | None:
        """One entry of a directory, reading one page per level."""
        ident = tree.id
        for level in range(tree.level, 0, -1):
            ident = page_with(self.references(ident, level), name)
        page = decode_page(self.blobs.read(BlobKind.META, ident), NodePage)
        check_names(page.nodes, b"")
        return next((owned for owned in _owned(page) if owned.node.name == name), None)

    def listing(self, ref: PageRef) -> Iterator[ListingPage]:
        """Leaves of a packed listing."""
        return self.leaves(ref, ListingPage)

    def listings(self, refs: Sequence[PageRef]) -> list[ListingPage | None]:
        """The only leaf of each of many listings; None for a listing of several."""
        single = [ref.id for ref in refs if ref.level == 0]
        pages = iter(self.blobs.read_many(BlobKind.META, single))
        return [decode_page(next(pages), ListingPage) if ref.level == 0 else None for ref in refs]

    def segments(self, node: Node) -> Iterator[Segment]:
        """Content of a file. ``FormatError`` unless it adds up to the file's size."""
        ref = node.ref.page if node.ref is not None else None
        return self._summed(node.content, ref, node.size, f"{node.name!r}")

    def _summed(
        self, content: bytes, ref: PageRef | None, size: int, name: str
    ) -> Iterator[Segment]:
        total = 0
        for packed in self._packed_segments(content, ref):
            for segment in iterate(packed):
                total += segment.length
                yield segment
        if total != size:
            raise FormatError(f"the content of {name} does not add up to its size")

    def _packed_segments(self, content: bytes, ref: PageRef | None) -> Iterator[bytes]:
        if ref is None:
            if len(content) > INLINE_LIMIT:
                raise FormatError("a list of contents is longer than it may be in its place")
            yield content
        else:
            for page in self.leaves(ref, SegmentPage):
                yield page.packed

    def image(self, ref: PageRef) -> ImagePage:
        """The page of a disk. ``FormatError`` if that cannot be."""
        for page in self.leaves(ref, ImagePage):
            page.check()
            return page
        raise FormatError("an image has no page")

    def extents(self, ref: PageRef) -> Iterator[ExtentEntry]:
        """The entries of a volume. ``FormatError`` unless they are in order."""
        for _, page in self.extents_pages(ref):
            yield from page.entries

    def extents_pages(self, ref: PageRef) -> Iterator[tuple[bytes, ExtentsPage]]:
        """(blob id, leaf) of a volume's entries. ``FormatError`` unless they are in order."""
        last = (-1, -1, b"")
        for ident, page in self.leaves_with_ids(ref, ExtentsPage):
            for entry in page.entries:
                key = (entry.role, entry.owner, entry.name)
                if key <= last:
                    raise FormatError("the entries of a volume are out of order")
                last = key
            yield ident, page

    def extents_page(self, ident: bytes) -> ExtentsPage:
        """One leaf of a volume's entries, by its blob id."""
        return decode_page(self.blobs.read(BlobKind.META, ident), ExtentsPage)

    def stream(self, entry: ExtentEntry) -> Iterator[Segment]:
        """Content of an entry. ``FormatError`` unless it adds up to its size."""
        return self._summed(entry.content, entry.ref, entry.size, f"stream {entry.owner}")

    def failures(self, ref: PageRef) -> Iterator[Failure]:
        """The ledger's failures."""
        for page in self.leaves(ref, FailurePage):
            yield from page.failures


def volume_path(disk: bytes, volume: VolumeRecord) -> bytes:
    """How the units of a volume are called where a path is told."""
    return disk + f"/p{volume.called}".encode()


def entry_path(volume: bytes, entry: ExtentEntry) -> bytes:
    """How a stream is called where a path is told: by the number of its file, and its name."""
    return volume + b"/#%d" % entry.owner + (b":" + entry.name if entry.name else b"")


def check_entries(page: NodePage) -> None:
    """Every entry has an owner on the page, a kind we know and what its kind needs."""
    count = len(page.owners)
    directory = _DIRECTORY
    for node in page.nodes:
        kind = node.kind
        if not 0 <= node.owner < count or kind not in _KINDS:
            raise FormatError(f"the entry {node.name!r} is impossible")
        if kind == directory and node.ref is None:
            raise FormatError(f"the directory {node.name!r} has no contents")


def _owned(page: NodePage) -> Iterator[Owned]:
    check_entries(page)
    owners = page.owners
    new = tuple.__new__  # a named tuple without the price of its Python-level constructor
    for node in page.nodes:
        yield new(Owned, (node, owners[node.owner]))


def page_with(refs: Sequence[Reference], name: bytes) -> bytes:
    """The page on which a name would be: the last whose first name is not above it.

    ``FormatError`` when there are no pages.
    """
    return page_around(refs, name)[0]


def page_around(refs: Sequence[Reference], name: bytes) -> tuple[bytes, bytes, bytes | None]:
    """``page_with``, and from which name on and before which one the page would be the same."""
    if not refs:
        raise FormatError("a metadata page is empty")
    chosen, first, end = refs[0].id, b"", None
    for ref in refs:
        if not isinstance(ref.key, bytes):
            break
        if ref.key > name:
            end = ref.key
            break
        chosen, first = ref.id, ref.key
    return chosen, first if chosen != refs[0].id else b"", end
