"""Reading packs, healing on the way: again, then from parity or the second copy.

The ladder for one frame: the range from the store; the range again; the whole pack, read around bad
sectors, with damaged shards rebuilt from parity (or from the other copy of a small pack). Whatever
comes out must pass the frame's authentication, so healing can never invent data. Other copies of a
blob are tried by the caller (``blobs.py``).
"""

from collections import OrderedDict
from contextlib import suppress

import msgspec

from twofold.backend import Backend
from twofold.errors import (
    DamageFound,
    FormatError,
    NewerFormat,
    ObjectDamaged,
    ObjectNotFound,
    StoreError,
)
from twofold.events import Emit, Finding, Severity
from twofold.format import names
from twofold.format.compression import decompress
from twofold.format.envelope import TAG_SIZE, Header
from twofold.format.index import PackEntry, PackInfo
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.format.pack import (
    FRAME,
    MAX_FRAME_RAW,
    TABLE_NONCE,
    FrameEntry,
    PackTable,
    section_header,
)
from twofold.native import raw_memory
from twofold.repository.pack_repair import PackImage, parse_pack
from twofold.repository.rough_read import read_around
from twofold.seal import Keyring, ObjectSeal

_SEALS_KEPT = 256
MAX_PACK = 1280 << 20
"""No pack is longer: 1 GiB is the most a configuration allows, then come a frame and parity."""


class WholePack(msgspec.Struct, frozen=True):
    """A pack read whole and, if need be, repaired in memory."""

    info: PackInfo
    image: PackImage
    table: PackTable


class PackReader:
    """Opens frames and tables of packs of one repository."""

    def __init__(self, backend: Backend, keys: Keyring, emit: Emit) -> None:
        self._backend = backend
        self._keys = keys
        self._emit = emit
        self._seals: OrderedDict[PackInfo, ObjectSeal] = OrderedDict()
        self._told: set[bytes] = set()

    def read_frame(self, kind: BlobKind, pack: PackInfo, frame: FrameEntry) -> Buffer:
        """Plaintext of a frame. ``ObjectDamaged`` when nothing at hand helps."""
        name = names.object_name(names.PACKS, pack.id)
        for _attempt in range(2):
            try:
                sealed = self._backend.get(name, frame.offset, frame.sealed_length)
                return self.open_frame(kind, pack, frame, sealed)
            except ObjectNotFound:
                self._must_be_there()
                raise ObjectDamaged(
                    f"pack {pack.id.hex()} is missing from the repository"
                ) from None
            except (FormatError, StoreError):
                continue
        return self._heal_frame(kind, pack, frame, name)

    def _must_be_there(self) -> None:
        """``StoreError`` if not only a pack is missing: a drive that went away is not damage."""
        found = False
        for name in (names.CONFIG, names.CONFIG_COPY):
            with suppress(ObjectNotFound):
                self._backend.size(name)
                found = True
        if not found:
            raise StoreError("the repository is no longer there", attempts=1)

    def open_frame(
        self, kind: BlobKind, pack: PackInfo, frame: FrameEntry, sealed: Buffer
    ) -> Buffer:
        """Plaintext out of a frame's sealed bytes. ``FormatError``."""
        if frame.raw_length > MAX_FRAME_RAW:
            raise FormatError("a frame is said to be longer than any can be")
        if len(sealed) < TAG_SIZE:
            raise FormatError("a frame is shorter than its authentication")
        front = section_header(FRAME, pack.id, len(sealed), frame.ordinal, frame.encoding)
        plain = raw_memory(len(sealed) - TAG_SIZE)  # memory of the cipher's own is cleared first
        with memoryview(plain) as room:
            self.seal_of(kind, pack).open_into(frame.ordinal, sealed, front, room)
        return decompress(frame.encoding, plain, frame.raw_length)

    def _heal_frame(self, kind: BlobKind, pack: PackInfo, frame: FrameEntry, name: str) -> Buffer:
        last: DamageFound | None = None
        try:
            whole = read_around(self._backend, name, min(pack.size, MAX_PACK))
            for data in parse_pack(pack.id, whole).candidates():
                try:
                    end = frame.offset + frame.sealed_length
                    plain = self.open_frame(kind, pack, frame, data[frame.offset : end])
                except FormatError as error:
                    last = error
                    continue
                self._tell_healed(pack.id)
                return plain
        except DamageFound as error:
            last = error
        raise ObjectDamaged(f"pack {pack.id.hex()} is damaged beyond repair: {last}")

    def _tell_healed(self, pack: bytes) -> None:
        if pack not in self._told:
            self._told.add(pack)
            self._emit(
                Finding(
                    Severity.WARNING,
                    f"pack {pack.hex()}",
                    "damage was found and repaired from the redundancy inside the pack",
                    "check the drive: the stored copy is still damaged",
                )
            )

    def seal_of(self, kind: BlobKind, pack: PackInfo) -> ObjectSeal:
        """The pack's cipher, derived from what the index knows."""
        found = self._seals.get(pack)
        if found is None:
            header = Header(
                kind.pack_kind, pack.aead, pack.epoch, self._keys.repository, pack.id, pack.salt
            )
            found = self._seals[pack] = self._keys.object_seal(header)
            if len(self._seals) > _SEALS_KEPT:
                self._seals.popitem(last=False)
        return found

    def read_whole(self, pack: bytes) -> tuple[BlobKind, WholePack]:
        """A pack by its name alone, with its table.

        ``ObjectDamaged``, ``ObjectNotFound``, ``NewerFormat``.
        """
        name = names.object_name(names.PACKS, pack)
        size = self._backend.size(name)
        if size > MAX_PACK:
            raise ObjectDamaged(f"pack {pack.hex()} is longer than any pack can be")
        return self.parse(pack, read_around(self._backend, name, size))

    def parse(self, pack: bytes, data: bytes) -> tuple[BlobKind, WholePack]:
        """``read_whole`` of bytes already at hand."""
        image = parse_pack(pack, data)
        last: DamageFound | NewerFormat | None = None
        try:
            for candidate in image.candidates():
                try:
                    return self._with_table(pack, image, candidate)
                except (DamageFound, NewerFormat) as error:
                    last = error
        except DamageFound as error:  # no further candidate
            last = last or error
        if isinstance(last, NewerFormat):
            raise last
        raise ObjectDamaged(f"pack {pack.hex()} is damaged beyond repair: {last}")

    def _with_table(
        self, pack: bytes, image: PackImage, data: Buffer
    ) -> tuple[BlobKind, WholePack]:
        header = Header.decode(data)
        kind = _blob_kind(header)
        self._keys.check(header, kind.pack_kind, pack)
        seal = self._keys.object_seal(header)
        last: DamageFound | None = None
        for front, sealed in image.tables(data):
            try:
                table = PackTable.decode(seal.open(TABLE_NONCE, sealed, front))
            except DamageFound as error:
                last = last or error
                continue
            info = PackInfo(pack, len(image.data), header.salt, header.epoch, header.aead)
            return kind, WholePack(info, image, table)
        raise last or FormatError("the pack has no table")

    def entry(self, pack: bytes) -> tuple[BlobKind, PackEntry]:
        """A pack's index entry, from its own table."""
        kind, whole = self.read_whole(pack)
        return kind, PackEntry(whole.info, tuple(whole.table.frames))


def _blob_kind(header: Header) -> BlobKind:
    for kind in BlobKind:
        if header.kind == kind.pack_kind:
            return kind
    raise FormatError("the object is not a pack")
