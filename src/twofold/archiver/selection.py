"""From the paths a user names to one tree to walk.

All sources hang below the root directory: ``/home/u`` and ``/etc`` become ``/ → home → u`` and
``/ → etc``. Directories on the way (waypoints) are stored with their metadata but only with the
children that lead to a source, and are never listed, for we may only have the right to pass.
"""

import errno
import os
from collections.abc import Collection, Iterable

import msgspec

from twofold.archiver.reasons import words_for
from twofold.errors import NeedsRights, NothingDone, TwofoldError


class Waypoint(msgspec.Struct):
    """A directory on the way to sources; ``whole`` means it is a source itself."""

    whole: bool = False
    children: "dict[bytes, Waypoint]" = msgspec.field(default_factory=dict)


def absolute(path: bytes) -> bytes:
    """The path with all links but a last one resolved, as it will stand in the snapshot."""
    path = os.path.abspath(path)
    parent, name = os.path.split(path)
    return os.path.join(os.path.realpath(parent), name) if name else path


def with_target(path: bytes) -> list[bytes]:
    """A source as it will stand in the snapshot and, if it is a link, what that leads to."""
    path = absolute(path)
    leads = os.path.islink(path) and os.path.exists(path)
    return [path, os.path.realpath(path)] if leads else [path]


def asks_for_target(path: bytes) -> bool:
    """Whether a path is written so that, of a link, what it leads to is meant: ``link/``."""
    return os.path.basename(path) in (b"", b".")


def covers(sources: Collection[bytes], path: bytes) -> bool:
    """Whether a path is one of the sources, or lies below one."""
    while path not in sources:
        path, below = os.path.dirname(path), path
        if path == below:
            return False
    return True


def select(paths: Iterable[bytes]) -> Waypoint:
    """The tree that leads to all paths; a path inside another one is part of it already."""
    root = Waypoint()
    for path in paths:
        here = root
        for part in components(path):
            if here.whole:
                break
            here = here.children.setdefault(part, Waypoint())
        here.whole = True
        here.children.clear()
    return root


def components(path: bytes) -> list[bytes]:
    """The names along an absolute path."""
    return [part for part in path.replace(os.fsencode(os.sep), b"/").split(b"/") if part]


def present(paths: Iterable[bytes]) -> tuple[list[bytes], dict[bytes, str]]:
    """(paths to be walked, reasons why others cannot be).

    When none can be: ``NothingDone`` if they are just not there, ``NeedsRights``, ``TwofoldError``.
    """
    there: list[bytes] = []
    missing: dict[bytes, str] = {}
    refused: OSError | None = None
    for path in paths:
        error = _trouble(path)
        if error is None:
            there.append(path)
            continue
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        missing[path] = "it is not there" if absent else words_for(error)
        refused = refused or (None if absent else error)
    if not there:
        raise _nothing(missing, refused)
    return there, missing


def _trouble(path: bytes) -> OSError | None:
    """Why a path cannot be looked at; one too long for the system is gone along by handle."""
    try:
        os.lstat(path)
    except OSError as error:
        return None if error.errno == errno.ENAMETOOLONG else error
    except ValueError:
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return None


def _nothing(missing: dict[bytes, str], refused: OSError | None) -> TwofoldError:
    """No source can be had."""
    if refused is None:
        names = ", ".join(os.fsdecode(path) for path in missing) or "no path given"
        return NothingDone(
            f"nothing to back up: {names} is not there",
            hint="is the drive mounted? Nothing was changed; older backups are kept",
        )
    told = ", ".join(f"{os.fsdecode(path)}: {reason}" for path, reason in missing.items())
    text = f"nothing can be backed up: {told}"
    if isinstance(refused, PermissionError):
        return NeedsRights(text)
    return TwofoldError(text, hint="check the drive; nothing was changed, older backups are kept")
