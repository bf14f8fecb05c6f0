"""PCs with Windows: disk → image → disk and files, through the program; judged by other tools."""

import os
import re
from pathlib import Path

import pytest

from tests.cli.world import Program
from tests.imaging.disks import run
from tests.imaging.pcs import rounds, windows
from tests.imaging.pcs.disk import Disk, device
from tests.imaging.pcs.judges import differing, judge, judge_part, ranges_of_files, used_ranges
from tests.imaging.pcs.trees import NTFS_ATTRIBUTES, Tree, tree
from tests.imaging.pcs.windows import Pc
from tests.restorer.processes import needs_root

pytestmark = needs_root

WINDOWS = 3
TOO_LONG = ("/Users/Jörg/Documents/names/{}".format("日本語" * 30).encode(),)
"""Names of 255 characters that have more than 255 bytes here: told, and all else restored."""
AGED = [
    Pc("AGED-4K", age=windows.age),
    Pc("AGED-512", cluster=512, mebibytes=96, age=windows.age),
    Pc("AGED-64K", cluster=65536, mebibytes=192, age=windows.age),
    Pc("AGED-RECORDS", cluster=4096, sector=4096, mebibytes=112, age=windows.age),
    Pc("MANY", small_files=8000, mebibytes=192, cluster=2048),
]


@pytest.fixture(scope="module")
def pc(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    return windows.build(tmp_path_factory.mktemp("pc") / "a", Pc("DESKTOP-A"))


def shown(disk: Disk, room: Path) -> Tree:
    """The large partition as ntfs-3g shows it."""
    part = disk.part("ntfs")
    with device(disk.path, part.start, part.volume.size) as place:
        return tree("ntfs", place, room / "mnt")


def test_the_disk_has_what_it_is_to_have(pc: Disk, room: Path) -> None:
    """Otherwise the tests below would say less than they seem to."""
    seen = shown(pc, room)
    assert len(seen) > 1500
    found = {name: sum(name in it.attributes for it in seen.values()) for name in NTFS_ATTRIBUTES}
    assert all(found[f"system.ntfs_{name}"] for name in ("ea", "object_id", "dos_name")), found
    assert found["system.ntfs_reparse_data"] == 4
    assert len({it.attributes["system.ntfs_acl"] for it in seen.values() if it.attributes}) > 30
    assert sum(len(it.streams) for it in seen.values()) == 28
    assert sum(it.links > 1 for it in seen.values()) >= 140
    attributes = [it.attributes.get("system.ntfs_attrib_be", bytes(4)) for it in seen.values()]
    bits = [int.from_bytes(value, "big") for value in attributes]
    assert sum(bool(bit & 0x800) for bit in bits) > 3, "compressed files"
    assert sum(bool(bit & 0x200) for bit in bits) >= 2, "sparse files"
    names = b"\n".join(seen)
    assert b"/Case" in names
    assert b"/case" in names


def test_a_windows_pc_comes_back(twofold: Program, pc: Disk, room: Path) -> None:
    rounds.comes_back(twofold, pc, room)


@pytest.mark.slow
def test_the_judges_see_one_wrong_byte(pc: Disk, room: Path) -> None:
    """In each of the partitions, at the end of what is in use."""
    back = room / "back"
    for part in pc.parts:
        run("cp", "--sparse=always", pc.path, back)
        with device(pc.path, part.start, part.volume.size) as place:
            used = used_ranges(part.volume.kind, place, room)
        for path in ranges_of_files(part.volume):
            with back.open("r+b") as file:
                file.seek(part.start + path[0])
                file.write(bytes(path[1]))
        judge_part(pc, part, back, part.start, room / "judge")
        first, size = max(used)
        with back.open("r+b") as file:
            file.seek(part.start + first + size - 1)
            (byte,) = file.read(1)
            file.seek(part.start + first + size - 1)
            file.write(bytes([byte ^ 1]))
        with pytest.raises(AssertionError):
            judge_part(pc, part, back, part.start, room / "judge")


@pytest.mark.slow
def test_every_sector_comes_back(twofold: Program, pc: Disk, room: Path) -> None:
    rounds.comes_back_exactly(twofold, pc, room)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_one_partition_comes_back(twofold: Program, pc: Disk, room: Path, number: int) -> None:
    rounds.comes_back_alone(twofold, pc, number, room)


@pytest.mark.slow
def test_a_windows_pc_comes_back_onto_a_larger_disk(twofold: Program, pc: Disk, room: Path) -> None:
    rounds.comes_back_onto_a_larger_one(twofold, pc, room)


@pytest.mark.slow
def test_page_files_are_kept_on_wish(twofold: Program, pc: Disk, room: Path) -> None:
    rounds.image(twofold, pc.path, "--page-files")
    back = rounds.restore(twofold, "latest", room / "back", pc.size)
    part = pc.part("ntfs")
    ranges = [(part.start + first, size) for first, size in ranges_of_files(part.volume)]
    assert sum(size for _, size in ranges) > 5 << 20
    assert differing(pc.path, back, ranges) == []


@pytest.mark.slow
def test_files_come_out_of_a_windows_pc(twofold: Program, pc: Disk, room: Path) -> None:
    rounds.image(twofold, pc.path)
    for number in (1, WINDOWS, 4):
        refused = TOO_LONG if number == WINDOWS else ()
        rounds.files_come_out(twofold, pc, number, room / str(number), refused=refused)
    out = room / str(WINDOWS) / "out"
    zone = os.getxattr(out / "Users/Jörg/Downloads/setup 3.exe", "user.Zone.Identifier")
    assert zone.endswith(b"example.org/3\r\n")
    unpacked = (out / "Users/Jörg/Documents/compact.txt").read_bytes()
    assert unpacked == b"".join(b"%d is a number\n" % number for number in range(20_000))


@pytest.mark.slow
@pytest.mark.parametrize("about", AGED, ids=lambda pc: pc.host)
def test_an_aged_windows_pc_comes_back(twofold: Program, room: Path, about: Pc) -> None:
    disk = windows.build(room / "pc", about)
    image = disk.part("ntfs").volume.image
    if about.age:
        assert runs_of_table(image) > 3
        assert attribute_lists(disk) > 0 or about.sector > 512, "records of 4 KiB hold 700 runs"
    rounds.comes_back(twofold, disk, room)
    rounds.comes_back_exactly(twofold, disk, room)
    rounds.files_come_out(twofold, disk, WINDOWS, room / "files", refused=TOO_LONG)


def runs_of_table(image: Path) -> int:
    """The pieces in which $MFT lies."""
    told = run("ntfsinfo", "-v", "-i", "0", image).decode(errors="replace")
    data = told.partition("Dumping attribute $DATA")[2].partition("Dumping attribute")[0]
    return len(re.findall(r"^\s+0x\w+\s+0x\w+\s+0x\w+$", data, re.MULTILINE))


def attribute_lists(disk: Disk) -> int:
    """Whether the file that is a comb has an attribute list."""
    image = disk.part("ntfs").volume.image
    told = run("ntfsinfo", "-F", "/Users/old 1/comb", image)
    return told.count(b"$ATTRIBUTE_LIST")


def test_judge_knows_gpt(pc: Disk, room: Path) -> None:
    """A table whose copy at the end is gone is a fault to sgdisk."""
    back = room / "back"
    run("cp", "--sparse=always", pc.path, back)
    with back.open("r+b") as file:
        file.seek(-512, 2)
        file.write(bytes(512))
    with pytest.raises(AssertionError):
        judge(pc, back, room / "judge")
