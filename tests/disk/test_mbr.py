"""Tables that sfdisk made, chains that lead astray, and disks without a table."""

import subprocess
from pathlib import Path

import pytest

from tests.disk.containers.disks import MIB, blocks
from tests.disk.test_gpt import sfdisk_told
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.mbr import ENTRY
from twofold.disk.partitions import PartitionTable, read_table

SIZE = 4 * MIB
LAYOUT = """\
label: dos
label-id: 0xdeadbeef
start=64, size=1000, type=7, bootable
start=1064, size=500, type=27
start=1600, size=100, type=83
start=2048, size=5000, type=5
start=2100, size=500, type=83
start=3000, size=700, type=82
start=4000, size=800, type=8e
"""


_MADE: dict[str, bytes] = {}


def make(path: Path, layout: str) -> bytes:
    """A disk that sfdisk divides; once, for it waits for the disk."""
    if layout not in _MADE:
        with path.open("wb") as file:
            file.truncate(SIZE)
        words = ["sfdisk", str(path)]
        subprocess.run(words, input=layout, text=True, check=True, capture_output=True)
        _MADE[layout] = path.read_bytes()
    path.write_bytes(_MADE[layout])
    return _MADE[layout]


def table(data: bytes) -> PartitionTable:
    return read_table(MemoryBlocks(data))


def test_primary_and_logical_partitions(tmp_path: Path) -> None:
    data = make(tmp_path / "disk", LAYOUT)
    found = table(data)
    told = sfdisk_told(tmp_path / "disk")
    parts = told["partitions"]
    assert isinstance(parts, list)
    assert (found.kind, found.disk_id, told["label"]) == ("mbr", "deadbeef", "dos")
    assert [(p.number, p.start, p.size, p.type.lstrip("0")) for p in found.partitions] == [
        (
            int(part["node"].removeprefix(str(tmp_path / "disk"))),
            part["start"] * 512,
            part["size"] * 512,
            part["type"],
        )
        for part in parts
    ]
    assert [p.number for p in found.partitions] == [1, 2, 3, 4, 5, 6, 7]
    assert found.partitions[0].flags == ("active",)
    assert found.partitions[3].flags == ("extended",)
    assert found.partitions[4].flags == ("logical",)
    assert [p.type_name for p in found.partitions][1:] == [
        "Windows recovery",
        "Linux",
        "extended",
        "Linux",
        "Linux swap",
        "Linux LVM",
    ]
    assert not any(part.faults for part in found.partitions)


def test_partitions_and_regions_are_the_disk(tmp_path: Path) -> None:
    found = table(make(tmp_path / "disk", LAYOUT))
    pieces = [(p.start, p.size) for p in found.partitions if not p.is_container]
    pieces += [(region.start, region.size) for region in found.regions]
    place = 0
    for start, size in sorted(pieces):
        assert start == place
        place += size
    assert place == SIZE
    assert [region.name for region in found.regions].count("ebr") == 3


def _records(data: bytes) -> list[int]:
    found = table(data).mbr
    assert found
    return [sector * 512 for sector in found.records]


def _link(record: int, start: int, kind: int = 5) -> tuple[slice, bytes]:
    """The second entry of a record."""
    at = record + 446 + 16
    return slice(at, at + 16), ENTRY.pack(0, b"\0\0\0", kind, b"\0\0\0", start, 100)


def _is_divided(found: PartitionTable, size: int) -> bool:
    """Whether regions and the partitions without faults follow one another to the end of a disk."""
    pieces = [(p.start, p.size) for p in found.partitions if not (p.is_container or p.faults)]
    place = 0
    for start, length in sorted(pieces + [(region.start, region.size) for region in found.regions]):
        if start != place:
            return False
        place += length
    return place == size


@pytest.mark.parametrize(
    ("start", "words"),
    [(0, "loop"), (1, "loop"), (65536, "leaves the ext"), (4900, "damaged"), (3000, "damaged")],
)
@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_chain_that_leads_astray_breaks_off_there(
    tmp_path: Path, start: int, words: str, kept: int
) -> None:
    whole = make(tmp_path / "disk", LAYOUT)
    data = bytearray(whole)
    records = _records(whole)
    assert len(records) == 3
    if words == "loop" and start:
        start = (records[kept - 1] - records[0]) // 512
    code = ENTRY.pack(0x7F, b"\0\0\0", 7, b"\0\0\0", 1, 1) + bytes(48) + b"\x55\xaa"
    data[records[0] + 3000 * 512 + 446 : records[0] + 3001 * 512] = code  # signed, but no record
    place, entry = _link(records[kept - 1], start)
    data[place] = entry
    found = table(bytes(data))
    assert found.partitions == table(whole).partitions[: 4 + kept]
    assert found.mbr is not None
    assert found.mbr.records == tuple(record // 512 for record in records[:kept])
    (note,) = found.notes
    assert note.startswith("The chain of logical partitions breaks off: ") and words in note
    assert _is_divided(found, SIZE)


def test_a_damaged_first_record_leaves_the_primary_partitions(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path / "disk", LAYOUT))
    first = _records(bytes(data))[0]
    data[first + 510] = 0
    found = table(bytes(data))
    assert [p.number for p in found.partitions] == [1, 2, 3, 4]
    assert found.notes == (
        "The chain of logical partitions breaks off: the record in sector 2048 is damaged.",
    )


def test_a_record_that_cannot_be_read_breaks_the_chain_off(tmp_path: Path) -> None:
    data = make(tmp_path / "disk", LAYOUT)
    for number, record in enumerate(_records(data)):

        class Torn(MemoryBlocks, frozen=True):
            bad: int = record

            def read(self, offset: int, length: int) -> bytes:
                return bytes(length) if offset == self.bad else super().read(offset, length)

            def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
                return [(offset, length)] if offset <= self.bad < offset + length else []

        found = read_table(Torn(data))
        assert [p.number for p in found.partitions] == [1, 2, 3, 4, 5, 6, 7][: 4 + number]
        (note,) = found.notes
        assert f"the record in sector {record // 512} cannot be read" in note


def test_a_chain_that_the_disk_ends_before(tmp_path: Path) -> None:
    data = make(tmp_path / "disk", LAYOUT)
    found = table(data[: _records(data)[2]])
    assert [p.number for p in found.partitions] == [1, 2, 3, 4, 5, 6]
    assert "it leaves the disk" in found.notes[0]


def test_an_endless_chain_breaks_off(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path / "disk", LAYOUT))
    first = _records(bytes(data))[0]
    for number in range(1000):
        record = first + number * 512
        data[record : record + 512] = bytes(510) + b"\x55\xaa"
        place, entry = _link(record, number + 1)
        data[place] = entry
    found = table(bytes(data))
    assert found.mbr is not None and len(found.mbr.records) == 256
    assert "more than 256" in found.notes[0]
    assert _is_divided(found, SIZE)


def test_a_logical_partition_outside_of_the_extended_one_is_told(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path / "disk", LAYOUT))
    at = _records(bytes(data))[2] + 446
    data[at : at + 16] = ENTRY.pack(0, b"\0\0\0", 0x83, b"\0\0\0", 52, 3100)
    faults = {part.number: part.faults for part in table(bytes(data)).partitions if part.faults}
    assert faults == {7: ("It leaves the extended partition.",)}


def test_an_extended_partition_that_was_never_filled(tmp_path: Path) -> None:
    data = make(tmp_path / "disk", "label: dos\nsize=2048, type=83\nsize=2500, type=f\n")
    assert [part.number for part in table(data).partitions] == [1, 2]


def test_overlaps_and_ends_beyond_the_disk(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path / "disk", LAYOUT))
    at = 446 + 16
    data[at : at + 16] = ENTRY.pack(0, b"\0\0\0", 0x27, b"\0\0\0", 1000, 1 << 20)
    faults = {part.number: part.faults for part in table(bytes(data)).partitions}
    assert faults[1] == ("It overlaps partition 2.",)
    assert faults[2][0] == "It goes beyond the end of the disk."
    assert "It overlaps partition 1." in faults[2]
    assert faults[5] == ("It overlaps partition 2.",)


@pytest.mark.parametrize(
    "make_volume",
    [
        ["mkfs.vfat", "-F", "32"],
        ["mkfs.vfat", "--mbr=y"],
        ["mkfs.ntfs", "-F", "-Q", "-q"],
        ["mkfs.exfat"],
        ["mkfs.ext4", "-q"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_volume_without_a_table(tmp_path: Path, make_volume: list[str]) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run([*make_volume, str(path)], check=True, capture_output=True)
    found = read_table(blocks(path))
    assert found.kind == "none"
    assert [(part.start, part.size) for part in found.partitions] == [(0, 64 * MIB)]
    assert found.regions == ()


def test_an_empty_disk() -> None:
    assert table(bytes(SIZE)).kind == "none"
    assert table(b"").kind == "none"
    assert table(bytes(511)).kind == "none"


def test_an_entry_that_is_code_is_none(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path / "disk", LAYOUT))
    data[446] = 0x41
    assert table(bytes(data)).kind == "none"
