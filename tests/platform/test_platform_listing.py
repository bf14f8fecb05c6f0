"""The packed listing: what goes in comes out, and hostile bytes end in FormatError."""

import stat
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twins import CODES, either
from twofold.errors import FormatError
from twofold.platform import (
    FLAG_FAR_TIME,
    FLAG_RACY,
    RECORD,
    RECORD_SIZE,
    Entry,
    in_slices,
    iterate,
    names_of,
    pack_listing,
    pack_record,
    records,
    validate,
    with_flags,
    with_records,
    without_inodes,
)
from twofold.platform import listing as listing_module

U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
I64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.binary(min_size=1, max_size=300).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)


def each_code() -> Iterator[None]:
    """The body of a loop with the twin, and with the extension."""
    for code in CODES:
        yield from either(code, listing_module.__name__)


def entries(names: st.SearchStrategy[bytes] = NAMES) -> st.SearchStrategy[Entry]:
    """Entries as a file system could have them."""
    flags = U16.map(lambda bits: bits & ~FLAG_FAR_TIME)
    return st.builds(Entry, U64, U64, I64, I64, U32, U32, U32, U32, flags, names)


LISTINGS = st.lists(entries(), unique_by=lambda entry: entry.name, max_size=20)


@settings(deadline=None)
@given(LISTINGS)
def test_round_trip_in_order_of_name_bytes(some: list[Entry]) -> None:
    listing = pack_listing(some)
    ordered = sorted(some, key=lambda entry: entry.name)
    assert list(iterate(listing)) == ordered
    assert validate(listing) == len(some)
    assert len(listing) == sum(RECORD_SIZE + len(entry.name) for entry in some)
    assert b"".join(head + name for name, head in records(listing)) == listing
    assert b"".join(map(pack_record, ordered)) == listing
    pairs = [(entry, pack_record(entry)) for entry in ordered]
    assert list(with_records(listing)) == pairs
    for _ in each_code():
        for most in (1, 3, 100):
            slices = list(in_slices(listing, most))
            assert [pair for each in slices for pair in each] == pairs
            assert all(len(each) == most for each in slices[:-1])


@settings(deadline=None)
@given(entries(), st.integers(), st.integers())
def test_times_beyond_64_bits_are_told(entry: Entry, mtime: int, ctime: int) -> None:
    (back,) = iterate(pack_record(entry._replace(mtime_ns=mtime, ctime_ns=ctime)))
    assert (back.mtime_ns - mtime) % 2**64 == (back.ctime_ns - ctime) % 2**64 == 0
    exact = (back.mtime_ns, back.ctime_ns) == (mtime, ctime)
    assert bool(back.flags & FLAG_FAR_TIME) is not exact
    assert back._replace(mtime_ns=0, ctime_ns=0, flags=0) == entry._replace(
        mtime_ns=0, ctime_ns=0, flags=0
    )


@settings(deadline=None)
@given(LISTINGS, st.data())
def test_flags_are_added_by_name(some: list[Entry], data: st.DataObject) -> None:
    chosen = {entry.name for entry in some if data.draw(st.booleans())} | {b"not there"}
    changed = with_flags(pack_listing(some), dict.fromkeys(chosen, FLAG_RACY))
    for entry, before in zip(
        iterate(changed), sorted(some, key=lambda each: each.name), strict=True
    ):
        added = FLAG_RACY if entry.name in chosen else 0
        assert entry == before._replace(flags=before.flags | added)


@settings(deadline=None)
@given(LISTINGS)
def test_inodes_can_be_left_out(some: list[Entry]) -> None:
    """But not those of files that have several names."""
    linked = [entry.links > 1 and not stat.S_ISDIR(entry.mode) for entry in some]
    want = [
        entry if is_linked else entry._replace(inode=0)
        for entry, is_linked in zip(some, linked, strict=True)
    ]
    assert without_inodes(pack_listing(some)) == pack_listing(want)


@settings(deadline=None)
@given(LISTINGS, st.data())
def test_names_alone_are_those_of_the_records_or_refused_like_them(
    some: list[Entry], data: st.DataObject
) -> None:
    listing = bytearray(pack_listing(some))
    if listing and data.draw(st.booleans()):
        listing[data.draw(st.integers(0, len(listing) - 1))] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del listing[data.draw(st.integers(0, len(listing))) :]
    try:
        wanted = [name for name, _ in records(bytes(listing))]
    except FormatError as reason:
        with pytest.raises(FormatError) as refused:
            names_of(bytes(listing))
        assert str(refused.value) == str(reason)
    else:
        assert names_of(bytes(listing)) == wanted


BAD_NAMES = [b"", b".", b"..", b"a/b", b"/", b"a\0", b"\0", b"../../etc/passwd"]


def raw(name: bytes, length: int | None = None) -> bytes:
    """A record without the checks of the code under test."""
    return RECORD.pack(1, 2, 3, 4, 5, 6, 7, 8, len(name) if length is None else length, 0) + name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_no_directory_can_hold(name: bytes) -> None:
    with pytest.raises(FormatError):
        pack_record(Entry(1, 2, 3, 4, 5, 6, 7, 8, 0, name))
    for listing in (raw(name), raw(b"!") + raw(name)):
        for reader in (validate, names_of):
            with pytest.raises(FormatError):
                reader(listing)


@pytest.mark.parametrize(
    "listing",
    [
        raw(b"b") + raw(b"a"),
        raw(b"a") + raw(b"a"),
        raw(b"aa") + raw(b"a"),
        raw(b"a") + raw(b"b")[:-1],
        raw(b"a")[:RECORD_SIZE],
        raw(b"a")[: RECORD_SIZE - 1],
        raw(b"a") + b"\0",
        raw(b"a") + bytes(RECORD_SIZE),
        raw(b"a", 2),
        raw(b"a", 0xFFFF),
        raw(b"a", 0),
    ],
)
def test_broken_listings(listing: bytes) -> None:
    for _ in each_code():
        with pytest.raises(FormatError):
            list(in_slices(listing, 2))
    for reader in (lambda: list(iterate(listing)), lambda: validate(listing)):
        with pytest.raises(FormatError):
            reader()


def test_names_cannot_be_listed_twice_or_be_too_long() -> None:
    entry = Entry(1, 2, 3, 4, 5, 6, 7, 8, 0, b"a")
    with pytest.raises(FormatError, match="twice"):
        pack_listing([entry, entry])
    with pytest.raises(FormatError, match="too long"):
        pack_record(entry._replace(name=b"x" * 0x10000))
    assert validate(pack_record(entry._replace(name=b"x" * 0xFFFF))) == 1


@settings(max_examples=200, deadline=None)
@given(LISTINGS, st.data())
def test_no_bytes_do_anything_but_format_error(some: list[Entry], data: st.DataObject) -> None:
    """Whatever is changed, what is still read obeys every rule of a listing."""
    listing = bytearray(pack_listing(some))
    for _ in range(data.draw(st.integers(1, 4))):
        if listing:
            at = data.draw(st.integers(0, len(listing) - 1))
            listing[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    taken = []
    for _ in each_code():
        try:
            taken.append([pair for each in in_slices(bytes(listing), 4) for pair in each])
        except FormatError:
            taken.append([])
    assert all(one == taken[0] for one in taken)
    try:
        names = [entry.name for entry in iterate(bytes(listing))]
    except FormatError:
        assert taken[0] == []
        return
    assert [entry.name for entry, _ in taken[0]] == names
    assert names == sorted(set(names))
    assert not any(b"/" in name or b"\0" in name or name in (b"", b".", b"..") for name in names)
    assert sum(RECORD_SIZE + len(name) for name in names) == len(listing)
