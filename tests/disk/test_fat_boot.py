"""What a boot sector says is taken as fsck.fat and the specification take it."""

import re
from pathlib import Path

import pytest

from tests.disk.fat_builder import BAD, END, FatBuilder, slot
from tests.disk.fat_world import run
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.fat import is_fat, open_fat
from twofold.errors import FormatError

LOCAL = "times are local times of an unknown zone, taken as UTC"


def image(builder: FatBuilder) -> bytearray:
    return bytearray(builder.disk.read(0, builder.disk.size))


@pytest.mark.parametrize(
    ("bits", "units"),
    [(12, 1), (12, 4084), (16, 4085), (16, 65524), (32, 100), (32, 65525), (32, 70000)],
)
def test_the_type_is_what_fsck_takes_it_for(bits: int, units: int, tmp_path: Path) -> None:
    builder = FatBuilder(bits, units)
    facts = open_fat(builder.disk).facts
    assert (facts.kind, facts.units, facts.origin) == (f"fat{bits}", units, builder.origin)
    file = tmp_path / "image"
    file.write_bytes(image(builder))
    said = run("fsck.fat", "-nv", file, check=False)
    assert f"{builder.fats} FATs, {bits} bit entries" in said
    assert re.search(rf"^ +{units} data clusters", said, re.MULTILINE)


@pytest.mark.parametrize("sector", [512, 1024, 2048, 4096])
@pytest.mark.parametrize("per_cluster", [1, 2, 64, 128])
def test_sectors_and_clusters_of_all_sizes(sector: int, per_cluster: int) -> None:
    builder = FatBuilder(16, 5000, sector, per_cluster, root_slots=sector // 32)
    builder.root(slot(b"A", 0x20, builder.chain(9, 7), builder.unit + 1))
    builder.disk.write(builder.offset(7), b"!")
    fs = open_fat(builder.disk)
    (stream,) = fs.streams()
    assert [tuple(run) for run in stream.runs] == [(7, 1), (5, 1)]
    assert fs.open(stream.owner).read(builder.unit - 1, 9) == b"\0!"


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (11, b"\0\1"),
        (11, b"\0\x20"),
        (13, b"\0"),
        (13, b"\3"),
        (14, b"\0\0"),
        (16, b"\0"),
        (17, b"\0\0"),
        (19, b"\0\xff"),
        (19, b"\x04\0"),
        (21, b"\x12"),
        (22, b"\0\0"),
    ],
)
def test_wrong_fields_are_refused(offset: int, value: bytes) -> None:
    raw = image(FatBuilder(12, 200))
    open_fat(MemoryBlocks(bytes(raw)))
    raw[offset : offset + len(value)] = value
    with pytest.raises(FormatError):
        open_fat(MemoryBlocks(bytes(raw)))


def test_a_truncated_volume_is_refused() -> None:
    raw = bytes(image(FatBuilder(12, 200)))
    for length in (0, 511, 512, len(raw) - 1):
        with pytest.raises(FormatError):
            open_fat(MemoryBlocks(raw[:length]))


def test_more_clusters_than_16_bits_can_name_are_refused() -> None:
    with pytest.raises(FormatError):
        open_fat(FatBuilder(16, 65525).disk)


def test_a_table_too_short_bounds_the_clusters() -> None:
    builder = FatBuilder(16, 5000)
    raw = image(builder)
    raw[22:24] = (10).to_bytes(2, "little")
    facts = open_fat(MemoryBlocks(bytes(raw))).facts
    assert (facts.kind, facts.units) == ("fat16", 10 * 512 // 2 - 2)


def test_bitlocker_to_go_is_no_fat() -> None:
    builder = FatBuilder(32, 100)
    builder.disk.write(424, bytes.fromhex("3bd66749292ed84a8399f6a339e3d001"))
    with pytest.raises(FormatError, match="BitLocker"):
        open_fat(builder.disk)


def test_other_volumes_are_not_taken_for_fat() -> None:
    builder = FatBuilder(32, 100)
    assert is_fat(builder.disk.read(0, 512))
    assert not is_fat(b"\xeb\x52\x90NTFS    " + bytes(499) + b"\x55\xaa")
    assert not is_fat(bytes(510) + b"\x55\xaa")
    assert not is_fat(builder.disk.read(0, 511))


def test_the_copy_of_the_boot_sector_is_compared() -> None:
    builder = FatBuilder(32, 100)
    assert open_fat(builder.disk).facts.notes == (LOCAL,)
    builder.disk.write(6 * 512 + 65, b"\1")  # the state may differ
    assert open_fat(builder.disk).facts.notes == (LOCAL,)
    builder.disk.write(6 * 512 + 67, b"\1")
    assert "the copy of the boot sector differs" in open_fat(builder.disk).facts.notes


def test_a_missing_signature_and_a_strange_media_byte_are_told() -> None:
    builder = FatBuilder(12, 100)
    builder.disk.write(510, b"\0\0")
    builder.entry(0, 0xFF0)
    assert len(open_fat(builder.disk).facts.notes) == 3


@pytest.mark.parametrize(
    ("bits", "mark", "clean", "errors"),
    [
        (16, 0xFFFF, True, False),
        (16, 0x7FFF, False, False),
        (16, 0xBFFF, True, True),
        (32, 0x0FFFFFFF, True, False),
        (32, 0x07FFFFFF, False, False),
        (32, 0x0BFFFFFF, True, True),
        (12, 0xFFF, True, False),
    ],
)
def test_marks_of_the_second_entry(bits: int, mark: int, clean: bool, errors: bool) -> None:
    builder = FatBuilder(bits, 5000 if bits == 16 else 100)
    builder.entry(1, mark)
    facts = open_fat(builder.disk).facts
    assert facts.clean is clean
    assert any("errors" in note for note in facts.notes) is errors


@pytest.mark.parametrize(("bits", "offset"), [(12, 37), (16, 37), (32, 65)])
def test_the_state_byte_of_the_boot_sector(bits: int, offset: int, tmp_path: Path) -> None:
    builder = FatBuilder(bits, 5000 if bits == 16 else 100)
    builder.disk.write(offset, b"\1")
    assert not open_fat(builder.disk).facts.clean
    file = tmp_path / "image"
    file.write_bytes(image(builder))
    assert "Dirty bit is set" in run("fsck.fat", "-n", file, check=False)


def test_only_the_fat_in_use_counts_when_they_are_not_mirrored() -> None:
    builder = FatBuilder(32, 100, flags=0x81)
    builder.root(slot(b"A", 0x20, 5, 513))
    builder.entry(5, END[32], fat=0)
    builder.entry(5, 8, fat=1)
    builder.entry(8, END[32], fat=1)
    fs = open_fat(builder.disk)
    assert [tuple(run) for run in list(fs.streams())[-1].runs] == [(3, 1), (6, 1)]
    assert sum(byte.bit_count() for byte in fs.allocation()) == 3
    assert "only FAT 1 is in use" in fs.facts.notes
    with pytest.raises(FormatError):
        open_fat(FatBuilder(32, 100, flags=0x82).disk)


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_copies_that_differ_are_told_and_both_count(bits: int) -> None:
    builder = FatBuilder(bits, 5001 if bits == 16 else 101)
    before = open_fat(builder.disk).allocation()
    builder.entry(77, END[bits], fat=1)
    fs = open_fat(builder.disk)
    after = fs.allocation()
    before[75 // 8] |= 1 << 75 % 8
    assert after == before
    assert any("differ" in note for note in fs.facts.notes)


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_bad_clusters_are_not_in_use(bits: int, tmp_path: Path) -> None:
    builder = FatBuilder(bits, 5001 if bits == 16 else 101)
    for cluster in (9, 10, 44):
        builder.entry(cluster, BAD[bits])
    bits_set = sum(byte.bit_count() for byte in open_fat(builder.disk).allocation())
    file = tmp_path / "image"
    file.write_bytes(image(builder))
    said = run("fsck.fat", "-nv", file, check=False)
    assert re.search(rf" {bits_set + 3}/{builder.units} clusters", said)  # it counts them as well
    assert bits_set == (1 if bits == 32 else 0)


def test_the_upper_bits_of_fat32_mean_nothing() -> None:
    builder = FatBuilder(32, 100)
    builder.entry(50, 0xF0000000)
    builder.root(slot(b"A", 0x20, builder.chain(5, 6, 7), 1500))
    builder.entry(5, 0x50000006)
    fs = open_fat(builder.disk)
    assert [tuple(run) for run in list(fs.streams())[-1].runs] == [(3, 3)]
    assert sum(byte.bit_count() for byte in fs.allocation()) == 4


def test_fsinfo_is_compared_with_the_table() -> None:
    builder = FatBuilder(32, 100)

    def notes() -> tuple[str, ...]:
        fs = open_fat(builder.disk)
        fs.allocation()
        return fs.facts.notes

    assert notes() == (LOCAL,)
    builder.disk.write(512 + 488, (99).to_bytes(4, "little"))
    assert notes() == (LOCAL,)
    builder.disk.write(512 + 488, (98).to_bytes(4, "little"))
    assert any("98 free clusters, there are 99" in note for note in notes())
    builder.disk.write(512 + 484, b"\0")
    assert "FSInfo is damaged" in notes()


@pytest.mark.parametrize(
    ("stored", "label"),
    [(slot(b"IN THE ROOT", 8), "IN THE ROOT"), (slot(b"NO NAME", 8), ""), (b"", "BOOT LABEL")],
)
def test_the_label_is_the_root_directorys(stored: bytes, label: str) -> None:
    builder = FatBuilder(12, 100)
    builder.root(slot(b"A"), stored)
    facts = open_fat(builder.disk).facts
    assert (facts.label, facts.serial) == (label, "1234-ABCD")


def test_serial_and_label_need_their_signature() -> None:
    builder = FatBuilder(12, 100)
    builder.disk.write(38, b"\x28")
    assert open_fat(builder.disk).facts.serial == "1234-ABCD"
    assert open_fat(builder.disk).facts.label == ""
    builder.disk.write(38, b"\0")
    assert open_fat(builder.disk).facts.serial == ""
