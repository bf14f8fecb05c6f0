"""GPTs that sgdisk and sfdisk made, whole and damaged, and tables that they accept back."""

import json
import random
import subprocess
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.disk.containers.disks import MIB
from twofold.disk.blocks import FileBlocks, MemoryBlocks
from twofold.disk.gpt import Gpt, read_gpt
from twofold.disk.gpt_write import encode, fitted, renewed
from twofold.disk.partitions import PartitionTable, read_table
from twofold.errors import FormatError

SIZE = 4 * MIB
WINDOWS = (  # new partition, type, name, attribute bits: as Windows divides a disk
    ("1:2048:+256K", "ef00", "EFI system partition", ""),
    ("2:0:+128K", "0c01", "Microsoft reserved partition", ""),
    ("3:0:+1M", "0700", "Basic data partition", ""),
    ("4:0:+256K", "2700", "Größe ☃ 😀", "0 63"),
    ("9:0:+256K", "8309", "luks", ""),
)


def sgdisk(disk: Path, *words: str) -> str:
    """Run sgdisk on a disk image; what it printed."""
    line = ["sgdisk", *words, str(disk)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A disk that sgdisk divided, in one go: it syncs the whole computer each time."""
    path = tmp_path_factory.mktemp("gpt") / "disk"
    with path.open("wb") as file:
        file.truncate(SIZE)
    words = ["--clear", "-a", "8"]
    for place, kind, name, bits in WINDOWS:
        number = place.split(":")[0]
        words += ["-n", place, "-t", f"{number}:{kind}", "-c", f"{number}:{name}"]
        for bit in bits.split():
            words += ["-A", f"{number}:set:{bit}"]
    sgdisk(path, *words)
    return path.read_bytes()


@pytest.fixture
def disk(made: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(made)
    return path


def sfdisk_told(disk: Path) -> dict[str, object]:
    """What sfdisk tells of a disk."""
    done = subprocess.run(["sfdisk", "--json", str(disk)], capture_output=True, check=True)
    told: dict[str, object] = json.loads(done.stdout)["partitiontable"]
    return told


def table(data: bytes, sector_size: int = 512) -> PartitionTable:
    return read_table(MemoryBlocks(data, sector_size))


def gpt_of(data: bytes, sector_size: int = 512) -> Gpt:
    gpt = read_gpt(MemoryBlocks(data, sector_size), sector_size)
    assert gpt
    return gpt


def assert_as_sfdisk(found: PartitionTable, disk: Path) -> None:
    """The same disk GUID and partitions."""
    told = sfdisk_told(disk)
    assert found.kind == told["label"]
    assert found.disk_id.upper() == told["id"]
    parts = told["partitions"]
    assert isinstance(parts, list)
    assert [part.number for part in found.partitions] == [
        int(part["node"].removeprefix(str(disk)).lstrip("p")) for part in parts
    ]
    for mine, theirs in zip(found.partitions, parts, strict=True):
        assert mine.start == theirs["start"] * 512
        assert mine.size == theirs["size"] * 512
        assert mine.type.upper() == theirs["type"]
        assert mine.guid.upper() == theirs["uuid"]
        assert mine.name == theirs.get("name", "")


def test_a_windows_disk(disk: Path) -> None:
    found = read_table(FileBlocks(disk.open("rb")))
    assert_as_sfdisk(found, disk)
    assert found.notes == ()
    assert [part.type_name for part in found.partitions] == [
        "EFI system partition",
        "Microsoft reserved partition",
        "Windows data",
        "Windows recovery",
        "Linux LUKS",
    ]
    assert found.partitions[3].flags == ("required", "no-drive-letter")
    assert found.partitions[2].flags == ()
    assert not any(part.faults for part in found.partitions)


def test_partitions_and_regions_are_the_disk(disk: Path) -> None:
    found = table(disk.read_bytes())
    pieces = [(part.start, part.size) for part in found.partitions]
    pieces += [(region.start, region.size) for region in found.regions]
    place = 0
    for start, size in sorted(pieces):
        assert start == place
        place += size
    assert place == SIZE
    names = [region.name for region in found.regions]
    assert names == [
        "mbr",
        "gpt header",
        "gpt entries",
        "gap",
        "gap",
        "gpt backup entries",
        "gpt backup header",
    ]


@pytest.mark.parametrize("copy", ["primary", "backup"])
@pytest.mark.parametrize("part", ["header", "entries"])
def test_a_damaged_copy_is_told_and_the_other_one_used(disk: Path, copy: str, part: str) -> None:
    data = bytearray(disk.read_bytes())
    whole = table(bytes(data))
    at = {"primary": (512 + 40, 1024 + 130), "backup": (SIZE - 512 + 40, SIZE - 33 * 512 + 130)}
    data[at[copy][part == "entries"]] ^= 0x10
    found = table(bytes(data))
    assert found.partitions == whole.partitions
    assert len(found.notes) == 1
    assert f"The {copy} copy" in found.notes[0]
    assert gpt_of(bytes(data)).damaged == (copy,)


def test_a_lost_table_is_written_back_as_it_was(disk: Path) -> None:
    """From either copy alone: sgdisk finds nothing wrong, and it is the same bytes."""
    whole = disk.read_bytes()
    for lost in (slice(512, 34 * 512), slice(SIZE - 33 * 512, SIZE)):
        data = bytearray(whole)
        data[lost] = bytes(lost.stop - lost.start)
        for offset, piece in encode(gpt_of(bytes(data))):
            data[offset : offset + len(piece)] = piece
        assert data == whole
    assert "No problems found" in sgdisk(disk, "--verify")


def test_both_copies_damaged(disk: Path) -> None:
    data = bytearray(disk.read_bytes())
    data[600] ^= 1
    data[1030] ^= 1
    data[SIZE - 512 + 60] ^= 1
    with pytest.raises(FormatError, match="both copies"):
        table(bytes(data))


def test_copies_that_differ_are_told(disk: Path) -> None:
    data = bytearray(disk.read_bytes())
    sgdisk(disk, "-c", "3:other")
    changed = disk.read_bytes()
    data[512 : 34 * 512] = changed[512 : 34 * 512]
    found = table(bytes(data))
    assert found.partitions[2].name == "other"
    assert "differ" in found.notes[0]


def test_new_guids(disk: Path) -> None:
    numbers = random.Random(5)
    gpt = renewed(gpt_of(disk.read_bytes()), lambda: UUID(int=numbers.getrandbits(128), version=4))
    before = table(disk.read_bytes())
    with disk.open("r+b") as file:
        for offset, piece in encode(gpt):
            file.seek(offset)
            file.write(piece)
    assert "No problems found" in sgdisk(disk, "--verify")
    after = table(disk.read_bytes())
    assert_as_sfdisk(after, disk)
    assert not {p.guid for p in before.partitions} & {p.guid for p in after.partitions}
    assert before.disk_id != after.disk_id
    assert [(p.start, p.name) for p in before.partitions] == [
        (p.start, p.name) for p in after.partitions
    ]


@pytest.mark.parametrize("size", [SIZE - MIB // 2, SIZE + 5 * MIB + 512])
def test_a_disk_of_another_size(disk: Path, size: int) -> None:
    gpt = fitted(gpt_of(disk.read_bytes()), size)
    with disk.open("r+b") as file:
        file.truncate(size)
        for offset, piece in encode(gpt):
            file.seek(offset)
            file.write(piece)
    assert "No problems found" in sgdisk(disk, "--verify")
    assert table(disk.read_bytes()).notes == ()


def test_too_small_a_disk_is_refused(disk: Path) -> None:
    with pytest.raises(FormatError, match="does not fit"):
        fitted(gpt_of(disk.read_bytes()), 2944 * 1024)


def test_a_disk_that_grew(disk: Path) -> None:
    """A copy on a larger disk: the backup is where it was."""
    found = table(disk.read_bytes() + bytes(MIB))
    assert len(found.partitions) == 5
    assert any("not at the end" in note for note in found.notes)
    assert gpt_of(disk.read_bytes() + bytes(MIB)).damaged == ()


@pytest.mark.parametrize("told", [512, 4096])
def test_sectors_of_4096_bytes(tmp_path: Path, told: int) -> None:
    """Also when the reader does not know, as an image file of such a disk does not."""
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(8 * MIB)
    keys = "g\nn\n\n\n+999\nw\n"
    words = ["fdisk", "-b", "4096", str(disk)]
    subprocess.run(words, input=keys, text=True, check=True, capture_output=True)
    found = table(disk.read_bytes(), told)
    assert found.sector_size == 4096
    assert [(p.start, p.size) for p in found.partitions] == [(256 * 4096, 1000 * 4096)]
    assert any("4096" in note for note in found.notes) is (told == 512)
    whole = disk.read_bytes()
    for offset, piece in encode(gpt_of(whole, 4096)):
        assert whole[offset : offset + len(piece)] == piece


def test_a_table_of_another_length(disk: Path) -> None:
    """sgdisk can make more entries than the usual 128."""
    sgdisk(disk, "--resize-table=180")
    data = disk.read_bytes()
    gpt = gpt_of(data)
    assert gpt.entry_count == 180
    for offset, piece in encode(gpt):
        assert data[offset : offset + len(piece)] == piece


def test_hybrid_and_missing_protection(disk: Path) -> None:
    sgdisk(disk, "--hybrid", "3")
    assert any("hybrid" in note for note in table(disk.read_bytes()).notes)
    data = bytearray(disk.read_bytes())
    data[:512] = bytes(512)
    found = table(bytes(data))
    assert found.kind == "gpt"
    assert any("protective MBR is missing" in note for note in found.notes)


@pytest.mark.parametrize(
    ("words", "kind"), [(["mkswap", "-f"], "none"), (["dd", "if=/dev/zero"], "gpt")]
)
def test_a_copy_behind_what_fills_the_disk_is_left_over(
    disk: Path, words: list[str], kind: str
) -> None:
    """Some tools wipe only the start; after an accident there the same copy is all that helps."""
    words = [*words, str(disk)] if words[0] == "mkswap" else [*words, f"of={disk}", "count=40"]
    words += ["conv=notrunc"] if words[0] == "dd" else []
    subprocess.run(words, check=True, capture_output=True)
    data = disk.read_bytes()
    assert data.count(b"EFI PART") == 1
    assert table(data).kind == kind


def test_a_protection_of_no_sectors_protects(disk: Path) -> None:
    """As to Linux, which does not look at its size."""
    data = bytearray(disk.read_bytes())
    data[446 + 12 : 446 + 16] = bytes(4)
    found = table(bytes(data))
    assert found.kind == "gpt"
    assert found.partitions == table(disk.read_bytes()).partitions


def test_an_mbr_over_a_gpt_counts(disk: Path) -> None:
    """What systems do when nothing protective is in sector 0."""
    data = bytearray(disk.read_bytes())
    data[446:510] = bytes(64)
    data[446 + 4] = 0x83
    data[446 + 8 : 446 + 16] = (2048).to_bytes(4, "little") + (999).to_bytes(4, "little")
    found = table(bytes(data))
    assert found.kind == "mbr"
    assert [part.size for part in found.partitions] == [999 * 512]
    assert any("remains of a GPT" in note for note in found.notes)


def test_overlaps_and_ends_beyond_the_disk(disk: Path) -> None:
    gpt = gpt_of(disk.read_bytes())
    one, two, three, *others = gpt.entries
    three = replace(three, first=two.first + 5)
    others[-1] = replace(others[-1], last=SIZE // 512 + 10)
    others[0] = replace(others[0], last=others[0].first - 9)
    data = bytearray(disk.read_bytes())
    for offset, piece in encode(replace(gpt, entries=(one, two, three, *others))):
        data[offset : offset + len(piece)] = piece
    faults = {part.number: part.faults for part in table(bytes(data)).partitions}
    assert faults == {
        1: (),
        2: ("It overlaps partition 3.",),
        3: ("It overlaps partition 2.",),
        4: ("It ends before it begins.",),
        9: ("It goes beyond the end of the disk.",),
    }
    regions = table(bytes(data)).regions
    assert all(one.start + one.size <= other.start for one, other in pairwise(regions))


def test_a_partition_that_ends_before_it_begins_takes_no_region(disk: Path) -> None:
    """Regions do not meet, and those of a disk without that partition are the same."""
    gpt = gpt_of(disk.read_bytes())
    data = bytearray(disk.read_bytes())
    backwards = replace(gpt.entries[1], first=SIZE // 512 + 99, last=50)
    without = None
    for second in (replace(gpt.entries[1], type=UUID(int=0)), backwards):
        entries = (gpt.entries[0], second, *gpt.entries[2:])
        for offset, piece in encode(replace(gpt, entries=entries)):
            data[offset : offset + len(piece)] = piece
        regions = table(bytes(data)).regions
        assert all(one.start + one.size <= other.start for one, other in pairwise(regions))
        assert without in (None, regions)
        without = regions
