"""Opening things without side effects, and the few system calls Python does not offer.

Nothing here follows a symbolic link in a name below an open directory, waits for the other end of
a FIFO, or touches an access time where the system lets us avoid it.
"""

import ctypes
import errno
import fcntl
import os
import stat
import struct
import sys
from contextlib import suppress

assert sys.platform == "linux"

CLOSED = 2**31 - 1
"""What a closed handle holds. Not -1: calls taking a path or a descriptor read that as ``.``."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PATH_STEP = 2048  # bytes; the kernel takes paths of at most 4095

# _IOR('f', 1, long) and _IOW('f', 2, long); three architectures number the directions otherwise
_NONE, _READ, _WRITE = (
    (1 << 29, 2 << 29, 4 << 29)
    if os.uname().machine.startswith(("ppc", "mips", "sparc"))
    else (0, 2 << 30, 1 << 30)
)
BLOCK_CALL = _NONE | 0x12 << 8
"""What the numbers of calls to block devices begin with (``_IO(0x12, n)``)."""

_GETFLAGS = _READ | struct.calcsize("l") << 16 | ord("f") << 8 | 1
_SETFLAGS = _WRITE | struct.calcsize("l") << 16 | ord("f") << 8 | 2
_FLAGS = struct.Struct("=I4x")  # declared long, but the kernel moves an int
_NO_FLAGS = bytes(_FLAGS.size)

_RENAME_NOREPLACE = 1
_libc = ctypes.CDLL(None, use_errno=True)


def live(fd: int) -> int:
    """The descriptor. OSError EBADF once closed: a closed handle stands for nothing at all."""
    if fd == CLOSED:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return fd


def fail(number: int, name: bytes, words: str = "") -> OSError:
    """The OSError for an error number, to be raised by the caller."""
    return OSError(number, words or os.strerror(number), name)


def open_directory(name: bytes, dir_fd: int | None = None, *, follow: bool = False) -> int:
    """A descriptor of a directory. OSError."""
    flags = _DIRECTORY if follow else _DIRECTORY | os.O_NOFOLLOW
    return _open_untouched(name, flags, dir_fd)


def open_to_pass(name: bytes, dir_fd: int) -> tuple[int, bool]:
    """A descriptor of a directory, and whether it may be listed; else only to go on. OSError."""
    try:
        return open_directory(name, dir_fd), True
    except PermissionError:
        return os.open(name, os.O_PATH | _DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd), False


def open_path(path: bytes) -> int:
    """A descriptor of a directory by a path of any length, links followed. OSError."""
    if len(path) <= _PATH_STEP:
        return open_directory(path, follow=True)
    here = open_directory(b"/" if path.startswith(b"/") else b".", follow=True)
    for name in filter(None, path.split(b"/")):
        try:
            below = open_directory(name, here, follow=True)
        finally:
            os.close(here)
        here = below
    return here


def open_regular(name: bytes, dir_fd: int) -> int:
    """A descriptor of what should be a regular file; the caller must make sure by fstat. OSError.

    Opening never waits, except for a program that holds a lease on a true regular file.
    """
    try:
        return _open_untouched(name, _REGULAR, dir_fd)
    except BlockingIOError:
        return _open_leased(name, dir_fd)


def _open_untouched(name: bytes, flags: int, dir_fd: int | None) -> int:
    """Open without touching the access time, which only the owner and root may ask for."""
    try:
        return os.open(name, flags | os.O_NOATIME, dir_fd=dir_fd)
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise
    return os.open(name, flags, dir_fd=dir_fd)


def _open_leased(name: bytes, dir_fd: int) -> int:
    """Open a regular file and wait while the kernel takes the lease back (45 s at most)."""
    pinned = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        if not stat.S_ISREG(os.fstat(pinned).st_mode):
            raise fail(errno.EINVAL, name, "not a regular file any more")
        return os.open(descriptor_path(pinned), os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(pinned)


def pin(name: bytes, dir_fd: int) -> int:
    """A descriptor that only holds on to a child of any type, without opening it. OSError."""
    return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)


def descriptor_path(fd: int) -> bytes:
    """A path meaning exactly what ``fd`` is open on, even a symbolic link."""
    return b"/proc/self/fd/%d" % fd


def child_path(dir_fd: int, name: bytes) -> bytes:
    """A short path to a child of an open directory, for calls that take no directory."""
    return b"/proc/self/fd/%d/%s" % (dir_fd, name)


def get_flags(fd: int) -> int | None:
    """Inode flags of an open regular file or directory; None where there are none to be had."""
    try:
        answer = fcntl.ioctl(fd, _GETFLAGS, _NO_FLAGS)
    except OSError as error:
        if error.errno == errno.EBADF:
            raise
        return None
    return int(_FLAGS.unpack(answer)[0])


def set_flags(fd: int, flags: int) -> None:
    """Set all inode flags. OSError."""
    fcntl.ioctl(fd, _SETFLAGS, _FLAGS.pack(flags))


def surface_write_errors(fd: int) -> None:
    """Have a network file system report now what it would report at close. OSError."""
    os.close(os.dup(fd))


def sync_file_system(fd: int) -> None:
    """Make durable all that was written to the file system ``fd`` lies on. OSError."""
    if _libc.syncfs(fd):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def rename_new(name: bytes, dir_fd: int, new_name: bytes, new_dir_fd: int) -> None:
    """Rename, but never over anything. OSError (FileExistsError)."""
    try:
        _renameat2(name, dir_fd, new_name, new_dir_fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
        _rename_new_by_steps(name, dir_fd, new_name, new_dir_fd)


def _renameat2(name: bytes, dir_fd: int, new_name: bytes, new_dir_fd: int) -> None:
    try:
        call = _libc.renameat2
    except AttributeError:  # a C library from before 2018
        raise fail(errno.ENOSYS, name) from None
    if call(dir_fd, name, new_dir_fd, new_name, _RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name, None, new_name)


def _rename_new_by_steps(name: bytes, dir_fd: int, new_name: bytes, new_dir_fd: int) -> None:
    """For file systems that cannot: reserve the name where possible, or look before renaming."""
    mode = os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        os.mkdir(new_name, 0o700, dir_fd=new_dir_fd)  # an empty directory may be renamed over
        os.rename(name, new_name, src_dir_fd=dir_fd, dst_dir_fd=new_dir_fd)
        return
    with suppress(FileNotFoundError):
        os.stat(new_name, dir_fd=new_dir_fd, follow_symlinks=False)
        raise fail(errno.EEXIST, new_name)
    os.rename(name, new_name, src_dir_fd=dir_fd, dst_dir_fd=new_dir_fd)
