"""Files of FAT in good and in bad order: what is told, what is left out, and that it ends."""

import os
from calendar import timegm
from pathlib import Path

import pytest

from tests.disk.fat_builder import BAD, FatBuilder, slot
from tests.disk.fat_world import FatWorld, Shape, run
from twofold.disk import Kind, Role
from twofold.disk.blocks import FileBlocks
from twofold.disk.clusters.chain import Claims, chained
from twofold.disk.clusters.table import FAT16, AllocationTable, Location
from twofold.disk.fat import open_fat
from twofold.errors import FormatError

NONE_LEFT = ("times are local times of an unknown zone, taken as UTC",)


def small(bits: int = 16) -> FatBuilder:
    return FatBuilder(bits, 5000 if bits == 16 else 200)


def claims(builder: FatBuilder) -> tuple[dict[int, list[tuple[int, int]]], tuple[str, ...]]:
    """Owner's first cluster -> runs of every stream, and the notes."""
    fs = open_fat(builder.disk)
    runs = {
        stream.runs[0].first + 2: [(first + 2, count) for first, count in stream.runs]
        for stream in fs.streams()
    }
    return runs, fs.facts.notes[1:]


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_an_empty_file_has_no_clusters(bits: int) -> None:
    builder = small(bits)
    builder.root(slot(b"EMPTY"))
    fs = open_fat(builder.disk)
    assert [s for s in fs.streams() if s.role is Role.FILE] == []
    (entry,) = fs.entries(0)
    assert fs.open(entry.file).read(0, 10) == b""
    assert fs.facts.notes == NONE_LEFT


def test_an_empty_file_that_names_a_cluster_is_told() -> None:
    builder = small()
    builder.root(slot(b"A", first=builder.chain(7)))
    assert claims(builder) == ({}, ("an empty file names cluster 7",))


@pytest.mark.parametrize("bits", [12, 16, 32])
@pytest.mark.parametrize(
    ("links", "size", "why"),
    [
        ([(7, 8), (8, 7)], 5000, "loop"),
        ([(7, 7)], 5000, "loop"),
        ([(7, 8), (8, 0)], 5000, "free"),
        ([(7, 8), (8, 1)], 5000, "leads to 1"),
        ([(7, 8), (8, 6000)], 5000, "leads to"),
        ([(7, 8), (8, "end")], 1025, "ends after 2 of 3"),
        ([(7, 8), (8, "bad")], 1025, "ends after 2 of 3"),
        ([(7, "end")], 4_000_000_000, "more than the file system has"),
    ],
)
def test_damaged_chains_are_left_out_and_told(
    bits: int, links: list[tuple[int, int | str]], size: int, why: str
) -> None:
    builder = small(bits)
    builder.root(slot(b"BROKEN", first=7, size=size), slot(b"GOOD", first=9, size=1))
    builder.chain(9)
    for cluster, to in links:
        if isinstance(to, int):
            builder.entry(cluster, 0xFEF if bits == 12 and to > 4095 else to)
        else:
            builder.chain(cluster, end=BAD[bits] if to == "bad" else None)
    found, notes = claims(builder)
    assert 9 in found and 7 not in found
    assert len(notes) == 1 and why in notes[0]
    fs = open_fat(builder.disk)
    broken, good = [entry.file for entry in fs.entries(0)]
    assert fs.open(good).size == 1
    if why != "loop":
        with pytest.raises(FormatError):
            fs.open(broken)


@pytest.mark.parametrize("first", [0, 1, 5002, 0xFFFF])
def test_a_file_that_begins_nowhere_is_left_out(first: int) -> None:
    builder = small()
    builder.root(slot(b"A", first=first, size=1))
    found, notes = claims(builder)
    assert (found, len(notes)) == ({}, 1)


def test_a_bad_mark_ends_a_chain_that_is_long_enough() -> None:
    builder = small()
    builder.root(slot(b"A", first=builder.chain(7, 8, end=BAD[16]), size=1024))
    assert claims(builder) == ({7: [(7, 2)]}, ())


def test_clusters_beyond_the_size_are_left_to_the_map_and_told() -> None:
    builder = small()
    builder.root(slot(b"A", first=builder.chain(7, 8, 9, 20), size=600))
    found, notes = claims(builder)
    assert found == {7: [(7, 2)]}
    assert notes == ("the chain from cluster 7 on is longer than its file",)
    assert sum(byte.bit_count() for byte in open_fat(builder.disk).allocation()) == 4


def test_of_cross_linked_files_the_first_is_kept() -> None:
    builder = small()
    builder.chain(7, 8, 9)
    builder.chain(30, 8)
    builder.chain(40)
    builder.root(
        slot(b"A", first=7, size=1500),
        slot(b"B", first=30, size=1500),
        slot(b"C", first=9, size=5),
        slot(b"D", first=40, size=5),
    )
    builder.entry(8, 9)
    found, notes = claims(builder)
    assert sorted(found) == [7, 40]
    assert len(notes) == 2
    fs = open_fat(builder.disk)  # each of them alone can be read
    assert [fs.open(entry.file).size for entry in fs.entries(0)] == [1500, 1500, 5, 5]


def test_runs_are_joined_and_read_in_order() -> None:
    builder = small()
    order = [20, 21, 22, 10, 11, 30, 9]
    for index, cluster in enumerate(order):
        builder.disk.write(builder.offset(cluster), bytes([index]) * 512)
    builder.root(slot(b"A", first=builder.chain(*order), size=3500))
    assert claims(builder)[0] == {20: [(20, 3), (10, 2), (30, 1), (9, 1)]}
    fs = open_fat(builder.disk)
    (entry,) = fs.entries(0)
    content = fs.open(entry.file)
    expected = b"".join(bytes([index]) * 512 for index in range(7))[:3500]
    assert content.read(0, 5000) == expected
    for offset in range(0, 3600, 37):
        assert content.read(offset, 700) == expected[offset : offset + 700]
    with pytest.raises(FormatError):
        content.read(-1, 5)


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_directories_in_a_circle_end(bits: int) -> None:
    builder = small(bits)
    builder.chain(7)
    builder.chain(8)
    builder.root(slot(b"A", 0x10, 7))
    builder.directory(7, slot(b"B", 0x10, 8))
    builder.directory(8, slot(b"AGAIN", 0x10, 7), slot(b"ROOT", 0x10, 2), above=7)
    found, notes = claims(builder)
    assert {7, 8} <= set(found)
    assert len([note for note in notes if "left out" in note]) == 2


def test_a_directory_whose_chain_is_a_loop_is_left_out() -> None:
    builder = small()
    builder.entry(7, 8)
    builder.entry(8, 7)
    builder.root(slot(b"A", 0x10, 7))
    builder.directory(7, slot(b"B"))
    found, notes = claims(builder)
    assert found == {} and "loop" in notes[0]
    fs = open_fat(builder.disk)
    (entry,) = fs.entries(0)
    with pytest.raises(FormatError, match="loop"):
        list(fs.entries(entry.file))


def test_a_directory_without_clusters_is_empty() -> None:
    builder = small()
    builder.root(slot(b"A", 0x10, 0))
    fs = open_fat(builder.disk)
    (entry,) = fs.entries(0)
    assert entry.kind is Kind.DIRECTORY
    assert list(fs.entries(entry.file)) == []
    assert any("has no clusters" in note for note in fs.facts.notes)


def test_a_directory_must_begin_with_itself() -> None:
    builder = small()
    builder.chain(7)
    builder.root(slot(b"A", 0x10, 7))
    builder.directory(7, slot(b"B"))
    assert claims(builder)[1] == ()
    builder.directory(8)
    builder.disk.write(builder.offset(7), builder.disk.read(builder.offset(8), 64))
    assert "does not begin with itself" in claims(builder)[1][0]


def test_fat32_without_a_root_directory_or_with_a_damaged_one() -> None:
    for cluster in (0, 1, 300):
        builder = FatBuilder(32, 200)
        builder.disk.write(44, cluster.to_bytes(4, "little"))
        fs = open_fat(builder.disk)
        assert list(fs.streams()) == []
        assert any("root directory" in note for note in fs.facts.notes)
        assert len(fs.allocation()) == 25


def test_numbers_that_are_no_files_are_refused() -> None:
    builder = small()
    builder.chain(7)
    builder.root(slot(b"A", 0x10, 7), slot(b"LABEL", 8), b"\xe5" + slot(b"X")[1:])
    builder.directory(7, slot(b"B", first=builder.chain(9), size=3))
    fs = open_fat(builder.disk)
    root = builder.root_offset // 32
    inside = builder.offset(7) // 32
    for number in (-1, 1, root - 1, root + 1, root + 2, root + 3, inside, inside + 1, 1 << 60):
        with pytest.raises(FormatError):
            fs.facts_of(number)
    for number in (0, root):
        with pytest.raises(FormatError):
            fs.open(number)
    with pytest.raises(FormatError):
        list(fs.entries(inside + 2))
    with pytest.raises(FormatError):
        fs.open(inside + 2, b"stream")
    assert fs.facts_of(inside + 2).size == 3


def test_a_file_of_four_gib() -> None:
    """Without one byte, which is the most FAT can tell."""
    builder = FatBuilder(32, 131_100, per_cluster=64)
    clusters = [*range(100_000, 131_102), *range(3, 99_973)]
    assert len(clusters) == 131_072
    builder.chain(*clusters)
    builder.root(slot(b"BIG", first=100_000, size=(1 << 32) - 1))
    builder.disk.write(builder.offset(99_972) + 32766, b"END")
    fs = open_fat(builder.disk)
    stream = list(fs.streams())[-1]
    assert (stream.size, [tuple(run) for run in stream.runs]) == (
        (1 << 32) - 1,
        [(99_998, 31_102), (1, 99_970)],
    )
    assert fs.open(stream.owner).read((1 << 32) - 2, 10) == b"E"


@pytest.mark.parametrize(
    ("name", "discard"), [(b"PAGEFILESYS", True), (b"HIBERFILSYS", True), (b"PAGEFILETXT", False)]
)
def test_paging_files_are_content_nobody_wants(name: bytes, discard: bool) -> None:
    builder = small()
    builder.chain(7)
    builder.chain(9)
    builder.root(slot(name, first=builder.chain(8), size=5), slot(b"D", 0x10, 7))
    builder.directory(7, slot(name, first=9, size=5))
    files = {s.runs[0].first + 2: s.discard for s in open_fat(builder.disk).streams()}
    assert files == {7: False, 8: discard, 9: False}


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_the_last_cluster_is_one_and_the_next_is_none(bits: int) -> None:
    builder = small(bits)
    last = builder.units + 1
    builder.chain(7, last)
    builder.chain(9, last + 1)
    builder.root(slot(b"GOOD", first=7, size=1000), slot(b"BROKEN", first=9, size=1000))
    found, notes = claims(builder)
    assert found[7] == [(7, 1), (last, 1)] and 9 not in found
    assert len(notes) == 1 and f"leads to {last + 1}" in notes[0]


def test_the_upper_half_of_a_first_cluster_is_fat32s_alone() -> None:
    """OS/2 keeps extended attributes there on FAT12 and FAT16."""
    builder = small(16)
    builder.root(slot(b"A", first=5 << 16 | builder.chain(7), size=5))
    assert claims(builder) == ({7: [(7, 1)]}, ())


class CountingTable(AllocationTable):
    """Knows how many entries were looked at."""

    looked_at = 0

    def run(self, cluster: int, at_most: int) -> tuple[int, int]:
        length, link = super().run(cluster, at_most)
        self.looked_at += length
        return length, link


def test_chains_that_run_into_a_claimed_one_are_followed_no_further() -> None:
    """Entries looked at stay in proportion to those claimed."""
    builder = FatBuilder(16, 60_000)
    builder.chain(*range(2, 60_002))
    table = CountingTable(Location(builder.disk, 512, 60_000, FAT16))
    claims = Claims(60_000)
    chained(table, 20_000, 50_000, claims)
    for cluster in range(19_999, 10_000, -1):  # just before what is claimed
        with pytest.raises(FormatError):
            chained(table, cluster, 50_000, claims)
    for cluster in range(9_000, 7_000, -1):  # and jumping into it
        builder.entry(cluster, 20_000)
        with pytest.raises(FormatError):
            chained(table, cluster, 50_000, claims)
    assert table.looked_at < 2 * 60_000


def test_many_files_that_claim_one_long_chain_cost_no_more_than_one() -> None:
    """Each chain stops where it meets a claimed cluster: reads stay in proportion to the volume."""
    builder = FatBuilder(16, 60_000, root_slots=512)
    builder.chain(*range(2, 60_002))
    builder.root(*(slot(b"F%d" % n, first=2 + 2 * n, size=20_000_000) for n in range(512)))
    fs = open_fat(builder.disk)
    builder.disk.was_read = 0
    assert len(list(fs.streams())) == 1
    assert builder.disk.was_read < 3 * 60_000 * 2
    assert len(fs.facts.notes) == 21  # 20 kept, one tells of more


@pytest.mark.parametrize(
    ("date", "time", "hundredths", "expected"),
    [
        ((2024, 2, 29), (23, 59, 58), 199, 1_990_000_000),
        ((1980, 1, 1), (0, 0, 0), 0, 0),
        ((2107, 12, 31), (12, 30, 2), 100, 1_000_000_000),
        ((2000, 1, 1), (0, 0, 0), 255, 1_990_000_000),
    ],
)
def test_times(
    date: tuple[int, int, int], time: tuple[int, int, int], hundredths: int, expected: int
) -> None:
    packed = (
        (date[0] - 1980) << 9 | date[1] << 5 | date[2],
        time[0] << 11 | time[1] << 5 | time[2] // 2,
    )
    builder = small()
    builder.root(slot(b"A", created=packed, modified=packed, hundredths=hundredths))
    fs = open_fat(builder.disk)
    (entry,) = fs.entries(0)
    facts = fs.facts_of(entry.file)
    seconds = timegm((*date, *time, 0, 0, 0))
    assert facts.modified_ns == seconds * 10**9
    assert facts.created_ns == seconds * 10**9 + expected


@pytest.mark.parametrize(
    "packed", [(0, 0), (0x21, 24 << 11), (0x21, 60 << 5), (0x21, 30), (0x20, 0), (13 << 5 | 1, 0)]
)
def test_times_that_are_none(packed: tuple[int, int]) -> None:
    builder = small()
    builder.root(slot(b"A", created=packed, modified=packed))
    fs = open_fat(builder.disk)
    (entry,) = fs.entries(0)
    assert fs.facts_of(entry.file).modified_ns is None
    assert fs.facts_of(entry.file).created_ns is None


def test_times_as_mtools_writes_them(tmp_path: Path) -> None:
    world = FatWorld(tmp_path, Shape(12, 1440))
    file = tmp_path / "file"
    file.write_bytes(b"x")
    os.utime(file, (1_000_000_000, 1_234_567_890))
    run("mcopy", "-m", "-i", world.image, file, "::/")
    with world.image.open("rb") as stream:
        fs = open_fat(FileBlocks(stream))
        (entry,) = fs.entries(0)
        assert fs.facts_of(entry.file).modified_ns == 1_234_567_890 * 10**9
