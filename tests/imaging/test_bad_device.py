"""A real block device with bad sectors: a file on a btrfs, with blocks that fail their checksums.

The kernel refuses to give those, and a loop device on the file refuses its sectors in turn.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cli.world import Program
from tests.disk.ext_volumes import may_mount
from tests.imaging.disks import MIB, run

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not mount")

BLOCK = 4096
BAD = (10, 500, 501, 502, 2047, *range(3000, 3100, 2))


@contextmanager
def mounted(volume: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    run("mount", "-o", "loop", volume, place)
    try:
        yield place / "disk"
    finally:
        run("umount", place)


@contextmanager
def failing(room: Path, data: bytes) -> Iterator[Path]:
    """A device that holds ``data``, of which the blocks ``BAD`` cannot be read."""
    volume, place = room / "volume", room / "mnt"
    with open(volume, "wb") as file:
        file.truncate(200 * MIB)
    run("mkfs.btrfs", "-q", "-f", "-d", "single", "-m", "single", volume)
    with mounted(volume, place) as disk:
        disk.write_bytes(data)
    whole = bytearray(volume.read_bytes())
    for block in BAD:
        at = whole.find(data[block * BLOCK : (block + 1) * BLOCK])
        assert at >= 0
        whole[at] ^= 1
    volume.write_bytes(whole)
    with ExitStack() as stack:
        disk = stack.enter_context(mounted(volume, place))
        loop = run("losetup", "-f", "--show", disk).decode().strip()
        stack.callback(run, "losetup", "-d", loop)
        yield Path(loop)


def test_every_readable_sector_of_it_is_had(twofold: Program, room: Path) -> None:
    """Those beside a bad one too, which the cache of the kernel does not give."""
    data = os.urandom(16 * MIB)
    with failing(room, data) as device:
        told = twofold("image", str(device), "--json", code=3)
    warned = [record["reason"] for record in told.of("warning")]
    joined = len(BAD) - 2  # 500 to 502 are one range
    assert len(warned) == joined
    assert f"{BLOCK} bytes at {10 * BLOCK} cannot be read; they are not stored" in warned
    assert f"{3 * BLOCK} bytes at {500 * BLOCK} cannot be read; they are not stored" in warned
    back = room / "back"
    twofold("restore-disk", "latest", "--to", str(back), "--yes", code=3)
    wanted = bytearray(data)
    for block in BAD:
        wanted[block * BLOCK : (block + 1) * BLOCK] = bytes(BLOCK)
    assert back.read_bytes() == wanted


def test_without_patience_the_rest_is_told_to_be_untried(twofold: Program, room: Path) -> None:
    data = os.urandom(16 * MIB)
    with failing(room, data) as device:
        told = twofold("image", str(device), "--patience", "0", "--json", code=3)
    warned = [record["reason"] for record in told.of("warning")]
    assert warned == [
        f"{16 * MIB} bytes at 0 lie among sectors that cannot be read, and time was up before they"
        " were tried one by one; they are not stored"
    ]
    assert any("up to 0 minutes" in record["text"] for record in told.of("notice"))
