"""Metadata pages: round trips, names, borders, and MessagePack made to hurt."""

import stat
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tests.twins import CODES, choose
from twofold.errors import FormatError
from twofold.format import pages
from twofold.format.image import ExtentEntry, ExtentsPage, ImagePage, VolumeRecord, entry_key
from twofold.format.pages import (
    ChildListing,
    Failure,
    FailurePage,
    ListingPage,
    Node,
    NodePage,
    Owner,
    Reference,
    ReferencePage,
    SegmentPage,
    check_names,
    decode_page,
    encode_page,
)
from twofold.format.records import PageRef

from . import strategies as own

TEXT = st.text(max_size=10)
REF = st.builds(PageRef, own.HASH, own.BYTE)
PAGE = st.one_of(
    st.builds(
        NodePage,
        kind=st.just(1),
        owners=st.lists(st.builds(Owner, own.U32, own.U32, TEXT, TEXT), max_size=3),
        nodes=st.lists(own.NODE, max_size=5),
    ),
    st.builds(
        ListingPage,
        kind=st.just(2),
        device=own.U64,
        packed=st.binary(max_size=200),
        children=st.lists(
            st.builds(ChildListing, own.NAME, st.builds(PageRef, own.HASH, own.BYTE)), max_size=3
        ),
    ),
    st.builds(
        ReferencePage,
        kind=st.just(3),
        level=st.integers(1, 8),
        refs=st.lists(st.builds(Reference, own.HASH, st.none() | own.NAME | own.U64), max_size=5),
    ),
    st.builds(SegmentPage, kind=st.just(4), packed=st.binary(max_size=200)),
    st.builds(
        FailurePage,
        kind=st.just(5),
        failures=st.lists(st.builds(Failure, st.binary(max_size=30), TEXT, TEXT), max_size=3),
    ),
    st.builds(
        ImagePage,
        kind=st.just(6),
        size=own.U64,
        logical_sector=own.U32,
        physical_sector=own.U32,
        table=TEXT,
        table_sector=own.U32,
        disk=TEXT,
        volumes=st.lists(
            st.builds(
                VolumeRecord, *[own.U64] * 3, *[TEXT] * 6, *[own.U64] * 4, st.booleans(), REF
            ),
            max_size=3,
        ),
    ),
    st.builds(
        ExtentsPage,
        kind=st.just(7),
        entries=st.lists(
            st.builds(ExtentEntry, own.U64, own.NAME, own.BYTE, own.U64, st.binary(max_size=9)),
            max_size=3,
        ),
    ),
)
KINDS = (NodePage, ListingPage, ReferencePage, SegmentPage, FailurePage, ImagePage, ExtentsPage)
AnyPage = pages.Page


def read(data: bytes | memoryview, kind: type[Any]) -> AnyPage:
    """A page of the kind expected, for kinds in variables."""
    page: AnyPage = decode_page(data, kind)
    return page


@given(PAGE)
def test_pages_round_trip(page: AnyPage) -> None:
    """Every page comes back, and only as what it is."""
    data = encode_page(page)
    for kind in KINDS:
        if isinstance(page, kind):
            assert read(data, kind) == page
            assert read(memoryview(data), kind) == page
        else:
            with pytest.raises(FormatError):
                read(data, kind)


@given(PAGE)
def test_pages_cut_short_or_too_long_are_refused(page: AnyPage) -> None:
    """Every truncation and every trailing byte is told."""
    data = encode_page(page)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            read(data[:length], type(page))
    with pytest.raises(FormatError):
        read(data + b"\xc0", type(page))


def test_pages_may_grow_at_the_end() -> None:
    """Elements a later program adds are passed over; missing ones take their defaults."""
    longer = msgspec.msgpack.encode([4, b"packed", "news", {"deep": [1, 2]}])
    assert decode_page(longer, SegmentPage) == SegmentPage(4, b"packed")
    node = [b"name", 1, 0o644, 0, -5]
    page = decode_page(msgspec.msgpack.encode([1, [[1, 2]], [node]]), NodePage)
    assert page.nodes == [Node(b"name", 1, 0o644, 0, -5)]
    assert page.owners == [Owner(1, 2)]


VOLUME = VolumeRecord(1, 0, 9, "83", "", "", "ext4", "", "", 1, 9, 0, 9, False, PageRef(bytes(32)))
DISK = ImagePage(6, 1 << 30, 512, 4096, "gpt", 512, "id", [VOLUME])


def test_a_disk_that_can_be_is_taken() -> None:
    """Sizes of sectors all apart, or not known; texts as long as they may be."""
    DISK.check()
    change = msgspec.structs.replace
    change(DISK, logical_sector=4096, physical_sector=0, table_sector=65536).check()
    change(DISK, volumes=[change(VOLUME, label="l" * 255, number=n) for n in range(4096)]).check()


@pytest.mark.parametrize(
    "changes",
    [
        {"size": -1},
        {"logical_sector": 0},
        {"logical_sector": 513},
        {"physical_sector": -1},
        {"table_sector": 1 << 17},
        {"disk": "d" * 256},
        {"volumes": [VOLUME, VOLUME]},
        {"volumes": [msgspec.structs.replace(VOLUME, label="l" * 256)]},
        {"volumes": [msgspec.structs.replace(VOLUME, number=n) for n in range(4097)]},
    ],
)
def test_a_disk_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    """Sizes of sectors, texts and numbers of volumes have limits."""
    with pytest.raises(FormatError):
        msgspec.structs.replace(DISK, **changes).check()


def test_keys_of_entries_ascend_as_entries_do() -> None:
    """So that one page of a volume is found without the others."""
    places = [(1, 0), (1, 255), (1, 256), (1, 1 << 63), (2, 0), (4, 5)]
    keys = [entry_key(*place) for place in places]
    assert keys == sorted(keys) and {len(key) for key in keys} == {9}
    for impossible in ((-1, 0), (256, 0), (1, -1), (1, 1 << 64)):
        with pytest.raises(FormatError):
            entry_key(*impossible)


def test_oversized_pages_are_neither_written_nor_read() -> None:
    """One mebibyte and not a byte more, on both ways."""
    room = pages.PAGE_LIMIT - 7
    full = encode_page(SegmentPage(4, bytes(room)))
    assert len(full) == pages.PAGE_LIMIT
    assert decode_page(full, SegmentPage).packed == bytes(room)
    with pytest.raises(FormatError):
        encode_page(SegmentPage(4, bytes(room + 1)))
    with pytest.raises(FormatError):
        decode_page(msgspec.msgpack.encode([4, bytes(room + 1)]), SegmentPage)


def pack(value: object) -> bytes:
    """MessagePack of anything."""
    return msgspec.msgpack.encode(value)


HUGE = (2**32 - 1).to_bytes(4, "big")
HOSTILE = {
    "array of four billion": b"\x93\x01\x90\xdd" + HUGE,
    "array of a million": b"\x93\x01\x90\xdd\x00\x10\x00\x00",
    "outer array of four billion": b"\xdd" + HUGE,
    "bin of four gigabytes": b"\x92\x04\xc6" + HUGE,
    "map of four billion": b"\x93\x01\x90\x91\x9a\xc4\x01a\x01\x00\x00\x00\x00\xc4\x00\xc0\xc2\xdf"
    + HUGE,
    "nested arrays": b"\x93\x04\xc4\x00" + b"\x91" * 500_000 + b"\xc0",
    "nested maps": b"\x93\x04\xc4\x00" + b"\x81\xa0" * 250_000 + b"\xc0",
    "nested nodes": b"\x93\x01\x90" + b"\x91" * 500_000,
    "a map for an array": pack({"kind": 4, "packed": b""}),
    "text for bytes": pack([4, "packed"]),
    "bytes for a number": pack([b"4", b"packed"]),
    "nil for bytes": pack([4, None]),
    "true for a number": pack([True, b""]),
    "a fraction for a number": pack([4.5, b""]),
    "an extension": b"\x92\x04\xc7\x01\x05a",
    "a time": b"\x92\x04\xd6\xff\x00\x00\x00\x00",
    "a number beyond 64 bits": b"\x92\xc7\x10\x01" + bytes(16),
    "an unused code": b"\x92\x04\xc1",
    "invalid text": b"\x92\x05\x91\x93\xc4\x00\xa1\xff\xa0",
    "nothing": b"",
    "a bare number": b"\x04",
    "kind 0": pack([0, b""]),
    "kind 6": pack([6, b""]),
    "kind -4": pack([-4, b""]),
    "owners that are no arrays": pack([1, [1, 2], []]),
    "a node without a time": pack([1, [], [[b"n", 1, 0, 0]]]),
    "a name as text": pack([1, [], [["n", 1, 0, 0, 0]]]),
    "attributes in threes": pack(
        [1, [], [[b"n", 1, 0, 0, 0, 0, b"", None, False, {"xattrs": [[b"a", b"b", b"c"]]}]]]
    ),
    "numbers as keys": pack([1, [], [[b"n", 1, 0, 0, 0, 0, b"", None, False, {1: 2}]]]),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_messagepack_is_refused(data: bytes) -> None:
    """Huge counts, deep nesting, wrong types: a FormatError, quickly, whatever page is expected."""
    for kind in KINDS:
        with pytest.raises(FormatError):
            read(data, kind)


@given(st.lists(own.NAME, max_size=20, unique=True), own.NAME)
def test_sorted_names_pass(found: list[bytes], before: bytes) -> None:
    """Names in order after the last one of the page before; the last is returned."""
    ordered = sorted(found)
    after = before if ordered and before < ordered[0] else b""
    assert check_names([node(n) for n in ordered], after) == ([after, *ordered])[-1]


def node(name: bytes) -> Node:
    """An empty file of that name."""
    return Node(name, 1, 0o644, 0, 0)


@pytest.mark.parametrize(
    ("found", "after"),
    [
        ([b""], b""),
        ([b"."], b""),
        ([b".."], b""),
        ([b"a/b"], b""),
        ([b"/"], b""),
        ([b"../a"], b""),
        ([b"a\0"], b""),
        ([b"b", b"a"], b""),
        ([b"a", b"a"], b""),
        ([b"a"], b"a"),
        ([b"a"], b"b"),
        ([b"a", b"c", b"b"], b""),
    ],
)
def test_impossible_names_are_refused(found: list[bytes], after: bytes) -> None:
    """Nothing that could lead out of the directory, no repetition, no disorder across pages."""
    with pytest.raises(FormatError):
        check_names([node(name) for name in found], after)


def test_kinds_and_file_types_are_twins() -> None:
    """Seven kinds, each with its stat type; anything else is a FormatError or None."""
    types = (
        stat.S_IFREG,
        stat.S_IFDIR,
        stat.S_IFLNK,
        stat.S_IFIFO,
        stat.S_IFSOCK,
        stat.S_IFCHR,
        stat.S_IFBLK,
    )
    for kind, file_type in enumerate(types, 1):
        assert pages.file_type(kind) == file_type
        assert pages.kind_of_mode(file_type | 0o7777) == kind
    assert pages.kind_of_mode(0o644) is None
    for kind in (0, 8, -1, 2**63):
        with pytest.raises(FormatError):
            pages.file_type(kind)


@given(own.HASH, own.NAME, own.HASH)
def test_borders_are_as_specified(key: bytes, name: bytes, ident: bytes) -> None:
    """Worked out from the documents' words: 1 of 256 names and ids, 1 of 1024 segments."""
    number = int.from_bytes(blake3(name, key=key).digest()[:4], "little")
    assert pages.ends_page(key, name) == (number < 1 << 24)
    number = int.from_bytes(ident[:4], "little")
    assert pages.ends_reference_page(ident) == (number < 1 << 24)
    assert pages.ends_segment_page(ident) == (number < 1 << 22)


@given(own.HASH, st.lists(own.NAME))
def test_borders_of_many_names_are_those_of_each(key: bytes, names: list[bytes]) -> None:
    """With and without the extension."""
    few = [b"%d" % n for n in range(3000)] if names and len(names) % 7 == 0 else []
    expected = [pages.ends_page(key, name) for name in names + few]
    for code in CODES:
        with pytest.MonkeyPatch.context() as patch:
            choose(patch, code, "twofold.format.pages")
            assert pages.page_ends(key, names + few) == expected


@given(own.HASH, st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2**64 - 1))))
def test_borders_of_many_entries_are_as_specified(
    key: bytes, entries: list[tuple[int, int]]
) -> None:
    """Worked out from the documents' words: one byte of the role, eight of the owner."""
    names = [bytes([role]) + owner.to_bytes(8, "little") for role, owner in entries]
    expected = [blake3(name, key=key).digest()[3] == 0 for name in names]
    assert pages.extents_page_ends(key, entries) == expected
    assert [pages.ends_extents_page(key, *entry) for entry in entries] == expected


def test_borders_come_about_as_often_as_they_should() -> None:
    """Of 20,000 names about 78 end a page."""
    hits = sum(pages.ends_page(bytes(32), b"%d" % n) for n in range(20_000))
    assert 40 < hits < 130
