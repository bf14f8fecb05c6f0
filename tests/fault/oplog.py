"""What was asked of the file system and what was promised to the caller, in one log.

``RecordingCalls`` makes the real calls below a root and writes each one that succeeded down;
``Promising`` wraps a store and writes down when an operation began and when it was acknowledged.
The crash-state enumerator reads the log. What is in the root at the start counts as durable.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from twofold.backend.base import Backend, Buffer, ObjectInfo, ObjectWriter
from twofold.backend.files import FileCalls


@dataclass(frozen=True, slots=True)
class MakeDir:
    """A folder was made."""

    path: str


@dataclass(frozen=True, slots=True)
class Create:
    """An empty file was made."""

    path: str
    inode: int


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes were written into a file."""

    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SyncFile:
    """The content of a file became durable."""

    inode: int


@dataclass(frozen=True, slots=True)
class Rename:
    """A file got another name."""

    source: str
    target: str
    inode: int


@dataclass(frozen=True, slots=True)
class Link:
    """A file got one more name."""

    path: str
    inode: int


@dataclass(frozen=True, slots=True)
class Unlink:
    """A file lost a name."""

    path: str
    inode: int


@dataclass(frozen=True, slots=True)
class SyncDir:
    """The names in a folder became durable."""

    path: str


@dataclass(frozen=True, slots=True)
class Promise:
    """A store operation (put, move, delete) began, or was acknowledged."""

    deed: str
    name: str
    target: str = ""
    kept: bool = False


Op = MakeDir | Create | Write | SyncFile | Rename | Link | Unlink | SyncDir | Promise


class RecordingCalls(FileCalls):
    """Real calls below a root, recorded. Paths in the log are relative, divided by ``/``."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(root)
        self.log: list[Op] = []
        self.turn: Callable[[], None] = lambda: None
        """Called before each recorded call; a test may let threads take turns here."""
        self._lock = threading.RLock()
        self._inodes: dict[str, int] = {}
        self._open: dict[int, int] = {}
        self._offsets: dict[int, int] = {}
        self._count = 0
        self._found("")
        self.start = len(self.log)
        """Index in the log after which a crash is possible."""

    def _found(self, folder: str) -> None:
        """Log what the root holds already as made and durable."""
        for entry in super().scan(os.path.join(self.root, folder)):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir:
                self.log.append(MakeDir(path))
                self._found(path)
            elif entry.is_file:
                inode = self._new_inode(path)
                with open(os.path.join(self.root, path), "rb") as file:
                    data = file.read()
                self.log += [Create(path, inode), Write(inode, 0, data), SyncFile(inode)]
        self.log.append(SyncDir(folder))

    def _new_inode(self, path: str) -> int:
        self._count += 1
        self._inodes[path] = self._count
        return self._count

    def _relative(self, path: str) -> str:
        relative = os.path.relpath(path, self.root)
        return "" if relative == "." else relative.replace(os.sep, "/")

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """One call at a time, so that the order of the log is the order of the calls."""
        self.turn()
        with self._lock:
            yield

    def promise(self, promise: Promise) -> None:
        """Note what was begun or acknowledged."""
        with self._recorded():
            self.log.append(promise)

    def open_new(self, path: str) -> int:
        with self._recorded():
            fd = super().open_new(path)
            relative = self._relative(path)
            inode = self._new_inode(relative)
            self._open[fd] = inode
            self._offsets[fd] = 0
            self.log.append(Create(relative, inode))
            return fd

    def write(self, fd: int, data: memoryview) -> int:
        with self._recorded():
            count = super().write(fd, data)
            self.log.append(Write(self._open[fd], self._offsets[fd], bytes(data[:count])))
            self._offsets[fd] += count
            return count

    def sync_file(self, fd: int) -> None:
        with self._recorded():
            super().sync_file(fd)
            self.log.append(SyncFile(self._open[fd]))

    def sync_dir(self, path: str) -> bool:
        with self._recorded():
            done = super().sync_dir(path)
            relative = self._relative(path)
            if done and not relative.startswith(".."):
                self.log.append(SyncDir(relative))
            return done

    def close(self, fd: int) -> None:
        with self._lock:
            self._open.pop(fd, None)
            super().close(fd)

    def rename_new(self, source: str, target: str) -> None:
        with self._recorded():
            super().rename_new(source, target)
            self._renamed(source, target)

    def rename(self, source: str, target: str) -> None:
        with self._recorded():
            super().rename(source, target)
            self._renamed(source, target)

    def _renamed(self, source: str, target: str) -> None:
        old, new = self._relative(source), self._relative(target)
        self._inodes[new] = self._inodes.pop(old)
        self.log.append(Rename(old, new, self._inodes[new]))

    def link(self, source: str, target: str) -> None:
        with self._recorded():
            super().link(source, target)
            new = self._relative(target)
            self._inodes[new] = self._inodes[self._relative(source)]
            self.log.append(Link(new, self._inodes[new]))

    def unlink(self, path: str) -> None:
        with self._recorded():
            super().unlink(path)
            relative = self._relative(path)
            self.log.append(Unlink(relative, self._inodes.pop(relative)))

    def make_dir(self, path: str) -> None:
        with self._recorded():
            super().make_dir(path)
            self.log.append(MakeDir(self._relative(path)))


class _PromisingWriter:
    def __init__(self, inner: ObjectWriter, name: str, calls: RecordingCalls) -> None:
        self._inner = inner
        self._name = name
        self._calls = calls

    def write(self, data: Buffer) -> None:
        self._inner.write(data)

    def finish(self) -> None:
        self._calls.promise(Promise("put", self._name))
        self._inner.finish()
        self._calls.promise(Promise("put", self._name, kept=True))

    def abort(self) -> None:
        self._inner.abort()


class Promising:
    """A store whose begun and acknowledged changes are in the log of its calls."""

    def __init__(self, inner: Backend, calls: RecordingCalls) -> None:
        self._inner = inner
        self._calls = calls

    @property
    def location(self) -> str:
        return self._inner.location

    def create(self, name: str) -> ObjectWriter:
        return _PromisingWriter(self._inner.create(name), name, self._calls)

    def put(self, name: str, data: Buffer) -> None:
        self._calls.promise(Promise("put", name))
        self._inner.put(name, data)
        self._calls.promise(Promise("put", name, kept=True))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._inner.get(name, offset, length)

    def size(self, name: str) -> int:
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self._inner.list(folder)

    def move(self, src: str, dst: str) -> None:
        self._calls.promise(Promise("move", src, dst))
        self._inner.move(src, dst)
        self._calls.promise(Promise("move", src, dst, kept=True))

    def delete(self, name: str) -> None:
        self._calls.promise(Promise("delete", name))
        self._inner.delete(name)
        self._calls.promise(Promise("delete", name, kept=True))

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
