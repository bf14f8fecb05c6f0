"""File systems in files: mounted for writing or only for reading, or a part of a disk as a device.

Only what these blocks opened is closed again, and everything is written when they end.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.debian import call
from bench.measure import Broken

ZEROS = bytes(1 << 20)


@contextmanager
def looped(disk: Path, start: int, size: int) -> Iterator[Path]:
    """A range of a file as a device that can only be read, with nothing of it cached yet."""
    words = ["losetup", "--find", "--show", "--read-only", f"--offset={start}"]
    device = call([*words, f"--sizelimit={size}", str(disk)], disk.parent).strip()
    try:
        yield Path(device)
    finally:
        call(["losetup", "--detach", device], disk.parent)


@contextmanager
def mounted(volume: Path, folder: Path, kind: str, *options: str) -> Iterator[Path]:
    """With a volume of this kind mounted; ``ro`` among the options for reading only."""
    folder.mkdir(exist_ok=True)
    opened = mounted_ntfs if kind == "ntfs" else _mounted_by_kernel
    with opened(volume, folder, *options):
        yield folder


@contextmanager
def mounted_ntfs(volume: Path, folder: Path, *options: str) -> Iterator[None]:
    """With the volume mounted; afterwards everything is in it.

    ntfs-3g writes on after an unmount that has returned, so its end is waited for. The unmount is
    lazy, as others who look at all mounts may hold this one for a moment.
    """
    folder.mkdir(exist_ok=True)
    words = ["ntfs-3g", "-o", ",".join(["no_detach", *options]), str(volume), str(folder)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as driver:
        while not folder.is_mount() and driver.poll() is None:
            time.sleep(0.02)
        try:
            yield
        finally:
            call(["umount", "--lazy", str(folder)], volume.parent)
    if driver.returncode:
        raise Broken(f"ntfs-3g ended with code {driver.returncode}")


@contextmanager
def _mounted_by_kernel(volume: Path, folder: Path, *options: str) -> Iterator[None]:
    loop = [] if volume.is_block_device() else ["loop"]
    words = ["mount", "-o", ",".join(["noatime", "minixdf", *loop, *options])]
    call([*words, str(volume), str(folder)], volume.parent)
    try:
        yield
    finally:
        call(["umount", str(folder)], volume.parent)


def used_bytes(folder: Path) -> int:
    """What is in use on the file system that is mounted there, its own tables included."""
    facts = os.statvfs(folder)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def empty_free_space(folder: Path) -> None:
    """Fill what is free with zeros and free it again, as the controller of an SSD does on TRIM."""
    filler = folder / "filler"
    try:
        with open(filler, "wb", buffering=0) as file:
            while file.write(ZEROS):
                pass
    except OSError:  # it is full
        pass
    filler.unlink()
