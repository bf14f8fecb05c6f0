"""What disks are in use for, as far as the system tells.

Writing a device also writes to everything made of it: its partitions, the RAID arrays and volumes
that it is a part of, and their partitions. Of a partition, the disk it is on must not be in use as
a whole either. The kernel has the last word: a device that cannot be opened exclusively is in use,
even where nothing here knows what for (a mount in another container, ZFS).
"""

import errno
import fcntl
import os
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from twofold.platform.devices import DiskInfo, Mount
from twofold.platform.linux import inventory, mountinfo, sysfs

assert sys.platform == "linux"

_STARTING = (b"/", b"/usr", b"/boot", b"/boot/efi", b"/efi")
_FLOCK = struct.Struct("hhqqi4x")  # struct flock with 64-bit offsets


class System(msgspec.Struct, frozen=True):
    """The tables of the kernel at one moment."""

    tree: sysfs.BlockTree
    mounted: tuple[mountinfo.Mounted, ...]
    swaps: tuple[bytes, ...]

    def mounts(self) -> dict[str, list[Mount]]:
        """The file systems on devices, by the name of each device that holds one."""
        found: dict[str, list[Mount]] = {}
        for each in self.mounted:
            for name in self.devices_of(each):
                mount = Mount(inventory.path_of(name), each.point, each.fs_type, each.writable)
                found.setdefault(name, []).append(mount)
        return found

    def devices_of(self, mounted: mountinfo.Mounted) -> list[str]:
        """Names of the devices that hold a file system, several for btrfs; empty if it has none.

        Found by number, or, where a file system shows numbers of its own, by its source.
        """
        tree = self.tree
        name = tree.name_of(mounted.device) or tree.name_of(_number(mounted.source))
        return tree.btrfs_members(name) or [name] if name else []

    def swap_devices(self) -> set[str]:
        """Names of the devices that are swap space."""
        return {self.tree.name_of(_number(path)) for path in self.swaps} - {""}


def read_system() -> System:
    """The kernel's tables as they are now."""
    for point in _STARTING:
        with suppress(OSError):
            os.stat(point + b"/.")  # a file system to be mounted on demand is mounted by that
    mounted = tuple(mountinfo.parse_mounts(mountinfo.read_table("/proc/self/mountinfo")))
    return System(
        sysfs.BlockTree(),
        mounted,
        tuple(mountinfo.parse_swaps(mountinfo.read_table("/proc/swaps"))),
    )


def disks() -> list[DiskInfo]:
    """The whole disks of this machine."""
    system = read_system()
    return inventory.disks(system.tree, system.mounts())


def needed_to_start() -> list[bytes]:
    """The disks that hold what this machine starts from; empty where that is not known."""
    return [inventory.path_of(name) for name in starting_disks(read_system())]


def starting_devices(system: System) -> list[str]:
    """Names of all that /, /usr, /boot and the EFI partition are on, from / and down first."""
    on_top = {mounted.point: mounted for mounted in system.mounted}
    found: dict[str, None] = {}
    for point in _STARTING:
        if point in on_top:
            found |= dict.fromkeys(system.tree.below(system.devices_of(on_top[point])))
    return list(found)


def starting_disks(system: System) -> list[str]:
    """Those of the devices that are made of nothing else: the disks, that of / first."""
    return [name for name in starting_devices(system) if system.tree.below([name]) == [name]]


def mounts_of(path: bytes) -> list[Mount]:
    """The file systems in use on a device, or in a file that is shown as a disk. OSError."""
    system = read_system()
    mounts = system.mounts()
    names = system.tree.above(_names_of(system.tree, os.stat(path)))
    return [mount for name in names for mount in mounts.get(name, ())]


def _names_of(tree: sysfs.BlockTree, status: os.stat_result) -> list[str]:
    if stat.S_ISBLK(status.st_mode):
        return [tree.name_of(status.st_rdev)]
    return tree.loops_on(status)


def uses_of(path: bytes) -> list[str]:
    """Sentences why a device or file must not be written; empty when nothing is known. OSError."""
    system = read_system()
    status = os.stat(path)
    if not stat.S_ISBLK(status.st_mode):
        return list(_file_uses(system, path, status))
    found = list(device_uses(system, system.tree.name_of(status.st_rdev)))
    return found or list(_refusal(path))


def device_uses(system: System, name: str) -> Iterator[str]:
    """Sentences about what a device is in use for, by the tables."""
    tree, mounts, swaps = system.tree, system.mounts(), system.swap_devices()
    disk = tree.disk_of(name)
    if name in starting_devices(system):
        yield f"{_path(name)} holds the system that is running"
    whole = [] if disk == name else [disk, *tree.above(tree.holders(disk))]
    for each in dict.fromkeys([*tree.above([name]), *whole]):
        on = "" if disk == tree.disk_of(each) else f", which lies on {_path(name)},"
        for mount in mounts.get(each, ()):
            yield f"{_title(tree, each)}{on} is mounted at {os.fsdecode(mount.point)}"
        if each in swaps:
            yield f"{_title(tree, each)}{on} is in use as swap space"
        for holder in tree.holders(each):
            yield f"{_title(tree, each)} is a part of {_title(tree, holder)}"
    if tree.count(name, "ro") == 1:
        yield f"{_path(name)} is read-only"


def _path(name: str) -> str:
    return os.fsdecode(inventory.path_of(name))


def _title(tree: sysfs.BlockTree, name: str) -> str:
    """What a device is to its user."""
    volume = tree.text(name, "dm/name")
    if volume:
        kind = tree.text(name, "dm/uuid").partition("-")[0]
        words = {"LVM": "the LVM volume", "CRYPT": "the encrypted volume", "mpath": "the multipath"}
        return f"{words.get(kind, 'the volume')} {volume}"
    if tree.has(name, "md"):
        return f"the RAID array {_path(name)}"
    return _path(name)


def _refusal(path: bytes) -> Iterator[str]:
    """What the kernel says to being asked for a device exclusively; opened for reading only,
    for closing a device opened for writing makes udev look at it again."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.EBUSY:
            yield f"{os.fsdecode(path)} is in use by the system or by another program"
        elif error.errno == errno.ENOMEDIUM:
            yield f"{os.fsdecode(path)} has no medium in it"


def _file_uses(system: System, path: bytes, status: os.stat_result) -> Iterator[str]:
    shown = os.fsdecode(path)
    for name in system.tree.loops_on(status):
        yield f"{shown} is in use as the disk {_path(name)}"
        yield from device_uses(system, name)
    if any(_same(swap, status) for swap in system.swaps):
        yield f"{shown} is in use as swap space"
    if not os.access(path, os.W_OK):
        yield f"{shown} is read-only"
    if locked := _lock_on(path):
        yield f"{shown} is {locked}"


def _lock_on(path: bytes) -> str:
    """What lock there is on a file, such as virtual machines take on their disks; or nothing.

    Of both kinds: on bytes of it (fcntl), and on all of it (flock), which we take ourselves.
    """
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        kind, _, _, _, process = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
        if kind == fcntl.F_UNLCK:
            return "being written by another program" if _is_held(fd) else ""
    except OSError:
        return ""
    finally:
        os.close(fd)
    return f"locked by process {process}" if process > 0 else "locked by another program"


def _is_held(fd: int) -> bool:
    """Whether somebody has an open file to himself (flock). OSError where there are no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back when it is closed
    except BlockingIOError:
        return True
    return False


def _number(path: bytes) -> int:
    """The number of the device at a path; 0 if there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return 0
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else 0


def _same(path: bytes, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False
