"""Packs in the making: frames are compressed, sealed, proven, and laid out in one pass.

A builder belongs to one thread. Each frame is opened and decompressed again and compared with what
went in before it counts, because nothing later could tell a bad encoder (or bad memory) from good
data. ``finish`` adds table, digests and parity (docs/format/packs.md).

Frames are sealed right into the memory of the pack, which goes round: fresh memory costs the system
more than all the arithmetic.
"""

from collections.abc import Sequence

import msgspec

from twofold import parity
from twofold.errors import TwofoldError
from twofold.format import names
from twofold.format.compression import (
    LEVEL,
    PLAIN,
    TOGETHER,
    Compressor,
    Search,
    decompress,
)
from twofold.format.envelope import ALIGNMENT, TAG_SIZE, mirror, padme
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
from twofold.seal import Keyring, ObjectSeal

_FRAME_COST = SECTION.size + TAG_SIZE


class FinishedPack(msgspec.Struct, frozen=True):
    """A pack ready to be stored: its bytes in pieces, and its index entry."""

    kind: BlobKind
    entry: PackEntry
    pieces: tuple[Buffer, ...]

    @property
    def name(self) -> str:
        """Its name in the store."""
        return names.object_name(names.PACKS, self.entry.pack.id)

    def release(self) -> None:
        """Let go of the builder's memory, so that a later pack may have it."""
        for piece in self.pieces:
            if isinstance(piece, memoryview):
                piece.release()


class FrameWorks:
    """What one thread needs for every frame: compressors, and room for the proof."""

    def __init__(self, alone: Search = LEVEL, together: Search = TOGETHER) -> None:
        """How hard frames of a single blob are compressed, and those of many."""
        self._alone = Compressor(alone)
        self._together = Compressor(together)
        self._opened = bytearray()

    def compress(self, payload: Buffer, blobs: int) -> tuple[int, Buffer]:
        """(encoding, bytes) of a frame with so many blobs."""
        return (self._alone if blobs == 1 else self._together).compress(payload)

    def proves(
        self, seal: ObjectSeal, frame: FrameEntry, front: bytes, sealed: Buffer, payload: Buffer
    ) -> bool:
        """Whether a sealed frame gives back the bytes it was made of."""
        size = len(sealed) - TAG_SIZE
        if len(self._opened) < size:
            self._opened = bytearray(size)
        with memoryview(self._opened)[:size] as opened:
            seal.open_into(frame.ordinal, sealed, front, opened)
            if frame.encoding != PLAIN:
                raw = decompress(frame.encoding, opened, frame.raw_length)
                return len(raw) == len(payload) and bytes(raw).startswith(payload)
        return size == len(payload) and self._opened.startswith(payload)


_FIRST_ROOM = 64 << 10


class PackBuilder:
    """One pack being filled, in the memory of an earlier one if that is given."""

    def __init__(
        self,
        keys: Keyring,
        kind: BlobKind,
        pack_size: int,
        works: FrameWorks | None = None,
        memory: bytearray | None = None,
    ) -> None:
        self.kind = kind
        self.id = names.new_id()
        self._seal = keys.object_seal(keys.new_header(kind.pack_kind, self.id))
        self._limit = pack_size
        self._works = works or FrameWorks()
        self.memory = memory or bytearray()
        self._size = 0
        self._frames: list[FrameEntry] = []
        self._blobs = 0
        self._append(self._seal.header.encode())

    @property
    def empty(self) -> bool:
        """Nothing was added yet."""
        return not self._frames

    @property
    def full(self) -> bool:
        """Time to finish."""
        return self._size >= self._limit or self._blobs >= MAX_BLOBS // 2

    def has_room(self, blobs: int) -> bool:
        """Whether that many further blobs fit the table."""
        return self._blobs + blobs <= MAX_BLOBS

    def add_frame(self, blobs: Sequence[tuple[bytes, int]], payload: Buffer) -> int:
        """Append a frame of (blob id, length) whose bytes are ``payload``; bytes stored."""
        encoding, stored = self._works.compress(payload, len(blobs))
        frame = self._put_frame(encoding, stored, len(payload), blobs)
        front = section_header(FRAME, self.id, frame.sealed_length, frame.ordinal, encoding)
        with memoryview(self.memory)[frame.offset : self._size] as sealed:
            if not self._works.proves(self._seal, frame, front, sealed, payload):
                raise TwofoldError(
                    "data came back changed from compression; it was not stored",
                    hint="this computer's memory or processor may be faulty; "
                    "test it before you go on",
                )
        self._blobs += len(blobs)
        return _FRAME_COST + len(stored)

    def _put_frame(
        self, encoding: int, stored: Buffer, raw_length: int, blobs: Sequence[tuple[bytes, int]]
    ) -> FrameEntry:
        """Seal a frame into the pack."""
        ordinal, length = len(self._frames) + 1, len(stored) + TAG_SIZE
        front = section_header(FRAME, self.id, length, ordinal, encoding)
        self._append(front)
        offset = self._size
        self._reserve(length)
        with memoryview(self.memory)[offset : offset + length] as out:
            self._seal.seal_into(ordinal, stored, front, out)
        self._size += length
        frame = FrameEntry(ordinal, offset, length, raw_length, encoding, tuple(blobs))
        self._frames.append(frame)
        return frame

    def _append(self, data: Buffer) -> None:
        self._reserve(len(data))
        self.memory[self._size : self._size + len(data)] = data
        self._size += len(data)

    def _reserve(self, length: int) -> None:
        missing = self._size + length - len(self.memory)
        if missing > 0:
            more = min(self._size + _FIRST_ROOM, self._limit // 8)
            self.memory += bytes(max(missing, more))

    def finish(self, *, pad: bool = False) -> FinishedPack:
        """Close the pack; ``pad`` hides the size of a run's last pack."""
        if pad:
            self._pad()
        plain = PackTable(self._frames).encode()
        front = section_header(TABLE, self.id, len(plain) + TAG_SIZE)
        table = front + self._seal.seal(TABLE_NONCE, plain, front)
        offset = self._size
        self._append(table)
        if self._size < MIRROR_LIMIT:
            pieces = self._mirrored(offset, len(table))
        else:
            pieces = self._with_parity(offset, table)
        header = self._seal.header
        size = sum(len(piece) for piece in pieces)
        info = PackInfo(self.id, size, header.salt, header.epoch, header.aead)
        return FinishedPack(self.kind, PackEntry(info, tuple(self._frames)), pieces)

    def _pad(self) -> None:
        missing = padme(self._size) - self._size - _FRAME_COST
        if missing > 0:
            self._put_frame(PLAIN, bytes(missing), missing, ())

    def _mirrored(self, table_offset: int, table_length: int) -> tuple[Buffer, ...]:
        length = self._size + FOOTER.size
        footer = Footer(self.id, table_offset, table_length, 0, 0, length)
        return (mirror(bytes(self.memory[: self._size]) + footer.encode()),)

    def _with_parity(self, table_offset: int, table: bytes) -> tuple[Buffer, ...]:
        data = memoryview(self.memory)[: self._size]
        digests_about = 2 * parity.Layout.of(len(data)).digests_size
        beside = len(table) + digests_about + ALIGNMENT
        shards = parity.encode(data, beside)
        rows = parity.shard_digests(data) + parity.shard_digests(shards)
        front = section_header(DIGESTS, self.id, len(rows) + 8)
        digests = front + rows
        digests += short_digest(digests)
        groups = len(shards) // (2 * ALIGNMENT)
        parts = Footer(self.id, table_offset, len(table), len(digests), groups, 0)
        gap = bytes(parts.parity_offset - parts.digests_offset - len(digests))
        end = parts.parity_offset + len(shards) + len(table) + len(digests) + FOOTER.size
        footer = Footer(self.id, table_offset, len(table), len(digests), groups, end)
        return (data, digests, gap, shards, table, digests, footer.encode())
