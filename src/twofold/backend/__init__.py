"""The door to the stores: which place is meant, and is there a repository?

A place is a folder, written as a path or as a ``file://`` address. A repository is recognised by
its object ``config`` or ``config.copy``; this layer knows nothing else of what is inside.
"""

import os
import re
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from twofold.backend import files
from twofold.backend.base import (
    Backend,
    Buffer,
    ObjectInfo,
    ObjectWriter,
    Repeats,
    ShowsStrays,
    Stray,
    Sweeps,
)
from twofold.backend.durable import Tree, temp_host
from twofold.backend.local import LocalBackend
from twofold.backend.wrappers import ReadOnly, Retry, Throttle
from twofold.errors import NothingDone, RefusedUnsafe, RepositoryNotFound, UsageError

__all__ = [
    "Backend",
    "Buffer",
    "LocalBackend",
    "ObjectInfo",
    "ObjectWriter",
    "ReadOnly",
    "Repeats",
    "Retry",
    "ShowsStrays",
    "Stray",
    "Sweeps",
    "Throttle",
    "create_backend",
    "folder_of",
    "open_backend",
]

_SUPPORTED = "supported are a folder (/media/drive/backup) and its address (file:///media/…)"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_OTHER_TOOLS = re.compile(r"(azure|b2|ftp|gs|http|https|rclone|rest|s3|sftp|smb|ssh|swift):")
_MOUNT_ROOTS = re.compile(r"/media(/[^/]+)?|/mnt|/run/media(/[^/]+)?|/Volumes")
# What a file system or Windows puts into the top folder of every new drive.
_CLUTTER = frozenset(
    {"lost+found", "$RECYCLE.BIN", "System Volume Information", ".Trashes", ".fseventsd"}
)

# An init that was cut short leaves key slots and no config; it may simply be run again.
_BEGUN = "keys"
_OBJECT_ID = re.compile(r"[0-9a-f]{32}\Z")


def open_backend(location: str) -> Backend:
    """Open the store of an existing repository.

    UsageError for a place of an unknown kind, RepositoryNotFound, NeedsRights, StoreError.
    """
    path = _local_path(location)
    tree = Tree(path, location, files.DEFAULT_CALLS)
    if not tree.marked:
        raise RepositoryNotFound(f"there is no repository at {location}")
    return LocalBackend(path, location=location)


def folder_of(location: str) -> str | None:
    """The folder of this computer that a location means, as a path; None where there is none."""
    try:
        path = _local_path(location)
    except UsageError:
        return None
    return path if os.path.isdir(path) else None


def create_backend(location: str) -> Backend:
    """Make the folder of a new repository, durably, parents included.

    RefusedUnsafe if anything of somebody's is in it already, a repository above all; UsageError,
    NoSpace, NeedsRights, StoreError.
    """
    path = _local_path(location)
    tree = Tree(path, location, files.DEFAULT_CALLS)
    if tree.marked:
        raise RefusedUnsafe(f"there is a repository at {location} already")
    _refuse_unmounted(tree)
    with tree.errors("make", ""):
        _make_durable(tree)
        _refuse_contents(tree)
    return LocalBackend(path, location=location)


def _refuse_unmounted(tree: Tree) -> None:
    """A missing folder where drives are mounted is a drive that is not there.

    Making it would put the repository on the system drive and hide it once the drive is back.
    """
    above, missing = tree.root, ""
    while not tree.exists(above):
        above, missing = os.path.split(above)
    if missing and above != os.path.dirname(tree.root) and _MOUNT_ROOTS.fullmatch(above):
        raise NothingDone(
            f"{os.path.join(above, missing)} is not there",
            hint="connect or mount the drive, or make that folder yourself if it is meant so",
        )


def _local_path(location: str) -> str:
    """The absolute path a location means; never shows an address that may hold a password."""
    address = _ADDRESS.match(location)
    if address is None:
        other = _OTHER_TOOLS.match(location)
        if other and not os.path.lexists(location):
            raise UsageError(
                f"stores of the kind {other[1]}: are not supported; {_SUPPORTED}",
                hint=f"write ./{other[0]}… if this is a folder",
            )
    elif address[1].lower() != "file":
        raise UsageError(f"stores of the kind {address[1]}:// are not supported; {_SUPPORTED}")
    else:
        location = _path_of_address(location)
    if not location or "\0" in location:
        raise UsageError(f"no place is named; {_SUPPORTED}")
    return os.path.abspath(location)


def _path_of_address(location: str) -> str:
    parts = urlsplit(location)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise UsageError(f"not the address of a folder on this computer; {_SUPPORTED}")
    path = unquote(parts.path)
    return path[1:] if os.path.splitdrive(path[1:])[0] else path  # /C:/… on Windows


def _make_durable(tree: Tree) -> None:
    """Make the root and the folders above it, and settle their names.

    Folders found there are synced as well: an attempt that was cut short may have made them.
    """
    missing = []
    path = tree.root
    while not tree.exists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for path in reversed(missing):
        tree.calls.make_dir(path)
    path = tree.root
    while path != (path := os.path.dirname(path)):
        with suppress(PermissionError):  # not ours, hence not made by us
            tree.sync_path(path)


def _refuse_contents(tree: Tree) -> None:
    for entry in tree.calls.scan(tree.root):
        if entry.name in _CLUTTER or temp_host(entry.name) is not None:
            continue
        if entry.name != _BEGUN or not _is_ours(tree, entry.name):
            raise RefusedUnsafe(
                f"{tree.location} is not empty: it holds {entry.name!r}",
                hint="name a new or empty folder",
            )


def _is_ours(tree: Tree, folder: str) -> bool:
    """Whether a folder holds nothing but objects with random names."""
    entries = tree.scan(folder)
    return all(_OBJECT_ID.match(one.name) or temp_host(one.name) for one in entries)
