"""What a partition of the target was before is gone, by the judgement of blkid."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.world import Program
from tests.imaging.disks import MIB, run

SIZE, START, LENGTH = 48 * MIB, 2 * MIB, 40 * MIB
_MD = struct.pack("<II", 0xA92B4EFC, 1)


def old_raid(first: int) -> bytes:
    """The superblock of a member of an array (md 1.0), which begins at a sector of it."""
    block = bytearray(4096)
    block[:8] = _MD
    block[16:32] = bytes(range(16))
    block[144:152] = first.to_bytes(8, "little")
    return bytes(block)


def luks2_copy() -> bytes:
    """The second header of LUKS2, as it may begin at 4 MiB."""
    block = bytearray(4096)
    block[:8] = b"SKUL\xba\xbe\0\x02"
    block[168:204] = b"3a6c2b1e-8d5f-4a7b-9c0d-112233445566"
    block[256:264] = (4 * MIB).to_bytes(8, "big")
    return bytes(block)


def at_the_end(volume: int) -> tuple[int, bytes]:
    sector = (volume // 512 - 16) & ~7
    return sector * 512, old_raid(sector)


LEFT: dict[str, Callable[[int], tuple[int, bytes]]] = {
    "btrfs": lambda _: (65536 + 64, b"_BHRfS_M"),
    "raid": at_the_end,
    "luks2": lambda _: (4 * MIB, luks2_copy()),
}


def seen_by_blkid(disk: Path, start: int) -> list[str]:
    """All that a volume is known by."""
    words = ("--offset", str(start), "--size", str(LENGTH), "-o", "value", "-s", "TYPE")
    done = subprocess.run(["blkid", "-p", *words, disk], capture_output=True, check=False)
    return [*done.stdout.decode().split(), *done.stderr.decode().split()]


def disk_with(folder: Path, *make: str) -> Path:
    """A disk with one partition (MBR) that is almost empty."""
    volume, disk = folder / "volume", folder / "disk"
    volume.write_bytes(b"")
    volume.open("r+b").truncate(LENGTH)
    run(*make, volume)
    disk.write_bytes(b"")
    with disk.open("r+b") as file:
        file.truncate(SIZE)
        entry = struct.pack("<B3sB3sII", 0, b"", 0x83, b"", START // 512, LENGTH // 512)
        file.seek(446)
        file.write(entry.ljust(64, b"\0") + b"\x55\xaa")
        file.seek(START)
        file.write(volume.read_bytes())
    return disk


@pytest.mark.parametrize("old", LEFT)
@pytest.mark.parametrize("alone", [False, True], ids=["disk", "partition"])
def test_what_a_partition_was_before_is_gone(
    twofold: Program, room: Path, old: str, *, alone: bool
) -> None:
    disk, target = disk_with(room, "mkntfs", "-q", "-F", "-Q"), room / "target"
    start = 0 if alone else START
    place, mark = LEFT[old](LENGTH)
    target.write_bytes(bytes(SIZE))
    with target.open("r+b") as file:
        file.seek(start + place)
        file.write(mark)
    twofold("image", str(disk), code=0)
    address = "latest:p1" if alone else "latest"
    twofold("restore-disk", address, "--to", str(target), "--yes", code=0)
    assert seen_by_blkid(target, start) == ["ntfs"]
