"""Which names objects may have: short, lower case, the same on every file system.

``[0-9a-z._-]`` per component, divided by ``/``. No component begins with a dot (those are the
store's own temporary files) or ends with one, and none is a device of Windows, so a name means
one and the same file on ext4, NTFS, exFAT and SMB, and can never lead out of the store.
"""

import re

from twofold.errors import UsageError

MAX_NAME = 255
"""Longest name in characters, folders included."""

_COMPONENT = re.compile(r"[0-9a-z_-](?:[0-9a-z._-]*[0-9a-z_-])?\Z")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(10)]
)


def is_component(part: str) -> bool:
    """Whether one component is as the rules above say."""
    if _COMPONENT.match(part) is None or ".." in part:
        return False
    return part.partition(".")[0] not in _DEVICES


def is_name(name: str) -> bool:
    """Whether a relative name is as the rules above say."""
    return len(name) <= MAX_NAME and all(is_component(part) for part in name.split("/"))


def check_name(name: str) -> None:
    """Refuse a name no store can hold. UsageError."""
    if not is_name(name):
        raise UsageError(f"not an object name: {name[: MAX_NAME + 1]!r}")


def check_folder(folder: str) -> None:
    """Refuse what cannot be a folder; the empty folder is the whole store. UsageError."""
    if folder:
        check_name(folder)


def parent(name: str) -> str:
    """The folder of a name, empty at the top."""
    return name.rpartition("/")[0]
