"""Packs: sections, table and footer (docs/format/packs.md)."""

import blake3
import msgspec

from twofold.errors import FormatError
from twofold.format.envelope import ALIGNMENT
from twofold.format.layout import Buffer, Layout

SECTION_MAGIC = b"\x892FS\r\n\x1a"
FOOTER_MAGIC = b"\x892FEND\r\n"
FRAME, TABLE, DIGESTS = 0x46, 0x54, 0x44
TABLE_NONCE = 1 << 32
MAX_BLOBS = 65_536
MAX_FRAMES = 65_536
MAX_FRAME_RAW = 64 << 20
MIRROR_LIMIT = 1 << 20
DIGEST_SIZE = 8

SECTION = Layout(
    "Section",
    [
        ("magic", "7s"),
        ("kind", "B"),
        ("ordinal", "I"),
        ("length", "I"),
        ("encoding", "B"),
        ("reserved", "7s"),
        ("pack", "8s"),
    ],
)
TABLE_HEAD = Layout("TableHead", [("frames", "I"), ("blobs", "I")])
TABLE_FRAME = Layout(
    "TableFrame",
    [
        ("offset", "I"),
        ("sealed_length", "I"),
        ("raw_length", "I"),
        ("blobs", "I"),
        ("encoding", "B"),
        ("reserved", "3s"),
    ],
)
TABLE_BLOB = Layout("TableBlob", [("id", "32s"), ("length", "I")])
FOOTER = Layout(
    "Footer",
    [
        ("magic", "8s"),
        ("pack", "16s"),
        ("table_offset", "Q"),
        ("table_length", "I"),
        ("digests_length", "I"),
        ("groups", "I"),
        ("reserved", "4s"),
        ("copy_length", "Q"),
        ("digest", "8s"),
    ],
)


def short_digest(data: Buffer) -> bytes:
    """First 8 bytes of unkeyed BLAKE3: finds damage, proves nothing."""
    return blake3.blake3(data).digest(DIGEST_SIZE)


def section_header(
    kind: int, pack: bytes, length: int, ordinal: int = 0, encoding: int = 0
) -> bytes:
    """The 32 bytes before a frame, table or digest section."""
    return SECTION.pack(SECTION_MAGIC, kind, ordinal, length, encoding, pack[:8])


class FrameEntry(msgspec.Struct, frozen=True):
    """One frame of a pack: place of its sealed bytes, lengths, and (blob id, length) in order."""

    ordinal: int
    offset: int
    sealed_length: int
    raw_length: int
    encoding: int
    blobs: tuple[tuple[bytes, int], ...] = ()


class PackTable(msgspec.Struct):
    """What a pack holds."""

    frames: list[FrameEntry] = msgspec.field(default_factory=list)

    def encode(self) -> bytes:
        """Plaintext of the table section, padded to a multiple of 4096.

        ``FormatError`` beyond the limits: no reader would take such a pack.
        """
        blobs = [blob for frame in self.frames for blob in frame.blobs]
        if len(self.frames) > MAX_FRAMES or len(blobs) > MAX_BLOBS:
            raise FormatError("too many blobs for one pack")
        parts = [TABLE_HEAD.pack(len(self.frames), len(blobs))]
        parts += [
            TABLE_FRAME.pack(f.offset, f.sealed_length, f.raw_length, len(f.blobs), f.encoding)
            for f in self.frames
        ]
        parts += [TABLE_BLOB.pack(ident, length) for ident, length in blobs]
        plain = b"".join(parts)
        return plain.ljust(-(-len(plain) // ALIGNMENT) * ALIGNMENT, b"\0")

    @classmethod
    def decode(cls, plain: Buffer) -> "PackTable":
        """Read a table; ``FormatError`` when counts or lengths do not fit together."""
        frames, blobs = TABLE_HEAD.read(plain)
        start = TABLE_HEAD.size + frames * TABLE_FRAME.size
        end = start + blobs * TABLE_BLOB.size
        if frames > MAX_FRAMES or blobs > MAX_BLOBS or end > len(plain):
            raise FormatError("the table of a pack has impossible counts")
        view = memoryview(plain)
        listed = list(TABLE_BLOB.iterate(view[start:end]))
        rows = TABLE_FRAME.iterate(view[TABLE_HEAD.size : start])
        return cls(_frames(rows, listed))


def _frames(rows: object, listed: list[tuple[bytes, int]]) -> list[FrameEntry]:
    frames: list[FrameEntry] = []
    taken = 0
    for ordinal, (offset, sealed, raw, count, encoding) in enumerate(rows, 1):  # type: ignore[arg-type,var-annotated]
        blobs = tuple(listed[taken : taken + count])
        taken += count
        if raw > MAX_FRAME_RAW or len(blobs) != count:
            raise FormatError("the table of a pack has impossible lengths")
        if blobs and sum(length for _, length in blobs) != raw:
            raise FormatError("the blobs of a frame do not add up")
        frames.append(FrameEntry(ordinal, offset, sealed, raw, encoding, blobs))
    if taken != len(listed):
        raise FormatError("the table of a pack lists blobs without a frame")
    return frames


class Footer(msgspec.Struct, frozen=True):
    """Where a pack's parts lie; ``groups`` 0 means a small pack stored twice."""

    pack: bytes
    table_offset: int
    table_length: int
    digests_length: int
    groups: int
    copy_length: int

    def encode(self) -> bytes:
        """The last 64 bytes of a pack (or of each copy of a small pack)."""
        front = FOOTER.pack(
            FOOTER_MAGIC,
            self.pack,
            self.table_offset,
            self.table_length,
            self.digests_length,
            self.groups,
            self.copy_length,
            bytes(DIGEST_SIZE),
        )[:-DIGEST_SIZE]
        return front + short_digest(front)

    @classmethod
    def decode(cls, data: Buffer) -> "Footer":
        """Read a footer; ``FormatError`` when it is damaged."""
        magic, pack, table, table_length, digests, groups, copy, digest = FOOTER.read(data)
        if magic != FOOTER_MAGIC or digest != short_digest(bytes(data[:-DIGEST_SIZE])):
            raise FormatError("the footer of a pack is damaged")
        return cls(pack, table, table_length, digests, groups, copy)

    @property
    def digests_offset(self) -> int:
        """Where the first digest section begins."""
        return self.table_offset + self.table_length

    @property
    def parity_offset(self) -> int:
        """Where parity begins: the next multiple of 4096 after the digests."""
        return -(-(self.digests_offset + self.digests_length) // ALIGNMENT) * ALIGNMENT

    @property
    def parity_length(self) -> int:
        """Bytes of parity."""
        return 2 * self.groups * ALIGNMENT
