"""Every file system call of the local store, one small method each.

The store is handed an instance, so that a twin which counts, fails, cuts or records calls can
take its place. Nothing here decides anything: a method does one thing and raises ``OSError`` as
the operating system gives it. What a system lacks is found by looking for the call itself.
"""

import ctypes
import errno
import functools
import os
import stat
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be removed there, which serves as the lock
    fcntl = None  # type: ignore[assignment]

_flock: Callable[[int, int], None] | None = getattr(fcntl, "flock", None)
_pread: Callable[[int, int, int], bytes] | None = getattr(os, "pread", None)
_fadvise: Callable[[int, int, int, int], None] | None = getattr(os, "posix_fadvise", None)

_LOCK_NOW = getattr(fcntl, "LOCK_EX", 0) | getattr(fcntl, "LOCK_NB", 0)
_DONTNEED = getattr(os, "POSIX_FADV_DONTNEED", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # a FIFO put in the store must not hang a reader

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_MOVEFILE_WRITE_THROUGH = 8
# Virus scanners and indexers open new files for a moment: access denied, sharing, lock violation.
_BUSY_CODES = frozenset({5, 32, 33})
_BUSY_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # seconds


class Entry(NamedTuple):
    """One name in a directory, links followed; size in bytes, 0 for what is no regular file."""

    name: str
    is_dir: bool
    is_file: bool
    size: int


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    """The C library's renameat2, None where it has none."""
    try:
        call: Any = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return cast(Callable[..., int], call)


@functools.cache
def _move_file_ex() -> Callable[..., int] | None:
    """The Windows call MoveFileExW, None elsewhere."""
    loader = getattr(ctypes, "WinDLL", None)
    if loader is None:
        return None
    call: Any = loader("kernel32", use_last_error=True).MoveFileExW
    call.argtypes = [ctypes.c_wchar_p, ctypes.c_wchar_p, ctypes.c_uint32]
    return cast(Callable[..., int], call)


def _rename_windows(source: str, target: str) -> None:
    """Rename without replacing; returns when the name is on the disk."""
    move = _move_file_ex()
    if move is not None and not move(source, target, _MOVEFILE_WRITE_THROUGH):
        windows: Any = ctypes
        code = windows.get_last_error()
        raise OSError(0, windows.FormatError(code), source, code, target)


def _rename_linux(source: str, target: str) -> None:
    """Rename without replacing, decided by the kernel; ENOSYS where there is no such call."""
    call = _renameat2()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), source, None, target)
    paths = os.fsencode(source), os.fsencode(target)
    if call(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_NOREPLACE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), source, None, target)


def _patient(call: Callable[[], None]) -> None:
    """Call again for up to 1.6 s while Windows says that somebody else has the file open."""
    for pause in _BUSY_PAUSES:
        try:
            return call()
        except OSError as error:
            if getattr(error, "winerror", None) not in _BUSY_CODES:
                raise
            time.sleep(pause)
    return call()


def _entry(found: "os.DirEntry[str]") -> Entry | None:
    """What a directory entry is; None when it was removed since the directory was read."""
    try:
        if found.is_dir():
            return Entry(found.name, True, False, 0)
        info = found.stat()
    except FileNotFoundError:
        # A dangling link is there: leaving it out would be a listing that says less than is so.
        return Entry(found.name, False, False, 0) if found.is_symlink() else None
    regular = stat.S_ISREG(info.st_mode)
    return Entry(found.name, False, regular, info.st_size if regular else 0)


class FileCalls:
    """The real calls. Paths are absolute; every method raises ``OSError``."""

    renames_open_files = _flock is not None
    """Whether a file may be renamed while it is open (not on Windows)."""

    def open_new(self, path: str) -> int:
        """Create a file that must not exist (mode 0600) and open it for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)

    def open_read(self, path: str) -> int:
        """Open a file for reading."""
        return os.open(path, os.O_RDONLY | _BINARY | _NONBLOCK)

    def open_existing(self, path: str) -> int:
        """Open a file for reading and writing without changing it (network locks want that)."""
        return os.open(path, os.O_RDWR | _BINARY | _NONBLOCK)

    def write(self, fd: int, data: memoryview) -> int:
        """Append; returns how many bytes were taken, which may be fewer than given."""
        return os.write(fd, data)

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        """Let the system begin to write a range (bytes) to the disk; a hint, never waits for it.

        On Linux DONTNEED starts the write-back of dirty pages and drops clean ones; it measures
        the same as sync_file_range, which Python does not offer. Elsewhere nothing happens.
        """
        if _fadvise is not None:
            _fadvise(fd, offset, length, _DONTNEED)

    def sync_file(self, fd: int) -> None:
        """Make the content of an open file durable (FlushFileBuffers on Windows)."""
        os.fsync(fd)

    def sync_dir(self, path: str) -> bool:
        """Make the names in a directory durable; False where the system has no call for it."""
        if not _DIRECTORY:
            return False
        fd = os.open(path, os.O_RDONLY | _DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        return True

    def lock(self, fd: int) -> bool:
        """Take the exclusive lock of an open file without waiting; False if another has it.

        The lock ends with the last descriptor of this open, thus also when the process dies.
        """
        if _flock is None:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        try:
            _flock(fd, _LOCK_NOW)
        except BlockingIOError:
            return False
        return True

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def rename_new(self, source: str, target: str) -> None:
        """Rename atomically; FileExistsError if the target exists.

        EINVAL, ENOSYS or ENOTSUP where the system or the file system cannot refuse a target.
        """
        if _move_file_ex() is not None:
            _patient(lambda: _rename_windows(source, target))
        else:
            _rename_linux(source, target)

    def rename(self, source: str, target: str) -> None:
        """Rename atomically; what an existing target does differs between systems."""
        _patient(lambda: os.rename(source, target))

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; FileExistsError if the target exists."""
        os.link(source, target)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        _patient(lambda: os.unlink(path))

    def make_dir(self, path: str) -> None:
        """Make a directory (mode 0700) in an existing one."""
        os.mkdir(path, 0o700)

    def scan(self, path: str) -> list[Entry]:
        """All names in a directory."""
        with os.scandir(path) as entries:
            return [entry for entry in map(_entry, entries) if entry is not None]

    def read_at(self, fd: int, length: int, offset: int) -> bytes:
        """Read at an offset; possibly fewer bytes than asked for, none at the end."""
        if _pread is not None:
            return _pread(fd, length, offset)
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)

    def stat(self, path: str) -> os.stat_result:
        """What a path leads to, links followed."""
        return os.stat(path)

    def stat_open(self, fd: int) -> os.stat_result:
        """What an open file is."""
        return os.fstat(fd)


DEFAULT_CALLS = FileCalls()
"""Used by every local store that is not given its own; tests put a twin here."""
