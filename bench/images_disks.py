"""Disks as files: GPT, an EFI partition, and a main partition with a system and a user's files.

disk.raw      a computer; its free space is zero, as on an SSD that was trimmed
disk.second   the same after one file in a hundred was edited
other.raw     another computer: other serials, the same system in another order, another user
part.raw      the main partition of disk.raw, for programs that take nothing else
used.raw      as many bytes as are in use, without holes, for plain reads and copies
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contents import MIB
from bench.images_mounts import looped, mounted
from bench.images_ranges import copy_range, gather, sized

START = 17 * MIB  # of the main partition


@dataclass
class Disk:
    """The disk of a computer and what belongs to it, in a folder of its own.

    Attributes:
        kind: ntfs or ext4.
        size: of the main partition, in bytes.
        files: how many there are.
        used: bytes in use on the main partition.
        changed: bytes of the files that differ in the second state.
        own: bytes of the other computer's user, which this disk does not have.
        pressed: bytes of the files that NTFS was told to compress.
    """

    folder: Path
    kind: str
    size: int
    files: int = 0
    used: int = 0
    changed: int = 0
    own: int = 0
    pressed: int = 0

    @property
    def path(self) -> Path:
        """The disk as it is now."""
        return self.folder / "disk.raw"

    @property
    def other(self) -> Path:
        """The disk of the other computer."""
        return self.folder / "other.raw"

    @property
    def second(self) -> Path:
        """The second state, while it is not in place."""
        return self.folder / "disk.second"

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """The files of the disk, to be read, always below the same folder."""
        with (
            looped(self.path, START, self.size) as device,
            mounted(device, self.folder / "files", self.kind, "ro") as folder,
        ):
            yield folder

    @contextmanager
    def in_second_state(self) -> Iterator[None]:
        """Within this the disk is in its second state, under the same name."""
        first = self.folder / "disk.first"
        self.path.rename(first)
        self.second.rename(self.path)
        try:
            yield
        finally:
            self.path.rename(self.second)
            first.rename(self.path)

    def cut_out(self) -> None:
        """Make the copies for the other programs; drop the other states to have room."""
        for each in (self.second, self.other):
            each.unlink(missing_ok=True)
        part = part_of(self.path)
        sized(part, self.size)
        copy_range(self.path, START, self.size, part, 0)
        gather(part, self.used, used_of(self.path))


def part_of(disk: Path) -> Path:
    """Where the main partition of a disk is as a file."""
    return disk.with_name("part.raw")


def used_of(disk: Path) -> Path:
    """Where the file is that has as many bytes as the disk has in use."""
    return disk.with_name("used.raw")
