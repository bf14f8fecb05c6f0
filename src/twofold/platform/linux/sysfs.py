"""The block devices of a machine as sysfs shows them, and how they lie on one another.

    class/block/NAME      a link to the directory of every disk, partition and volume
    dev/block/8:1         the same by device number
    NAME/partition        its number; the directory above is then that of the disk
    NAME/holders/OTHER    OTHER (a RAID array, an LVM or encrypted volume) is made of NAME
    NAME/slaves/OTHER     the other way round
    NAME/loop/backing_file  the file that a loop device shows as a disk

File systems on several devices are not holders; btrfs names its members in fs/btrfs/UUID/devices.
"""

import os
import sys
from collections.abc import Callable, Iterable

assert sys.platform == "linux"

_SECTOR = 512
"""Sizes and starts in sysfs count such sectors, whatever the device has."""


class BlockTree:
    """Looks into one sysfs; devices are called by their kernel names. What is absent is empty."""

    def __init__(self, root: str = "/sys") -> None:
        self._root = root

    def names(self) -> list[str]:
        """All block devices, partitions among them."""
        return sorted(self._list("class/block"))

    def name_of(self, number: int) -> str:
        """The device of a number."""
        link = f"{self._root}/dev/block/{os.major(number)}:{os.minor(number)}"
        return os.path.basename(os.path.realpath(link)) if os.path.exists(link) else ""

    def number_of(self, name: str) -> int:
        """The number of a device, 0 if there is none."""
        major, _, minor = self.text(name, "dev").partition(":")
        return os.makedev(int(major), int(minor)) if major.isdigit() and minor.isdigit() else 0

    def place(self, name: str) -> str:
        """The directory of a device, which tells what it is attached to."""
        return os.path.realpath(f"{self._root}/class/block/{name}")

    def raw(self, name: str, attribute: str) -> bytes:
        """An attribute as it is."""
        try:
            with open(f"{self.place(name)}/{attribute}", "rb") as file:
                return file.read()
        except OSError:
            return b""

    def text(self, name: str, attribute: str) -> str:
        """An attribute as text."""
        return self.raw(name, attribute).decode("utf-8", "replace").strip("\0 \t\n")

    def count(self, name: str, attribute: str) -> int:
        """An attribute that is a number."""
        words = self.text(name, attribute)
        return int(words) if words.isdecimal() else 0

    def bytes_in(self, name: str, attribute: str) -> int:
        """An attribute that counts sectors, in bytes."""
        return self.count(name, attribute) * _SECTOR

    def has(self, name: str, attribute: str) -> bool:
        """Whether an attribute is there."""
        return os.path.exists(f"{self.place(name)}/{attribute}")

    def disk_of(self, name: str) -> str:
        """The disk that a partition is on; any other device is its own."""
        if not self.has(name, "partition"):
            return name
        return os.path.basename(os.path.dirname(self.place(name)))

    def partitions(self, name: str) -> list[str]:
        """The partitions of a disk by number."""
        found = [each for each in self._list_in(name, "") if self.has(each, "partition")]
        inside = [each for each in found if self.disk_of(each) == name]
        return sorted(inside, key=lambda each: self.count(each, "partition"))

    def above(self, names: Iterable[str]) -> list[str]:
        """Devices and all that is made of them, on any number of levels."""
        return _closure(names, lambda name: self.partitions(name) + self.holders(name))

    def below(self, names: Iterable[str]) -> list[str]:
        """Devices and all that they are made of, on any number of levels."""
        return _closure(names, lambda name: [*self._slaves(name), self.disk_of(name)])

    def holders(self, name: str) -> list[str]:
        """The devices that are made of this one."""
        return sorted(self._list_in(name, "holders"))

    def _slaves(self, name: str) -> list[str]:
        return sorted(self._list_in(name, "slaves"))

    def btrfs_members(self, name: str) -> list[str]:
        """The devices of the btrfs file system in use that this one is a member of."""
        for each in self._list("fs/btrfs"):
            members = self._list(f"fs/btrfs/{each}/devices")
            if name in members:
                return sorted(members)
        return []

    def loops_on(self, status: os.stat_result) -> list[str]:
        """The loop devices that show a file as a disk."""
        return [name for name in self.names() if self._shows(name, status)]

    def _shows(self, name: str, status: os.stat_result) -> bool:
        path = self.raw(name, "loop/backing_file").rstrip(b"\n")
        try:
            return bool(path) and os.path.samestat(os.stat(path), status)
        except OSError:
            return False

    def _list_in(self, name: str, folder: str) -> list[str]:
        return _children(f"{self.place(name)}/{folder}")

    def _list(self, folder: str) -> list[str]:
        return _children(f"{self._root}/{folder}")


def _children(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _closure(names: Iterable[str], step: Callable[[str], list[str]]) -> list[str]:
    """What the steps lead to from some names, these first, each once."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += step(name)
    return list(found)
