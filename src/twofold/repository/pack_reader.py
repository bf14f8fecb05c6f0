"""Reading packs, healing on the way: again, then from parity or the second copy.

The ladder for one frame: the range from the store; the range again; the whole pack, with damaged
shards rebuilt from parity (or from the other copy of a small pack). Whatever comes out must pass
the frame's authentication, so healing can never invent data. Other copies of a blob are tried by
the caller (``blobs.py``).
"""

from collections import OrderedDict
from dataclasses import dataclass

from twofold.backend import Backend
from twofold.errors import DamageFound, FormatError, ObjectDamaged, ObjectNotFound
from twofold.events import Emit, Finding, Severity
from twofold.format import names
from twofold.format.compression import decompress
from twofold.format.envelope import Header
from twofold.format.index import PackEntry, PackInfo
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.format.pack import FRAME, TABLE_NONCE, FrameEntry, PackTable, section_header
from twofold.repository.pack_repair import PackImage, parse_pack
from twofold.seal import Keyring, ObjectSeal

_SEALS_KEPT = 256


@dataclass(frozen=True, slots=True)
class WholePack:
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
        self._seals: OrderedDict[bytes, ObjectSeal] = OrderedDict()
        self._told: set[bytes] = set()

    def read_frame(self, kind: BlobKind, pack: PackInfo, frame: FrameEntry) -> Buffer:
        """Plaintext of a frame. ``ObjectDamaged`` when nothing at hand helps."""
        name = names.object_name(names.PACKS, pack.id)
        for _attempt in range(2):
            try:
                sealed = self._backend.get(name, frame.offset, frame.sealed_length)
                return self._open(kind, pack, frame, sealed)
            except ObjectNotFound:
                raise ObjectDamaged(
                    f"pack {pack.id.hex()} is missing from the repository"
                ) from None
            except FormatError:
                continue
        return self._heal_frame(kind, pack, frame, name)

    def _open(self, kind: BlobKind, pack: PackInfo, frame: FrameEntry, sealed: Buffer) -> Buffer:
        front = section_header(FRAME, pack.id, len(sealed), frame.ordinal, frame.encoding)
        plain = self.seal_of(kind, pack).open(frame.ordinal, sealed, front)
        return decompress(frame.encoding, plain, frame.raw_length)

    def _heal_frame(self, kind: BlobKind, pack: PackInfo, frame: FrameEntry, name: str) -> Buffer:
        last: DamageFound | None = None
        try:
            for data in parse_pack(pack.id, self._backend.get(name)).candidates():
                try:
                    end = frame.offset + frame.sealed_length
                    plain = self._open(kind, pack, frame, data[frame.offset : end])
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
        found = self._seals.get(pack.id)
        if found is None:
            header = Header(
                kind.pack_kind, pack.aead, pack.epoch, self._keys.repository, pack.id, pack.salt
            )
            found = self._seals[pack.id] = self._keys.object_seal(header)
            if len(self._seals) > _SEALS_KEPT:
                self._seals.popitem(last=False)
        return found

    def read_whole(self, pack: bytes) -> tuple[BlobKind, WholePack]:
        """A pack by its name alone, with its table. ``ObjectDamaged``, ``ObjectNotFound``."""
        data = self._backend.get(names.object_name(names.PACKS, pack))
        image = parse_pack(pack, data)
        last: DamageFound | None = None
        for candidate in image.candidates():
            try:
                return self._with_table(pack, image, candidate, len(data))
            except DamageFound as error:
                last = error
        raise ObjectDamaged(f"pack {pack.hex()} is damaged beyond repair: {last}")

    def _with_table(
        self, pack: bytes, image: PackImage, data: Buffer, size: int
    ) -> tuple[BlobKind, WholePack]:
        header = Header.decode(data)
        kind = _blob_kind(header)
        self._keys.check(header, kind.pack_kind, pack)
        seal = self._keys.object_seal(header)
        front, sealed = image.table_section(data)
        table = PackTable.decode(seal.open(TABLE_NONCE, sealed, front))
        info = PackInfo(pack, size, header.salt, header.epoch, header.aead)
        return kind, WholePack(info, image, table)

    def entry(self, pack: bytes) -> tuple[BlobKind, PackEntry]:
        """A pack's index entry, from its own table."""
        kind, whole = self.read_whole(pack)
        return kind, PackEntry(whole.info, tuple(whole.table.frames))


def _blob_kind(header: Header) -> BlobKind:
    for kind in BlobKind:
        if header.kind == kind.pack_kind:
            return kind
    raise FormatError("the object is not a pack")
