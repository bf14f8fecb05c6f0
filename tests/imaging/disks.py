"""Disks to image, made by the tools of their own systems, and the tools' word on what came back."""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.disk.ext_volumes import mounted

MIB = 1 << 20


def run(*words: str | Path) -> bytes:
    """A tool that must succeed; what it prints."""
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 0, (words, done.stdout[-400:], done.stderr[-400:])
    return done.stdout


def tree(top: Path, seed: int = 1, files: int = 120) -> None:
    """Files of every sort of size, with holes, links, long names."""
    rand = random.Random(seed)
    for number in range(files):
        folder = top / f"folder {number % 9}" / ("x" * (number % 3 + 1))
        folder.mkdir(parents=True, exist_ok=True)
        size = rand.choice((0, 10, 700, 5000, 70_000, 900_000))
        (folder / f"file {number}").write_bytes(rand.randbytes(size))
    (top / "text").write_text("all work and no play\n" * 20_000)
    (top / "large").write_bytes(rand.randbytes(12 * MIB))
    with open(top / "sparse", "wb") as sparse:
        sparse.seek(3 * MIB)
        sparse.write(b"end of a hole")
    with open(top / "holes", "wb") as holes:
        for number in range(12):
            holes.seek(number * 40_960)
            holes.write(rand.randbytes(20_000))
        holes.truncate(number * 40_960 + 60_000)
    (top / ("long " * 40)).write_text("name")
    os.link(top / "text", top / "hard")


def make_ext4(image: Path, source: Path, size: int = 64 * MIB, *options: str) -> None:
    """An ext4 file system filled from a folder."""
    image.write_bytes(b"")
    os.truncate(image, size)
    run("mke2fs", "-q", "-b", "4096", "-t", "ext4", *options, "-d", source, image)


def new_ntfs(image: Path, size: int = 16 * MIB, *options: str) -> Path:
    """An empty NTFS volume."""
    image.write_bytes(b"")
    os.truncate(image, size)
    run("mkntfs", "-q", "-F", "-f", *options, image)
    return image


def make_ntfs(image: Path, source: Path, folder: Path, size: int = 64 * MIB) -> None:
    """An NTFS volume filled through ntfs-3g."""
    new_ntfs(image, size, "-L", "Windows")
    with mounted_ntfs(image, folder):
        run("cp", "-r", "--no-preserve=all", f"{source}/.", folder)


@contextmanager
def mounted_ntfs(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    run("ntfs-3g", "-o", "streams_interface=xattr", image, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


def mounted_loop(image: Path, folder: Path) -> AbstractContextManager[Path]:
    return mounted(image, folder, "loop,ro")


def gpt_disk(disk: Path, parts: list[tuple[Path, str]]) -> None:
    """A disk with a GPT and the file systems given as (image, sgdisk's type code)."""
    sizes = [path.stat().st_size for path, _ in parts]
    disk.write_bytes(b"")
    os.truncate(disk, sum(sizes) + (len(sizes) + 3) * MIB)
    words = ["sgdisk", "-a", "2048"]
    for number, (size, (_, code)) in enumerate(zip(sizes, parts, strict=True), 1):
        words += ["-n", f"{number}:0:+{size // MIB}M", "-t", f"{number}:{code}"]
    run(*words, disk)
    for start, (path, _) in zip(starts(disk), parts, strict=True):
        seek = f"seek={start // MIB}"
        run("dd", f"if={path}", f"of={disk}", "bs=1M", seek, "conv=notrunc,sparse")


def starts(disk: Path) -> list[int]:
    """First byte of each partition, as sfdisk says."""
    lines = run("sfdisk", "-d", disk).decode().splitlines()
    return [int(line.split("start=")[1].split(",")[0]) * 512 for line in lines if "start=" in line]


def cut_out(disk: Path, number: int, size: int, to: Path) -> Path:
    """A partition as a file."""
    start = starts(disk)[number - 1]
    with open(disk, "rb") as whole, open(to, "wb") as part:
        whole.seek(start)
        part.write(whole.read(size))
    return to
