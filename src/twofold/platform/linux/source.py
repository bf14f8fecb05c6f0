"""The source side: directories and files read through descriptors, never by path string.

``scan_dir`` and ``read_batch`` are plain functions of a descriptor. The C extension has both; what
stands below them here is used where it was not built, and gives the same.
"""

import errno
import os
import stat
import struct
import sys
from collections.abc import Iterator, Sequence

from twofold.native import EXTENSION
from twofold.platform import tree
from twofold.platform.base import FLAG_FAILED, RECORD, Entry, Extras, Hole, Seen, SmallRead
from twofold.platform.linux import flags, metadata, mounts, system
from twofold.platform.listing import pack_record
from twofold.platform.names import check_name
from twofold.platform.unchanged import is_as_listed

assert sys.platform == "linux"

_ENCODING = sys.getfilesystemencoding()
_ERRORS = sys.getfilesystemencodeerrors()
_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF


def entry_of(status: os.stat_result, name: bytes = b"") -> Entry:
    """An entry from what stat says; times are exact, unlike those of a record."""
    mode, inode, _, links, uid, gid, size = status[:7]
    times = status.st_mtime_ns, status.st_ctime_ns
    # a named tuple without the price of its Python-level constructor
    return tuple.__new__(Entry, (inode, size, *times, mode, uid, gid, links, 0, name))


def scan_dir(fd: int) -> bytes:
    """The packed listing of an open directory. OSError if listing fails."""
    if EXTENSION is not None:
        listing: bytes = EXTENSION.scan_dir(fd)
        return listing
    return _scan_in_python(fd)


def _scan_in_python(fd: int) -> bytes:
    pack, look = RECORD.pack, os.stat
    out: list[bytes] = []
    # a set, because some file systems list a name twice while the directory changes
    for name in sorted({name.encode(_ENCODING, _ERRORS) for name in os.listdir(fd)}):
        try:
            s = look(name, dir_fd=fd, follow_symlinks=False)
            mode, inode, _, links, uid, gid, size = s[:7]  # quicker than by attribute
            times = s.st_mtime_ns, s.st_ctime_ns
            out.append(pack(inode, size, *times, mode, uid, gid, links, len(name), 0))
            out.append(name)
        except FileNotFoundError:
            continue
        except OSError as error:
            out.append(_failed_record(name, error))
        except struct.error:
            out.append(_odd_record(s, name))
    return b"".join(out)


def _failed_record(name: bytes, error: OSError) -> bytes:
    number = error.errno or errno.EIO
    return pack_record(Entry(0, number, 0, 0, 0, 0, 0, 0, FLAG_FAILED, name))


def _odd_record(status: os.stat_result, name: bytes) -> bytes:
    """Numbers no sane file system gives, cut to what the record holds; enough to compare."""
    entry = entry_of(status, name)
    return pack_record(entry._replace(size=entry.size & _U64, links=entry.links & _U32))


def read_batch(
    fd: int, wanted: Sequence[Entry], buffer: memoryview, settled: int
) -> list[SmallRead | None]:
    """Read small files whole, back to back; see the protocol. ValueError for a small buffer."""
    if EXTENSION is not None:
        made = SmallRead, Entry, metadata.extras_of_parts
        results: list[SmallRead | None] = EXTENSION.read_batch(
            fd, wanted, buffer, settled, flags.KEPT, *made
        )
        return results
    return _read_in_python(fd, wanted, buffer, settled)


def _read_in_python(
    fd: int, wanted: Sequence[Entry], buffer: memoryview, settled: int
) -> list[SmallRead | None]:
    if len(buffer) < sum(entry.size + 1 for entry in wanted):
        raise ValueError("the buffer is too small for the batch")
    results: list[SmallRead | None] = []
    at = 0
    for listed in wanted:
        read = _read_small(fd, listed.name, buffer[at : at + listed.size + 1], at)
        results.append(None if is_as_listed(listed, read, settled) else read)
        at += read.length
    return results


def _read_small(dir_fd: int, name: bytes, view: memoryview, at: int) -> SmallRead:
    try:
        check_name(name)
        fd = system.open_regular(name, dir_fd)
        try:
            length = os.readv(fd, [view])
            if 0 < length < len(view) - 1:
                length += _fill(fd, view[length:], length)
            status = os.fstat(fd)  # after reading, so that a change meanwhile shows
            if not stat.S_ISREG(status.st_mode):
                return SmallRead(at, 0, errno.EINVAL, None)
            return SmallRead(at, length, 0, entry_of(status), metadata.extras_of_open(fd))
        finally:
            os.close(fd)
    except OSError as error:
        return SmallRead(at, 0, error.errno or errno.EIO, None)


def _fill(fd: int, view: memoryview, offset: int) -> int:
    """Read until the view is full or the file ends; bytes read."""
    done = 0
    while done < len(view):
        count = os.preadv(fd, [view[done:]], offset + done)
        if not count:
            break
        done += count
    return done


def find_holes(fd: int, size: int) -> Iterator[Hole]:
    """Unallocated ranges below ``size``; none where the file system cannot tell."""
    at = 0
    while at < size:
        data = _seek(fd, at, os.SEEK_DATA, size)
        if data < at:
            return  # it cannot tell, or contradicts itself
        if data > at:
            yield Hole(at, data - at)
        at = _seek(fd, data, os.SEEK_HOLE, size) if data < size else size
        if at <= data:
            return


def _seek(fd: int, at: int, how: int, size: int) -> int:
    """Where data or a hole begins, at most ``size``; -1 where the system cannot tell."""
    try:
        return min(os.lseek(fd, at, how), size)
    except OSError as error:
        return size if error.errno == errno.ENXIO else -1  # ENXIO: none from here on


class LinuxSourceFile:
    """An open regular file of the source."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def open(cls, name: bytes, dir_fd: int) -> "LinuxSourceFile":
        """Open a child of a directory that is a regular file. OSError."""
        check_name(name)
        fd = system.open_regular(name, dir_fd)
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            if stat.S_ISDIR(mode):
                raise system.fail(errno.EISDIR, name)
            raise system.fail(errno.EINVAL, name, "not a regular file any more")
        return cls(fd)

    def stat(self) -> Entry:
        """A fresh fstat (name empty)."""
        return entry_of(os.fstat(self._fd))

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read at an offset until the view is full or the file ends; bytes read. OSError."""
        return _fill(self._fd, view, offset)

    def holes(self, size: int) -> Iterator[Hole]:
        """Unallocated ranges below ``size`` as the file system reports them."""
        return find_holes(self._fd, size)

    def extras(self) -> Extras:
        """Extended attributes and flags, read through the open handle."""
        return metadata.extras_of_open(self._fd) or Extras()

    def close(self) -> None:
        """Close; safe to call twice."""
        fd, self._fd = self._fd, system.CLOSED
        if fd != system.CLOSED:
            os.close(fd)


class LinuxSourceDir:
    """An open directory of the source; one that may not be ``listed`` still leads further."""

    def __init__(self, fd: int, table: mounts.Mounts, *, listed: bool = True) -> None:
        self._fd = fd
        self._mounts = table
        self._listed = listed
        status = os.fstat(fd)
        self._identity = status.st_dev, status.st_ino

    @classmethod
    def open(cls, path: bytes) -> "LinuxSourceDir":
        """Open the root of a tree by path, following links. OSError."""
        return cls(system.open_path(path), mounts.Mounts())

    @property
    def device(self) -> int:
        """Device number; changes where another file system begins."""
        return self._identity[0]

    @property
    def identity(self) -> tuple[int, int]:
        """(device, inode) as they were when the directory was opened."""
        return self._identity

    @property
    def fs_type(self) -> str:
        """File system name as the system calls it."""
        return self._mounts.fs_type(self._fd, self._identity[0])

    def scan(self) -> bytes:
        """The packed listing, without ``.`` and ``..``. OSError if the listing itself fails."""
        if not self._listed:
            raise system.fail(errno.EACCES, b".")
        return scan_dir(self._fd)

    def scan_tree(self, names: tuple[bytes, ...], depths: bytes, limit: int) -> list[Seen | None]:
        """List many directories below this one, in preorder."""
        if EXTENSION is None:
            return tree.scan_tree(self, names, depths, limit)
        found = EXTENSION.scan_tree(self._fd, names, depths, limit)
        return [Seen(*one) if one is not None else None for one in found]

    def stat_self(self) -> Entry:
        """A fresh fstat of the directory itself (name empty)."""
        return entry_of(os.fstat(self._fd))

    def stat_child(self, name: bytes) -> Entry:
        """A fresh lstat of a child. OSError."""
        check_name(name)
        return entry_of(os.stat(name, dir_fd=self._fd, follow_symlinks=False), name)

    def open_dir(self, name: bytes) -> "LinuxSourceDir":
        """Open a subdirectory, if only to pass; refuses symbolic links. OSError."""
        check_name(name)
        return self._open(name)

    def open_parent(self) -> "LinuxSourceDir":
        """Open ``..``; compare its ``identity``. OSError."""
        return self._open(b"..")

    def _open(self, name: bytes) -> "LinuxSourceDir":
        fd, listed = system.open_to_pass(name, self._fd)
        return LinuxSourceDir(fd, self._mounts, listed=listed)

    def open_file(self, name: bytes) -> LinuxSourceFile:
        """Open a regular file without following links, waiting or touching atime. OSError."""
        return LinuxSourceFile.open(name, self._fd)

    def read_batch(
        self, wanted: Sequence[Entry], buffer: memoryview, settled: int
    ) -> list[SmallRead | None]:
        """Read small files whole, back to back into ``buffer``."""
        return read_batch(self._fd, wanted, buffer, settled)

    def extras(self, name: bytes, mode: int) -> Extras:
        """Extras of any child, without following it and without opening special files. OSError."""
        check_name(name)
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            return metadata.extras_unopened(self._fd, name, mode)
        child = self.open_dir(name) if stat.S_ISDIR(mode) else self.open_file(name)
        try:
            return child.extras_self() if isinstance(child, LinuxSourceDir) else child.extras()
        finally:
            child.close()

    def extras_self(self) -> Extras:
        """Extras of the directory itself, through the open handle."""
        if not self._listed:
            return metadata.extras_unopened(self._fd, b".", stat.S_IFDIR)
        return metadata.extras_of_open(self._fd) or Extras()

    def close(self) -> None:
        """Close; safe to call twice."""
        fd, self._fd = self._fd, system.CLOSED
        if fd != system.CLOSED:
            os.close(fd)
