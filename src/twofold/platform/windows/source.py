"""The source side: directories listed through their handles, files read without following links."""

import errno
import io
import msvcrt
import os
import stat
import sys
from collections.abc import Iterator, Sequence

from twofold.platform import listing, tree
from twofold.platform.base import FLAG_FAILED, Entry, Extras, Hole, Seen, SmallRead
from twofold.platform.unchanged import is_as_listed
from twofold.platform.windows import metadata, mounts, paths, records, system

assert sys.platform == "win32"

_READ = system.GENERIC_READ | system.READ_ATTRIBUTES
_LOOK = system.READ_ATTRIBUTES | system.READ_CONTROL


def describe(handle: int) -> tuple[tuple[int, int], Entry]:
    """((volume, file number), entry without a name) of an open file or directory. OSError."""
    volume, entry = records.parse_open(*system.describe(handle))
    return (volume, entry.inode), entry


def look(path: str) -> tuple[tuple[int, int], Entry]:
    """Like ``describe``, for a path; links not followed. OSError."""
    handle = system.open_handle(path, system.READ_ATTRIBUTES)
    try:
        return describe(handle)
    finally:
        system.close(handle)


def scan(handle: int, path: str) -> list[Entry]:
    """Entries of an open directory. OSError."""
    buffers = system.list_directory(handle)
    if buffers is not None:
        found = {each.name: each for buffer in buffers for each in records.parse_listing(buffer)}
        return list(found.values())
    with os.scandir(path) as children:
        names = [paths.to_bytes(child.name) for child in children]
    entries = []
    for name in names:
        try:
            entries.append(look(paths.child(path, name))[1]._replace(name=name))
        except FileNotFoundError:
            continue
        except OSError as error:
            number = error.errno or errno.EIO
            entries.append(Entry(0, number, 0, 0, 0, 0, 0, 0, FLAG_FAILED, name))
    return entries


class WindowsSourceFile:
    """An open regular file of the source."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    @classmethod
    def open(cls, path: str, name: bytes) -> "WindowsSourceFile":
        """Open a regular file that is not a link. OSError.

        Looked at first without following and then opened with, because content kept by a filter
        (compressed by the system, deduplicated) is only readable so; both must be the same file.
        """
        seen, entry = look(path)
        if not stat.S_ISREG(entry.mode):
            number = errno.EISDIR if stat.S_ISDIR(entry.mode) else errno.ELOOP
            raise system.fail(number, name, "not a regular file")
        handle = system.open_handle(path, _READ, follow=True)
        if describe(handle)[0] != seen:
            system.close(handle)
            raise system.fail(errno.EINVAL, name, "is another file by now")
        fd = msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)
        return cls(io.FileIO(fd, "rb"))

    def _handle(self) -> int:
        try:
            return msvcrt.get_osfhandle(self._file.fileno())
        except ValueError:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None

    def stat(self) -> Entry:
        """A fresh look through the handle (name empty)."""
        return describe(self._handle())[1]

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read at an offset until the view is full or the file ends; bytes read. OSError."""
        self._handle()
        self._file.seek(offset)
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done:])
            if not count:
                break
            done += count
        return done

    def holes(self, size: int) -> Iterator[Hole]:
        """Unallocated ranges below ``size`` as the file system reports them."""
        ranges = system.allocated_ranges(self._handle(), size)
        if ranges is not None:
            for start, length in records.holes_between(ranges, size):
                yield Hole(start, length)

    def extras(self) -> Extras:
        """Attributes and security descriptor, read through the open handle."""
        return metadata.extras_of_open(self._handle())

    def close(self) -> None:
        """Close; safe to call twice."""
        self._file.close()


class WindowsSourceDir:
    """An open directory of the source."""

    def __init__(self, path: str, handle: int) -> None:
        self._path = path
        self._handle = handle
        self._identity = describe(handle)[0]

    @classmethod
    def open(cls, path: bytes) -> "WindowsSourceDir":
        """Open the root of a tree by path, following links. OSError."""
        real = os.path.realpath(paths.to_text(path), strict=True)
        return cls._open(paths.verbatim(real), path)

    @classmethod
    def _open(cls, path: str, name: bytes) -> "WindowsSourceDir":
        handle = system.open_plain_directory(path, name, system.SHARE_ALL)
        try:
            return cls(path, handle)
        except OSError:
            system.close(handle)
            raise

    @property
    def device(self) -> int:
        """Volume number; changes where another file system begins."""
        return self._identity[0]

    @property
    def identity(self) -> tuple[int, int]:
        """(Volume, file number) as they were when the directory was opened."""
        return self._identity

    @property
    def fs_type(self) -> str:
        """File system name as the system calls it."""
        return mounts.fs_type(self._path)

    def scan(self) -> bytes:
        """The packed listing. OSError if the listing itself fails."""
        return listing.pack_listing(scan(self._handle, self._path))

    def scan_tree(self, names: tuple[bytes, ...], depths: bytes, limit: int) -> list[Seen | None]:
        """List many directories below this one, in preorder."""
        return tree.scan_tree(self, names, depths, limit)

    def stat_self(self) -> Entry:
        """A fresh look at the directory itself (name empty)."""
        return describe(self._handle)[1]

    def stat_child(self, name: bytes) -> Entry:
        """A fresh look at a child. OSError."""
        return look(paths.child(self._path, name))[1]._replace(name=name)

    def open_dir(self, name: bytes) -> "WindowsSourceDir":
        """Open a subdirectory; refuses links and junctions. OSError."""
        return self._open(paths.child(self._path, name), name)

    def open_parent(self) -> "WindowsSourceDir":
        """Open the directory above; compare its ``identity``. OSError."""
        return self._open(paths.parent(self._path), b"..")

    def open_file(self, name: bytes) -> WindowsSourceFile:
        """Open a regular file without following links. OSError."""
        return WindowsSourceFile.open(paths.child(self._path, name), name)

    def read_batch(
        self, wanted: Sequence[Entry], buffer: memoryview, settled: int
    ) -> list[SmallRead | None]:
        """Read small files whole, back to back into ``buffer``."""
        if len(buffer) < sum(entry.size + 1 for entry in wanted):
            raise ValueError("the buffer is too small for the batch")
        results: list[SmallRead | None] = []
        at = 0
        for listed in wanted:
            read = self._read_small(listed.name, buffer[at : at + listed.size + 1], at)
            results.append(None if is_as_listed(listed, read, settled) else read)
            at += read.length
        return results

    def _read_small(self, name: bytes, view: memoryview, at: int) -> SmallRead:
        try:
            file = self.open_file(name)
            try:
                length = file.read_into(view, 0)
                return SmallRead(at, length, 0, file.stat(), file.extras())
            finally:
                file.close()
        except OSError as error:
            return SmallRead(at, 0, error.errno or errno.EIO, None)

    def extras(self, name: bytes, mode: int) -> Extras:
        """Extras of any child, without following it. OSError."""
        path = paths.child(self._path, name)
        handle = system.open_handle(path, _LOOK)
        try:
            extras = metadata.extras_of_open(handle)
        finally:
            system.close(handle)
        if stat.S_ISLNK(mode):
            extras.target = paths.to_bytes(paths.shown_target(os.readlink(path)))
        return extras

    def extras_self(self) -> Extras:
        """Extras of the directory itself, through the open handle."""
        return metadata.extras_of_open(self._handle)

    def close(self) -> None:
        """Close; safe to call twice."""
        handle, self._handle = self._handle, system.CLOSED
        if handle != system.CLOSED:
            system.close(handle)
