"""Reading and writing block devices and disk-image files.

A device is opened exclusively for writing: the kernel then refuses to mount it or any partition of
it, and refuses us if one is in use. It is locked (flock) besides, which is how udev is told not to
look at a device that is being rewritten (systemd, "Locking Block Device Access").
"""

import errno
import fcntl
import os
import stat
import sys
from contextlib import suppress
from threading import Lock

from twofold.errors import FormatError, NeedsRights, RefusedUnsafe, UsageError
from twofold.platform.base import Buffer
from twofold.platform.linux import block_calls, direct, mounts, system, traffic

assert sys.platform == "linux"

_FILE_SECTOR = 512
_PAGE = 4096  # what direct reads of files are aligned to
_PIECE = 256 << 20  # bytes zeroed by one call, after which an interrupt is heard
_ZEROS = bytes(1 << 20)
_NOT_PAST_CACHE = (None, errno.EINVAL, errno.ENOTSUP)
"""What is said to a read past the cache that is not to be had, or ends within a sector."""
_DENIED = (errno.EACCES, errno.EPERM)


def open_disk(path: bytes, *, write: bool = False, create: bool = False) -> "LinuxDisk":
    """Open a block device or a regular file; with ``create`` a missing file is made, empty.

    NeedsRights, RefusedUnsafe (in use), UsageError (of another kind), or OSError.
    """
    fd = _open(path, write=write, create=create)
    try:
        return LinuxDisk(path, fd, write=write)
    except BaseException:
        os.close(fd)
        raise


def _open(path: bytes, *, write: bool, create: bool) -> int:
    if not os.path.exists(path) and create:
        return _create(path)
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISBLK(mode) or stat.S_ISREG(mode)):
            raise UsageError(f"{_shown(path)} is neither a disk nor a file")
        flags = os.O_RDWR if write else os.O_RDONLY
        if write and stat.S_ISBLK(mode):
            flags |= os.O_EXCL  # without O_CREAT it means: nobody else may use it
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        if error.errno in _DENIED:
            deed = "written" if write else "read"
            raise NeedsRights(f"{_shown(path)} cannot be {deed}: {error.strerror}") from error
        if error.errno in (errno.EBUSY, errno.ETXTBSY):
            raise RefusedUnsafe(f"{_shown(path)} is in use, so it cannot be written") from error
        raise


def _create(path: bytes) -> int:
    """Make an empty file, but never one that only looks like a device."""
    real = os.path.realpath(path)
    if real.startswith(b"/dev/") and not real.startswith(b"/dev/shm/"):
        raise UsageError(f"there is no device {_shown(path)}")
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise NeedsRights(f"{_shown(path)} cannot be made: {error.strerror}") from error


def _shown(path: bytes) -> str:
    return os.fsdecode(path)


class LinuxDisk:
    """See ``twofold.platform.devices.Disk``."""

    def __init__(self, path: bytes, fd: int, *, write: bool) -> None:
        self.path = path
        self._fd = fd
        self._direct: direct.Direct | None = None
        self._past_cache: direct.Direct | None = None
        self._may_pass = True
        self._holes_told: bool | None = None
        self._opening = Lock()
        self.is_device = stat.S_ISBLK(os.fstat(fd).st_mode)
        if write:
            self._lock()
        self.size = os.lseek(
            fd, 0, os.SEEK_END
        )  # locked, for who had it before may have changed it
        self.sector_size = block_calls.sector_size(fd) if self.is_device else _FILE_SECTOR
        self.physical_sector = block_calls.physical_sector(fd) if self.is_device else 0
        if not write:
            self.forget()
        self._read = traffic.Traffic(fd, written=False)
        self._written = traffic.Traffic(fd, written=True)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not self.is_device:  # that is ours already; somebody has a quick look at it
                raise RefusedUnsafe(f"{_shown(self.path)} is in use by another program") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
                raise

    def forget(self) -> None:
        """Drop what the system remembers of a device, so that it is read as it is now.

        A mounted file system writes files, and a partition all of its bytes, past the memory of
        the device that is read here; and that is kept for as long as anything is mounted.
        """
        if self.is_device:
            with suppress(OSError):
                block_calls.forget(self._live(), 0, 0, written=False)

    def _live(self) -> int:
        return system.live(self._fd)

    def _inside(self, offset: int, length: int) -> bool:
        return offset >= 0 and length >= 0 and offset + length <= self.size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. FormatError when not inside, OSError."""
        if not self._inside(offset, length):
            raise FormatError(
                f"it ends at byte {self.size:,}, where bytes {offset:,} to {offset + length:,}"
                " should follow"
            )
        try:
            data = os.pread(self._live(), length, offset)
            if len(data) < length:
                data = self._read_rest(data, offset, length)
        except OSError as error:
            raise self._told(error) from error
        self._read.add(offset, length)
        return data

    def _told(self, error: OSError) -> OSError:
        """What a device said; one that was taken away has no bytes any more."""
        if self.is_device and not os.lseek(self._live(), 0, os.SEEK_END):
            return system.fail(errno.ENODEV, self.path)
        return error

    def _read_rest(self, data: bytes, offset: int, length: int) -> bytes:
        """What one call did not give, as it does before a bad sector and beyond 2 GiB."""
        parts = [data]
        done = len(data)
        while done < length:
            part = os.pread(self._live(), length - done, offset + done)
            if not part:
                raise system.fail(errno.EIO, self.path, "has become shorter")
            parts.append(part)
            done += len(part)
        return b"".join(parts)

    def hole(self, offset: int) -> int:
        """How many bytes from there on a file has no place for; 0 where that is not known.

        What was written and has no place yet is given one first. Only file systems that are known
        to tell the truth are believed.
        """
        if self._holes_told is None:
            self._holes_told = not self.is_device and self._tells_holes()
        if not self._holes_told:
            return 0
        try:
            return min(os.lseek(self._live(), offset, os.SEEK_DATA), self.size) - offset
        except OSError as error:
            nothing_follows = error.errno == errno.ENXIO
            return max(self.size - offset, 0) if nothing_follows else 0

    def _tells_holes(self) -> bool:
        fd = self._live()
        fs_type = mounts.Mounts().fs_type(fd, os.fstat(fd).st_dev)
        return mounts.tells_holes(fs_type) and block_calls.placed(fd)

    def read_alone(self, offset: int, length: int) -> bytes:
        """The same without what the system would read along. FormatError, OSError."""
        if not self.is_device:
            return self.read(offset, length)
        if not self._inside(offset, length):
            raise FormatError(f"bytes {offset} to {offset + length} are outside of {self.size}")
        if self._direct is None:
            self._direct = direct.Direct(self._live(), self.sector_size)
        try:
            return self._direct.read(offset, length)
        except OSError as error:
            raise self._told(error) from error

    def read_stored(self, offset: int, length: int) -> Buffer:
        """``read`` past the system's cache where that can be had, kept until the thread's next.

        FormatError, OSError.
        """
        way = self._stored()
        if way is None or not length or not self._inside(offset, length):
            return self.read(offset, length)
        try:
            return way.borrow(offset, length)
        except OSError as error:
            if error.errno == errno.EIO:  # it must not be hidden by what is still in the cache
                raise
            return self.read(offset, length)

    def _stored(self) -> direct.Direct | None:
        """The way past the cache; None where the file system has none."""
        fd = self._live()
        with self._opening:
            if self._may_pass:
                self._may_pass = False  # asked once
                sector = self.sector_size if self.is_device else _PAGE
                with suppress(OSError):
                    self._past_cache = direct.Direct(fd, sector)
            return self._past_cache

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read until the view is full or the disk ends; bytes read. OSError."""
        done = 0
        while done < len(view):
            count = os.preadv(self._live(), [view[done:]], offset + done)
            if not count:
                break
            done += count
        self._read.add(offset, done)
        return done

    def fill(self, offset: int, view: memoryview) -> bool:
        """Fill memory, past the system's cache where that can be had and costs nothing more.

        OSError, also when not all is inside.
        """
        if not self._fill_stored(offset, view) and self.read_into(view, offset) < len(view):
            raise system.fail(errno.EIO, self.path, "has become shorter")
        return True

    def _fill_stored(self, offset: int, view: memoryview) -> bool:
        """Whether it could be filled past the cache, and was."""
        if len(view) < traffic.SMALL or (offset | len(view)) % self.sector_size:
            return False
        way = self._stored()
        if way is None:
            return False
        if not self.is_device and block_calls.is_cached(self._live(), offset, len(view)):
            return False
        try:
            way.fill(view, offset)
        except OSError as error:
            if error.errno in _NOT_PAST_CACHE:
                return False
            raise
        return True

    def write_at(self, data: Buffer, offset: int) -> None:
        """Write all bytes. OSError; ENOSPC when not all is inside."""
        with memoryview(data).cast("B") as view:
            self._check_room(offset, len(view))
            done = 0
            while done < len(view):
                done += os.pwrite(self._live(), view[done:], offset + done)
            self._written.add(offset, done)

    def _check_room(self, offset: int, length: int) -> None:
        if not self._inside(offset, length):
            raise system.fail(errno.ENOSPC, self.path)

    def write_zeros(self, offset: int, length: int) -> None:
        """Make a range read as zeros, freeing its storage where that is possible. OSError."""
        self._check_room(offset, length)
        start, end = self._whole_sectors(offset, length)
        self._plain_zeros(offset, start)
        for at in range(start, end, _PIECE):
            self._zero_sectors(at, min(_PIECE, end - at))
        self._plain_zeros(end, offset + length)

    def _whole_sectors(self, offset: int, length: int) -> tuple[int, int]:
        """Where the whole sectors within a range begin and end."""
        end = offset + length
        start = -(-offset // self.sector_size) * self.sector_size
        return min(start, end), max(min(start, end), end // self.sector_size * self.sector_size)

    def _zero_sectors(self, offset: int, length: int) -> None:
        if block_calls.punch(self._live(), offset, length):
            return
        if self.is_device and block_calls.zero(self._live(), offset, length):
            return
        self._plain_zeros(offset, offset + length)

    def _plain_zeros(self, start: int, end: int) -> None:
        with memoryview(_ZEROS) as zeros:
            for at in range(start, end, len(zeros)):
                self.write_at(zeros[: end - at], at)

    def discard(self, offset: int, length: int) -> bool:
        """Tell the device that nobody needs a range any more; whether it took notice."""
        self._check_room(offset, length)
        start, end = self._whole_sectors(offset, length)
        call = block_calls.discard if self.is_device else block_calls.punch
        with suppress(OSError):  # it is a wish; what matters is written, not discarded
            return start < end and all(
                call(self._live(), at, min(_PIECE, end - at)) for at in range(start, end, _PIECE)
            )
        return False

    def resize(self, size: int) -> None:
        """Set the length of a file; new bytes read as zeros. OSError (EINVAL for a device)."""
        os.ftruncate(self._live(), size)
        self.size = size

    def sync(self) -> None:
        """Make everything written durable. OSError."""
        fd = self._live()
        self._written.drop()
        os.fsync(fd)

    def reread_partitions(self) -> bool:
        """Have the system take notice of a new partition table; whether it did."""
        try:
            block_calls.reread_partitions(self._live())
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close; safe to call twice."""
        fd, self._fd = self._fd, system.CLOSED
        if fd == system.CLOSED:
            return
        for way in (self._direct, self._past_cache):
            if way is not None:
                way.close()
        with suppress(OSError):  # who wants to hear of it calls ``sync``
            self._read.drop()
        os.close(fd)
