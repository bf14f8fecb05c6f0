"""Real block devices, with sectors of both sizes, and images that skip what did not change."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.world import Program
from tests.disk import ext_volumes, ntfs_volumes
from tests.disk.ext_volumes import Recipe, may_mount
from tests.imaging.disks import MIB, run
from tests.imaging.pcs import linux, rounds
from tests.imaging.pcs.disk import Disk, Part, Volume, filled, undivided
from tests.imaging.pcs.judges import judge, judge_part

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not may_mount(), reason="may not mount")]


@contextmanager
def whole(path: Path, sector: int) -> Iterator[Path]:
    """A file as a disk with sectors of a size."""
    words = ["losetup", "-f", "--show", "-b", str(sector)]
    loop = run(*words, path).decode().strip()
    try:
        yield Path(loop)
    finally:
        run("losetup", "-d", loop)


def native(folder: Path) -> Disk:
    """A GPT that counts in sectors of 4096 bytes, with NTFS and ext4."""
    folder.mkdir()
    ntfs = folder / "ntfs.img"
    ntfs_volumes.build(ntfs, ntfs_volumes.ALL[:4], size=40 * MIB, cluster=4096, sector=4096, seed=1)
    ext4 = linux.ext(folder, Recipe("-t ext4 -b 4096", 32, 2))
    volumes = [Volume("ntfs", ntfs, ""), Volume("ext", ext4, "")]
    path = linux.blank(folder / "disk.img", 80)
    with whole(path, 4096) as loop:
        run("sgdisk", "-n", "1:256:+40M", "-n", "2:0:+32M", loop)
        told = run("sgdisk", "-p", loop).decode().splitlines()
        starts = [
            int(line.split()[1]) * 4096 for line in told if line.split()[:1] in (["1"], ["2"])
        ]
    parts = []
    for number, (volume, start) in enumerate(zip(volumes, starts, strict=True), 1):
        words = (f"seek={start}", "oflag=seek_bytes", "conv=notrunc,sparse")
        run("dd", f"if={volume.image}", f"of={path}", "bs=1M", *words)
        parts.append(Part(volume, number, start))
    return Disk(path, tuple(parts))


def test_disks_with_large_sectors_come_back(twofold: Program, room: Path) -> None:
    disk = native(room / "disk")
    back = filled(room / "back", disk.size)
    with whole(disk.path, 4096) as source, whole(back, 4096) as target:
        rounds.image(twofold, source)
        assert "4" in twofold("ls", "latest", code=0).out
        done = twofold("restore-disk", "latest", "--to", str(target), "--yes", "--json", code=0)
        assert (done.summary["wrong"], done.summary["damaged"]) == (0, 0)
        run("sync")
        assert b"No problems found" in run("sgdisk", "-v", target)
    for part in disk.parts:
        judge_part(disk, part, back, part.start, room / "judge")


def test_a_device_comes_back_on_another_one(twofold: Program, room: Path) -> None:
    disk = linux.desktop(room / "disk")
    back = filled(room / "back", disk.size)
    with whole(disk.path, 512) as source, whole(back, 512) as target:
        rounds.image(twofold, source)
        done = twofold("restore-disk", "latest", "--to", str(target), "--yes", "--json", code=0)
        assert (done.summary["wrong"], done.summary["damaged"]) == (0, 0)
        run("sync")
    judge(disk, back, room / "judge")


def change(top: Path, rng: random.Random) -> None:
    """In place without a change of size, longer, shorter, renamed, gone, new."""
    files = sorted(path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    files = [path for path in files if path.stat().st_size > 2000][:60]
    for number, path in enumerate(files):
        if number % 5 == 0:
            with path.open("r+b") as file:
                file.seek(rng.randrange(1000))
                file.write(rng.randbytes(900))
        elif number % 5 == 1:
            with path.open("ab") as file:
                file.write(rng.randbytes(rng.randrange(1, 90_000)))
        elif number % 5 == 2:
            path.rename(path.with_name(f"renamed {number}"))
        elif number % 5 == 3:
            path.unlink()
            (top / f"in its place {number}").write_bytes(rng.randbytes(rng.randrange(40_000)))


@pytest.mark.parametrize("kind", ["ntfs", "ext"])
def test_what_changed_comes_back_when_the_rest_is_skipped(
    twofold: Program, room: Path, kind: str
) -> None:
    rng = random.Random(kind)
    if kind == "ntfs":
        image = room / "ntfs.img"
        fillings: list[ntfs_volumes.Filling] = [
            ntfs_volumes.plain,
            ntfs_volumes.in_pieces,
            ntfs_volumes.compressed,
        ]
        ntfs_volumes.build(image, fillings, size=64 * MIB, cluster=4096, seed=3)
    else:
        image = linux.ext(room, Recipe("-t ext4 -b 4096", 64, 3))
    disk = undivided(Volume(kind, image, ""))
    for _ in range(3):
        rounds.image(twofold, disk.path, "--skip-unchanged")
        back = rounds.restore(twofold, "latest", room / "back", disk.size)
        judge(disk, back, room / "judge")
        with mounted(kind, image, room / "mnt") as top:
            change(top, rng)
    rounds.image(twofold, disk.path, "--skip-unchanged")
    skipped = rounds.image(twofold, disk.path, "--skip-unchanged")
    everything = rounds.image(twofold, disk.path)
    if kind == "ntfs":  # the tests of ext are too quick: what was written just now proves nothing
        assert skipped["bytes_read"] < everything["bytes_read"] - MIB


@contextmanager
def mounted(kind: str, image: Path, folder: Path) -> Iterator[Path]:
    if kind == "ntfs":
        with ntfs_volumes.mounted(image, folder=folder) as top:
            yield top
    else:
        with ext_volumes.mounted(image, folder) as top:
            yield top
