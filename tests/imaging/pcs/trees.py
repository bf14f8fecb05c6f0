"""Everything that a mount shows of a file system, as plain data: two trees are equal or not.

NTFS through ntfs-3g has more: streams by name, and as ``system.ntfs_*`` the attributes, times,
short names, reparse points, access lists and extended attributes of Windows as they are stored.
"""

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.disk import exfat_world, ext_volumes, ntfs_volumes
from tests.disk.fat_world import mtools_tree
from tests.imaging.disks import run

KINDS = ("ntfs", "ext", "vfat", "exfat", "xfs", "btrfs")
NTFS_ATTRIBUTES = [
    f"system.ntfs_{name}"
    for name in ("acl", "attrib_be", "dos_name", "ea", "object_id", "reparse_data", "times_be")
]
_LARGEST = 1 << 28  # bytes of files that are read


@dataclass
class Seen:
    """One name."""

    mode: int = 0
    links: int = 0
    owner: tuple[int, int] = (0, 0)
    size: int = 0
    modified_ns: int = 0
    device: int = 0
    digest: str = ""
    room: int = field(default=0, compare=False)
    target: str = ""
    attributes: dict[str, bytes] = field(default_factory=dict)
    streams: dict[str, str] = field(default_factory=dict)


Tree = dict[bytes, Seen]


def tree(kind: str, place: Path, mount: Path, skip: Sequence[str] = ()) -> Tree:
    """Of the file system on a device; contents of files in ``skip`` are left out."""
    if kind == "vfat":
        return _by_mtools(place, mount.with_name("mtools"))
    with mounted(kind, place, mount) as top:
        return seen(top, skip, windows=kind == "ntfs")


def differences(before: Tree, after: Tree) -> list[tuple[bytes, Seen | None, Seen | None]]:
    """The first names that are not the same in both."""
    names = sorted(before.keys() | after.keys())
    found = [(name, before.get(name), after.get(name)) for name in names]
    return [each for each in found if each[1] != each[2]][:5]


@contextmanager
def mounted(kind: str, place: Path, mount: Path) -> Iterator[Path]:
    """A file system, to be read only."""
    if kind == "ntfs":
        words = "ro,streams_interface=windows,compression"
        with ntfs_volumes.mounted(place, words, mount) as top:
            yield top
    elif kind == "exfat":
        with exfat_world.mounted(str(place), mount) as top:
            yield top
    else:
        options = "ro,norecovery" if kind == "xfs" else "ro"
        with ext_volumes.mounted(place, mount, options) as top:
            yield top


def seen(top: Path, skip: Sequence[str] = (), *, windows: bool = False) -> Tree:
    """Everything below a folder, itself included."""
    found: Tree = {}
    skipped = {os.fsencode(path) for path in skip}
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        place = os.fsencode(top) + path
        found[path] = _look(place, read=path not in skipped, windows=windows)
        if stat.S_ISDIR(found[path].mode):
            waiting += [path + b"/" + name for name in os.listdir(place)]
    return found


def _look(place: bytes, *, read: bool, windows: bool) -> Seen:
    info = os.lstat(place)
    it = Seen(
        info.st_mode,
        info.st_nlink,
        (info.st_uid, info.st_gid),
        info.st_size,
        info.st_mtime_ns,
        info.st_rdev,
    )
    if stat.S_ISLNK(info.st_mode):
        it.target = os.fsdecode(os.readlink(place))
    elif stat.S_ISREG(info.st_mode) and read and info.st_size <= _LARGEST:
        it.digest = digest(place)
        it.room = min(info.st_blocks * 512, info.st_size)
    names = NTFS_ATTRIBUTES if windows else _names(place)
    for name in names:
        value = attribute(place, name)
        if value is not None:
            it.attributes[name] = value
    if windows and not stat.S_ISLNK(info.st_mode):
        for stream in (attribute(place, "ntfs.streams.list") or b"").split(b"\0"):
            if stream:
                it.streams[os.fsdecode(stream)] = digest(place + b":" + stream)
    return it


def _names(place: bytes) -> list[str]:
    try:
        return sorted(os.listxattr(place, follow_symlinks=False))
    except OSError:
        return []


def digest(place: bytes) -> str:
    with open(place, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_LIBC = ctypes.CDLL(None, use_errno=True)
_ROOM = ctypes.create_string_buffer(1 << 16)
_ABSENT = {errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM}  # EPERM: no short name of the root


def attribute(place: bytes, name: str) -> bytes | None:
    """An extended attribute. ntfs-3g fails for a buffer that is too small, so not by ``os``."""
    length = _LIBC.lgetxattr(place, name.encode(), _ROOM, len(_ROOM))
    if length < 0:
        assert ctypes.get_errno() in _ABSENT, (place, name, os.strerror(ctypes.get_errno()))
        return None
    return _ROOM.raw[:length]


def _by_mtools(place: Path, target: Path) -> Tree:
    """FAT, which this kernel may not mount."""
    found: Tree = {}
    for path, content in mtools_tree(place, target).items():
        kind = stat.S_IFDIR if content is None else stat.S_IFREG
        sum_ = "" if content is None else hashlib.sha256(content).hexdigest()
        found[os.fsencode(path)] = Seen(
            mode=kind, size=len(content or b""), digest=sum_, room=len(content or b"")
        )
    run("rm", "-r", target)
    return found
