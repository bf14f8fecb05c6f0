"""Directories being archived: what is to be done in them, and how they are closed.

A directory whose listing equals the parent snapshot's is ``SameDirectory``: only its subdirectories
are visited, and if they all turn out the same its old pages stand as they are. Any other is a
``NewDirectory``: entries in slices, each slice closed when its files are stored and its
subdirectories are closed. Both give a ``Closed``: references to tree and listing.
"""

from collections.abc import Sequence

import msgspec

from twofold.archiver.nodes import FLAGS_AT
from twofold.archiver.parent import ParentDir
from twofold.archiver.reading import FileJob, Job, Together
from twofold.format.pages import Node, NodeKind, Owner, page_ends
from twofold.format.records import PageRef, TreeRef
from twofold.pipeline import NOT_COUNTED, ListingWriter, NodeWriter, SavePage
from twofold.platform import FLAG_FAILED, Entry, records

_FILE = int(NodeKind.FILE)
_SHORT = 4096
"""Bytes of paths that are kept; no path that a program can open is longer."""


class Trail(msgspec.Struct, frozen=True):
    """Where a directory is: its path or, far down, the directory above and a name.

    All directories above one that is walked are open, so to keep the path of each would take
    memory by the square of the depth.
    """

    end: bytes
    above: "Trail | None" = None

    def below(self, name: bytes) -> "Trail":
        """That of a subdirectory."""
        if self.above is None and len(self.end) < _SHORT:
            return Trail(self.end + b"/" + name)
        return Trail(name, self)

    @property
    def path(self) -> bytes:
        """The whole path."""
        names, trail = [self.end], self.above
        while trail is not None:
            names.append(trail.end)
            trail = trail.above
        return b"/".join(reversed(names))


class Closed(msgspec.Struct, frozen=True):
    """A finished directory. ``origin``: the parent snapshot's pages stand as they are."""

    listing: PageRef | None
    written: TreeRef | None = None
    origin: ParentDir | None = None

    @property
    def tree(self) -> TreeRef:
        """Its node pages; those of an unchanged directory are looked up only when needed."""
        if self.written is not None:
            return self.written
        assert self.origin is not None
        return self.origin.tree


class Item(msgspec.Struct, eq=False):
    """One entry of a slice. Without a node it was excluded or failed and is only listed."""

    name: bytes
    record: bytes
    node: Node | None = None
    owner: Owner | None = None
    job: Job | None = None
    below: Closed | None = None
    entry: Entry | None = None  # of a directory whose metadata is still to be read
    gone: bool = False
    plain: Entry | None = None  # of a file that has nothing but this and its content

    def final_node(self, save: SavePage) -> Node | None:
        """The node with its content or subdirectory filled in."""
        if self.plain is not None:
            return self.plain_node(self.plain, save)
        if self.node is None:
            return None
        if self.job is not None:
            content, ref = self.job.content(save)
            return msgspec.structs.replace(self.node, content=content, ref=ref, size=self.job.size)
        if self.node.kind == NodeKind.DIRECTORY:
            if self.below is None:
                return None  # left out after all, by a mark found inside
            return msgspec.structs.replace(self.node, ref=self.below.tree)
        return self.node

    def plain_node(self, entry: Entry, save: SavePage) -> Node:
        """Of most files: made once, when all is known."""
        assert self.job is not None
        content, ref = self.job.content(save)
        mode = entry.mode & 0o7777
        size, linked = self.job.size, entry.links > 1
        return Node(self.name, _FILE, mode, 0, entry.mtime_ns, size, content, ref, linked)


class Slice(msgspec.Struct, eq=False):
    """Neighbouring entries of one directory."""

    directory: "NewDirectory"
    items: list[Item]
    awaited: list[FileJob | Together] = msgspec.field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether all file contents are stored."""
        while self.awaited and self.awaited[-1].done:
            self.awaited.pop()
        return not self.awaited


class NewDirectory(msgspec.Struct, eq=False):
    """A directory written anew, slice by slice."""

    trail: Trail
    nodes: NodeWriter
    listing: ListingWriter
    save: SavePage
    item: Item | None = None
    current: Slice | None = None

    def write(self, items: Sequence[Item]) -> None:
        """Write finished entries, in order."""
        ends = page_ends(self.nodes.page_key, [item.name for item in items])
        owner = items[0].owner if items else None
        plain = [item.plain for item in items if item.plain is not None and item.owner is owner]
        if owner is None or len(plain) < len(items) or True in ends:
            self._write_each(items, ends)
            return
        pairs = zip(items, plain, strict=True)
        nodes = [item.plain_node(entry, self.save) for item, entry in pairs]
        self.nodes.add_files(nodes, owner)
        self.listing.add_files(nodes, [item.record for item in items])

    def _write_each(self, items: Sequence[Item], ends: Sequence[bool]) -> None:
        for item, ends_page in zip(items, ends, strict=True):
            if item.gone:
                continue
            node = item.final_node(self.save)
            if node is not None:
                assert item.owner is not None
                self.nodes.add(node, item.owner, ends_page)
            below = item.below.listing if item.below else None
            size = counted_size(node, item.record)
            self.listing.add(item.record, item.name, below, size, ends_page)

    def close(self) -> Closed:
        """Write the last pages."""
        return Closed(self.listing.finish(), self.nodes.finish())

    def partial(self, below: tuple[Item, Closed] | None) -> Closed:
        """What the directory would be if it ended here; goes on unharmed afterwards.

        ``below`` is the subdirectory being walked, closed likewise.
        """
        twin = NewDirectory(self.trail, self.nodes.copy(), self.listing.copy(), self.save)
        for item in self.current.items if self.current else ():
            if below is not None and item is below[0]:
                twin.write([_with_below(item, below[1])])
            elif item.node is None or item.node.kind != NodeKind.DIRECTORY or item.below:
                twin.write([item])
        return twin.close()


def _with_below(item: Item, closed: Closed) -> Item:
    return Item(item.name, item.record, item.node, item.owner, below=closed)


class SameDirectory(msgspec.Struct, eq=False):
    """A directory whose own listing has not changed."""

    trail: Trail
    parent: ParentDir
    save: SavePage
    page_key: bytes
    identity: tuple[int, int]
    item: Item | None = None
    changed: dict[bytes, Item] = msgspec.field(default_factory=dict)

    def record_of(self, name: bytes) -> bytes:
        """The listing record of an entry, name included."""
        for page in self.parent.pages.listing(self.parent.listing):
            for found, head in records(page.packed):
                if found == name:
                    return head + name
        return b""

    def note(self, child: Item) -> None:
        """A subdirectory is closed; remember it unless its old pages stand."""
        closed = child.below
        if closed is None or closed.origin is None or closed.origin.above is not self.parent:
            self.changed[child.name] = child

    def close(self) -> Closed:
        """The old pages if nothing below changed, else rewritten around what did."""
        if not self.changed:
            return Closed(self.parent.listing, origin=self.parent)
        return self.rewrite(self.changed)

    def rewrite(self, changed: dict[bytes, Item]) -> Closed:
        """New pages with some subdirectories replaced; without ``below`` they are left out."""
        nodes = NodeWriter(self.save, self.page_key)
        listing = ListingWriter(self.save, self.page_key, self.identity[0])
        old_listings = self.parent.children()
        for old in self.parent.entries():
            node, owner = old.owned if old.owned is not None else (None, None)
            record, child = old.record + old.name, old_listings.get(old.name)
            item = changed.get(old.name)
            if item is not None and item.gone:
                continue
            if item is not None:
                child = item.below.listing if item.below else None
                record = item.record or record
                node = _moved(node, item.below)
            if node is not None and owner is not None:
                nodes.add(node, owner)
            listing.add(record, old.name, child, counted_size(node, record))
        return Closed(listing.finish(), nodes.finish())

    def partial(self, below: tuple[Item, Closed] | None) -> Closed:
        """As if the rest had not changed: its old state is still true of what was read then."""
        changed = dict(self.changed)
        if below is not None:
            changed[below[0].name] = _with_below(*below)
        return self.rewrite(changed) if changed else self.close()


def _moved(node: Node | None, below: Closed | None) -> Node | None:
    if node is None or below is None:
        return None
    return msgspec.structs.replace(node, ref=below.tree)


def counted_size(node: Node | None, record: bytes) -> int | None:
    """How a listing counts an entry: bytes stored, ``NOT_COUNTED``, or None for excluded."""
    if record[FLAGS_AT] & FLAG_FAILED:
        return NOT_COUNTED
    if node is None:
        return None
    return NOT_COUNTED if node.kind == NodeKind.DIRECTORY else node.size
