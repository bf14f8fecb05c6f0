"""Index objects: lookup against a dict, on random ids and on ids made to mislead the search."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twins import CODES, either
from twofold.errors import FormatError
from twofold.format.index import (
    INDEX_BLOB,
    INDEX_FRAME,
    INDEX_HEAD,
    INDEX_PACK,
    BlobLocation,
    IndexRun,
    PackEntry,
    PackInfo,
    encode_index,
)
from twofold.format.pack import FrameEntry

from . import strategies as own


@pytest.fixture(autouse=True, scope="module", params=CODES)
def code(request: pytest.FixtureRequest) -> Iterator[None]:
    """All of this holds for both codes."""
    yield from either(request.param, "twofold.format.index")


INFO = PackInfo(b"p" * 16, 5000, b"s" * 32, 0, 1)


def places(entries: list[PackEntry]) -> Iterator[tuple[bytes, BlobLocation]]:
    """Every blob with its place, worked out one by one."""
    for entry in entries:
        for frame in entry.frames:
            offset = 0
            bare = FrameEntry(*(getattr(frame, name) for name in FrameEntry.__struct_fields__[:5]))
            for ident, length in frame.blobs:
                yield ident, BlobLocation(entry.pack, bare, offset, length)
                offset += length


def of_ids(ids: list[bytes]) -> IndexRun:
    """An index with one pack of one frame per hundred ids."""
    frames = [
        FrameEntry(n, 4096 * n, 300, len(part), 0, tuple((ident, 1) for ident in part))
        for n, part in enumerate((ids[i : i + 100] for i in range(0, len(ids), 100)), 1)
    ]
    return IndexRun(encode_index([PackEntry(INFO, tuple(frames))]))


@given(own.pack_entries(), st.lists(own.HASH, max_size=5))
def test_lookup_is_a_dict(entries: list[PackEntry], strangers: list[bytes]) -> None:
    """Each listed blob is found at one of its places, nothing else is found, all comes back."""
    run = IndexRun(encode_index(entries))
    expected: dict[bytes, list[BlobLocation]] = {}
    for ident, place in places(entries):
        expected.setdefault(ident, []).append(place)
    for ident, listed in expected.items():
        assert run.location(run.find(ident)) in listed
        assert run.first(ident) == run.location(run.find(ident))
        everywhere = [run.location(position) for position in run.positions(ident)]
        assert sorted(map(repr, everywhere)) == sorted(map(repr, listed))
    for ident in strangers:
        assert (run.find(ident) >= 0) == (ident in expected) == bool(run.positions(ident))
        assert run.lists(ident) == (ident in expected)
        assert (run.first(ident) is not None) == (ident in expected)
    assert list(run.ids()) == sorted(ident for ident, _ in places(entries))
    assert run.count == sum(len(listed) for listed in expected.values())
    assert list(run.packs()) == [entry.pack for entry in entries]


def test_a_blob_that_two_packs_hold_is_found_in_both() -> None:
    """Two writers stored it at once: both places are offered, its neighbours are not."""
    ids = [b"\0" * 31 + b"\1", b"\1" * 32, b"\1" * 31 + b"\2"]
    frame = FrameEntry(1, 128, 46, 30, 0, tuple((ident, 10) for ident in ids))
    packs = [INFO._replace(id=bytes([n]) * 16) for n in range(3)]
    run = IndexRun(encode_index([PackEntry(pack, (frame,)) for pack in packs]))
    for ident in ids:
        found = [run.location(position) for position in run.positions(ident)]
        assert {place.pack for place in found} == set(packs)
        assert len(found) == 3
    assert run.positions(b"\1" * 30 + b"\0\1") == range(0)


@given(own.pack_entries())
def test_whole_packs_come_back(entries: list[PackEntry]) -> None:
    """An index can be taken apart into the packs it was made of, for merging."""
    assert IndexRun(encode_index(entries)).pack_entries() == entries


@given(st.lists(own.CLOSE_HASH, min_size=1, max_size=60, unique=True), st.data())
def test_ids_that_match_across_borders(ids: list[bytes], data: st.DataObject) -> None:
    """An id that stands in the column at a wrong place is not found there, nor lost behind it."""
    run = of_ids(ids)
    column = b"".join(sorted(ids))
    known = set(ids)
    for ident in ids:
        assert list(run.ids())[run.find(ident)] == ident
    starts = st.integers(0, len(column) - 32)
    for start in data.draw(st.lists(starts, max_size=20)):
        window = column[start : start + 32]
        assert (run.find(window) >= 0) == (window in known)


def test_every_window_of_a_misleading_column() -> None:
    """All 32-byte windows of columns full of repetitions: found only where listed."""
    columns = [
        [bytes(31) + bytes([n]) for n in range(256)],
        [bytes([n]) * 32 for n in range(256)],
        [b"\0" * n + b"\1" * (32 - n) for n in range(33)],
        [b"\0\1" * 16, b"\1\0" * 16, b"\0\1" * 15 + b"\0\2", b"\1\0" * 15 + b"\1\1"],
    ]
    for ids in columns:
        run = of_ids(ids)
        column = b"".join(sorted(ids))
        for start in range(len(column) - 31):
            window = column[start : start + 32]
            assert (run.find(window) >= 0) == (window in ids)


def test_large_random_index_is_a_dict() -> None:
    """Twenty thousand random ids, found; as many others, not."""
    rng = random.Random(7)
    ids = [rng.randbytes(32) for _ in range(20_000)]
    run = of_ids(ids)
    known = {ident: position for position, ident in enumerate(sorted(ids))}
    assert all(run.find(ident) == position for ident, position in known.items())
    assert all(run.find(rng.randbytes(32)) == -1 for _ in range(20_000))
    near = (bytes([*ident[:31], ident[31] ^ 1]) for ident in ids)
    assert all(run.find(ident) == -1 for ident in near)


def test_an_empty_index_finds_nothing() -> None:
    """No packs, no blobs: nothing is found."""
    run = IndexRun(encode_index([]))
    assert run.find(bytes(32)) == run.find(b"\xff" * 32) == -1
    assert not run.pack_entries()
    assert not [*run.packs(), *run.ids()]


def sample() -> tuple[bytes, list[PackEntry]]:
    """Two packs of two frames."""
    entries = [
        PackEntry(
            INFO._replace(id=bytes([pack]) * 16),
            tuple(
                FrameEntry(
                    n,
                    128 * n,
                    60,
                    30,
                    0,
                    tuple((bytes([pack, n, i]) * 8 + b"idididid", 10) for i in range(3)),
                )
                for n in (1, 2)
            ),
        )
        for pack in (1, 2)
    ]
    return encode_index(entries), entries


def test_an_index_cut_short_or_too_long_is_refused() -> None:
    """The counts must fill the data exactly."""
    data, _ = sample()
    for length in range(len(data)):
        with pytest.raises(FormatError):
            IndexRun(data[:length])
    with pytest.raises(FormatError):
        IndexRun(data + b"\0")


@pytest.mark.parametrize("field", range(3))
@pytest.mark.parametrize("count", [0, 2**16, 2**32 - 1])
def test_impossible_counts_are_refused(field: int, count: int) -> None:
    """Counts are compared with the bytes that are there before anything is allocated."""
    data, _ = sample()
    counts = list(INDEX_HEAD.read(data))
    counts[field] = count
    with pytest.raises(FormatError):
        IndexRun(INDEX_HEAD.pack(*counts) + data[INDEX_HEAD.size :])


def with_u32(data: bytes, place: int, value: int) -> bytes:
    """The data with one number changed."""
    return data[:place] + value.to_bytes(4, "little") + data[place + 4 :]


def test_blobs_in_frames_that_are_not_there_are_refused() -> None:
    """A frame number beyond the column is told, both when looked up and when taken apart."""
    data, entries = sample()
    rows = len(data) - 12 * INDEX_BLOB.size
    run = IndexRun(with_u32(data, rows, 4))
    with pytest.raises(FormatError):
        run.location(0)
    assert entries == IndexRun(data).pack_entries()


def test_blobs_outside_their_frames_are_refused() -> None:
    """Offset and length must lie within the frame's plaintext."""
    data, _ = sample()
    rows = len(data) - 12 * INDEX_BLOB.size
    for place, value in ((4, 21), (8, 31), (4, 2**32 - 1), (8, 2**32 - 1)):
        run = IndexRun(with_u32(data, rows + place, value))
        with pytest.raises(FormatError):
            run.location(0)


@pytest.mark.parametrize(("pack", "place"), [(0, 24), (0, 28), (1, 24), (1, 28)])
@pytest.mark.parametrize("value", [0, 1, 3, 4, 5, 2**32 - 1])
def test_packs_that_share_or_miss_frames_are_refused(pack: int, place: int, value: int) -> None:
    """Packs must divide the frame column in their order; a lookup never names a wrong frame."""
    data, entries = sample()
    where = INDEX_HEAD.size + pack * INDEX_PACK.size + place
    changed = with_u32(data, where, value)
    if changed == data:
        return
    run = IndexRun(changed)
    with pytest.raises(FormatError):
        run.pack_entries()
    expected = dict(places(entries))
    for position, ident in enumerate(run.ids()):
        try:
            assert run.location(position).frame == expected[ident].frame
        except FormatError:
            continue


def test_the_row_of_a_frame_is_pinned() -> None:
    """Ordinals have three bytes, then the encoding."""
    entry = PackEntry(INFO, (FrameEntry(0x010203, 1, 2, 3, 1),))
    row = encode_index([entry])[-INDEX_FRAME.size :]
    assert row.hex() == "010000000200000003000000" + "03020101"


def test_ids_out_of_order_are_refused() -> None:
    """What cannot be bisected is no index; the same id twice is in order."""
    data, _ = sample()
    first = len(data) - 12 * (32 + INDEX_BLOB.size)
    IndexRun(data).prove()
    for number in range(11):
        here, there = first + 32 * number, first + 32 * (number + 1)
        after = there + 32
        swapped = data[:here] + data[there:after] + data[here:there] + data[after:]
        with pytest.raises(FormatError, match="out of order"):
            IndexRun(swapped).prove()
        IndexRun(data[:there] + data[here:there] + data[after:]).prove()


@pytest.mark.parametrize("place", [24, 28])
@pytest.mark.parametrize("value", [1, 3, 2**32 - 1])
def test_packs_that_do_not_divide_the_frames_are_refused(place: int, value: int) -> None:
    """Neither a gap nor an overlap nor a frame too many."""
    data, _ = sample()
    with pytest.raises(FormatError, match="divide"):
        IndexRun(with_u32(data, INDEX_HEAD.size + place, value)).prove()
