"""Where the measurements are made: in memory, and on ext4 where every step ends on the disk.

    memory   a tmpfs: what the program itself costs
    disk     an ext4 file system; a step begins with nothing left to write and, as root, with an
             empty page cache ("cold"), and ends when everything it wrote is on the disk

If the folder for the disk is not on ext4, an image file in it is given an ext4 file system and
mounted, which needs root.

A virtual machine may get its memory from the host only when it is written, and give it back when
it is free: that took two seconds a gigabyte where this was found, more than most programs take to
back one up, and fell on whoever happened to write next. So before each step as much memory as the
step will fill is taken and freed.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.debian import call
from bench.measure import Broken

DROP = Path("/proc/sys/vm/drop_caches")
IMAGE_BYTES = 24 << 30  # sparse: only what is written takes room
TAKEN = 1.5  # of what a step may write: programs take memory for themselves too
TAKEN_COLD = 2.5  # the page cache takes what is read as well


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

    def before(self, size: int) -> None:
        """Leave nothing to write from before and, when cold, nothing to read from memory.

        ``size``: bytes that the step may write, for which there is memory then.
        """
        if self.on_disk:
            os.sync()
        if self.cold:
            DROP.write_text("3", "ascii")
        taken = int(size * (TAKEN_COLD if self.cold else TAKEN))
        populate(min(max(1, taken), available() * 3 // 4))

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
    return min(free, available())


def available() -> int:
    """Bytes of memory that may be taken without anything having to go to a swap."""
    words = Path("/proc/meminfo").read_text("ascii").split()
    return int(words[words.index("MemAvailable:") + 1]) << 10


def populate(size: int) -> None:
    """Take so many bytes of memory, all of them written by the kernel, and free them.

    A process of its own does it: what is started later would inherit the peak of this one.
    """
    flags = "mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE"
    call([sys.executable, "-c", f"import mmap; mmap.mmap(-1, {size}, flags={flags})"], Path("/"))


def remove(folder: Path) -> None:
    """Remove a folder of the benchmark's own and everything in it, if it is there."""
    call(["rm", "-rf", "--", str(folder)], Path("/"))
