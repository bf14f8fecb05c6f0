"""What a check knows of a repository so far, and whether a blob can be had.

A blob can be had if an index object lists it in a pack that is there, in a frame that was not found
lost. Where no index object lists it, the packs that none lists are asked, once.
"""

import msgspec

from twofold.errors import FormatError
from twofold.format.index import BlobLocation
from twofold.format.names import BlobKind
from twofold.repository.index import Index
from twofold.repository.listing import PackListing
from twofold.repository.snapshots import Snapshot


class Survey(msgspec.Struct):
    """Filled phase by phase."""

    index: Index = msgspec.field(default_factory=Index)
    listings: dict[bytes, PackListing] = msgspec.field(default_factory=dict)
    """Packs by id as the index has them."""
    present: dict[bytes, int] = msgspec.field(default_factory=dict)
    """Packs in the store, with their sizes."""
    snapshots: list[Snapshot] = msgspec.field(default_factory=list)
    """Readable committed snapshots, forgotten and partial ones too, newest last."""
    committed: set[bytes] = msgspec.field(default_factory=set)
    busy: bool = False
    """Whether somebody else is at work, so that what looks left over may be new."""
    missing: set[bytes] = msgspec.field(default_factory=set)
    lost_frames: set[tuple[bytes, int]] = msgspec.field(default_factory=set)
    rescued: bool = False
    """Whether something needed was found only in packs that no index object lists."""

    @property
    def orphans(self) -> list[bytes]:
        """Packs that no index object lists."""
        return sorted(self.present.keys() - self.listings.keys())

    def has(self, kind: BlobKind, blob: bytes, length: int | None = None) -> bool:
        """Whether a blob (of this length) can be had, as far as is known."""
        if self._found(kind, blob, length):
            return True
        known = self.index.size
        if self.index.look_again(known) and self._found(kind, blob, length):
            self.rescued = True
            return True
        return False

    def _found(self, kind: BlobKind, blob: bytes, length: int | None) -> bool:
        if length is None and not self.missing and not self.lost_frames:
            return self.index.lists(kind, blob)
        try:
            some = self.index.some_place(kind, blob)
            if some is None or self._gives(some, length):
                return some is not None
            return any(self._gives(place, length) for place in self.index.places(kind, blob))
        except FormatError:
            return False

    def _gives(self, place: BlobLocation, length: int | None) -> bool:
        """Whether a place has its blob, and of this length."""
        pack = place.pack.id
        if pack in self.missing or (pack, place.frame.ordinal) in self.lost_frames:
            return False
        return length is None or length == place.length
