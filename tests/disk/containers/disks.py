"""Disks to put into containers: sparse files with data at places that matter."""

import random
import subprocess
from pathlib import Path

from twofold.disk.blocks import FileBlocks
from twofold.disk.containers import Container, ImageKind, open_container

MIB, GIB = 1 << 20, 1 << 30
SMALL = 70 * MIB + 7 * 512
"""More than one VHD block, VHDX block of 8 MiB and VMDK table; not a whole number of anything."""


def make_disk(path: Path, size: int, places: list[tuple[int, int]], seed: int = 1) -> Path:
    """A sparse file with random data at (offset, length)."""
    chance = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(size)
        for offset, length in places:
            file.seek(offset)
            file.write(chance.randbytes(length))
    return path


def small_places() -> list[tuple[int, int]]:
    """Scattered data of a small disk: its first and last bytes, and across borders.

    A third of it is empty.
    """
    chance = random.Random(7)
    places = [(0, 1), (SMALL - 1, 1), (2 * MIB - 5, 10), (33 * MIB, 3 * MIB + 77)]
    places += [(chance.randrange(40 * MIB), chance.randrange(1, 90_000)) for _ in range(40)]
    return places


def qemu_img(*words: object) -> str:
    """Run qemu-img; what it printed. Fails when it does."""
    done = subprocess.run(
        ["qemu-img", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"qemu-img {words}: {done.stdout}{done.stderr}"
    return done.stdout


def open_image(path: Path, kind: ImageKind | None = None) -> Container:
    """The disk in an image file."""
    return open_container(blocks(path), kind=kind, sibling=lambda name: blocks(path.parent / name))


def blocks(path: Path, sector_size: int = 512) -> FileBlocks:
    """A file as block reader."""
    return FileBlocks(path.open("rb"), sector_size=sector_size)


def assert_same(container: Container, raw: Path) -> None:
    """The extents hold what the raw file holds there, and it is zeros everywhere else.

    A container may be larger by rounding; what is beyond the raw disk reads as zeros.
    """
    with raw.open("rb") as file:
        place = 0
        for offset, length in [*container.extents(), (container.size, 0)]:
            assert place <= offset
            _assert_zeros(file.read(offset - place))
            wanted = file.read(length)
            assert container.read(offset, length) == wanted.ljust(length, b"\0")
            place = offset + length
        assert not file.read(1)


def _assert_zeros(data: bytes) -> None:
    assert not data.strip(b"\0")
