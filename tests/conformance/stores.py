"""The stores that have to pass: add a line here for a new one, and change no test for it.

A ``Place`` is one fresh store of a kind; ``open`` gives a further handle to it, as another process
or computer would have it.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fault.memory_store import MemoryBackend
from twofold.backend import Backend, LocalBackend, Retry, Throttle
from twofold.backend.files import FileCalls

TMPFS = Path("/dev/shm")


@dataclass
class Place:
    """A fresh store."""

    opener: Callable[[], Backend]
    processes: bool
    """Whether several processes can use it at once."""
    handles: list[Backend] = field(default_factory=list)

    def open(self) -> Backend:
        """One more handle, closed after the test."""
        self.handles.append(self.opener())
        return self.handles[-1]


class NoRenameNew(FileCalls):
    """A file system whose rename cannot refuse a target (NFS)."""

    def rename_new(self, source: str, target: str) -> None:
        raise OSError(errno.EINVAL, "no such flag", source, None, target)


class NoLink(NoRenameNew):
    """A file system without that and without hard links (exFAT behind FUSE)."""

    def link(self, source: str, target: str) -> None:
        raise OSError(errno.EPERM, "no links here", source, None, target)


class NoDirSync(FileCalls):
    """A file system that cannot sync a directory (SMB), nor lock a file."""

    def sync_dir(self, path: str) -> bool:
        raise OSError(errno.EINVAL, "not for directories", path)

    def lock(self, fd: int) -> bool:
        raise OSError(errno.ENOLCK, "no locks")


class ClosesFirst(FileCalls):
    """A system that does not rename open files and has no directory sync (Windows)."""

    renames_open_files = False

    def sync_dir(self, path: str) -> bool:
        return False


def _folder(calls: FileCalls) -> Callable[[Path], Place]:
    return lambda path: Place(lambda: LocalBackend(path, calls), processes=True)


def _memory(_path: Path) -> Place:
    shared = MemoryBackend()
    return Place(lambda: shared, processes=False)


ON_DISK = "folder"
STORES: dict[str, Callable[[Path], Place]] = {
    ON_DISK: _folder(FileCalls()),
    "folder, published by link": _folder(NoRenameNew()),
    "folder, published by looking": _folder(NoLink()),
    "folder without directory sync": _folder(NoDirSync()),
    "folder, closed before rename": _folder(ClosesFirst()),
    "retried": lambda path: Place(lambda: Retry(LocalBackend(path)), processes=True),
    "throttled": lambda path: Place(
        lambda: Throttle(LocalBackend(path), upload=1e12, download=1e12), processes=True
    ),
    "memory": _memory,
}


@contextmanager
def fresh(kind: str, path: Path) -> Iterator[Place]:
    """A new store of a kind, its handles closed at the end; all but one live in memory."""
    if kind != ON_DISK and os.access(TMPFS, os.W_OK):
        with tempfile.TemporaryDirectory(dir=TMPFS) as folder, _closing(kind, Path(folder)) as one:
            yield one
    else:
        with _closing(kind, path) as one:
            yield one


@contextmanager
def _closing(kind: str, path: Path) -> Iterator[Place]:
    one = STORES[kind](path)
    try:
        yield one
    finally:
        for handle in one.handles:
            handle.close()
