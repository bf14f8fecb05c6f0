"""Whether two trees are the same: kinds, permissions, sizes, times, targets of links, bytes.

Both are walked side by side, one folder at a time, so that memory does not grow with the tree.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 20
Pair = tuple[str, str]


def difference(wanted: Path, found: Path, every: int = 1) -> str:
    """The first difference in words, empty when there is none.

    Args:
        wanted: the tree as it should be.
        found: the tree to judge.
        every: of how many files one is compared byte by byte, from the first one on.
    """
    if not found.is_dir():
        return f"missing: {found}"
    files = 0
    for one, two in _pairs(str(wanted), str(found)):
        before, after = os.lstat(one), _status(two)
        if after is None:
            return f"missing: {two}"
        said = _entry(before, after) or _contents(before, one, two, files % every == 0)
        files += stat.S_ISREG(before.st_mode)
        if said:
            return f"{said}: {two}"
    return ""


def _pairs(wanted: str, found: str) -> Iterator[Pair]:
    """Every entry of both trees; a name that only the found tree has is paired the other way."""
    waiting = [(wanted, found)]
    while waiting:
        one, two = waiting.pop()
        there = set(os.listdir(two))
        with os.scandir(one) as entries:
            for entry in entries:
                there.discard(entry.name)
                pair = entry.path, f"{two}/{entry.name}"
                yield pair
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(pair)
        for name in there:
            yield f"{two}/{name}", f"{one}/{name}"  # found but not wanted: missing in the other


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _entry(before: os.stat_result, after: os.stat_result) -> str:
    if before.st_mode != after.st_mode:
        return "other kind or permissions"
    if not stat.S_ISREG(before.st_mode):
        return ""
    if before.st_size != after.st_size:
        return "other size"
    return "" if before.st_mtime_ns == after.st_mtime_ns else "other time"


def _contents(status: os.stat_result, one: str, two: str, read: bool) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "" if os.readlink(one) == os.readlink(two) else "other target"
    if not read or not stat.S_ISREG(status.st_mode):
        return ""
    with open(one, "rb", buffering=0) as first, open(two, "rb", buffering=0) as second:
        while piece := first.read(PIECE):
            if piece != second.read(PIECE):
                return "other bytes"
    return ""
