"""The directory to restore into: opened once by path, afterwards only reached by handle.

Every thread gets a handle of its own on the same directory. A restore must never write into the
repository it reads from: neither may the target lie in it, nor may a restored path lead into it.
Both are told by identity (device, inode), which no other way to the same place can hide.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress

from twofold import clock
from twofold.backend import folder_of
from twofold.errors import NeedsRights, NoSpace, RefusedUnsafe, TwofoldError, UsageError
from twofold.platform import Attributes, Platform, TargetDir, is_temporary
from twofold.restorer.directory import Directory, Navigator

Identity = tuple[int, int]

_HANDLES = 4
_MARK = b".twofold-unfinished"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def stop_when_full(error: OSError) -> None:
    """Raise ``NoSpace`` for errors that mean it; no later entry would fit either."""
    if error.errno in _FULL:
        raise NoSpace(
            f"the target is full: {error.strerror}",
            hint="free some space and run the same restore again: it goes on where it stopped",
        ) from error


class Target:
    """The open target. ``created``: made by us. ``ours``: that, or it was empty at the start.

    A target of ours is marked while a restore runs, so that the same restore, run again after it
    was cut short, still knows that it is.
    """

    def __init__(self, platform: Platform, path: bytes, guard: "RepositoryGuard") -> None:
        """Raises ``UsageError``, ``NeedsRights``, ``NoSpace``, ``RefusedUnsafe``."""
        self.path = path
        self._platform = platform
        guard.check_target(existing_part(path))
        with_words = f"'{os.fsdecode(path)}' cannot be restored into"
        try:
            self.created = not _exists(platform, path)
            self.root = platform.open_target(path, create=True)
            names = self.root.names()
            self.ours = self.created or _MARK in names or all(map(is_temporary, names))
        except OSError as error:
            raise _told(error, with_words) from error
        self.top = Directory(b"", None)
        self._devices = {self.root.device: self.top}
        self._passed: dict[int, Directory] = {}

    def another(self) -> TargetDir:
        """A further handle on the same directory. ``RefusedUnsafe`` when it was swapped."""
        try:
            handle = self._platform.open_target(self.path, create=False)
        except OSError as error:
            raise _told(error, "the target is no longer there") from error
        if handle.identity != self.root.identity:
            handle.close()
            raise RefusedUnsafe("another directory has taken the place of the target")
        return handle

    def mark(self) -> None:
        """Leave a mark in a target of ours. ``NoSpace``."""
        if self.ours:
            mark = Attributes(stat.S_IFREG | 0o600, clock.now_ns())
            with suppress(OSError):  # what it was is met again, with a better name
                for number, _ in self.root.write_batch([_MARK], [b""], [mark]):
                    stop_when_full(OSError(number, os.strerror(number)))

    def unmark(self) -> None:
        """Everything is there."""
        if self.ours:
            with suppress(OSError):
                self.root.remove_file(_MARK)

    def note_device(self, folder: TargetDir, directory: Directory) -> None:
        """Remember a file system that is written to, so that it can be made durable."""
        devices = self._devices if folder.listed else self._passed
        devices.setdefault(folder.device, directory)

    def sync(self) -> None:
        """Make durable everything that was written. ``NoSpace``, ``TwofoldError``."""
        folders = Navigator(self.root, _HANDLES)
        for directory in (self._passed | self._devices).values():
            try:
                folders.go(directory).sync_file_system()
            except OSError as error:
                stop_when_full(error)
                raise TwofoldError(
                    f"the target could not make durable what was written: {error.strerror}",
                    hint="check the drive and run the same restore again",
                ) from error
        folders.close()

    def close(self) -> None:
        """Close the handle."""
        self.root.close()


def _exists(platform: Platform, path: bytes) -> bool:
    try:
        platform.open_target(path, create=False).close()
    except FileNotFoundError:
        return False
    return True


def _told(error: OSError, words: str) -> TwofoldError:
    if error.errno in _FULL:
        return NoSpace(f"{words}: {error.strerror}")
    message = f"{words}: {error.strerror}"
    if isinstance(error, PermissionError):
        return NeedsRights(message)
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EINVAL, errno.ELOOP):
        return UsageError(message, hint="name a directory, or one that is to be made")
    return TwofoldError(message)


def existing_part(path: bytes) -> bytes:
    """The longest beginning of a path that is there."""
    path = os.path.abspath(path)
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def free_bytes(path: bytes) -> int:
    """Room for contents at a path, as far as the system tells."""
    try:
        return shutil.disk_usage(existing_part(path)).free
    except OSError:
        return 1 << 62


class RepositoryGuard:
    """Knows a local repository's directory and those above it; others have none."""

    def __init__(self, platform: Platform, location: str) -> None:
        self._platform = platform
        self._place: Identity | None = None
        self._above: frozenset[Identity] = frozenset()
        place = folder_of(location)
        if place is not None:
            with suppress(OSError):  # above the repository there may be what we must not open
                for identity in _upwards(platform, os.fsencode(place)):
                    self._place = self._place or identity
                    self._above |= {identity}

    def check_target(self, path: bytes) -> None:
        """``RefusedUnsafe`` when an existing directory lies in the repository."""
        if self._place is None:
            return
        with suppress(OSError):
            if self._place in _upwards(self._platform, path):
                raise RefusedUnsafe("the target lies in the repository it would be restored from")

    def check_entry(self, folder: TargetDir) -> None:
        """``RefusedUnsafe`` when a directory to be written to is the repository."""
        if folder.identity == self._place:
            raise RefusedUnsafe(
                "a restored path leads into the repository itself",
                hint="restore to another directory, or leave that path out with --exclude",
            )

    def check_moved(self, identity: Identity) -> None:
        """``RefusedUnsafe`` when a directory that is in the way holds the repository."""
        if identity in self._above:
            raise RefusedUnsafe(
                "the repository stands where something else would be restored",
                hint="restore to another directory, or leave that path out with --exclude",
            )


def _upwards(platform: Platform, path: bytes) -> Iterator[Identity]:
    """Identities of a directory and of all above it. OSError."""
    here = platform.open_target(path, create=False)
    try:
        yield here.identity
        while True:
            above = here.open_parent()
            here, left = above, here
            same = left.identity == here.identity
            left.close()
            if same:
                return
            yield here.identity
    finally:
        here.close()
