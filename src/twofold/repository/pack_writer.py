"""Packs in the making: frames are compressed, sealed, proven, and laid out in one pass.

A builder belongs to one thread. Each frame is opened and decompressed again and compared with what
went in before it counts, because nothing later could tell a bad encoder (or bad memory) from good
data. ``finish`` adds table, digests and parity (docs/format/packs.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from twofold import parity
from twofold.errors import TwofoldError
from twofold.format import names
from twofold.format.compression import compress, decompress
from twofold.format.envelope import ALIGNMENT, HEADER, TAG_SIZE, mirror, padme
from twofold.format.index import PackEntry, PackInfo
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.format.pack import (
    DIGESTS,
    FOOTER,
    FRAME,
    MAX_BLOBS,
    MIRROR_LIMIT,
    SECTION,
    TABLE,
    TABLE_NONCE,
    Footer,
    FrameEntry,
    PackTable,
    section_header,
    short_digest,
)
from twofold.seal import Keyring

_FRAME_COST = SECTION.size + TAG_SIZE


@dataclass(frozen=True, slots=True)
class FinishedPack:
    """A pack ready to be stored: its bytes in pieces, and its index entry."""

    kind: BlobKind
    entry: PackEntry
    pieces: tuple[Buffer, ...]

    @property
    def name(self) -> str:
        """Its name in the store."""
        return names.object_name(names.PACKS, self.entry.pack.id)


class PackBuilder:
    """One pack being filled; about ``pack_size`` bytes of memory."""

    def __init__(self, keys: Keyring, kind: BlobKind, pack_size: int) -> None:
        self.kind = kind
        self.id = names.new_id()
        self._seal = keys.object_seal(keys.new_header(kind.pack_kind, self.id))
        self._limit = pack_size
        self._data = bytearray(self._seal.header.encode())
        self._frames: list[FrameEntry] = []
        self._blobs = 0

    @property
    def empty(self) -> bool:
        """Nothing was added yet."""
        return not self._frames

    @property
    def full(self) -> bool:
        """Time to finish."""
        return len(self._data) >= self._limit or self._blobs >= MAX_BLOBS // 2

    def has_room(self, blobs: int) -> bool:
        """Whether that many further blobs fit the table."""
        return self._blobs + blobs <= MAX_BLOBS

    def add_frame(self, blobs: Sequence[tuple[bytes, int]], payload: Buffer) -> int:
        """Append a frame of (blob id, length) whose bytes are ``payload``; bytes stored."""
        encoding, stored = compress(payload)
        ordinal = len(self._frames) + 1
        front = section_header(FRAME, self.id, len(stored) + TAG_SIZE, ordinal, encoding)
        sealed = self._seal.seal(ordinal, stored, front)
        self._prove(ordinal, front, sealed, encoding, payload)
        offset = len(self._data) + SECTION.size
        self._data += front
        self._data += sealed
        self._frames.append(
            FrameEntry(ordinal, offset, len(sealed), len(payload), encoding, tuple(blobs))
        )
        self._blobs += len(blobs)
        return _FRAME_COST + len(stored)

    def _prove(
        self, ordinal: int, front: bytes, sealed: bytes, encoding: int, payload: Buffer
    ) -> None:
        raw = decompress(encoding, self._seal.open(ordinal, sealed, front), len(payload))
        if raw != bytes(payload):
            raise TwofoldError(
                "data came back changed from compression; it was not stored",
                hint="this computer's memory or processor may be faulty; test it before you go on",
            )

    def finish(self, *, pad: bool = False) -> FinishedPack:
        """Close the pack; ``pad`` hides the size of a run's last pack."""
        if pad:
            self._pad()
        plain = PackTable(self._frames).encode()
        front = section_header(TABLE, self.id, len(plain) + TAG_SIZE)
        table = front + self._seal.seal(TABLE_NONCE, plain, front)
        offset = len(self._data)
        self._data += table
        if len(self._data) < MIRROR_LIMIT:
            pieces = self._mirrored(offset, len(table))
        else:
            pieces = self._with_parity(offset, table)
        header = self._seal.header
        size = sum(len(piece) for piece in pieces)
        info = PackInfo(self.id, size, header.salt, header.epoch, header.aead)
        return FinishedPack(self.kind, PackEntry(info, tuple(self._frames)), pieces)

    def _pad(self) -> None:
        missing = padme(len(self._data)) - len(self._data) - _FRAME_COST
        if missing > 0:
            ordinal = len(self._frames) + 1
            front = section_header(FRAME, self.id, missing + TAG_SIZE, ordinal)
            sealed = self._seal.seal(ordinal, bytes(missing), front)
            entry = FrameEntry(ordinal, len(self._data) + SECTION.size, len(sealed), missing, 0)
            self._data += front + sealed
            self._frames.append(entry)

    def _mirrored(self, table_offset: int, table_length: int) -> tuple[Buffer, ...]:
        length = len(self._data) + FOOTER.size
        footer = Footer(self.id, table_offset, table_length, 0, 0, length)
        return (mirror(bytes(self._data) + footer.encode()),)

    def _with_parity(self, table_offset: int, table: bytes) -> tuple[Buffer, ...]:
        digests_about = 2 * parity.Layout.of(len(self._data)).digests_size
        beside = len(table) + digests_about + ALIGNMENT
        shards = parity.encode(self._data, beside)
        rows = parity.shard_digests(self._data) + parity.shard_digests(shards)
        front = section_header(DIGESTS, self.id, len(rows) + 8)
        digests = front + rows
        digests += short_digest(digests)
        groups = len(shards) // (2 * ALIGNMENT)
        parts = Footer(self.id, table_offset, len(table), len(digests), groups, 0)
        gap = bytes(parts.parity_offset - parts.digests_offset - len(digests))
        end = parts.parity_offset + len(shards) + len(table) + len(digests) + FOOTER.size
        footer = Footer(self.id, table_offset, len(table), len(digests), groups, end)
        return (self._data, digests, gap, shards, table, digests, footer.encode())


MINIMUM_PACK = HEADER.size + FOOTER.size
"""No pack is smaller than this many bytes."""
