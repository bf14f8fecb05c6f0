"""Calls to block devices and sparse files that Python does not offer.

Making a range zero has several ways, each of which some device or file system refuses; whoever
calls tries them from the cheapest on:

    PUNCH_HOLE   gives the storage back, and is refused where the range would not read as zeros
    BLKZEROOUT   the device, or the kernel in its place, writes zeros without moving them here
    pwrite       always works
"""

import ctypes
import errno
import fcntl
import os
import struct
import sys

from twofold.platform.linux import system

assert sys.platform == "linux"

_REREAD_PARTITIONS = system.BLOCK_CALL | 95  # BLKRRPART
_SECTOR_SIZE = system.BLOCK_CALL | 104  # BLKSSZGET
_PHYSICAL_SECTOR = system.BLOCK_CALL | 123  # BLKPBSZGET
_DISCARD = system.BLOCK_CALL | 119  # BLKDISCARD
_ZERO = system.BLOCK_CALL | 127  # BLKZEROOUT
_RANGE = struct.Struct("=QQ")  # offset, length; bytes
_INT = struct.Struct("=i")

_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # FALLOC_FL_*
_WAIT_BEFORE, _START, _WAIT_AFTER = 1, 2, 4  # SYNC_FILE_RANGE_*

_UNSUPPORTED = (
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.ENOTTY,
    errno.EINVAL,
    errno.EPERM,
    errno.ENODEV,
    errno.ESPIPE,
)

_CACHESTAT = 451  # the same on all processors; since Linux 6.5
_CACHED = struct.Struct("=QQQQQ")  # pages: cached, not yet written, being written, gone, just gone
_PAGE = 4096  # the smallest there is

_libc = ctypes.CDLL(None, use_errno=True)
_OFFSET = ctypes.c_int64
_fallocate = getattr(_libc, "fallocate64", None) or _libc.fallocate
_fallocate.argtypes = [ctypes.c_int, ctypes.c_int, _OFFSET, _OFFSET]
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = [ctypes.c_int, _OFFSET, _OFFSET, ctypes.c_uint]


def sector_size(fd: int) -> int:
    """Bytes of a logical sector of an open device. OSError."""
    return int(_INT.unpack(fcntl.ioctl(fd, _SECTOR_SIZE, bytes(_INT.size)))[0])


def physical_sector(fd: int) -> int:
    """Bytes of a physical sector of an open device; 0 where the kernel does not tell."""
    try:
        return int(_INT.unpack(fcntl.ioctl(fd, _PHYSICAL_SECTOR, bytes(_INT.size)))[0])
    except OSError:
        return 0


def placed(fd: int) -> bool:
    """Have all that was written to a file get its place; whether that can be relied on."""
    try:
        os.fsync(fd)
    except OSError:
        return False
    return True


def punch(fd: int, offset: int, length: int) -> bool:
    """Free the storage of a range, which then reads as zeros; False where that cannot be had.

    OSError when the storage fails.
    """
    while _fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, offset, length):
        if (number := ctypes.get_errno()) != errno.EINTR:
            return _refused(number)
    return True


def zero(fd: int, offset: int, length: int) -> bool:
    """Have the kernel write zeros to a range of whole sectors; False where it cannot. OSError."""
    return _range_call(fd, _ZERO, offset, length)


def discard(fd: int, offset: int, length: int) -> bool:
    """Tell a device that a range of whole sectors is not needed; False if it cannot. OSError."""
    return _range_call(fd, _DISCARD, offset, length)


def _range_call(fd: int, call: int, offset: int, length: int) -> bool:
    try:
        fcntl.ioctl(fd, call, _RANGE.pack(offset, length))
    except OSError as error:
        return _refused(error.errno or errno.EIO)
    return True


def _refused(number: int) -> bool:
    """False where the way is not to be had here; the OSError where it failed."""
    if number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number))
    return False


def reread_partitions(fd: int) -> None:
    """Have the kernel forget the partitions of a device and look for new ones. OSError."""
    fcntl.ioctl(fd, _REREAD_PARTITIONS)


def is_cached(fd: int, offset: int, length: int) -> bool:
    """Whether most of a range of a file is in the system's cache; False where it does not tell."""
    found = ctypes.create_string_buffer(_CACHED.size)
    asked = ctypes.create_string_buffer(_RANGE.pack(offset, length), _RANGE.size)
    if _libc.syscall(_CACHESTAT, fd, asked, found, 0):
        return False
    return bool(_CACHED.unpack(found.raw)[0] * _PAGE * 2 > length)


def start_writing(fd: int, offset: int, length: int) -> None:
    """Begin to write a cached range to the storage, as far as that can be asked for."""
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, length, _START)


def forget(fd: int, offset: int, length: int, *, written: bool) -> None:
    """Drop a range from the memory of the system; if it was written, wait until it is on storage.

    OSError when that failed, which must not be lost: no later sync of ``fd`` tells it again.
    """
    if written and _sync_file_range is not None:
        how = _WAIT_BEFORE | _START | _WAIT_AFTER
        if _sync_file_range(fd, offset, length, how):
            _refused(ctypes.get_errno())
    os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)
