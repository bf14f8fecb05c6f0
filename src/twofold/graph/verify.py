"""Following snapshots to their last blob: what cannot be had, and which paths miss it.

Depth first with an explicit stack. When a page is left, everything below it is known: it is
*clean*, and is never entered again whichever snapshot refers to it, or it is *tainted*, and is
entered again to learn the paths of the next snapshot too – until that has its fill of examples. So
a thousand similar snapshots cost little more than one, and neither depth nor width nor repetition
of hostile pages exhausts memory or time.
"""

from collections.abc import Callable, Iterator
from operator import lt
from typing import NamedTuple

import msgspec

from twofold.errors import DamageFound, FormatError, ObjectDamaged
from twofold.format.image import ExtentEntry, ExtentsPage, ImagePage, entry_key, iterate_runs
from twofold.format.names import BlobKind
from twofold.format.pages import (
    FailurePage,
    ListingPage,
    Node,
    NodeKind,
    NodePage,
    Reference,
    SegmentPage,
    check_names,
    decode_page,
)
from twofold.format.records import PageRef, Root
from twofold.format.segments import Absence, Segment, iterate, iterate_holes, only_blob
from twofold.graph.pages import PageStore, check_entries, entry_path, volume_path
from twofold.platform import names_of

KEPT = 20
"""Paths named per snapshot."""
_ENOUGH = 1000
"""Losses met in one snapshot after which nothing tainted is entered again."""

Leaf = (
    type[NodePage]
    | type[ListingPage]
    | type[SegmentPage]
    | type[FailurePage]
    | type[ImagePage]
    | type[ExtentsPage]
)
_FOLDERS: tuple[Leaf, ...] = (NodePage, ImagePage, ExtentsPage)
"""Losing one of these loses all or part of a folder."""
Has = Callable[[BlobKind, bytes, int | None], bool]


class Place(NamedTuple):
    """A path as a chain of names, so that deep trees cost no more than they are deep."""

    above: "Place | None"
    name: bytes

    @property
    def path(self) -> bytes:
        """The whole path."""
        names: list[bytes] = []
        place: Place | None = self
        while place is not None:
            names.append(place.name)
            place = place.above
        return b"/".join(reversed(names))


TOP = Place(None, b"")


class Affected(msgspec.Struct):
    """What one snapshot misses. A path that ends in a slash stands for all or part of a folder."""

    snapshot: bytes
    paths: list[bytes] = msgspec.field(default_factory=list)
    more: bool = False
    """Whether there may be further paths."""
    listings: int = 0
    """Folders whose proof of being unchanged is lost."""
    failures: int = 0
    """Lost pages of the list of what could not be read."""
    reason: str = ""
    """Why, for the first of them."""
    met: int = 0

    @property
    def full(self) -> bool:
        """Whether nobody needs further examples."""
        return len(self.paths) >= KEPT or self.met >= _ENOUGH

    @property
    def anything(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.met)

    def lose(self, leaf: Leaf, path: bytes, why: str) -> None:
        """Note a loss."""
        self.met += 1
        self.reason = self.reason or why
        if leaf is ListingPage:
            self.listings += 1
        elif leaf is FailurePage:
            self.failures += 1
        elif path not in self.paths:
            if self.full:
                self.more = True
            else:
                self.paths.append(path)


class _Child(NamedTuple):
    """A reference to a page, and what it says of that page."""

    id: bytes
    level: int
    leaf: Leaf
    place: Place
    first: bytes | None = None
    """Name of the first item, below ``end``."""
    end: bytes | None = None
    length: int | None = None
    """Bytes of a stream below the page."""


class _Visit(msgspec.Struct):
    """A page on the stack."""

    child: _Child
    below: list[_Child]
    tainted: bool = False
    total: int = 0


class Verifier:
    """Verifies snapshots of one repository, one after the other."""

    def __init__(
        self,
        pages: PageStore,
        has: Has,
        on_page: Callable[[], None],
        *,
        lengths: bool = False,
    ) -> None:
        """``has`` tells whether a blob can be had; ``lengths``: of data, with its length too."""
        self._pages = pages
        self._has = has
        self._on_page = on_page
        self._check_lengths = lengths
        self._clean: set[tuple[Leaf, int, bytes]] = set()
        self._tainted: set[tuple[Leaf, int, bytes]] = set()
        self._unreadable: dict[tuple[Leaf, int, bytes], str] = {}
        self._lengths: dict[bytes, int] = {}
        self._affected = Affected(b"")

    def verify(self, snapshot: bytes, root: Root) -> Affected:
        """What a snapshot misses. ``NewerFormat`` for a kind that is not known."""
        root.check_kind()
        self._affected = Affected(snapshot)
        tops: list[tuple[PageRef | None, Leaf]] = [
            (root.tree.page if root.tree is not None else None, NodePage),
            (root.listing, ListingPage),
            (root.image, ImagePage),
            (root.failures, FailurePage),
        ]
        for ref, leaf in tops:
            if ref is not None:
                self._follow(_Child(ref.id, ref.level, leaf, TOP))
        return self._affected

    def is_whole(self, ref: PageRef, leaf: Leaf) -> bool:
        """Whether a page was met, and nothing below it is missing."""
        return (leaf, ref.level, ref.id) in self._clean

    def _follow(self, top: _Child) -> None:
        roof = _Visit(top, [top])
        stack = [roof]
        while stack:
            visit = stack[-1]
            if visit.below:
                self._step(stack, visit, visit.below.pop())
                continue
            stack.pop()
            if stack:
                self._leave(visit, stack[-1])

    def _step(self, stack: list[_Visit], visit: _Visit, child: _Child) -> None:
        key = (child.leaf, child.level, child.id)
        if key in self._clean:
            self._add_length(visit, child, self._lengths.get(child.id, 0))
        elif key in self._unreadable:
            self._lose(visit, child, self._unreadable[key])
        elif key in self._tainted and self._affected.full:
            visit.tainted = self._affected.more = True
        else:
            try:
                stack.append(self._enter(child))
            except DamageFound as error:
                self._unreadable[key] = str(error)
                self._lose(visit, child, str(error))

    def _leave(self, visit: _Visit, above: _Visit) -> None:
        child = visit.child
        if not visit.tainted and child.leaf is SegmentPage:
            self._lengths[child.id] = visit.total
        (self._tainted if visit.tainted else self._clean).add((child.leaf, child.level, child.id))
        above.tainted |= visit.tainted
        if not visit.tainted:
            self._add_length(above, child, visit.total)

    def _add_length(self, above: _Visit, child: _Child, length: int) -> None:
        above.total += length
        if child.length is not None and length != child.length:
            self._lose(above, child, "its parts do not add up to its size")

    def _lose(self, visit: _Visit, child: _Child, why: str) -> None:
        visit.tainted = True
        path = child.place.path
        self._affected.lose(child.leaf, path + b"/" if child.leaf in _FOLDERS else path, why)

    # reading a page

    def _enter(self, child: _Child) -> _Visit:
        self._on_page()
        if not self._has(BlobKind.META, child.id, None):
            raise ObjectDamaged(f"metadata {child.id.hex()[:16]} cannot be had")
        visit = _Visit(child, [])
        if child.level:
            refs = self._pages.references(child.id, child.level)
            visit.below = list(_children(child, refs))
        else:
            self._read_leaf(visit)
        visit.below.reverse()
        return visit

    def _read_leaf(self, visit: _Visit) -> None:
        child = visit.child
        data = self._pages.blobs.read(BlobKind.META, child.id)
        if child.leaf is NodePage:
            self._nodes(visit, decode_page(data, NodePage))
        elif child.leaf is ListingPage:
            listing = decode_page(data, ListingPage)
            _check_bounds(child, names_of(listing.packed))
            visit.below = [
                _Child(one.ref.id, one.ref.level, ListingPage, Place(child.place, one.name))
                for one in listing.children
            ]
        elif child.leaf is SegmentPage:
            packed = decode_page(data, SegmentPage).packed
            visit.total = self._content(visit, packed, child.place)
        elif child.leaf is ImagePage:
            visit.below = [
                _Child(v.entries.id, v.entries.level, ExtentsPage, Place(None, volume_path(b"", v)))
                for v in _checked(decode_page(data, ImagePage)).volumes
            ]
        elif child.leaf is ExtentsPage:
            entries = decode_page(data, ExtentsPage).entries
            _check_entry_bounds(child, entries)
            for entry in entries:
                self._entry(visit, entry)
        else:
            decode_page(data, FailurePage)

    def _entry(self, visit: _Visit, entry: ExtentEntry) -> None:
        """A stream of an image; how large its volume is, is not known here."""
        place = Place(None, entry_path(visit.child.place.path, entry))
        try:
            covered = sum(count for _, count in iterate_runs(entry.runs, 1 << 62))
        except FormatError as error:
            self._lose_file(visit, place, str(error))
            return
        if entry.size and not covered:
            self._lose_file(visit, place, "it lies nowhere on its volume")
        if entry.stamp and any(isinstance(blob, Absence) for blob, _ in _read(entry.content)):
            self._lose_file(visit, place, "it claims to prove what is not stored")
        self._stream(visit, place, entry.content, entry.ref, entry.size)

    def _nodes(self, visit: _Visit, page: NodePage) -> None:
        check_names(page.nodes, b"")
        check_entries(page)
        _check_bounds(visit.child, [node.name for node in page.nodes])
        for node in page.nodes:
            if not self._is_plain_and_whole(node):
                self._node(visit, Place(visit.child.place, node.name), node)

    def _is_plain_and_whole(self, node: Node) -> bool:
        """Whether it is a file of one blob that can be had; told quickly, as almost all are."""
        if node.kind != NodeKind.FILE or node.ref is not None or node.more is not None:
            return False
        only = only_blob(node.content)
        if only is None or only[1] != node.size:
            return False
        return self._has(BlobKind.DATA, only[0], only[1] if self._check_lengths else None)

    def _node(self, visit: _Visit, place: Place, node: Node) -> None:
        if node.kind == NodeKind.DIRECTORY and node.ref is not None:
            visit.below.append(_Child(node.ref.id, node.ref.level, NodePage, place))
        elif node.kind == NodeKind.FILE:
            ref = node.ref.page if node.ref is not None else None
            self._stream(visit, place, node.content, ref, node.size)
        self._more(visit, place, node)

    def _more(self, visit: _Visit, place: Place, node: Node) -> None:
        if node.more is None:
            return
        try:
            iterate_holes(node.more.holes)
        except FormatError as error:
            self._lose_file(visit, place, str(error))
        for stream in node.more.streams:
            self._stream(visit, place, stream.content, stream.ref, stream.size)

    def _stream(
        self, visit: _Visit, place: Place, content: bytes, ref: PageRef | None, size: int
    ) -> None:
        if ref is not None:
            visit.below.append(_Child(ref.id, ref.level, SegmentPage, place, length=size))
            return
        try:
            total = self._content(visit, content, place)
        except FormatError as error:
            self._lose_file(visit, place, str(error))
            return
        if total != size:
            self._lose_file(visit, place, "its parts do not add up to its size")

    def _content(self, visit: _Visit, packed: bytes, place: Place) -> int:
        """Look for the blobs of a stream; its length."""
        total = 0
        for blob, length in iterate(packed):
            total += length
            wanted = length if self._check_lengths else None
            if isinstance(blob, bytes) and not self._has(BlobKind.DATA, blob, wanted):
                self._lose_file(visit, place, f"data {blob.hex()[:16]} cannot be had")
        return total

    def _lose_file(self, visit: _Visit, place: Place, why: str) -> None:
        visit.tainted = True
        self._affected.lose(SegmentPage, place.path, why)


def _children(above: _Child, refs: list[Reference]) -> Iterator[_Child]:
    """The pages that a reference page names, with what their keys promise."""
    level, place = above.level - 1, above.place
    if above.leaf in (FailurePage, ImagePage):
        for ref in refs:
            yield _Child(ref.id, level, above.leaf, place)
    elif above.leaf is SegmentPage:
        for ref in refs:
            if not isinstance(ref.key, int):
                raise FormatError("a page of references does not tell how long its parts are")
            yield _Child(ref.id, level, above.leaf, place, length=ref.key)
    else:
        names = [ref.key for ref in refs if isinstance(ref.key, bytes)]
        if len(names) != len(refs):
            raise FormatError("a page of references does not tell where its parts begin")
        if above.leaf is not ExtentsPage:
            _check_bounds(above, names)
        ends: list[bytes | None] = [*names[1:], above.end]
        for ref, first, end in zip(refs, names, ends, strict=True):
            yield _Child(ref.id, level, above.leaf, place, first, end)


def _read(packed: bytes) -> Iterator[Segment]:
    """Segments up to the first that is none, which is told elsewhere."""
    try:
        yield from iterate(packed)
    except FormatError:
        return


def _checked(page: ImagePage) -> ImagePage:
    page.check()
    return page


def _check_entry_bounds(child: _Child, entries: list[ExtentEntry]) -> None:
    """Entries begin where the page above says; several streams of one file may be on two pages."""
    keys = [entry_key(entry.role, entry.owner) for entry in entries]
    if child.first is not None and keys[:1] != [child.first]:
        raise FormatError("a page does not begin where the page above it says")
    if child.end is not None and keys and keys[-1] > child.end:
        raise FormatError("a page goes on beyond where the next one begins")


def _check_bounds(child: _Child, names: list[bytes]) -> None:
    """Names ascend, begin where the page above says, and end before the next page begins."""
    if not all(map(lt, names, names[1:])):
        raise FormatError("the names of a directory are out of order")
    if child.first is not None and (not names or names[0] != child.first):
        raise FormatError("a page does not begin where the page above it says")
    if child.end is not None and names and names[-1] >= child.end:
        raise FormatError("a page goes on beyond where the next one begins")
