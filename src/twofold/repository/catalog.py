"""What a writer knows: blobs present, blobs it has taken on, packs not yet listed.

``claim`` is asked for every chunk, from several threads, and so is answered by two hash tables: one
of what the index lists in packs a writer may rely on, filled again when that changes, and one of
what was taken on in this run.
"""

import threading

from twofold.format import names
from twofold.format.index import MAX_BLOBS_PER_INDEX, IndexBuilder, PackEntry
from twofold.format.names import BlobKind
from twofold.repository.blob_set import BlobSet, new_blob_set
from twofold.repository.index import Index
from twofold.repository.objects import ObjectStore

MANY = 1 << 17
"""So many blobs at most, and those of one pack, wait to be listed: each takes 85 bytes until then,
and 180 more while its index object is made."""


class Catalog:
    """Threads may share it."""

    def __init__(self, index: Index, tombs: set[bytes]) -> None:
        self._index = index
        self._tombs = frozenset(tombs)
        self._taken = {kind: new_blob_set() for kind in BlobKind}
        self._known: dict[BlobKind, BlobSet] = {}
        self._entered: dict[BlobKind, int] = {}
        self._unreliable: frozenset[bytes] = frozenset()
        self._version = -1
        self._unlisted: dict[BlobKind, list[IndexBuilder]] = {kind: [] for kind in BlobKind}
        self._own: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def known(self, kind: BlobKind, blob_id: bytes) -> bool:
        """Whether the blob is stored in a pack that is there, whole as far as is known and not
        condemned."""
        return blob_id in self._known_blobs(kind)

    def _known_blobs(self, kind: BlobKind) -> BlobSet:
        if self._version != self._index.version:
            with self._lock:
                self._enter_runs()
        return self._known[kind]

    def _enter_runs(self) -> None:
        """Bring the table of known blobs up to date with the index."""
        version, unreliable = self._index.version, self._index.unreliable
        known, entered = self._known, self._entered
        if unreliable != self._unreliable or self._version < 0:
            known = {kind: new_blob_set(self._index.blob_count(kind)) for kind in BlobKind}
            entered = dict.fromkeys(BlobKind, 0)
        without = self._tombs | unreliable
        for kind, runs in self._index.runs.items():
            for run in runs[entered[kind] :]:
                known[kind].add_run(run, without)
                run.release_memory()
                entered[kind] += 1
        self._known, self._entered = known, entered
        self._unreliable, self._version = unreliable, version

    def claim(self, kind: BlobKind, blob_id: bytes) -> bool:
        """True exactly once per new blob: the caller must store it."""
        taken = self._taken[kind]
        if blob_id in taken or self.known(kind, blob_id):
            return False
        return taken.claim(blob_id)

    def claim_many(self, kind: BlobKind, ids: bytes) -> bytes:
        """``claim`` for many ids, one behind the other: a byte 1 or 0 for each."""
        return self._taken[kind].claim_many(ids, self._known_blobs(kind))

    def add_pack(self, kind: BlobKind, entry: PackEntry) -> None:
        """A pack is durable in the store and waits to be listed."""
        with self._lock:
            waiting = self._unlisted[kind]
            blobs = sum(len(frame.blobs) for frame in entry.frames)
            if not waiting or len(waiting[-1]) + blobs > MAX_BLOBS_PER_INDEX:
                waiting.append(IndexBuilder())
            waiting[-1].add(entry)
            self._own[entry.pack.id] = entry.pack.size

    def relied_on(self) -> dict[bytes, int]:
        """Every pack, own or possibly reused, that what was stored so far may rely on."""
        reusable = self._index.packs()
        for pack in self._tombs | self._index.unreliable:
            reusable.pop(pack, None)
        with self._lock:
            return reusable | self._own

    def flush_if_many(self, objects: ObjectStore) -> None:
        """``flush`` before what waits to be listed takes much memory."""
        for kind, waiting in self._unlisted.items():
            if sum(map(len, waiting)) >= MANY:
                self._flush(objects, kind)

    def flush(self, objects: ObjectStore) -> int:
        """W5: list all durable packs; bytes stored. Packs stay unlisted if this fails."""
        return sum(self._flush(objects, kind) for kind in BlobKind)

    def _flush(self, objects: ObjectStore, kind: BlobKind) -> int:
        stored = 0
        while True:
            with self._lock:
                waiting = self._unlisted[kind]
                if not waiting or waiting[0].empty:
                    return stored
                contents = waiting[0].encode()
                if len(waiting) == 1:
                    waiting.append(IndexBuilder())  # for packs that come while this is written
            ident = names.new_id()
            stored += objects.write(kind.index_kind, names.INDEX, ident, contents)
            with self._lock:
                del waiting[0]
