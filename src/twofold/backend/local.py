"""A store in a directory: the ``Backend`` contract on top of the durable recipe.

``local_writer.py`` writes one object, ``durable.py`` has the pieces of the recipe, ``files.py``
makes the calls. Temporary files of dead writers are told from those of living ones by the lock
each living writer holds, never by a clock.
"""

import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from twofold.backend import files
from twofold.backend.base import Buffer, ObjectInfo, Stray
from twofold.backend.durable import Tree, is_ours, temp_host
from twofold.backend.files import Entry, FileCalls
from twofold.backend.local_writer import LocalWriter, read_all
from twofold.backend.names import check_folder, check_name, is_component, is_name, parent
from twofold.errors import ObjectExists, StoreError, UsageError

# Gone already, another user's, or (Windows) open in a living writer: not to be judged by us.
_LEAVE = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EBADF})


class LocalBackend:
    """Objects as files below a directory. Threads may share it; a writer belongs to one thread."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        calls: FileCalls | None = None,
        *,
        location: str = "",
    ) -> None:
        self._location = location or os.fspath(path)
        self._calls = calls or files.DEFAULT_CALLS
        self._tree = Tree(os.path.abspath(path), self._location, self._calls)
        self._living: set[LocalWriter] = set()

    @property
    def location(self) -> str:
        """The place as the user wrote it."""
        return self._location

    def create(self, name: str) -> LocalWriter:
        """Begin writing a new object."""
        check_name(name)
        return LocalWriter(self._tree, name, self._living)

    def put(self, name: str, data: Buffer) -> None:
        """Write a whole object; the same bytes again succeed, others raise ObjectExists."""
        writer = self.create(name)
        writer.write(data)
        writer.finish()

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range of bytes; fewer than asked for only at the object's end."""
        check_name(name)
        if offset < 0 or (length is not None and length < 0):
            raise UsageError(f"a range cannot begin or end before the object: {offset}, {length}")
        with self._tree.errors("read", name, absent=True):
            fd = self._calls.open_read(self._tree.path(name))
            try:
                left = max(0, self._size_of(self._calls.stat_open(fd)) - offset)
                # Never more than there is: a hostile length must not claim memory.
                wanted = left if length is None else min(left, length)
                return read_all(self._calls, fd, offset, wanted)
            finally:
                self._calls.close(fd)

    @staticmethod
    def _size_of(info: os.stat_result) -> int:
        if not stat.S_ISREG(info.st_mode):
            raise FileNotFoundError(errno.ENOENT, "no regular file")
        return info.st_size

    def size(self, name: str) -> int:
        """Bytes in the object."""
        check_name(name)
        with self._tree.errors("read", name, absent=True):
            return self._size_of(self._calls.stat(self._tree.path(name)))

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """All objects below a folder; whatever cannot be listed raises, never shortens."""
        check_folder(folder)
        return self._list(folder)

    def _list(self, folder: str) -> Iterator[ObjectInfo]:
        for name, entry in self._walk(folder):
            if is_component(entry.name):
                if not entry.is_file or not is_name(name):
                    text = f"{name} in {self._location} is not a regular file"
                    raise StoreError(text, attempts=1)
                yield ObjectInfo(name, entry.size)

    def _walk(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Every name at any depth that is not a folder, temporary and foreign ones too."""
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            with self._tree.errors("list", here):
                entries = self._tree.scan(here)
            for entry in entries:
                name = f"{here}/{entry.name}" if here else entry.name
                if here:
                    self._refuse_changed_case(name, entry.name)
                if not entry.is_dir:
                    yield name, entry
                elif is_component(entry.name):
                    if not is_name(name):
                        raise StoreError(
                            f"folders without end in {self._location}: {name}", attempts=1
                        )
                    waiting.append(name)

    def _refuse_changed_case(self, name: str, last: str) -> None:
        """An old FAT driver shows names in capitals: then nothing listed would be an object."""
        if last == last.upper() and not is_component(last) and is_component(last.lower()):
            raise StoreError(f"{self._location} changes the case of names: {name}", attempts=1)

    def move(self, src: str, dst: str) -> None:
        """Rename durably: of all movers and deleters of ``src`` one wins, ObjectNotFound else.

        ObjectExists if ``dst`` is taken. After a StoreError the move may have been done.
        """
        check_name(src)
        check_name(dst)
        with self._tree.errors("move", src, absent=True):
            try:
                self._tree.move(src, dst)
            except FileExistsError:
                raise ObjectExists(f"{dst} is in {self._location} already") from None

    def delete(self, name: str) -> None:
        """Remove an object durably; ObjectNotFound if it is absent."""
        check_name(name)
        with self._tree.errors("delete", name, absent=True):
            self._calls.unlink(self._tree.path(name))
        with self._tree.errors("delete", name):
            self._tree.settle(parent(name))

    def strays(self) -> Iterator[Stray]:
        """Temporary files, and files under names that no object has."""
        for name, entry in self._walk(""):
            if not is_component(entry.name):
                yield Stray(name, entry.size, temp_host(entry.name) is not None)

    def sweep(self, *, other_hosts: bool = False) -> int:
        """Remove the temporary files of dead writers; how many were removed.

        A file is removed only if its lock can be taken, or on Windows if nobody has it open.
        Those of other hosts are left, for some network file systems lock within one host only;
        ``other_hosts`` takes them too and needs the store to itself.
        """
        count = 0
        for name, entry in self._walk(""):
            host = temp_host(entry.name)
            if host is not None and (other_hosts or is_ours(host)):
                with self._tree.errors("sweep", name):
                    count += self._remove_if_dead(self._tree.path(name))
        return count

    def _remove_if_dead(self, path: str) -> bool:
        try:
            if not self._calls.renames_open_files:
                self._calls.unlink(path)
                return True
            fd = self._calls.open_existing(path)
            try:
                dead = self._tree.try_lock(fd) is True
                if dead:
                    self._calls.unlink(path)
                return dead
            finally:
                self._calls.close(fd)
        except OSError as error:
            if error.errno not in _LEAVE:
                raise
            return False

    def close(self) -> None:
        """Drop the objects still being written."""
        for writer in tuple(self._living):
            writer.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
