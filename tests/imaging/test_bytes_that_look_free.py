"""What a file system's map calls free and is somebody's all the same comes back with every byte.

The bytes themselves are the oracle: what is restored is compared with what was imaged.
"""

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.disk.lvm_builder import Group, Logical
from tests.disk.md_builder import MIRROR, md_0, md_1
from tests.imaging.disks import MIB, make_ext4, run
from tests.imaging.world import ImageWorld
from twofold.events import Notice

_STRIPE = 64 << 10
_OLD = "^metadata_csum,^64bit,^has_journal"


@pytest.fixture
def world(world: ImageWorld) -> ImageWorld:
    (world.source / "file").write_bytes(random.Random(1).randbytes(3 * MIB))
    return world


def _round(world: ImageWorld, disk: Path) -> tuple[bool, str, list[str]]:
    """Whether all came back, what the image says it is, and what was told."""
    _, told = world.image(disk)
    back = disk.with_suffix(".back")
    world.restore_image(back)
    kind = world.image_page().volumes[1].system
    same = subprocess.run(["cmp", "-s", disk, back], check=False).returncode == 0
    return same, kind, [event.text for event in told if isinstance(event, Notice)]


def _noise(size: int) -> bytearray:
    return bytearray(random.Random(2).randbytes(size))


@pytest.mark.parametrize("options", [_OLD, "metadata_csum"])
@pytest.mark.parametrize("version", ["0.90", "1.0"])
def test_a_member_of_a_striped_array(
    world: ImageWorld, tmp_path: Path, version: str, options: str
) -> None:
    """Its first stripes are those of a file system that would fit into it."""
    volume, member = tmp_path / "volume", tmp_path / "member"
    make_ext4(volume, world.source, 20 * MIB, "-O", options)
    array = volume.read_bytes() + bytes(_noise(28 * MIB))
    stripes = range(0, len(array), 2 * _STRIPE)
    data = bytearray(b"".join(array[at : at + _STRIPE] for at in stripes)) + bytes(MIB)
    place, block = md_0(len(data), 0) if version == "0.90" else md_1(len(data), version, 0)
    data[place : place + len(block)] = block
    member.write_bytes(data)
    assert b"Raid Level : raid0" in run("mdadm", "--examine", member)
    same, kind, _ = _round(world, member)
    assert (same, kind) == (True, "md")


def test_a_member_of_a_mirror_is_its_file_system(world: ImageWorld, tmp_path: Path) -> None:
    member = tmp_path / "member"
    make_ext4(member, world.source, 20 * MIB)
    os.truncate(member, 21 * MIB)
    place, block = md_1(21 * MIB, "1.0", MIRROR)
    with member.open("r+b") as file:
        file.seek(place)
        file.write(block)
    assert b"Raid Level : raid1" in run("mdadm", "--examine", member)
    _, kind, _ = _round(world, member)
    assert kind == "ext4"
    assert world.image_page().volumes[1].used < 10 * MIB


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_what_was_on_a_member_before(world: ImageWorld, tmp_path: Path, version: str) -> None:
    """Its superblock is at the start, and leaves that of the file system before alone."""
    member = tmp_path / "member"
    make_ext4(member, world.source, 32 * MIB, "-O", "metadata_csum")
    data = bytearray(member.read_bytes())
    place, block = md_1(len(data), version, MIRROR, start=24 * MIB)
    data[place : place + len(block)] = block
    data[24 * MIB :] = _noise(8 * MIB)
    member.write_bytes(data)
    assert b"Data Offset : 49152 sectors" in run("mdadm", "--examine", member)
    same, kind, _ = _round(world, member)
    assert (same, kind) == (True, "md")


@pytest.mark.parametrize(
    ("table", "level", "name"), [("gpt", MIRROR, "RAID 1"), ("dos", 5, "RAID 5")]
)
def test_a_table_of_before_on_a_disk_that_is_a_member(
    world: ImageWorld, tmp_path: Path, table: str, level: int, name: str
) -> None:
    """mdadm leaves it there, and nobody wipes the partition either."""
    disk, volume = tmp_path / "disk", tmp_path / "volume"
    make_ext4(volume, world.source, 32 * MIB, "-O", "metadata_csum")
    (world.source / "table").write_text(f"label: {table}\nstart=2048,size=32M\n")
    data = bytearray(40 * MIB)
    disk.write_bytes(data)
    run("sh", "-c", 'sfdisk -q "$0" < "$1"', disk, world.source / "table")
    data[:] = disk.read_bytes()
    data[MIB : 33 * MIB] = volume.read_bytes()
    place, block = md_1(len(data), "1.2", level, start=26 * MIB)
    data[place : place + len(block)] = block
    data[26 * MIB : 38 * MIB] = _noise(12 * MIB)
    disk.write_bytes(data)
    same, kind, told = _round(world, disk)
    assert (same, kind) == (True, "ext4")
    assert any(f"a Linux software RAID ({name})" in note for note in told)


@pytest.mark.parametrize("options", [_OLD, "metadata_csum"])
def test_tables_that_something_else_was_written_over(
    world: ImageWorld, tmp_path: Path, options: str
) -> None:
    """As ZFS does, whose labels leave the first 8 KiB alone: the old superblock stays."""
    disk = tmp_path / "disk"
    make_ext4(disk, world.source, 32 * MIB, "-O", options)
    data = _noise(32 * MIB)
    data[: 8 << 10] = disk.read_bytes()[: 8 << 10]
    disk.write_bytes(data)
    same, _, told = _round(world, disk)
    assert same
    assert any("no root directory" in note for note in told)


@pytest.mark.parametrize("options", [_OLD, "metadata_csum"])
def test_a_damaged_map_of_blocks(world: ImageWorld, tmp_path: Path, options: str) -> None:
    """And the inode of the file is lost, so that only the map could tell of its blocks."""
    disk = tmp_path / "disk"
    make_ext4(disk, world.source, 32 * MIB, "-O", options)
    blocks = run("debugfs", "-R", "blocks /file", disk).split()
    (bitmap,) = (
        int(line.split()[5].rstrip(b","))
        for line in run("debugfs", "-R", "stats", disk).splitlines()
        if line.startswith(b" Group  0:")
    )
    run("debugfs", "-w", "-R", "clri /file", disk)
    with disk.open("r+b") as file:
        file.seek(bitmap * 4096 + 128)
        file.write(bytes(2048))
    _, _, told = _round(world, disk)
    assert any("maps of blocks" in note for note in told)
    back = disk.with_suffix(".back").read_bytes()
    assert b"".join(back[int(n) * 4096 :][:4096] for n in blocks) == (
        (world.source / "file").read_bytes()
    )


@pytest.mark.parametrize(("state", "words"), [(0, "it was not unmounted"), (3, "errors were met")])
def test_maps_of_before_a_crash_without_a_journal(
    world: ImageWorld, tmp_path: Path, state: int, words: str
) -> None:
    """A file and its folder were written out, and the maps that call both free had yet to be."""
    disk, before = tmp_path / "disk", tmp_path / "before"
    make_ext4(disk, world.source, 32 * MIB, "-O", _OLD)
    (tmp_path / "empty").mkdir()
    make_ext4(before, tmp_path / "empty", 32 * MIB, "-O", _OLD)
    (group,) = (
        line
        for line in run("debugfs", "-R", "stats", disk).splitlines()
        if line.startswith(b" Group  0:")
    )
    maps = (int(word.rstrip(b",")) for word in group.split()[5:10:4])
    data, old = bytearray(disk.read_bytes()), before.read_bytes()
    for block in (1, *maps):  # the table of groups counts what is free
        place = slice(block * 4096, (block + 1) * 4096)
        data[place] = old[place]
    data[1024 + 58] = state
    disk.write_bytes(data)
    same, _, told = _round(world, disk)
    assert same
    assert any(words in note for note in told)
    back = disk.with_suffix(".back")
    subprocess.run(["e2fsck", "-fy", back], check=False, capture_output=True)
    expected = (world.source / "file").read_bytes()
    assert run("debugfs", "-R", "cat /file", back) == expected


def test_what_only_a_snapshot_of_a_logical_volume_has(world: ImageWorld, tmp_path: Path) -> None:
    """A file that was deleted since: the snapshot reads it from blocks that are free now."""
    volume, disk = tmp_path / "volume", tmp_path / "disk"
    make_ext4(volume, world.source, 16 * MIB)
    run("debugfs", "-w", "-R", "rm /file", volume)
    assert b"/file/" not in run("debugfs", "-R", "ls -p /", volume)
    extents = 16 * MIB // 4096
    snapshot = (
        'snapshot0 { id = "s" status = ["READ"] segment_count = 1 segment1 { start_extent = 0'
        f' extent_count = {extents} type = "snapshot" chunk_size = 8 origin = "root"'
        ' cow_store = "snap" } }'
    )
    root = Logical("root", [(0, extents)])
    group = Group([root, Logical("snap", [(extents, 256)])], more=snapshot)
    data = group.put(bytearray(19 * MIB))
    ((start, size),) = group.places(root)
    data[start : start + size] = volume.read_bytes()
    disk.write_bytes(data)
    same, _, told = _round(world, disk)
    assert same
    assert [v.system for v in world.image_page().volumes] == ["", "lvm2", "ext4"]
    assert any("'root' is kept with every sector" in note for note in told)
