"""From the paths a user names to one tree to walk.

All sources hang below the root directory: ``/home/u`` and ``/etc`` become ``/ → home → u`` and
``/ → etc``. Directories on the way (waypoints) are stored with their metadata but only with the
children that lead to a source, and are never listed, for we may only have the right to pass.
"""

import os
from collections.abc import Iterable

import msgspec

from twofold.errors import NothingDone


class Waypoint(msgspec.Struct):
    """A directory on the way to sources; ``whole`` means it is a source itself."""

    whole: bool = False
    children: "dict[bytes, Waypoint]" = msgspec.field(default_factory=dict)


def absolute(path: bytes) -> bytes:
    """The path with all links but a last one resolved, as it will stand in the snapshot."""
    path = os.path.abspath(path)
    parent, name = os.path.split(path)
    return os.path.join(os.path.realpath(parent), name) if name else path


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


def present(paths: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """(paths that exist, paths that do not). ``NothingDone`` when none exists."""
    there: list[bytes] = []
    missing: list[bytes] = []
    for path in paths:
        (there if os.path.lexists(path) else missing).append(path)
    if not there:
        names = ", ".join(os.fsdecode(p) for p in missing) or "no path given"
        raise NothingDone(
            f"nothing to back up: {names} is not there",
            hint="is the drive mounted? Nothing was changed; older backups are kept",
        )
    return there, missing
