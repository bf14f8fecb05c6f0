"""How much of a volume is in use: all of it but what its own tools call free."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.imaging.disks import MIB, run
from tests.imaging.world import ImageWorld
from twofold.disk.blocks import FileBlocks
from twofold.imaging import estimate, open_source

SIZE = 80 * MIB + 3 * 512


def fat32(image: Path) -> int:
    """Two tables of 640 KB each, and sectors before them."""
    run("mkfs.fat", "-F", "32", "-s", "1", image)
    sector = image.read_bytes()[512:1024]
    assert sector[:4] == b"RRaA"
    return int.from_bytes(sector[488:492], "little") * 512


def exfat(image: Path) -> int:
    run("mkfs.exfat", "-c", "8K", image)
    return number(run("dump.exfat", image), r"Free Clusters:\s+(\d+)") * 8192


def ntfs(image: Path) -> int:
    run("mkntfs", "-q", "-F", "-Q", "-c", "16384", image)
    return number(run("ntfsinfo", "-f", "-m", image), r"Free Clusters: (\d+)") * 16384


def ext2(image: Path) -> int:
    """Much smaller than the partition: what lies behind it is kept."""
    run("mke2fs", "-q", "-t", "ext2", "-b", "1024", image, "20M")
    return number(run("dumpe2fs", "-h", image), r"Free blocks:\s+(\d+)") * 1024


def number(text: bytes, pattern: str) -> int:
    found = re.search(pattern, text.decode())
    assert found is not None, text
    return int(found[1])


@pytest.mark.parametrize("make", [fat32, exfat, ntfs, ext2])
def test_all_but_what_is_free_is_in_use(tmp_path: Path, make: Callable[[Path], int]) -> None:
    """Told before, told afterwards, and as much as is read."""
    image = tmp_path / "volume"
    image.write_bytes(b"")
    os.truncate(image, SIZE)
    free = make(image)
    with image.open("rb") as file:
        told = estimate(open_source(FileBlocks(file)))
    assert told.used == SIZE - free
    world = ImageWorld.make(tmp_path / "home")
    assert isinstance(world, ImageWorld)
    outcome, _ = world.image(image)
    assert outcome.root.bytes_total == SIZE - free
    assert outcome.root.bytes_read >= SIZE - free
