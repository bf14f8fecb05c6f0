"""The pieces of the durable recipe: private file, no-replace publish, settled names.

A name is *settled* when its folder was synced after it appeared, and every folder above likewise
– whoever made those folders: another process may have made one and not synced it yet. Publishing
takes the strongest way the file system has: rename that refuses an existing target; link and
unlink; look, then rename. Nothing is probed ahead: the first refusal settles it for this run.
"""

import errno
import os
import platform
import re
import secrets
import stat
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twofold.backend.files import Entry, FileCalls
from twofold.backend.names import parent
from twofold.errors import NeedsRights, NoSpace, ObjectNotFound, StoreError, TwofoldError

MARKS = ("config", "config.copy")
"""Objects of which a repository always has at least one."""

# What SMB shares and some FUSE file systems answer to fsync of a directory; nothing else passes.
_NO_DIR_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOENT})
_NO_LOCK = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL})
_NO_RENAME_NEW = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_LINK = _NO_RENAME_NEW | {errno.EPERM, errno.EMLINK}

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})

_PASSING = frozenset(
    number
    for word in (
        "EAGAIN EBUSY ECONNABORTED ECONNREFUSED ECONNRESET EHOSTDOWN EHOSTUNREACH EINTR ENETDOWN "
        "ENETRESET ENETUNREACH ENOTCONN EPIPE EREMOTEIO ESHUTDOWN ESTALE ETIMEDOUT"
    ).split()
    if (number := getattr(errno, word, None)) is not None
)
# No such network place, network busy, its unexpected error, a name deleted under us, time over.
_PASSING_ON_WINDOWS = frozenset({53, 54, 59, 64, 121})

# The host is in the name because some network file systems lock within one machine only.
_HOST = f"{zlib.crc32(platform.node().encode('utf-8', 'replace')):08x}"
_TEMP = re.compile(r"\.([0-9a-f]{8})-[0-9a-f]{32}\.tmp\Z")
_TRIES = 16


def temp_host(name: str) -> str | None:
    """The host mark of a temporary file's name, None for any other name."""
    found = _TEMP.match(name)
    return found[1] if found else None


def is_ours(host: str) -> bool:
    """Whether a host mark is that of this machine."""
    return host == _HOST


def attempts_worth(error: OSError) -> int | None:
    """How often to try what failed: a network comes back, a bus is reset, all else stays as it is.

    The kernel has tried again for a drive of this machine already, so one more time is enough.
    """
    if error.errno in _PASSING or getattr(error, "winerror", None) in _PASSING_ON_WINDOWS:
        return None
    return 2 if error.errno == errno.EIO else 1


class Tree:
    """A directory tree whose names are published durably. ``OSError`` unless said otherwise."""

    def __init__(self, root: str, location: str, calls: FileCalls) -> None:
        self.root = root
        self.location = location
        self.calls = calls
        self._settled: set[str] = set()  # folders whose own name is durable
        self._lacking: set[str] = set()  # publish calls this file system does not have
        self._looking = threading.Lock()
        with self.errors("reach", ""):
            self.marked = self._has_mark()
            """Whether a repository was seen here, at any time since."""

    def path(self, name: str) -> str:
        """The absolute path of an object or folder."""
        return os.path.join(self.root, *name.split("/")) if name else self.root

    # --- what went wrong -------------------------------------------------------------------

    @contextmanager
    def errors(self, deed: str, name: str, *, absent: bool = False) -> Iterator[None]:
        """Turn OSError into our errors, naming deed, object and place.

        With ``absent`` a missing file means ObjectNotFound, else it is a StoreError too.
        """
        try:
            yield
        except OSError as error:
            raise self._translate(error, deed, name, absent) from error

    def _translate(self, error: OSError, deed: str, name: str, absent: bool) -> TwofoldError:
        if error.errno in _ABSENT and absent:
            self.ensure_place()
            return ObjectNotFound(f"{name} is not in {self.location}")
        text = f"cannot {deed} {name or 'the store'} in {self.location}: {error.strerror or error}"
        if error.errno in _FULL:
            return NoSpace(text)
        if error.errno in _DENIED:
            return NeedsRights(text)
        return StoreError(text, attempts=attempts_worth(error))

    def _has_mark(self) -> bool:
        return any(self.exists(self.path(mark)) for mark in MARKS)

    def ensure_place(self) -> None:
        """StoreError if the store itself is gone, for a drive that was pulled out must not look
        like an empty store, nor may a new store be started on its bare mount point."""
        with self.errors("reach", ""):
            if self._has_mark():
                self.marked = True
            elif self.marked or not self.exists(self.root):
                raise StoreError(f"{self.location} is no longer there", attempts=1)

    # --- folders ---------------------------------------------------------------------------

    def exists(self, path: str) -> bool:
        """Whether a path leads to anything; errors other than absence are raised."""
        try:
            self.calls.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def scan(self, folder: str) -> list[Entry]:
        """Entries of a folder; a missing folder is empty, a missing store a StoreError."""
        try:
            return self.calls.scan(self.path(folder))
        except (FileNotFoundError, NotADirectoryError):
            self.ensure_place()
            return []

    def make_folders(self, folder: str) -> None:
        """Make a folder and those above it as needed; ``settle`` makes them durable."""
        self.ensure_place()
        parts = folder.split("/") if folder else []
        for depth in range(1, len(parts) + 1):
            one = "/".join(parts[:depth])
            try:
                self.calls.make_dir(self.path(one))
            except FileExistsError:
                continue
            self._settled.discard(one)

    def sync(self, folder: str) -> bool:
        """Make the names in a folder durable; False where the file system cannot do that."""
        return self.sync_path(self.path(folder))

    def sync_path(self, path: str) -> bool:
        """``sync`` of any directory, by its path."""
        try:
            return self.calls.sync_dir(path)
        except OSError as error:
            if error.errno not in _NO_DIR_SYNC:
                raise
            return False

    def settle(self, folder: str) -> bool:
        """Make the names in a folder, and the folder's own, durable; False as ``sync``."""
        synced = self.sync(folder)
        while folder not in self._settled and folder:
            above = parent(folder)
            # Every folder seen before the sync is covered by it: one sync serves all siblings.
            covered = [entry.name for entry in self.scan(above) if entry.is_dir]
            synced = self.sync(above) and synced
            self._settled.update(f"{above}/{one}" if above else one for one in covered)
            self._settled.add(folder)
            folder = above
        if not synced:
            self.ensure_place()  # a place that has gone says ENOENT too
        return synced

    # --- files -----------------------------------------------------------------------------

    def new_temp(self, folder: str) -> tuple[str, int]:
        """Create a locked temporary file; its path and a descriptor for writing."""
        for _ in range(_TRIES):
            path = os.path.join(self.path(folder), f".{_HOST}-{secrets.token_hex(16)}.tmp")
            try:
                fd = self.calls.open_new(path)
            except FileNotFoundError:
                self.make_folders(folder)
                continue
            if self._claim(path, fd):
                return path, fd
        raise OSError(errno.EAGAIN, "temporary files vanish as soon as they are made", path)

    def _claim(self, path: str, fd: int) -> bool:
        """Lock a new file; False if a sweeper was quicker between its creation and the lock."""
        held = False
        try:
            held = self.try_lock(fd) is not False and self.exists(path)
        finally:
            if not held:
                self.calls.close(fd)
        return held

    def try_lock(self, fd: int) -> bool | None:
        """Lock an open file: True taken, False held by another, None not to be had here."""
        try:
            return self.calls.lock(fd)
        except OSError as error:
            if error.errno not in _NO_LOCK:
                raise
            return None

    def publish(self, temp: str, name: str) -> None:
        """Give a finished temporary file its name; FileExistsError if the name is taken."""
        final = self.path(name)
        if self._try("rename", _NO_RENAME_NEW, self.calls.rename_new, temp, final):
            return
        if not self._try("link", _NO_LINK, self._link_new, temp, final):
            self._look_and_rename(temp, final)

    def move(self, source: str, target: str) -> None:
        """Rename an object durably: FileNotFoundError for all but one mover or deleter.

        FileExistsError if the target is taken while the source is still there.
        """
        try:
            if not stat.S_ISREG(self.calls.stat(self.path(source)).st_mode):
                raise FileNotFoundError(errno.ENOENT, "a folder, not an object", source)
            self._prepare_target(parent(target))
            self._rename(self.path(source), self.path(target))
        except FileNotFoundError:
            # Who got no answer to a first attempt looks for the target next; so what can be seen
            # there must not vanish in a power cut.
            if self.exists(self.path(target)):
                self.settle(parent(target))
            raise
        # The new name first: where a rename is not atomic on the disk, a crash leaves both.
        self.settle(parent(target))
        if parent(source) != parent(target):
            self.settle(parent(source))

    def _prepare_target(self, folder: str) -> None:
        """Have a durable folder to move into: a crash must not take it away with the object."""
        if folder and folder not in self._settled:
            if not self.exists(self.path(folder)):
                self.make_folders(folder)
            self.settle(folder)

    def _rename(self, source: str, target: str) -> None:
        # No link and unlink here: two movers could both make their link before one loses.
        try:
            if not self._try("rename", _NO_RENAME_NEW, self.calls.rename_new, source, target):
                self._look_and_rename(source, target)
        except FileExistsError:
            self.calls.stat(source)  # taken by whoever moved this very source: FileNotFoundError
            raise

    def _try(
        self,
        way: str,
        lacking: frozenset[int],
        call: Callable[[str, str], None],
        source: str,
        target: str,
    ) -> bool:
        """Publish one way; False, from now on at once, if the file system does not have it."""
        if way in self._lacking:
            return False
        try:
            call(source, target)
        except OSError as error:
            if error.errno not in lacking:
                raise
            self._lacking.add(way)
            return False
        return True

    def _link_new(self, source: str, target: str) -> None:
        self.calls.link(source, target)
        self.calls.unlink(source)

    def _look_and_rename(self, source: str, target: str) -> None:
        # Safe among the threads of this process; between processes it leans on names being
        # random and used for one write attempt only.
        with self._looking:
            if self.exists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
            self.calls.rename(source, target)
