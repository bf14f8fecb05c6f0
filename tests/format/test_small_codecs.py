"""Segments, holes, compression, names and fixed-width records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import FormatError
from twofold.format import names, segments
from twofold.format.compression import PLAIN, ZSTD, compress, decompress
from twofold.format.layout import Layout
from twofold.format.segments import Absence, Segment, iterate, iterate_holes, pack_holes

from . import strategies as own

SEGMENT = st.one_of(
    st.builds(Segment, own.HASH, own.U32),
    st.builds(Segment, st.none(), own.U64),
    st.builds(Segment, st.sampled_from(Absence), own.U64),
)


def packed(found: list[Segment]) -> bytes:
    """Segments as stored."""
    return b"".join(packed_one(*each) for each in found)


def packed_one(blob: bytes | Absence | None, length: int) -> bytes:
    """One of them."""
    if isinstance(blob, Absence):
        return segments.pack_absent(blob, length)
    return segments.pack_zeros(length) if blob is None else segments.pack_blob(blob, length)


@given(st.lists(SEGMENT, max_size=10))
def test_segments_round_trip(found: list[Segment]) -> None:
    """Blobs and zero runs in order; a truncation is told or ends at a border."""
    data = packed(found)
    assert list(iterate(data)) == list(iterate(memoryview(data))) == found
    borders = {len(packed(found[:n])) for n in range(len(found) + 1)}
    for length in range(len(data)):
        if length in borders:
            assert list(iterate(data[:length])) == found[: sorted(borders).index(length)]
        else:
            with pytest.raises(FormatError):
                list(iterate(data[:length]))


@pytest.mark.parametrize(
    "data", [b"\0" * 37, b"\4" + bytes(36), b"\xff", b"\1", b"\2" + bytes(7), b"\3" + bytes(8)]
)
def test_unknown_segments_are_refused(data: bytes) -> None:
    """Only blobs, zero runs and what is not stored exist."""
    with pytest.raises(FormatError):
        list(iterate(data))


def test_segments_are_pinned() -> None:
    """37, 9 and 10 bytes, as the documents say."""
    assert segments.pack_blob(b"i" * 32, 258).hex() == "01" + "69" * 32 + "02010000"
    assert segments.pack_zeros(65536).hex() == "02" + "0000010000000000"
    assert segments.pack_absent(Absence.LEFT_OUT, 258).hex() == "0302" + "0201000000000000"


def test_causes_that_come_later_are_as_bad_as_the_worst() -> None:
    """Nobody takes for a choice what may be a loss."""
    assert list(iterate(b"\3\7" + (9).to_bytes(8, "little"))) == [Segment(Absence.UNREADABLE, 9)]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 1000)), max_size=10))
def test_holes_round_trip(steps: list[tuple[int, int]]) -> None:
    """Ascending and apart."""
    holes, end = [], 0
    for gap, length in steps:
        holes.append((end + gap, length))
        end += gap + length
    assert iterate_holes(pack_holes(holes)) == holes


@pytest.mark.parametrize("holes", [[(5, 0)], [(5, 5), (9, 1)], [(5, 5), (1, 1)], [(5, 5), (5, 5)]])
def test_impossible_holes_are_refused(holes: list[tuple[int, int]]) -> None:
    """Empty, overlapping or descending ranges; a number of bytes that is no number of pairs."""
    with pytest.raises(FormatError):
        iterate_holes(pack_holes(holes))
    with pytest.raises(FormatError):
        iterate_holes(pack_holes(holes)[:-1])


@given(st.binary(max_size=2000) | st.integers(0, 100_000).map(bytes))
def test_compression_round_trips(data: bytes) -> None:
    """What comes out is what went in; what does not shrink is stored plain."""
    encoding, stored = compress(data)
    assert bytes(decompress(encoding, stored, len(data))) == data
    assert encoding == PLAIN or len(stored) < len(data) * 0.97
    for wrong in {0, len(data) - 1, len(data) + 1, 1 << 26} - {len(data), -1}:
        with pytest.raises(FormatError):
            decompress(encoding, stored, wrong)


def test_damaged_compression_is_refused() -> None:
    """Truncation, trailing bytes, a second frame, something else entirely, unknown encodings."""
    encoding, stored = compress(bytes(100_000))
    stored = bytes(stored)
    assert encoding == ZSTD
    for bad in (stored[:-1], stored[:4], b"", stored + b"\0", stored + stored, b"not zstd" * 9):
        with pytest.raises(FormatError):
            decompress(ZSTD, bad, 100_000)
    for unknown in (2, 255):
        with pytest.raises(FormatError):
            decompress(unknown, stored, 100_000)


def test_bombs_are_bounded_by_the_promised_length() -> None:
    """A frame that inflates a thousandfold stops one byte after what was promised."""
    _, bomb = compress(bytes(64 << 20))
    assert len(bomb) < 10_000
    for promised in (0, 1, 1000, (64 << 20) - 1):
        with pytest.raises(FormatError):
            decompress(ZSTD, bomb, promised)


def test_frames_that_demand_a_huge_window_are_refused() -> None:
    """Windows up to 128 MiB; a frame asking for more is refused before memory is taken."""
    block = (1 << 3 | 1).to_bytes(3, "little") + b"a"
    for log in range(10, 42):
        frame = bytes.fromhex("28b52ffd00") + bytes([(log - 10) << 3]) + block
        if log <= 27:
            assert decompress(ZSTD, frame, 1) == b"a"
        else:
            with pytest.raises(FormatError):
                decompress(ZSTD, frame, 1)


@given(own.OBJECT_ID, st.sampled_from(names.FOLDERS))
def test_object_names_round_trip(ident: bytes, folder: str) -> None:
    """The id stands at the end of the name; packs are spread over 256 folders."""
    name = names.object_name(folder, ident)
    assert names.id_from_name(name) == ident
    middle = f"{ident.hex()[:2]}/" if folder == "packs" else ""
    assert name == f"{folder}/{middle}{ident.hex()}"


@pytest.mark.parametrize(
    "name",
    [
        "config",
        "",
        "roots/",
        "roots/" + "0" * 31,
        "roots/" + "0" * 33,
        "roots/" + "A" * 32,
        "roots/" + "0" * 32 + "\n",
        "roots/" + "0" * 32 + ".tmp",
        "packs/" + "0" * 32,
        "packs/01/" + "0" * 32,
        "packs/00/00/" + "0" * 32,
        "roots/00/" + "0" * 32 + "/",
        "0" * 32,
    ],
)
def test_foreign_names_are_refused(name: str) -> None:
    """Temporary files, upper case, wrong folders: not objects."""
    with pytest.raises(FormatError):
        names.id_from_name(name)


def test_new_ids_differ() -> None:
    """Random, 16 bytes."""
    made = {names.new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(ident) for ident in made} == {16}


def test_layouts_skip_reserved_fields() -> None:
    """Reserved bytes are written as zero, dropped on reading, and have their place in the table."""
    layout = Layout("Test", [("one", "B"), ("reserved", "3s"), ("two", "I")])
    assert layout.pack(1, 2) == b"\1\0\0\0\2\0\0\0"
    assert layout.read(b"\1abc\2\0\0\0") == (1, 2)
    assert list(layout.table()) == [(0, 1, "one"), (1, 3, "reserved"), (4, 4, "two")]
    for data, offset in ((b"\1abc\2\0\0", 0), (bytes(8), 1), (bytes(8), -8), (bytes(8), 99)):
        with pytest.raises(FormatError):
            layout.read(data, offset)
