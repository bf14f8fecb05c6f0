"""Partitions that overlap: nothing that either of them holds may count as free.

The second file system lies where the first has only free blocks; e2fsck judges it after a restore.
"""

import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.imaging.disks import MIB, make_ext4, new_ntfs, run
from tests.imaging.world import ImageWorld
from twofold.events import Notice

SIZE = 40 * MIB
FIRST, SECOND = (MIB, 24 * MIB), (9 * MIB, 16 * MIB)
"""First byte and bytes."""


def make(world: ImageWorld, folder: Path) -> Path:
    """A disk without a table, with both file systems."""
    for number in range(6):
        data = random.Random(number).randbytes(400_000)
        (world.source / f"{number}").write_bytes(data)
    (folder / "empty").mkdir()
    make_ext4(folder / "one", folder / "empty", FIRST[1], "-O", "^has_journal")
    make_ext4(folder / "two", world.source, SECOND[1])
    disk = folder / "disk"
    disk.write_bytes(b"")
    os.truncate(disk, SIZE)
    with open(disk, "r+b") as file:
        for (start, _), name in ((FIRST, "one"), (SECOND, "two")):
            file.seek(start)
            file.write((folder / name).read_bytes())
    return disk


def record(disk: Path, at: int, *entries: tuple[int, int, int]) -> None:
    """A boot record at a byte; entries are type, first byte, bytes."""
    table = b"".join(
        struct.pack("<4xB3xII", kind, start // 512, size // 512) for kind, start, size in entries
    )
    with open(disk, "r+b") as file:
        file.seek(at + 446)
        file.write(table.ljust(64, b"\0") + b"\x55\xaa")


def mbr(disk: Path) -> None:
    record(disk, 0, (0x83, *FIRST), (0x83, *SECOND))


def logical(disk: Path) -> None:
    """The second one in an extended partition, all of it in the first one."""
    record(disk, 0, (0x83, *FIRST), (0x05, SECOND[0] - MIB, SECOND[1] + MIB))
    record(disk, SECOND[0] - MIB, (0x83, MIB, SECOND[1]))


def leaves_the_disk(disk: Path) -> None:
    record(disk, 0, (0x83, *FIRST), (0x83, SECOND[0], SIZE))


def gpt(disk: Path) -> None:
    """Made by sgdisk, and the second entry changed in both copies."""
    run("sgdisk", "-o", "-a", "2048", "-n", "1:2048:+24M", "-n", "2:0:+1M", disk)
    data = bytearray(disk.read_bytes())
    first, last = SECOND[0] // 512, sum(SECOND) // 512 - 1
    for header, entries in ((512, 1024), (SIZE - 512, SIZE - 33 * 512)):
        struct.pack_into("<QQ", data, entries + 128 + 32, first, last)
        struct.pack_into("<I", data, header + 88, zlib.crc32(data[entries : entries + 128 * 128]))
        struct.pack_into("<I", data, header + 16, 0)
        struct.pack_into("<I", data, header + 16, zlib.crc32(data[header : header + 92]))
    disk.write_bytes(data)


def second_of(disk: Path, to: Path) -> Path:
    with open(disk, "rb") as file:
        file.seek(SECOND[0])
        to.write_bytes(file.read(SECOND[1]))
    return to


@pytest.mark.parametrize("table", [mbr, logical, leaves_the_disk, gpt])
def test_both_come_back(world: ImageWorld, tmp_path: Path, table: Callable[[Path], None]) -> None:
    disk = make(world, tmp_path)
    table(disk)
    _, told = world.image(disk)
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert "partition 1 is kept with every sector." in notices
    back = tmp_path / "back"
    result = world.restore_image(back)
    assert (result.damaged, result.wrong) == (0, 0)
    ours = second_of(disk, tmp_path / "ours").read_bytes()
    theirs = second_of(back, tmp_path / "theirs")
    assert theirs.read_bytes() == ours
    run("e2fsck", "-fn", theirs)


def test_a_copy_of_the_table_in_a_partition(world: ImageWorld, tmp_path: Path) -> None:
    """The disk grew, its only partition as well, and the copy stayed where it was."""
    disk, one = make(world, tmp_path), tmp_path / "one"
    os.truncate(disk, 20 * MIB)
    run("sgdisk", "-o", "-a", "2048", "-n", "1:2048:+16M", disk)
    os.truncate(disk, SIZE)
    data = bytearray(disk.read_bytes())
    struct.pack_into("<Q", data, 1024 + 40, sum(FIRST) // 512 - 1)
    struct.pack_into("<I", data, 512 + 88, zlib.crc32(data[1024 : 1024 + 128 * 128]))
    struct.pack_into("<I", data, 512 + 16, 0)
    struct.pack_into("<I", data, 512 + 16, zlib.crc32(data[512 : 512 + 92]))
    copy = slice(20 * MIB - 33 * 512, 20 * MIB)
    kept = data[copy]
    data[MIB : sum(FIRST)] = one.read_bytes()
    data[copy] = kept
    disk.write_bytes(data)
    world.image(disk)
    world.restore_image(tmp_path / "back")
    assert (tmp_path / "back").read_bytes()[copy] == kept


def test_a_dynamic_volume_that_goes_on_elsewhere(world: ImageWorld, tmp_path: Path) -> None:
    """Where it would go on without a gap, its map tells of free clusters and another volume is."""
    new_ntfs(tmp_path / "first", 16 * MIB)
    data = bytearray(20 * MIB)
    data[MIB : 17 * MIB] = (tmp_path / "first").read_bytes()
    data[12 * MIB : 16 * MIB] = random.Random(1).randbytes(4 * MIB)
    disk = tmp_path / "disk"
    disk.write_bytes(data)
    record(disk, 0, (0x42, MIB, 19 * MIB))
    _, told = world.image(disk)
    assert Notice("partition 1 is kept with every sector.") in told
    assert world.image_page().volumes[1].system == "ntfs"
    world.restore_image(tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == disk.read_bytes()


def test_a_container_shares_nothing_with_what_it_contains(
    world: ImageWorld, tmp_path: Path
) -> None:
    """What is free in a logical partition is left out as ever."""
    disk = make(world, tmp_path)
    record(disk, 0, (0x05, SECOND[0] - MIB, SECOND[1] + MIB))
    record(disk, SECOND[0] - MIB, (0x83, MIB, SECOND[1]))
    _, told = world.image(disk)
    assert not any(isinstance(e, Notice) and "every sector" in e.text for e in told)


def test_a_second_image_proves_nothing_by_what_another_writes_over(
    world: ImageWorld, tmp_path: Path
) -> None:
    """A file of the first, in blocks that the second has written to since: no stamp tells of it."""
    disk = make(world, tmp_path)
    make_ext4(tmp_path / "one", world.source, FIRST[1], "-O", "^has_journal")
    for field in ("ctime", "mtime"):
        run("debugfs", "-w", "-R", f"sif /3 {field} 20200101000000", tmp_path / "one")
    with open(disk, "r+b") as file:
        file.seek(FIRST[0])
        file.write((tmp_path / "one").read_bytes())
    mbr(disk)
    world.image(disk, skip_unchanged=True)
    block = int(run("debugfs", "-R", "blocks /3", tmp_path / "one").split()[0])
    with open(disk, "r+b") as file:
        file.seek(FIRST[0] + block * 4096)
        file.write(b"of the second")
    world.image(disk, skip_unchanged=True)
    world.restore_image(tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == disk.read_bytes()
