"""Pages in memory, and a verifier over them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import blake3
import msgspec
import pytest

from twofold.errors import ObjectDamaged
from twofold.format.names import BlobKind
from twofold.format.pages import NODES, REFERENCES, SEGMENTS, Node, NodeKind, Owner
from twofold.format.records import PageRef, Root, TreeRef
from twofold.format.segments import pack_blob
from twofold.graph import Affected, PageStore, Verifier

OWNER = Owner(0, 0, "u", "g")


@dataclass
class Blobs:
    """What a repository would hold; ids are plain hashes, so no page can name itself."""

    held: dict[bytes, bytes] = field(default_factory=dict)
    reads: list[bytes] = field(default_factory=list)

    def add(self, data: bytes) -> bytes:
        """A blob; its id."""
        ident = blake3.blake3(data).digest()
        self.held[ident] = data
        return ident

    def read(self, kind: BlobKind, ident: bytes) -> bytes:
        """As the repository's reader does."""
        assert kind is BlobKind.META
        self.reads.append(ident)
        if ident not in self.held:
            raise ObjectDamaged("lost")
        return self.held[ident]

    def has(self, _kind: BlobKind, ident: bytes, _length: int | None) -> bool:
        """Whether it is there."""
        return ident in self.held


@dataclass
class Graph:
    """Trees in the making, and their verification."""

    blobs: Blobs = field(default_factory=Blobs)
    pages_read: int = 0

    def __post_init__(self) -> None:
        self.verifier = self.new_verifier()

    def new_verifier(self) -> Verifier:
        """One that has seen nothing yet."""
        pages = PageStore(self.blobs)  # type: ignore[arg-type]
        return Verifier(pages, self.blobs.has, self._count)

    def _count(self) -> None:
        self.pages_read += 1

    def page(self, *items: object) -> bytes:
        """A page of anything."""
        return self.blobs.add(msgspec.msgpack.encode(items))

    def folder(self, *nodes: Node) -> TreeRef:
        """A directory on one page."""
        return TreeRef(self.page(NODES, [OWNER], nodes))

    def wide_folder(self, *pages: Iterable[Node]) -> TreeRef:
        """A directory on several pages."""
        refs = []
        for nodes in pages:
            listed = list(nodes)
            refs.append((self.folder(*listed).id, listed[0].name))
        return TreeRef(self.page(REFERENCES, 1, refs), 1)

    def file(self, name: bytes, *chunks: bytes) -> Node:
        """A file of data blobs that are there."""
        packed = b"".join(pack_blob(self.blobs.add(chunk), len(chunk)) for chunk in chunks)
        return Node(name, NodeKind.FILE, 0o644, 0, 0, sum(map(len, chunks)), packed)

    def long_file(self, name: bytes, *chunks: bytes) -> Node:
        """A file with a page of segments per chunk."""
        refs = []
        for chunk in chunks:
            packed = pack_blob(self.blobs.add(chunk), len(chunk))
            refs.append((self.page(SEGMENTS, packed), len(chunk)))
        ref = TreeRef(self.page(REFERENCES, 1, refs), 1)
        return Node(name, NodeKind.FILE, 0o644, 0, 0, sum(map(len, chunks)), b"", ref)

    def lose(self, data: bytes) -> None:
        """A data blob is gone."""
        del self.blobs.held[blake3.blake3(data).digest()]

    def verify(
        self, tree: TreeRef, listing: PageRef | None = None, failures: PageRef | None = None
    ) -> Affected:
        """One more snapshot."""
        return self.verifier.verify(b"id", Root(tree=tree, listing=listing, failures=failures))


def directory(name: bytes, tree: TreeRef) -> Node:
    """A directory in a directory."""
    return Node(name, NodeKind.DIRECTORY, 0o755, 0, 0, ref=tree)


@pytest.fixture
def graph() -> Graph:
    return Graph()
