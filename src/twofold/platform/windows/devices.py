"""Reading and writing disks, volumes and disk-image files. Not run on Windows yet.

Transfers to a device must begin and end at sectors, so their edges are read and put together here.
Before a device is written every volume on it is locked and dismounted; the locks last as long as
their handles, which are kept open until the disk is closed. A disk needs no memory of the system:
the system does not cache whole disks.
"""

import errno
import os
import sys
from contextlib import suppress
from threading import Lock

from twofold.errors import FormatError, NeedsRights, RefusedUnsafe
from twofold.platform.base import Buffer
from twofold.platform.windows import inventory, storage, system, uses

assert sys.platform == "win32"

_FILE_SECTOR = 512
_SHARING_VIOLATION = 32
_PIECE = 8 << 20  # bytes moved by one call
_ZEROS = bytes(1 << 20)
_READ_WRITE = system.GENERIC_READ | system.GENERIC_WRITE
_SHARE = system.SHARE_READ | system.SHARE_WRITE


def open_disk(path: bytes, *, write: bool = False, create: bool = False) -> "WindowsDisk":
    """Open a disk, partition, volume or regular file; with ``create`` a missing file is made.

    NeedsRights, RefusedUnsafe (in use), or OSError.
    """
    text = os.fsdecode(path)
    device = inventory.device_path(text)
    if create and device is None:
        with suppress(FileExistsError):
            os.close(os.open(text, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    locks = _lock_volumes(text) if write and device else []
    try:
        return WindowsDisk(
            path, _open(device or text, write=write, alone=not device), device, locks
        )
    except BaseException:
        _close_all(locks)
        raise


def _open(text: str, *, write: bool, alone: bool) -> int:
    """A file is written by us alone; a device cannot be opened without sharing."""
    access = _READ_WRITE if write else system.GENERIC_READ
    share = system.SHARE_READ if alone and write else _SHARE
    try:
        return system.open_handle(text, access, share, follow=True)
    except PermissionError as error:
        if error.winerror == _SHARING_VIOLATION:
            raise RefusedUnsafe(f"{text} is in use by another program") from error
        deed = "written" if write else "read"
        raise NeedsRights(f"{text} cannot be {deed}: {error.strerror}") from error


def _lock_volumes(text: str) -> list[int]:
    """Handles that hold every volume on a device locked and dismounted. RefusedUnsafe."""
    held: list[int] = []
    try:
        for volume in uses.volumes_on(text):
            handle = _open(volume.device, write=True, alone=False)
            held.append(handle)
            system.control(handle, storage.LOCK_VOLUME, b"", 0)
            system.control(handle, storage.DISMOUNT_VOLUME, b"", 0)
    except OSError as error:
        _close_all(held)
        raise RefusedUnsafe(f"{text} is in use, so it cannot be written") from error
    except BaseException:
        _close_all(held)
        raise
    return held


def _close_all(handles: list[int]) -> None:
    for handle in handles:
        with suppress(OSError):
            system.close(handle)


class WindowsDisk:
    """See ``twofold.platform.devices.Disk``."""

    def __init__(self, path: bytes, handle: int, device: str | None, locks: list[int]) -> None:
        self.path = path
        self._handle = handle
        self._locks = locks
        self._edges = Lock()
        self.is_device = device is not None
        self.frozen = device is not None and storage.is_shadow_copy(device)
        try:
            self.size, self.sector_size = self._measure()
        except BaseException:
            system.close(handle)
            raise

    def _measure(self) -> tuple[int, int]:
        if not self.is_device:
            return system.file_size(self._handle), _FILE_SECTOR
        with suppress(OSError):  # a volume without it hides its last sector; a disk knows no such
            system.control(self._handle, storage.ALLOW_EXTENDED, b"", 0)
        raw = system.control(self._handle, storage.GET_LENGTH, b"", storage.LENGTH.size)
        geometry = system.control(self._handle, storage.GET_GEOMETRY, b"", 256)
        return int(storage.LENGTH.unpack(raw)[0]), storage.parse_geometry(geometry)[0]

    def _live(self) -> int:
        if self._handle == system.CLOSED:
            raise system.fail(errno.EBADF, self.path, os.strerror(errno.EBADF))
        return self._handle

    def _inside(self, offset: int, length: int) -> bool:
        return offset >= 0 and length >= 0 and offset + length <= self.size

    def _around(self, offset: int, length: int) -> tuple[int, int]:
        """The whole sectors around a range: where they begin and end."""
        unit = self.sector_size if self.is_device else 1
        return offset // unit * unit, -(-(offset + length) // unit) * unit

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. FormatError when not inside, OSError."""
        if not self._inside(offset, length):
            raise FormatError(
                f"it ends at byte {self.size:,}, where bytes {offset:,} to {offset + length:,}"
                " should follow"
            )
        start, end = self._around(offset, length)
        whole = bytearray(end - start)
        with memoryview(whole) as view:
            done = 0
            while done < len(view):
                count = system.read_at(self._live(), view[done : done + _PIECE], start + done)
                if not count:
                    raise system.fail(errno.EIO, self.path, "has become shorter")
                done += count
            return bytes(view[offset - start : offset - start + length])

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read until the view is full or the disk ends; bytes read. OSError."""
        length = max(min(len(view), self.size - offset), 0)
        for at in range(0, length, _PIECE):
            count = min(_PIECE, length - at)
            view[at : at + count] = self.read(offset + at, count)
        return length

    def write_at(self, data: Buffer, offset: int) -> None:
        """Write all bytes. OSError; ENOSPC when not all is inside."""
        with memoryview(data).cast("B") as view:
            self._check_room(offset, len(view))
            for at in range(0, len(view), _PIECE):
                self._write_piece(bytes(view[at : at + _PIECE]), offset + at)

    def _write_piece(self, data: bytes, offset: int) -> None:
        start, end = self._around(offset, len(data))
        if (start, end) == (offset, offset + len(data)):
            self._write_sectors(data, start)
            return
        with self._edges:  # two writers of one sector would undo each other
            whole = bytearray(self.read(start, end - start))
            whole[offset - start : offset - start + len(data)] = data
            self._write_sectors(bytes(whole), start)

    def _write_sectors(self, data: bytes, offset: int) -> None:
        done = 0
        while done < len(data):
            done += system.write_at(self._live(), data[done:] if done else data, offset + done)

    def _check_room(self, offset: int, length: int) -> None:
        if not self._inside(offset, length):
            raise system.fail(errno.ENOSPC, self.path, os.strerror(errno.ENOSPC))

    def write_zeros(self, offset: int, length: int) -> None:
        """Make a range read as zeros, freeing the storage of a file. OSError."""
        self._check_room(offset, length)
        if not self.is_device and system.set_sparse(self._live()):
            asked = storage.ZERO_RANGE.pack(offset, offset + length)
            system.control(self._live(), storage.SET_ZERO, asked, 0)
            return
        with memoryview(_ZEROS) as zeros:
            for at in range(offset, offset + length, len(zeros)):
                self.write_at(zeros[: offset + length - at], at)

    def discard(self, offset: int, length: int) -> bool:
        """Tell the device that nobody needs a range any more; whether it took notice."""
        self._check_room(offset, length)
        if not self.is_device:
            self.write_zeros(offset, length)
            return True
        unit = self.sector_size
        start, end = -(-offset // unit) * unit, (offset + length) // unit * unit
        if start >= end:
            return False
        try:
            system.control(self._live(), storage.MANAGE_RANGES, storage.trim(start, end - start), 0)
        except OSError:
            return False
        return True

    def resize(self, size: int) -> None:
        """Set the length of a file; new bytes read as zeros. OSError (EINVAL for a device)."""
        if self.is_device:
            raise system.fail(errno.EINVAL, self.path, os.strerror(errno.EINVAL))
        system.set_sparse(self._live())
        system.set_file_size(self._live(), size)
        self.size = size

    def sync(self) -> None:
        """Make everything written durable. OSError."""
        system.flush(self._live())

    def reread_partitions(self) -> bool:
        """Have the system take notice of a new partition table; whether it did."""
        try:
            system.control(self._live(), storage.UPDATE_PROPERTIES, b"", 0)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close, and give the volumes back to the system; safe to call twice."""
        handle, self._handle = self._handle, system.CLOSED
        locks, self._locks = self._locks, []
        if handle != system.CLOSED:
            try:
                system.close(handle)
            finally:
                _close_all(locks)
