"""A file that is there whole or not at all, and that never replaces another one.

    nameless (O_TMPFILE)    ─► written, made durable ─► linked to its name
    with a name of its own  ─► written, made durable ─► linked, or moved over an empty file

A link fails where the name is taken. A nameless file is gone with the process that wrote it,
however that ends. Where a file system knows no such files, the name begins with a dot, the file is
locked while somebody writes, and the next run for the same place removes what a killed one left.
"""

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from twofold import clock
from twofold.errors import NeedsRights, NoSpace, RefusedUnsafe, TwofoldError

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be removed there, which serves as the lock
    fcntl = None  # type: ignore[assignment]

_flock: Callable[[int, int], None] | None = getattr(fcntl, "flock", None)
_LOCK_NOW = getattr(fcntl, "LOCK_EX", 0) | getattr(fcntl, "LOCK_NB", 0)
_NAMELESS = getattr(os, "O_TMPFILE", 0)
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EACCES}
_STALE_NS = 24 * 3600 * 10**9
"""Older files of ours are taken for left over where there are no locks that could tell."""


class _Begun(NamedTuple):
    """A file that is written to, and what gives it its name. OSError."""

    out: BinaryIO
    publish: Callable[[], None]


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write and seek in; it gets its name when the block ends without an error.

    ``RefusedUnsafe`` where the name is taken, ``NoSpace``, ``NeedsRights``, ``TwofoldError``.
    """
    _remove_stale(path)
    begin = _nameless if _holds_nameless(path) else _named
    try:
        with begin(path) as begun:
            yield begun.out
            begun.out.flush()
            os.fsync(begun.out.fileno())
            begun.publish()
        _sync_folder(path.parent)
    except OSError as error:
        raise _told(error, path) from error


def _own_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.twofold")


def _holds_nameless(path: Path) -> bool:
    """Whether nameless files can be made beside a path and named: found out with an empty one."""
    if not _NAMELESS:
        return False
    name = _own_name(path)
    try:
        with _nameless(name) as begun:
            begun.publish()
        name.unlink()
    except OSError:
        return False  # the other way tells what is wrong
    return True


@contextmanager
def _nameless(path: Path) -> Iterator[_Begun]:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        handle = os.open(path.parent, _NAMELESS | os.O_RDWR, 0o666)
        with open(handle, "wb+") as out:
            # with a handle to the folder the link of /proc is followed, which it must be
            yield _Begun(
                out,
                lambda: os.link(
                    f"/proc/self/fd/{handle}", path.name, dst_dir_fd=folder, follow_symlinks=True
                ),
            )
    finally:
        os.close(folder)


@contextmanager
def _named(path: Path) -> Iterator[_Begun]:
    temporary = _own_name(path)
    try:
        with temporary.open("xb+") as out:
            _is_free(out.fileno())
            yield _Begun(out, lambda: None)
        _publish(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _publish(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        path.open("xb").close()
        temporary.replace(path)


def _remove_stale(path: Path) -> None:
    """Remove what a run that was killed left of an earlier file at this path."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.twofold")
    with suppress(OSError):
        for name in os.listdir(path.parent):
            if ours.fullmatch(name):
                with suppress(OSError):
                    _remove_if_stale(path.with_name(name))


def _remove_if_stale(left: Path) -> None:
    """OSError where it is not ours to remove."""
    fd = os.open(left, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        stale = _is_free(fd) and os.fstat(fd).st_mtime_ns < clock.now_ns() - _STALE_NS
    finally:
        os.close(fd)
    if stale:
        left.unlink()


def _is_free(fd: int) -> bool:
    """Whether nobody else has a file locked; it is locked from now on, where there are locks."""
    if _flock is not None:
        try:
            _flock(fd, _LOCK_NOW)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make the name durable, where folders can be opened for that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _told(error: OSError, path: Path) -> TwofoldError:
    message = f"'{path}' cannot be written: {error.strerror or error}"
    if isinstance(error, FileExistsError):
        return RefusedUnsafe(f"'{path}' is there already")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(message, hint="free some space there and run again; no part of it was left")
    if isinstance(error, PermissionError):
        return NeedsRights(message)
    return TwofoldError(message)
