"""What the extension tells of records and inodes, and claims, against its twins."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.disk import one_table as tables
from tests.twins import CODES, choose, needs_extension
from twofold.disk import Role, Run, Stream
from twofold.disk.ntfs.attributes import ATTRIBUTE_LIST, BITMAP, DATA, INDEX_ALLOCATION
from twofold.format.image import EntryRole
from twofold.imaging.gather import Gathered, Wanted

PLAIN = tables.stored(DATA, [(100, 3), (-1, 2), (50, 4)], 9 * 4096 - 5)
FOLDER = tables.stored(INDEX_ALLOCATION, [(9, 1)], 4096, name="$I30")


def told(records: Sequence[bytes], code: str, **about: object) -> list[Stream]:
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, code, tables.SCAN)
        streams, _ = tables.ntfs(b"".join(records), **about)  # type: ignore[arg-type]
    return streams


@pytest.mark.parametrize("code", CODES)
def test_a_plain_file_is_told_with_its_stamp(code: str) -> None:
    made = tables.record([tables.information(5), tables.named(60), PLAIN], log=0x0102)
    (stream,) = told([made], code)
    runs = tables.runs((100, 3), (-1, 2), (50, 4))
    stamp = b"\1" + (0x0102).to_bytes(8, "little") + b"\3\0"
    stamp += b"".join(number.to_bytes(8, "little") for number in (2, 5, 99))
    size = 9 * 4096 - 5
    assert stream == Stream(64, b"", Role.FILE, size, size, runs, stamp, False)
    assert type(stream) is Stream and all(type(run) is Run for run in stream.runs)


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_proven_unchanged_by_a_volume_in_doubt(code: str) -> None:
    made = tables.record([tables.information(), tables.named(60), PLAIN])
    (stream,) = told([made], code, doubt="it sleeps")
    assert stream.stamp == b""


@pytest.mark.parametrize("code", CODES)
def test_indexes_of_folders_are_metadata(code: str) -> None:
    made = tables.record([tables.information(), tables.named(60), FOLDER], flags=3)
    (stream,) = told([made], code)
    name = b"$I30:$INDEX_ALLOCATION"
    assert stream == Stream(64, name, Role.META, 4096, 4096, tables.runs((9, 1)))


@pytest.mark.parametrize("code", CODES)
def test_files_that_need_a_second_look_get_it(code: str) -> None:
    info, plain = tables.information(), PLAIN
    page_file = [
        tables.resident(0x10, bytes(32) + b"\4" + bytes(39)),
        tables.named(5, "pagefile.sys"),
    ]
    coded = tables.stored(DATA, [(7, 1), (-1, 15)], 60000, flags=1)
    records = [
        tables.record([*page_file, plain]),
        tables.record([info, tables.named(60), coded]),
        tables.record([info, tables.named(60), tables.stored(DATA, [(3, 1)], 9, name="second")]),
        tables.record([info, tables.named(60), FOLDER, tables.stored(BITMAP, [(5, 1)], 8)]),
        tables.record([info, tables.resident(ATTRIBUTE_LIST, bytes(32)), plain]),
        tables.record([info, tables.named(60), plain], base=77),
        tables.record([info, tables.named(60), plain], flags=0),
        tables.record([info, tables.named(60), tables.stored(DATA, [(1 << 21, 1)], 9)]),
        tables.record([info, tables.named(60), plain]),
    ]
    streams = told(records, code, damaged=[8])
    about = [(each.owner - 64, each.name, each.role, each.discard) for each in streams]
    assert about == [
        (0, b"", Role.FILE, True),
        (1, b"", Role.CODED, False),
        (2, b"second", Role.FILE, False),
        (3, b"$I30:$INDEX_ALLOCATION", Role.META, False),
        (3, b":$BITMAP", Role.META, False),
    ]


@pytest.mark.parametrize("code", CODES)
def test_the_system_s_own_files_are_metadata(code: str) -> None:
    made = tables.record([tables.information(), tables.named(60), PLAIN])
    streams = told([made, made], code, first=tables.OWNED)
    assert [each.role for each in streams] == [Role.META, Role.FILE]
    assert told([made], code, first=9)[0].role is Role.META


@needs_extension
@given(st.data())
def test_records_are_told_alike(data: st.DataObject) -> None:
    run = st.tuples(st.integers(-1, tables.UNITS + 2), st.integers(0, 40))
    kinds = st.sampled_from([DATA, DATA, INDEX_ALLOCATION, BITMAP])
    names = st.sampled_from(["", "", "$I30", "x"])
    lists, sizes = st.lists(run, max_size=5), st.integers(0, 200_000)
    flags = st.sampled_from([0, 0, 0, 1, 0x4000, 0x8000])
    in_clusters = st.builds(
        lambda kind, runs, size, name, flag: tables.stored(kind, runs, size, name=name, flags=flag),
        kinds,
        lists,
        sizes,
        names,
        flags,
    )
    values = st.builds(tables.resident, st.sampled_from([0x10, 0x20, 0x30, 0x80]), st.binary())
    usual = st.sampled_from([tables.information(), tables.named(60), tables.named(5)])
    attributes = st.lists(st.one_of(usual, in_clusters, values), max_size=6)
    drawn = data.draw(st.lists(st.builds(tables.record, attributes), max_size=4))
    records = bytearray(b"".join(drawn))
    for _ in range(data.draw(st.integers(0, 3)) if records else 0):
        records[data.draw(st.integers(0, len(records) - 1))] = data.draw(st.integers(0, 255))
    first, doubt = (
        data.draw(st.sampled_from([0, 14, 38, 64])),
        data.draw(st.sampled_from(["", "x"])),
    )
    asked = (bytes(records), first, data.draw(st.sets(st.integers(0, 4))), doubt)
    assert tables.by("extension", "ntfs", *asked) == tables.by("twin", "ntfs", *asked)


# ext4


def ext_told(inodes: Sequence[bytes], code: str) -> list[Stream]:
    padded = b"".join(inodes).ljust(16 * tables.INODE, b"\0")
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, code, tables.STREAMS)
        streams, _ = tables.ext(padded)
    return streams[1:]  # the first one is the table itself


NONE = bytes(tables.INODE)


@pytest.mark.parametrize("code", CODES)
def test_a_file_of_extents_is_told(code: str) -> None:
    extents = [(0, 2, 500), (2, 1, 502), (5, 32768 + 3, 600), (8, 4, 700)]
    (stream,) = ext_told([NONE] * 11 + [tables.inode(extents, 11 * 1024 - 1)], code)
    runs = tables.runs((499, 3), (-1, 5), (699, 3))
    assert stream[:6] == (12, b"", Role.FILE, 11 * 1024 - 1, 11 * 1024 - 1, runs)
    assert len(stream.stamp) == 17 and type(stream) is Stream


@pytest.mark.parametrize("code", CODES)
def test_stamps_follow_content_and_not_the_youngest(code: str) -> None:
    one = tables.inode([(0, 1, 500)], 9)
    touched = tables.inode([(0, 1, 500)], 9, changed=tables.WRITTEN - 99)
    young = tables.inode([(0, 1, 500)], 9, changed=tables.WRITTEN - 1)
    found = ext_told([NONE] * 11 + [one, one, NONE, touched, young], code)
    stamps = [each.stamp for each in found]
    assert stamps[0] == stamps[1] != stamps[2] != b"" and stamps[3] == b""


@pytest.mark.parametrize("code", CODES)
def test_inodes_that_need_a_second_look_get_it(code: str) -> None:
    extents = [(0, 1, 500)]
    inodes = [
        tables.inode(extents, 9, mode=0o040755),
        tables.inode(extents, 9, flags=0x80800),  # encrypted
        tables.inode(extents, 9),  # the journal
        tables.inode(extents, 9, flags=0x10080000),  # content in the inode
        tables.inode(extents, 9, mode=0o020644),  # a device
    ]
    found = ext_told([NONE] * 11 + inodes, code)
    about = [(each.owner, each.role, bool(each.stamp)) for each in found]
    assert about == [
        (12, Role.META, False),
        (13, Role.CODED, True),
        (14, Role.META, False),
    ]


@needs_extension
@given(st.data())
def test_inodes_are_told_alike(data: st.DataObject) -> None:
    places = st.integers(0, tables.BLOCKS + 3)
    lengths = st.one_of(st.integers(0, 9), st.integers(32766, 32780))
    extent = st.tuples(st.integers(0, 30), lengths, places)
    extents = st.lists(extent, max_size=5).map(sorted)
    modes = st.sampled_from([0o100644, 0o100644, 0o040755, 0o120777, 0o010644, 0])
    flags = st.sampled_from([0x80000, 0x80000, 0, 0x80800, 0x10080000, 0x180000, 0x280000])
    sizes = st.one_of(st.integers(0, 40_000), st.integers(0, 1 << 50))
    made = st.builds(
        lambda extents, size, mode, flag, changed: tables.inode(
            extents, size, mode=mode, flags=flag, changed=changed
        ),
        extents,
        sizes,
        modes,
        flags,
        st.sampled_from([0, tables.WRITTEN - 3, tables.WRITTEN, (1 << 32) - 1]),
    )
    inodes = bytearray(b"".join([NONE] * 8 + data.draw(st.lists(made, min_size=8, max_size=8))))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(8 * tables.INODE, len(inodes) - 1))
        inodes[place] = data.draw(st.integers(0, 255))
    asked = bytes(inodes)
    assert tables.by("extension", "ext", asked) == tables.by("twin", "ext", asked)


# claims


def gathered(streams: Sequence[Stream], code: str, *, broken: bool = False) -> Gathered:
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, code, tables.GATHER)
        return tables.claims(streams, 100, broken=broken)


@pytest.mark.parametrize("code", CODES)
def test_each_unit_is_claimed_once(code: str) -> None:
    one = Stream(20, b"", Role.FILE, 8192, 8000, tables.runs((5, 2)), b"mark")
    same = Stream(21, b"", Role.FILE, 4096, 4096, tables.runs((6, 1)))
    further = Stream(22, b"x", Role.META, 1, 1, tables.runs((98, 2)))
    found = gathered([one, same, further, one], code, broken=True)
    assert found.streams == [
        Wanted(5, EntryRole.FILE, 20, b"", 8192, 8000, b"\4\x0a", b"mark", 2),
        Wanted(98, EntryRole.META, 22, b"x", 1, 1, b"\2\xc4\1", b"", 1),
    ]
    assert list(found.claimed.runs()) == [(5, 2), (98, 1)]
    assert found.notes == ["not all files were understood: the rest is gone"]


@needs_extension
@given(st.data())
def test_claims_are_alike(data: st.DataObject) -> None:
    run = st.tuples(st.integers(-1, 64), st.integers(-1, 30))
    sizes = st.one_of(st.integers(0, 130_000), st.sampled_from([1 << 62, 1 << 64]))
    stream = st.builds(
        lambda role, size, valid, runs, discard, asleep: Stream(
            9, b"", role, size, valid, tables.runs(*runs), b"m", discard, asleep
        ),
        st.sampled_from([Role.FILE, Role.FILE, Role.META, Role.CODED]),
        sizes,
        sizes,
        st.lists(run, min_size=1, max_size=3),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([False, False, False, True]),
    )
    streams = data.draw(st.lists(stream, max_size=12))
    units = data.draw(st.integers(60, 64))
    assert tables.by("extension", "claims", streams, units) == tables.by(
        "twin", "claims", streams, units
    )
