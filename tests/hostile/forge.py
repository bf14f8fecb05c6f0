"""A writer with valid keys and bad intentions: any blob, page, index entry or root, sealed well."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from twofold import clock
from twofold.format import names
from twofold.format.index import PackEntry, encode_index
from twofold.format.names import BlobKind, Kind
from twofold.format.pages import NODES, REFERENCES, SEGMENTS, Node, NodeKind, Owner
from twofold.format.records import PageRef, Root, TreeRef
from twofold.format.segments import pack_blob
from twofold.repository import Author, PackBuilder, Repository, Snapshot, commit_root

OWNER = Owner(0, 0, "root", "root")
ChangeEntry = Callable[[PackEntry], PackEntry]


def raw(*items: object) -> bytes:
    """MessagePack of anything."""
    return msgspec.msgpack.encode(items)


def file_node(name: bytes, content: bytes = b"", size: int = 0, **more: object) -> Node:
    """A regular file."""
    return Node(name, NodeKind.FILE, 0o644, 0, 0, size, content, **more)  # type: ignore[arg-type]


def folder_node(name: bytes, tree: TreeRef) -> Node:
    """A directory."""
    return Node(name, NodeKind.DIRECTORY, 0o755, 0, 0, ref=tree)


@dataclass
class Forge:
    """Collects blobs; ``commit`` stores packs, index, root and session."""

    repository: Repository
    blobs: dict[BlobKind, dict[bytes, bytes]] = field(
        default_factory=lambda: {kind: {} for kind in BlobKind}
    )

    def add(self, kind: BlobKind, data: bytes) -> bytes:
        """A blob; its id."""
        ident = self.repository.keys.dedup.blob_id(kind, data)
        self.blobs[kind][ident] = data
        return ident

    def data(self, data: bytes) -> bytes:
        """A segment record of a new data blob."""
        return pack_blob(self.add(BlobKind.DATA, data), len(data))

    def page(self, *items: object) -> bytes:
        """A metadata page of anything; its id."""
        return self.add(BlobKind.META, raw(*items))

    def nodes(self, *nodes: Node, owners: tuple[Owner, ...] = (OWNER,)) -> TreeRef:
        """A directory of one page."""
        return TreeRef(self.page(NODES, owners, nodes))

    def references(self, level: int, *refs: tuple[bytes, object]) -> bytes:
        """A page of references."""
        return self.page(REFERENCES, level, refs)

    def segments(self, packed: bytes) -> bytes:
        """A page of segments."""
        return self.page(SEGMENTS, packed)

    def store(self, change: ChangeEntry = lambda entry: entry) -> None:
        """Write what was collected, and an index that says what ``change`` makes of it."""
        for kind, blobs in self.blobs.items():
            if not blobs:
                continue
            entry = change(self.pack(kind, blobs))
            contents = encode_index([entry])
            ident = names.new_id()
            self.repository.objects.write(kind.index_kind, names.INDEX, ident, contents)
            blobs.clear()

    def pack(self, kind: BlobKind, blobs: dict[bytes, bytes]) -> PackEntry:
        """Store a pack with a frame of its own for each blob."""
        builder = PackBuilder(self.repository.keys, kind, 1 << 30)
        for ident, data in blobs.items():
            builder.add_frame([(ident, len(data))], data)
        pack = builder.finish()
        self.repository.backend.put(pack.name, b"".join(map(bytes, pack.pieces)))
        return pack.entry

    def commit(
        self, tree: TreeRef, listing: PageRef | None = None, failures: PageRef | None = None
    ) -> Snapshot:
        """A snapshot of it."""
        self.store()
        root = Root(tree=tree, listing=listing, failures=failures, time_ns=clock.now_ns())
        with self.repository.begin("writer", Author("forge")) as session:
            return commit_root(self.repository.objects, session, root)

    def commit_raw(self, record: dict[str, object]) -> bytes:
        """A root of anything."""
        self.store()
        with self.repository.begin("writer", Author("forge")) as session:
            contents = msgspec.msgpack.encode(record)
            self.repository.objects.write(Kind.ROOT, names.ROOTS, session.id, contents)
            session.commit()
            return session.id


def with_frame(entry: PackEntry, which: int, **changes: object) -> PackEntry:
    """The entry with a frame told otherwise."""
    frames = list(entry.frames)
    frames[which] = replace(frames[which], **changes)
    return PackEntry(entry.pack, tuple(frames))
