"""Pack tables, section headers and footers: round trips, truncation, counts that cannot be."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import FormatError
from twofold.format import pack
from twofold.format.pack import (
    FOOTER,
    TABLE_BLOB,
    TABLE_FRAME,
    TABLE_HEAD,
    Footer,
    FrameEntry,
    PackTable,
    section_header,
    short_digest,
)

from . import strategies as own

BLOBS = ((b"a" * 32, 3), (b"b" * 32, 4))
SAMPLE = PackTable([FrameEntry(1, 128, 23, 7, 0, BLOBS), FrameEntry(2, 183, 26, 10, 1)])


@given(own.frames())
def test_tables_round_trip(frames: tuple[FrameEntry, ...]) -> None:
    """Every frame and blob comes back in order; the table is padded with zeros to 4096."""
    plain = PackTable(list(frames)).encode()
    assert len(plain) % 4096 == 0
    assert PackTable.decode(plain).frames == list(frames)
    blobs = sum(len(frame.blobs) for frame in frames)
    end = TABLE_HEAD.size + len(frames) * TABLE_FRAME.size + blobs * TABLE_BLOB.size
    assert len(plain) - end < 4096
    assert not any(plain[end:])


def test_a_table_cut_short_is_refused() -> None:
    """Every truncation that takes away an entry is told."""
    plain = SAMPLE.encode()
    end = TABLE_HEAD.size + 2 * TABLE_FRAME.size + 2 * TABLE_BLOB.size
    for length in range(end):
        with pytest.raises(FormatError):
            PackTable.decode(plain[:length])
    assert PackTable.decode(plain[:end]).frames == SAMPLE.frames


def table(
    frames: list[tuple[int, int]], lengths: list[int], counts: tuple[int, int] | None = None
) -> bytes:
    """A table of (raw length, blobs) frames and blob lengths, as no writer would make it."""
    head = TABLE_HEAD.pack(*(counts or (len(frames), len(lengths))))
    rows = b"".join(TABLE_FRAME.pack(96, 100, raw, blobs, 0) for raw, blobs in frames)
    return head + rows + b"".join(TABLE_BLOB.pack(bytes(32), length) for length in lengths)


@pytest.mark.parametrize(
    "plain",
    [
        table([], [], (2**32 - 1, 0)),
        table([], [], (0, 2**32 - 1)),
        table([], [], (2**32 - 1, 2**32 - 1)),
        table([(0, 0)] * 3, [], (4, 0)),
        table([], [1]),
        table([(5, 1)], [5, 5]),
        table([(5, 2)], [5]),
        table([(5, 2**32 - 1)], [5]),
        table([(6, 1)], [5]),
        table([(5, 1), (5, 1)], [6, 4]),
        table([(pack.MAX_FRAME_RAW + 1, 1)], [pack.MAX_FRAME_RAW + 1]),
        table([(pack.MAX_FRAME_RAW + 1, 0)], []),
    ],
)
def test_impossible_tables_are_refused(plain: bytes) -> None:
    """Counts beyond the bytes, blobs without frames, lengths that do not add up."""
    with pytest.raises(FormatError):
        PackTable.decode(plain)


def test_more_than_the_limits_is_neither_written_nor_read() -> None:
    """65,536 blobs or frames; one more is refused on both ways, even when the bytes are there."""
    many = [FrameEntry(1, 128, 100, pack.MAX_BLOBS, 0, ((b"i" * 32, 1),) * pack.MAX_BLOBS)]
    assert PackTable.decode(PackTable(many).encode()).frames == many
    extra = [*many, FrameEntry(2, 128, 100, 1, 0, ((b"i" * 32, 1),))]
    with pytest.raises(FormatError):
        PackTable(extra).encode()
    with pytest.raises(FormatError):
        PackTable.decode(table([(pack.MAX_BLOBS + 1, pack.MAX_BLOBS + 1)], [1] * 65_537))
    with pytest.raises(FormatError):
        PackTable([FrameEntry(1, 128, 17, 1, 0)] * (pack.MAX_FRAMES + 1)).encode()
    with pytest.raises(FormatError):
        PackTable.decode(table([(0, 0)] * (pack.MAX_FRAMES + 1), []))


def test_section_headers_are_pinned() -> None:
    """The bytes before a frame, as the documents lay them out."""
    made = section_header(pack.FRAME, bytes(range(16)), 0x01020304, ordinal=7, encoding=1)
    assert made == bytes.fromhex(
        "8932 4653 0d0a 1a 46 07000000 04030201 01 00000000000000 0001020304050607"
    )
    assert section_header(pack.TABLE, bytes(16), 5) == struct.pack(
        "<7sBIIB7x8s", pack.SECTION_MAGIC, 0x54, 0, 5, 0, bytes(8)
    )


FOOTERS = st.builds(
    Footer,
    pack=own.OBJECT_ID,
    table_offset=own.U64,
    table_length=own.U32,
    digests_length=own.U32,
    groups=own.U32,
    copy_length=own.U64,
)


@given(FOOTERS)
def test_footers_round_trip(footer: Footer) -> None:
    """64 bytes, ending in the digest of those before."""
    data = footer.encode()
    assert len(data) == FOOTER.size == 64
    assert data[56:] == short_digest(data[:56])
    assert Footer.decode(data) == footer


def test_a_damaged_footer_is_noticed() -> None:
    """Every flipped bit, every truncation and every extension."""
    data = Footer(b"p" * 16, 4096, 2048, 100, 3, 99999).encode()
    for bit in range(64 * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            Footer.decode(flipped)
    for length in range(64):
        with pytest.raises(FormatError):
            Footer.decode(data[:length])
    with pytest.raises(FormatError):
        Footer.decode(data + b"\0")


@given(FOOTERS)
def test_places_follow_from_the_footer(footer: Footer) -> None:
    """Digests after the table, parity at the next multiple of 4096, 8 KiB of it per group."""
    assert footer.digests_offset == footer.table_offset + footer.table_length
    end = footer.digests_offset + footer.digests_length
    assert footer.parity_offset % 4096 == 0
    assert end <= footer.parity_offset < end + 4096
    assert footer.parity_length == 8192 * footer.groups


def test_short_digest_is_blake3() -> None:
    """The first 8 bytes of the published digest of nothing."""
    assert short_digest(b"").hex() == "af1349b9f5f9a1a6"
