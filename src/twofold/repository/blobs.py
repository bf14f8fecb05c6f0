"""Reading blobs: by frame, cached, every blob checked against its id.

If the frame a blob lies in is lost, the other places the index lists for it are tried before the
reader gives up. The index is told, so that from then on others are tried before that pack.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence

from twofold.errors import DamageFound, ObjectDamaged
from twofold.format.index import BlobLocation
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.repository.index import Index
from twofold.repository.pack_reader import PackReader
from twofold.seal import DedupKeys

CACHE_BYTES = 48 << 20


def _together(one: BlobLocation, other: BlobLocation) -> bool:
    """Whether two blobs lie in the same frame."""
    return one.pack.id == other.pack.id and one.frame.ordinal == other.frame.ordinal


def other_contents(place: BlobLocation) -> ObjectDamaged:
    """What is said when a frame does not hold the blob that should be in it."""
    return ObjectDamaged(f"pack {place.pack.id.hex()} holds other contents than the index says")


class BlobReader:
    """Blobs by id; keeps decoded frames. Safe to share between threads."""

    def __init__(self, index: Index, packs: PackReader, keys: DedupKeys) -> None:
        self.index = index
        self._packs = packs
        self._keys = keys
        self._frames: OrderedDict[tuple[bytes, int], Buffer] = OrderedDict()
        self._held = 0
        self._most = CACHE_BYTES
        self._lock = threading.Lock()

    def keep(self, most: int) -> None:
        """Keep decoded frames of at most so many bytes; ``CACHE_BYTES`` unless somebody asks."""
        self._most = most

    def read(self, kind: BlobKind, blob_id: bytes) -> Buffer:
        """Bytes of a blob. ``ObjectDamaged`` when no place yields it, even after looking again."""
        known = self.index.size
        try:
            return self._read(kind, blob_id)
        except DamageFound:
            if not self.index.look_again(known):
                raise
        return self._read(kind, blob_id)

    def read_many(self, kind: BlobKind, blob_ids: Sequence[bytes]) -> list[Buffer]:
        """``read`` for many blobs, quicker where neighbours lie in one frame."""
        found: list[Buffer | None] = []
        group: list[tuple[bytes, BlobLocation]] = []
        for blob_id in blob_ids:
            place = self.index.place(kind, blob_id)
            if place is None or (group and not _together(group[0][1], place)):
                found += self._from_frame(kind, group)
                group = []
            if place is None:
                found.append(None)
            else:
                group.append((blob_id, place))
        found += self._from_frame(kind, group)
        return [
            data if data is not None else self.read(kind, blob_id)
            for blob_id, data in zip(blob_ids, found, strict=True)
        ]

    def _from_frame(
        self, kind: BlobKind, blobs: Sequence[tuple[bytes, BlobLocation]]
    ) -> Sequence[Buffer | None]:
        """Blobs of one frame; None for each that is to be looked for elsewhere."""
        if not blobs:
            return ()
        try:
            return self.take_all(kind, blobs, self.frame(kind, blobs[0][1]))
        except DamageFound:
            return [None] * len(blobs)

    def _read(self, kind: BlobKind, blob_id: bytes) -> Buffer:
        last: DamageFound | None = None
        first = self.index.place(kind, blob_id)
        if first is not None:
            try:
                return self.take(kind, blob_id, first, self.frame(kind, first))
            except DamageFound as error:
                last = error
        for place in self.index.places(kind, blob_id):
            if place == first:
                continue
            try:
                return self.take(kind, blob_id, place, self.frame(kind, place))
            except DamageFound as error:
                last = error
        if last is not None:
            raise last
        raise ObjectDamaged(f"{_WORDS[kind]} {blob_id.hex()[:16]} is in no index")

    def prove(self, kind: BlobKind) -> None:
        """Try every frame, and tell the index which packs have lost something."""
        for run in self.index.runs[kind]:
            for pack, frame in run.frames():
                if pack.id in self.index.unreliable:
                    continue
                try:
                    self._packs.read_frame(kind, pack, frame)
                except DamageFound:
                    self.index.note_lost([pack.id])

    def take(
        self, kind: BlobKind, blob_id: bytes, place: BlobLocation, plain: Buffer
    ) -> memoryview:
        """Cut a blob out of its frame's plaintext and prove it is the one."""
        data = memoryview(plain)[place.offset : place.offset + place.length]
        if self._keys.blob_id(kind, data) != blob_id:
            self.index.note_lost([place.pack.id])
            raise other_contents(place)
        return data

    def take_all(
        self, kind: BlobKind, blobs: Sequence[tuple[bytes, BlobLocation]], plain: Buffer
    ) -> list[memoryview | None]:
        """``take`` for many blobs of one frame; None for those it does not hold."""
        view, spans = memoryview(plain), array("Q")
        for _, place in blobs:
            begin = min(place.offset, len(view))
            spans.append(begin)
            spans.append(min(begin + place.length, len(view)))
        ids = self._keys.ids_of(kind, view, spans)
        return [
            view[spans[2 * n] : spans[2 * n + 1]] if ids[32 * n : 32 * n + 32] == blob_id else None
            for n, (blob_id, _) in enumerate(blobs)
        ]

    def frame(self, kind: BlobKind, place: BlobLocation) -> Buffer:
        """Plaintext of the frame a blob lies in, from the cache if it is there."""
        key = (place.pack.id, place.frame.ordinal)
        with self._lock:
            found = self._frames.get(key)
            if found is not None:
                self._frames.move_to_end(key)
                return found
        try:
            plain = self._packs.read_frame(kind, place.pack, place.frame)
        except DamageFound:
            self.index.note_lost([place.pack.id])
            raise
        with self._lock:
            if key not in self._frames:
                self._frames[key] = plain
                self._held += len(plain)
            while self._held > self._most and len(self._frames) > 1:
                self._held -= len(self._frames.popitem(last=False)[1])
        return plain


_WORDS = {BlobKind.DATA: "data", BlobKind.META: "metadata"}
