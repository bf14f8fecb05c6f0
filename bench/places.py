"""Where the measurements are made: in memory, and on ext4 where every step ends on the disk.

    memory   a tmpfs: what the program itself costs
    disk     an ext4 file system; a step begins with nothing left to write and, as root, with an
             empty page cache ("cold"), and ends when everything it wrote is on the disk

If the folder for the disk is not on ext4, an image file in it is given an ext4 file system and
mounted, which needs root.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.debian import call
from bench.measure import Broken

DROP = Path("/proc/sys/vm/drop_caches")
IMAGE_BYTES = 24 << 30  # sparse: only what is written takes room


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to work in, and what happens around each step there."""

    name: str
    folder: Path
    cold: bool = False

    @property
    def on_disk(self) -> bool:
        """Whether what is written here has to reach a disk."""
        return self.name == "disk"

    def before(self) -> None:
        """Leave nothing to write from before and, when cold, nothing to read from memory."""
        if self.on_disk:
            os.sync()
        if self.cold:
            DROP.write_text("3", "ascii")

    def after(self) -> None:
        """Wait until everything is on the disk."""
        if self.on_disk:
            os.sync()


def memory(folder: Path) -> Place:
    """The place in memory.

    Raises:
        Broken: the folder is not on a tmpfs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if file_system(folder) != "tmpfs":
        raise Broken(f"{folder} is not on a tmpfs")
    return Place("memory", folder)


@contextmanager
def disk(folder: Path) -> Iterator[Place]:
    """The place on ext4, cold when this process may empty the page cache.

    Raises:
        Broken: the folder is not on ext4 and an image of it cannot be mounted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cold = os.access(DROP, os.W_OK)
    if file_system(folder) == "ext4":
        yield Place("disk", folder, cold)
        return
    image, mounted = folder / "ext4.img", folder / "ext4"
    mounted.mkdir(exist_ok=True)
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    call(["mkfs.ext4", "-q", "-F", str(image)], folder)
    call(["mount", "-o", "loop", str(image), str(mounted)], folder)
    try:
        yield Place("disk", mounted, cold)
    finally:
        call(["umount", str(mounted)], folder)
        image.unlink()


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is on, as ``findmnt`` names it."""
    return call(["findmnt", "-no", "FSTYPE", "-T", str(folder)], folder).split()[-1]


def free_bytes(place: Place) -> int:
    """Room for files at a place; in memory not more than the machine has available."""
    free = shutil.disk_usage(place.folder).free
    if place.on_disk:
        return free
    words = Path("/proc/meminfo").read_text("ascii").split()
    return min(free, int(words[words.index("MemAvailable:") + 1]) << 10)


def touch(place: Place, size: int) -> None:
    """Write so many bytes to a place in memory, three quarters of its room at most; remove them.

    A virtual machine gets its memory from the host when it is first written, which takes longer
    than to write it: whoever came first would pay for all others.
    """
    block = bytes(1 << 20)
    with open(place.folder / "touched", "wb") as file:
        for _ in range(min(size, free_bytes(place) * 3 // 4) >> 20):
            file.write(block)
    os.unlink(place.folder / "touched")


def remove(folder: Path) -> None:
    """Remove a folder of the benchmark's own and everything in it, if it is there."""
    call(["rm", "-rf", "--", str(folder)], Path("/"))
