"""One object on its way into a local store: private file, fsync, publish, settle.

The file is locked as long as its writer lives, so a sweeper leaves it alone. Write-back begins
every 4 MiB while the object grows, which leaves little for the final fsync to wait for.
"""

import errno
from contextlib import ExitStack, suppress

from twofold.backend.base import Buffer
from twofold.backend.durable import Tree
from twofold.backend.files import FileCalls
from twofold.backend.names import parent
from twofold.errors import ObjectExists

PIECE = 4 << 20
"""Bytes after which the system is asked to begin writing to the disk."""

_TAIL = 4096  # bytes kept to prove an object on stores that cannot sync a directory
_COMPARE = 1 << 20  # bytes read at a time when two objects are compared
_CLOSED = -1


class LocalWriter:
    """An object being written under a temporary name in its final folder."""

    def __init__(self, tree: Tree, name: str, living: "set[LocalWriter]") -> None:
        self._tree = tree
        self._name = name
        self._size = 0
        self._started = 0  # write-back was begun up to here
        self._tail = b""
        with tree.errors("begin", name):
            self._temp, self._fd = tree.new_temp(parent(name))
        self._living = living
        living.add(self)

    def write(self, data: Buffer) -> None:
        """Append bytes. NoSpace, NeedsRights or StoreError, and the object is dropped."""
        view = memoryview(data).cast("B")
        try:
            with self._tree.errors("write", self._name):
                self._require_open()
                for start in range(0, len(view), PIECE):
                    self._write_piece(view[start : start + PIECE])
        except BaseException:
            self.abort()
            raise

    def _require_open(self) -> None:
        if self._fd == _CLOSED:
            raise OSError(errno.EBADF, "it is finished or was dropped")

    def _write_piece(self, view: memoryview) -> None:
        self._tail = (self._tail + bytes(view[-_TAIL:]))[-_TAIL:]
        while view:
            count = self._tree.calls.write(self._fd, view)
            if count <= 0:
                raise OSError(errno.EIO, "the file system took no bytes")
            self._size += count
            view = view[count:]
        if self._size - self._started >= PIECE:
            length = self._size - self._started
            self._tree.calls.start_writeback(self._fd, self._started, length)
            self._started = self._size

    def finish(self) -> None:
        """Make the object durable, then visible; ObjectExists if the name holds other bytes.

        Otherwise NoSpace, NeedsRights or StoreError; the object may then be there or not, whole
        in any case, and writing the same bytes again settles it.
        """
        try:
            with self._tree.errors("finish", self._name):
                self._require_open()
                self._finish()
        except BaseException:
            self.abort()
            raise

    def _finish(self) -> None:
        tree, calls = self._tree, self._tree.calls
        calls.sync_file(self._fd)
        if calls.stat_open(self._fd).st_size != self._size:
            raise OSError(errno.EIO, "the file has another length than what was written")
        if not calls.renames_open_files:
            self._close()
        self._publish()
        if not tree.settle(parent(self._name)):
            self._prove()
        self._temp = ""
        self._close()

    def _publish(self) -> None:
        tree = self._tree
        try:
            tree.publish(self._temp, self._name)
        except FileExistsError:
            if not _same_bytes(tree.calls, self._temp, tree.path(self._name)):
                text = f"{self._name} is in {tree.location} already, with other contents"
                raise ObjectExists(text) from None
            tree.calls.unlink(self._temp)

    def _prove(self) -> None:
        """Without directory sync, at least see the object by its name: length and tail."""
        calls = self._tree.calls
        fd = calls.open_read(self._tree.path(self._name))
        try:
            start = self._size - len(self._tail)
            whole = calls.stat_open(fd).st_size == self._size
            if not whole or read_all(calls, fd, start, len(self._tail)) != self._tail:
                raise OSError(errno.EIO, "what was written reads back differently")
        finally:
            calls.close(fd)

    def _close(self) -> None:
        self._living.discard(self)
        fd, self._fd = self._fd, _CLOSED
        if fd != _CLOSED:
            self._tree.calls.close(fd)

    def abort(self) -> None:
        """Drop the object; does nothing after ``finish`` and never raises."""
        with suppress(OSError):  # nothing of this file matters any more
            self._close()
        temp, self._temp = self._temp, ""
        if temp:
            with suppress(OSError):  # published already, or out of reach: the sweep finds it
                self._tree.calls.unlink(temp)


def read_all(calls: FileCalls, fd: int, offset: int, length: int) -> bytes:
    """Read a range whole; fewer bytes only at the end of the file."""
    pieces = []
    while length > 0 and (piece := calls.read_at(fd, length, offset)):
        pieces.append(piece)
        offset += len(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _same_bytes(calls: FileCalls, *paths: str) -> bool:
    """Whether two files have equal contents."""
    with ExitStack() as stack:
        opened = []
        for path in paths:
            opened.append(calls.open_read(path))
            stack.callback(calls.close, opened[-1])
        offset = 0
        while True:
            one, other = (read_all(calls, fd, offset, _COMPARE) for fd in opened)
            if one != other:
                return False
            if not one:
                return True
            offset += len(one)
