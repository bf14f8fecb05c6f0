"""Conditions on entries besides their names: what they are, how old, how large.

times   2026-11-01, 2026-11-01T12:30[:15] of this computer's clock; or an age: 90s, 30m, 12h,
        3d, 2w, 1y
sizes   +10M at least, -10M at most, 1M..10M between, 1500 exactly
"""

import re
import time
from datetime import datetime

import msgspec

from twofold.errors import UsageError
from twofold.format.pages import Node, NodeKind
from twofold.options import parse_size

KINDS = {"f": NodeKind.FILE, "d": NodeKind.DIRECTORY, "l": NodeKind.SYMLINK}
_AGE = re.compile(r"([0-9]{1,6})([smhdwy])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_NS = 10**9


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry must be; times in ns since 1970, sizes in bytes; None and empty are any."""

    kinds: frozenset[int] = frozenset()
    newer_ns: int | None = None
    older_ns: int | None = None
    least: int | None = None
    most: int | None = None

    def takes(self, node: Node) -> bool:
        """Whether an entry fulfils all conditions. Only files have a size."""
        if self.kinds and node.kind not in self.kinds:
            return False
        if self.newer_ns is not None and node.mtime_ns < self.newer_ns:
            return False
        if self.older_ns is not None and node.mtime_ns >= self.older_ns:
            return False
        if self.least is None and self.most is None:
            return True
        if node.kind != NodeKind.FILE or node.size < (self.least or 0):
            return False
        return self.most is None or node.size <= self.most


def parse_moment(text: str, now_ns: int) -> int:
    """ns since 1970 of a day, a time or an age. ``UsageError``."""
    age = _AGE.fullmatch(text.strip())
    if age:
        return now_ns - int(age[1]) * _SECONDS[age[2]] * _NS
    try:
        when = datetime.fromisoformat(text.strip())
        if when.tzinfo is not None:
            return round(when.timestamp()) * _NS
        return round(time.mktime(when.timetuple())) * _NS
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"'{text}' is not a time", hint="write 2026-11-01, 2026-11-01T12:30, or 3d for an age"
        ) from error


def parse_sizes(text: str) -> tuple[int | None, int | None]:
    """(least, most) bytes out of a range. ``UsageError``."""
    text = text.strip()
    if text.startswith("+"):
        return parse_size(text[1:]), None
    if text.startswith("-"):
        return None, parse_size(text[1:])
    low, dots, high = text.partition("..")
    if not dots:
        return parse_size(text), parse_size(text)
    return (parse_size(low) if low else None), (parse_size(high) if high else None)
