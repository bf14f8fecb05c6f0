"""What a snapshot has in common with others of its repository, by the ids of its chunks.

    files     chunks that backups of files hold as well
    images    chunks that none of those, but images hold as well
    own       the rest: what would be gone with the snapshot, as far as older ones go

Of the other kind all snapshots count, of its own kind the earlier ones: so an image is told what it
added to the files, and to the image before. Pages and chunks are met once however many snapshots
refer to them, and all that is kept of them are a few bits.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from twofold.errors import DamageFound, NewerFormat, TwofoldError
from twofold.format.names import BlobKind
from twofold.graph import PageStore, Reach, Seen, reachable
from twofold.repository import Index, Snapshot
from twofold.view.marks import BlobMarks, Flagged

_FILES, _IMAGES, _OWN = 1, 2, 4
_BLOBS_PER_STEP = 4096

OnLoss = Callable[[Snapshot, TwofoldError], None]


class Amount(msgspec.Struct, frozen=True):
    """Chunks, each counted once: their bytes, and what these take compressed.

    Of a chunk that was compressed with others its share is counted.
    """

    chunks: int
    bytes_raw: int
    bytes_stored: int


class Sharing(msgspec.Struct, frozen=True):
    """The chunks of a snapshot by who else has them, and its metadata."""

    files: Amount
    images: Amount
    own: Amount
    metadata: Amount
    missing: int
    """Chunks and pages that the index lists nowhere."""

    @property
    def data(self) -> Amount:
        """All chunks of contents."""
        parts = (self.files, self.images, self.own)
        return Amount(
            sum(each.chunks for each in parts),
            sum(each.bytes_raw for each in parts),
            sum(each.bytes_stored for each in parts),
        )


class _Sum:
    def __init__(self) -> None:
        self.chunks = self.raw = 0
        self.stored = 0.0

    def amount(self) -> Amount:
        return Amount(self.chunks, self.raw, round(self.stored))


class Surroundings(msgspec.Struct, frozen=True):
    """A repository as far as sharing is about it. ``lost`` is told what cannot be followed."""

    pages: PageStore
    index: Index
    snapshots: Sequence[Snapshot]
    """All, newest last."""
    lost: OnLoss
    step: Callable[[int], None]
    """Told now and then how many chunks and pages were looked at."""


def sharing_of(around: Surroundings, snapshot: Snapshot) -> Sharing:
    """Follow the snapshots it is compared with, then itself."""
    return _Count(around).of(snapshot)


class _Count:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._data = BlobMarks(around.index, BlobKind.DATA)
        self._meta = BlobMarks(around.index, BlobKind.META)
        self._met = 0

    def of(self, snapshot: Snapshot) -> Sharing:
        earlier = True
        for other in self._around.snapshots:
            earlier = earlier and other.id != snapshot.id
            if _counts(other, snapshot, earlier=earlier):
                flag = _FILES if other.root.kind == "files" else _IMAGES
                self._note(other, flag)
        sums = {flag: _Sum() for flag in (_FILES, _IMAGES, _OWN)}
        metadata, missing = _Sum(), 0
        for reach in self._followed(snapshot, Flagged(self._meta, _OWN), contents_only=False):
            if reach.kind is BlobKind.META:
                missing += not self._add(metadata, self._meta, reach.id)
                continue
            before = self._data.mark(reach.id, _OWN)
            if not before & _OWN:
                flag = next((each for each in (_FILES, _IMAGES) if before & each), _OWN)
                missing += not self._add(sums[flag], self._data, reach.id)
        files, images, own = (sums[flag].amount() for flag in (_FILES, _IMAGES, _OWN))
        return Sharing(files, images, own, metadata.amount(), missing)

    def _note(self, other: Snapshot, flag: int) -> None:
        for reach in self._followed(other, Flagged(self._meta, flag), contents_only=True):
            if reach.kind is BlobKind.DATA:
                self._data.mark(reach.id, flag)

    def _followed(self, snapshot: Snapshot, seen: Seen, *, contents_only: bool) -> Iterator[Reach]:
        root = snapshot.root
        if contents_only:
            root = msgspec.structs.replace(root, listing=None, failures=None)
        try:
            for reach in reachable(self._around.pages, root, seen):
                self._met += 1
                if self._met % _BLOBS_PER_STEP == 0:
                    self._around.step(self._met)
                yield reach
        except (DamageFound, NewerFormat) as error:
            self._around.lost(snapshot, error)

    def _add(self, to: _Sum, marks: BlobMarks, blob_id: bytes) -> bool:
        place = marks.location(blob_id)
        if place is None:
            return False
        frame = place.frame
        to.chunks += 1
        to.raw += place.length
        to.stored += place.length * frame.sealed_length / max(frame.raw_length, 1)
        return True


def _counts(other: Snapshot, snapshot: Snapshot, *, earlier: bool) -> bool:
    if other.id == snapshot.id or other.forgotten or other.root.partial:
        return False
    return earlier or other.root.kind != snapshot.root.kind
