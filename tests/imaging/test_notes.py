"""What shows only while the files of a volume are gone through is told by its image as well."""

import os
from pathlib import Path

import pytest

from tests.imaging.disks import MIB, make_ext4, run
from tests.imaging.world import ImageWorld
from twofold.events import Notice


@pytest.fixture
def world(world: ImageWorld) -> ImageWorld:
    for number in range(3):
        (world.source / f"file {number}").write_bytes(os.urandom(200_000))
    return world


def notices(world: ImageWorld, disk: Path) -> list[str]:
    _, told = world.image(disk)
    return [event.text for event in told if isinstance(event, Notice)]


def test_a_damaged_inode_is_told(world: ImageWorld, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    make_ext4(disk, world.source, 16 * MIB)
    assert notices(world, disk) == []
    run("debugfs", "-w", "-R", 'set_inode_field "file 1" block[0] 0', disk)
    told = notices(world, disk)
    assert len(told) == 1
    assert told[0].startswith("p1: ")
    assert "inode" in told[0]
