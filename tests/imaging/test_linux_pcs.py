"""PCs with Linux, and what they are made of: disk → image → disk and files."""

from pathlib import Path

import pytest

from tests.cli.world import Program
from tests.disk.ext_volumes import may_mount
from tests.imaging.disks import run
from tests.imaging.pcs import linux, rounds
from tests.imaging.pcs.disk import device
from tests.restorer.place import rsync

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not mount")


def test_a_linux_pc_comes_back(twofold: Program, room: Path) -> None:
    disk = linux.desktop(room)
    rounds.comes_back(twofold, disk, room)
    rounds.comes_back_alone(twofold, disk, 2, room)


@pytest.mark.slow
def test_a_linux_pc_comes_back_exactly(twofold: Program, room: Path) -> None:
    disk = linux.desktop(room)
    rounds.comes_back_exactly(twofold, disk, room)
    rounds.comes_back_onto_a_larger_one(twofold, disk, room)


@pytest.mark.slow
def test_files_come_out_of_a_linux_pc(twofold: Program, room: Path) -> None:
    disk = linux.desktop(room)
    rounds.image(twofold, disk.path)
    rounds.files_come_out(twofold, disk, 1, room / "esp")
    rounds.files_come_out(twofold, disk, 2, room / "root")
    part = disk.parts[1]
    (room / "mnt").mkdir()
    with device(disk.path, part.start, part.volume.size) as place:
        run("mount", "-o", "ro", place, room / "mnt")
        try:
            found = rsync(room / "mnt", room / "root/out")
        finally:
            run("umount", room / "mnt")
    assert [line for line in found if not line.endswith(" ./")] == []


@pytest.mark.slow
def test_logical_partitions_come_back(twofold: Program, room: Path) -> None:
    disk = linux.old(room)
    assert [part.number for part in disk.parts] == [1, 5, 6, 7]
    rounds.comes_back(twofold, disk, room)
    rounds.comes_back_exactly(twofold, disk, room)
    rounds.comes_back_alone(twofold, disk, 7, room)
    rounds.comes_back_onto_a_larger_one(twofold, disk, room)
    rounds.files_come_out(twofold, disk, 5, room / "files")


@pytest.mark.slow
def test_every_kind_of_ext_comes_back(twofold: Program, room: Path) -> None:
    disk = linux.every_ext(room)
    rounds.comes_back(twofold, disk, room)
    rounds.comes_back_exactly(twofold, disk, room)
    for part in disk.parts:
        rounds.files_come_out(twofold, disk, part.number, room / f"p{part.number}")


@pytest.mark.slow
def test_xfs_and_btrfs_come_back(twofold: Program, room: Path) -> None:
    disk = linux.others(room)
    told = rounds.image(twofold, disk.path)
    assert told["bytes_total"] < disk.size // 3, "only what is in use is kept"
    rounds.comes_back(twofold, disk, room)
    rounds.comes_back_exactly(twofold, disk, room)
    rounds.comes_back_alone(twofold, disk, 2, room)
