"""What a file system is called and how far its inode numbers and time stamps can be trusted."""

import re
import sys
from functools import cache

from twofold.platform.base import Entry
from twofold.platform.linux import mountinfo

assert sys.platform == "linux"

_MS = 1_000_000
_SECOND = 1_000_000_000

_TICK = 10 * _MS
"""The kernel stamps changes with the time of the last tick; the slowest tick in use is 10 ms."""

_TICKING = re.compile(
    "bcachefs|btrfs|ecryptfs|erofs|ext[234]|f2fs|jfs|nilfs2|ntfs3?|overlay|ramfs|squashfs|tmpfs"
    "|ubifs|xfs|zfs"
)

_TWO_SECONDS = 2 * _SECOND
"""The step of FAT, and a cautious answer for what we do not know."""

_REMOTE = 60 * _SECOND
"""For stamps given by another machine. Its own step is at most 2 s, but stamps are compared with
the time we read at by *our* clock, so this must cover what two clocks may differ by: a minute is
generous for clocks set by network. The price is small: files changed within two minutes of a
backup are read again by the next one."""

_ON_REMOTE = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|fuse(\..*)?|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2"
    "|orangefs|prl_fs|smb[23]|smbfs|vboxsf|virtiofs|vmhgfs"
)
_UNSTABLE_INODES = re.compile(
    r"9p|autofs|cifs|coda|exfat|fat|fuse(blk)?(\..*)?|msdos|ncpfs|overlay|prl_fs|smb[23]|smbfs"
    "|umsdos|vboxsf|vfat|vmhgfs"
)

_TELLS_HOLES = re.compile("btrfs|ext[234]|f2fs|tmpfs|xfs")


class Mounts:
    """File system types by device, as far as one walk has come to know them.

    Device numbers are used again after an unmount, so a table serves one opened tree only.
    """

    def __init__(self) -> None:
        self._types: dict[int, str] = {}

    def fs_type(self, fd: int, device: int) -> str:
        """Type of the file system of an open directory; empty when the system does not tell."""
        known = self._types.get(device)
        if known is None:
            known = self._types[device] = _look_up(fd, device)
        return known


@cache
def stable_inodes(fs_type: str) -> bool:
    """Whether inode numbers survive a remount; see the protocol for the unknown."""
    return not _UNSTABLE_INODES.fullmatch(fs_type)


def tells_holes(fs_type: str) -> bool:
    """Whether what this file system calls a hole of a file is known to read as zeros.

    Not of other machines' and of programs' file systems, nor of ZFS, which once gave what was
    written and not yet placed for holes.
    """
    return _TELLS_HOLES.fullmatch(fs_type) is not None


def timestamp_granularity_ns(fs_type: str, entry: Entry) -> int:
    """Coarsest step, in ns, with which this file system stamps changes."""
    step = _step_of(fs_type)
    if step != _TICK:
        return step
    if entry.mtime_ns % _SECOND == 0 and entry.ctime_ns % _SECOND == 0:
        return _SECOND + _TICK  # small inodes, as of ext3, hold whole seconds
    return _TICK


@cache
def _step_of(fs_type: str) -> int:
    """The step by the name alone; asked for every file."""
    if _ON_REMOTE.fullmatch(fs_type):
        return _REMOTE
    return _TICK if _TICKING.fullmatch(fs_type) else _TWO_SECONDS


def _look_up(fd: int, device: int) -> str:
    """By device, or, where a file system shows several devices (btrfs), by the mount's number."""
    by_device, by_mount = _read_table()
    return by_device.get(device) or by_mount.get(_mount_number(fd), "")


def _read_table() -> tuple[dict[int, str], dict[bytes, str]]:
    by_device: dict[int, str] = {}
    by_mount: dict[bytes, str] = {}
    for mount in mountinfo.parse_mounts(mountinfo.read_table("/proc/self/mountinfo")):
        by_device[mount.device] = by_mount[mount.number] = mount.fs_type
    return by_device, by_mount


def _mount_number(fd: int) -> bytes:
    for line in mountinfo.read_table(f"/proc/self/fdinfo/{fd}").splitlines():
        if line.startswith(b"mnt_id:"):
            return line[7:].strip()
    return b""
