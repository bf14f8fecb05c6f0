"""What a file system takes without a word and does not keep, found out on a file of our own.

Drivers of foreign file systems (ntfs-3g, exFAT through FUSE, network drives) answer chmod, chown
or setxattr with success and do nothing, since many programs would stop otherwise. So each is done
once and looked at. What is refused is not told here: then it is refused for every entry alike.
"""

import os
import stat
import sys
from contextlib import suppress

from twofold.platform.base import Dropped

assert sys.platform == "linux"

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODES = 0o751, 0o600
"""At least one of them is none that a driver makes up for all files."""
_STRANGER = 65_533
_NAMES = b"user.", b"trusted.", b"security.", b"system.posix_acl_"
_PROBE = b"twofold.probe"
_LIST = bytes.fromhex(
    "02000000 01000600ffffffff 02000400fdff0000 04000400ffffffff 10000400ffffffff 20000000ffffffff"
)
"""A valid access control list: somebody else may read."""


def dropped_in(directory: int, temporary: bytes) -> Dropped:
    """Try it on a file without a name, or else with this one; the directory stays as it was.

    OSError where no file can be made.
    """
    try:
        fd = os.open(b".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=directory)
    except OSError:
        return _dropped_of_named(directory, temporary)
    try:
        return _dropped_by(fd)
    finally:
        os.close(fd)


def _dropped_of_named(directory: int, temporary: bytes) -> Dropped:
    before = os.fstat(directory)
    fd = os.open(temporary, _NEW, 0o600, dir_fd=directory)
    try:
        return _dropped_by(fd)
    finally:
        os.close(fd)
        os.unlink(temporary, dir_fd=directory)
        with suppress(OSError):
            os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))


def _dropped_by(fd: int) -> Dropped:
    """What becomes of the metadata of an open new file, which is changed by this. OSError."""
    xattrs = tuple(name for name in _NAMES if _drops_xattr(fd, name))
    mode = any(_drops_mode(fd, mode) for mode in _MODES)
    return Dropped(mode=mode, owner=_owner_of_all(fd), xattrs=xattrs)


def _drops_xattr(fd: int, prefix: bytes) -> bool:
    is_list = prefix.startswith(b"system.")
    name, value = (prefix + b"access", _LIST) if is_list else (prefix + _PROBE, b"1")
    try:
        os.setxattr(fd, name, value)
    except OSError:
        return False
    try:
        return not os.getxattr(fd, name)
    except OSError:
        return True


def _drops_mode(fd: int, mode: int) -> bool:
    with suppress(OSError):
        os.fchmod(fd, mode)
        return stat.S_IMODE(os.fstat(fd).st_mode) != mode
    return False


def _owner_of_all(fd: int) -> tuple[int, int] | None:
    """User and group of a file that was given to somebody else and is not his."""
    if os.geteuid():
        return None  # who may not give files away is told so for each
    with suppress(OSError):
        os.fchown(fd, _STRANGER, _STRANGER)
        found = os.fstat(fd)
        if (found.st_uid, found.st_gid) != (_STRANGER, _STRANGER):
            return found.st_uid, found.st_gid
    return None
