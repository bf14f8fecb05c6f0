"""Inode flags (``chattr``): which are kept, and how they are given back.

Flags that forbid changes go on last and must come off before anything else is done; flags that
only take effect on something empty go on first. What the file system itself marks (extents,
indexed directories, verity) is not kept, for it cannot be set.
"""

import sys

from twofold.platform.linux import reasons, system

assert sys.platform == "linux"

_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
_COMPRESSED, _NOT_COMPRESSED = 0x4, 0x400
_NO_COPY_ON_WRITE, _CASE_INSENSITIVE = 0x80_0000, 0x4000_0000

_NAMES = {
    0x1: "secure deletion",
    0x2: "undeletable",
    _COMPRESSED: "compressed",
    0x8: "synchronous",
    _IMMUTABLE: "immutable",
    _APPEND_ONLY: "append only",
    0x40: "no dump",
    0x80: "no access times",
    _NOT_COMPRESSED: "not compressed",
    0x4000: "journalled data",
    0x8000: "no tail merging",
    0x1_0000: "synchronous directory",
    0x2_0000: "top of directory hierarchies",
    _NO_COPY_ON_WRITE: "no copy on write",
    0x200_0000: "direct access",
    _CASE_INSENSITIVE: "case-insensitive",
}

KEPT = sum(_NAMES)
"""The flags that are kept: all that ``chattr`` can set, but for project quota inheritance."""

GUARDS = _IMMUTABLE | _APPEND_ONLY
"""The flags that forbid changing, replacing, linking and removing."""

_EARLY = _COMPRESSED | _NOT_COMPRESSED | _NO_COPY_ON_WRITE | _CASE_INSENSITIVE


def kept_flags(fd: int) -> int:
    """The kept flags of an open file or directory; 0 where there are none to be had."""
    return (system.get_flags(fd) or 0) & KEPT


def set_early_flags(fd: int, flags: int) -> None:
    """Set what only works on something empty; ``give_flags`` tells what did not work."""
    early = flags & _EARLY
    current = system.get_flags(fd) if early else None
    if current is not None and early & ~current:
        _try_flags(fd, current | early)


def lift_guards(fd: int) -> int:
    """Clear the guarding flags; returns those cleared. OSError when that is forbidden."""
    current = system.get_flags(fd)
    if current is None or not current & GUARDS:
        return 0
    system.set_flags(fd, current & ~GUARDS)
    return current & GUARDS


def give_flags(fd: int, flags: int) -> list[str]:
    """Make the kept flags exactly ``flags``; losses in words. OSError for real trouble."""
    current = system.get_flags(fd)
    if current is None:
        return [_loss(bit, "not supported here") for bit in _bits(flags & KEPT)]
    wanted = current & ~KEPT | flags & KEPT
    if wanted == current or not _try_flags(fd, wanted):
        return []
    losses = []
    for bit in _bits(wanted ^ current):  # one by one, to name those that do not go
        why = _try_flags(fd, current ^ bit)
        if why:
            losses.append(_loss(bit, why))
        else:
            current ^= bit
    return losses


def _try_flags(fd: int, flags: int) -> str:
    """Empty when it worked, else the reason why not."""
    try:
        system.set_flags(fd, flags)
    except OSError as error:
        if not reasons.tolerable(error):
            raise
        return reasons.reason(error)
    return ""


def _bits(flags: int) -> list[int]:
    return [bit for bit in _NAMES if flags & bit]


def _loss(bit: int, why: str) -> str:
    return f'flag "{_NAMES[bit]}" could not be set: {why}'
