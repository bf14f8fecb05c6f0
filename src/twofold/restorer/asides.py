"""Where existing entries go that must make room: ``DIR/.twofold-replaced/<UTC time>/<path>``.

Nothing is ever deleted: an entry in the way is renamed, with everything below it. On another file
system below the target, where renaming across is not possible, or if we may not make that place, it
stays in its directory under a name that says so. If what should take its place then cannot be made,
it is put back.
"""

import errno
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from twofold import clock
from twofold.errors import TwofoldError
from twofold.platform import TargetCache, TargetDir
from twofold.restorer.directory import Directory
from twofold.view import Path

FOLDER = b".twofold-replaced"
_NOT_THERE = (errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS)
_LONGEST = 255
"""Bytes of a name that most file systems hold."""
_HANDLES = 4
_TRIES = 1000
_NOTHING = nullcontext()


class Asides:
    """The place for one restore, made when first needed. May be used from several threads."""

    def __init__(self, root: TargetDir) -> None:
        self._root = root
        self._cache = TargetCache(root, _HANDLES)
        self._lock = threading.Lock()
        self._place: Path = ()
        self.beside = 0
        """How many entries stayed in their directories, under names that say so."""
        moment = time.gmtime(clock.now_ns() // 10**9)
        self._stamp = time.strftime("%Y%m%dT%H%M%SZ", moment).encode()

    @property
    def place(self) -> Path:
        """Where things were put, below the target; empty when nothing was."""
        return self._place

    def out_of_the_way(
        self, folder: TargetDir, directory: Directory, name: bytes, *, needed: bool
    ) -> AbstractContextManager[None]:
        """Move an entry aside while its successor is made, and back if that fails. OSError."""
        return self._aside(folder, directory, name) if needed else _NOTHING

    @contextmanager
    def _aside(self, folder: TargetDir, directory: Directory, name: bytes) -> Iterator[None]:
        undo = self._move(folder, directory, name)
        try:
            yield
        except BaseException:
            with suppress(OSError):
                self._put_back(folder, name, undo)
            raise

    def _move(
        self, folder: TargetDir, directory: Directory, name: bytes
    ) -> tuple[Path, bytes] | None:
        """(directory below the root, name there) of what was moved; None when it had gone."""
        with self._lock:
            try:
                there = (*self._prepare(), *directory.path)
                folder.move_aside(name, self._cache.get(there, create=True), name)
                return there, name
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno not in _NOT_THERE:
                    raise
        stays = beside(name, b".replaced-" + self._stamp)
        folder.move_aside(name, folder, stays)
        with self._lock:
            self.beside += 1
        return (), stays

    def _put_back(self, folder: TargetDir, name: bytes, undo: tuple[Path, bytes] | None) -> None:
        if undo is None:
            return
        there, aside_name = undo
        with self._lock:
            source = self._cache.get(there) if there else folder
            source.move_aside(aside_name, folder, name)

    def _prepare(self) -> Path:
        """A directory of this run's own."""
        if self._place:
            return self._place
        above = self._cache.get((FOLDER,), create=True)
        for attempt in range(_TRIES):
            name = self._stamp + (b"-%d" % attempt if attempt else b"")
            try:
                above.make_dir(name).close()
            except FileExistsError:
                continue
            self._place = (FOLDER, name)
            return self._place
        raise TwofoldError("no place can be made for what is replaced")

    def close(self) -> None:
        """Close all directories but the root."""
        self._cache.close()


def beside(name: bytes, mark: bytes) -> bytes:
    """A name that tells what was moved; one too long for a mark is cut and gets a checksum."""
    if len(name) + len(mark) <= _LONGEST:
        return name + mark
    mark = b"~%08x" % zlib.crc32(name) + mark
    room = _LONGEST - len(mark)
    while room and name[room] & 0xC0 == 0x80:  # not in the middle of a character
        room -= 1
    return name[:room] + mark
