"""Which snapshot is meant, and where in it: ``SNAPSHOT[:pN[.NAME]][:/path]``.

    3fa2, 3fa2…        the beginning of an id; alone finds forgotten and unfinished snapshots
    latest, latest~2   the newest one, or the second before it
    @2026-11-01        the newest one made not after the end of that day (or @2026-11-01T12:30)
    …:/home/u          an entry in it; on Windows also ``…:C:\\Users\\u``, which is ``/C/Users/u``
    …:p3:/Users        an entry on partition 3 of an image
    …:p3.root:/home    an entry on the logical volume "root" in partition 3

Times are those of this computer's time zone.
"""

import os
import re
import time
from collections.abc import Sequence
from datetime import date

import msgspec

from twofold.errors import SnapshotNotFound, UsageError
from twofold.format.image import PartName
from twofold.repository import Snapshot

_ADDRESS = re.compile(
    r"""
    (?: (?P<latest>latest) (?: ~(?P<back>[0-9]{1,9}) )?
      | @(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})
         (?: [T ] (?P<hour>[0-9]{2}) :(?P<minute>[0-9]{2}) (?: :(?P<second>[0-9]{2}) )? )?
      | (?P<id>[0-9a-fA-F]{1,32})
    )
    (?: :p(?P<partition>[0-9]{1,5}) (?: \.(?P<logical>[A-Za-z0-9+_.-]{1,127}) )? )?
    (?: :(?P<path>.*) )?
    """,
    re.VERBOSE | re.DOTALL,
)
_PART = re.compile(r"p?([0-9]{1,5})(?:\.([A-Za-z0-9+_.-]{1,127}))?", re.ASCII)
_DRIVE = re.compile(r"([A-Za-z]):(?:[\\/]|\Z)")
_SHOWN = 5
_NS = 1_000_000_000


class Address(msgspec.Struct, frozen=True):
    """A parsed address: exactly one of ``prefix``, ``back`` and ``before_ns`` is given.

    ``path`` is None when none was named, and empty for the top of the tree.
    """

    text: str
    prefix: str | None = None
    back: int | None = None
    before_ns: int | None = None
    partition: PartName | None = None
    path: tuple[bytes, ...] | None = None

    def refuse_partition(self, snapshot: Snapshot) -> None:
        """``UsageError`` when a partition is named of a snapshot that has none."""
        if self.partition is not None and snapshot.root.kind != "image":
            raise UsageError(
                f"{snapshot.short} is not an image: it has no partition {self.partition}",
                hint="leave out ':p…' for a backup of files",
            )


def parse_address(text: str) -> Address:
    """What an address says. ``UsageError`` when it says nothing."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise UsageError(
            f"'{text}' does not name a snapshot",
            hint="write latest, latest~2, @2026-11-01 or the beginning of an id, then :/path",
        )
    partition, path = match["partition"], match["path"]
    return Address(
        text,
        prefix=match["id"].lower() if match["id"] else None,
        back=int(match["back"] or 0) if match["latest"] else None,
        before_ns=_end_of(match) if match["day"] else None,
        partition=part_named(partition, match["logical"]) if partition else None,
        path=None if path is None else parse_path(path),
    )


def parse_part(text: str) -> PartName:
    """A partition or logical volume that is named alone: 3, p3 or p3.root. ``UsageError``."""
    match = _PART.fullmatch(text)
    if match is None:
        raise UsageError(f"'{text}' is no number of a partition", hint="write it like 3 or p3")
    return part_named(match[1], match[2])


def part_order(name: PartName) -> tuple[int, str]:
    """By which partitions and what is in them are sorted."""
    number, _, logical = str(name).partition(".")
    return int(number), logical


def part_named(number: str, logical: str | None) -> PartName:
    """A partition by its number, or a logical volume in it by its name."""
    return f"{int(number)}.{logical}" if logical else int(number)


def parse_path(text: str) -> tuple[bytes, ...]:
    """The names along an absolute path in a snapshot. ``UsageError``."""
    drive = _DRIVE.match(text)
    if drive:
        text = f"/{drive[1].upper()}/" + text[drive.end() :].replace("\\", "/")
    if text and not text.startswith("/"):
        raise UsageError(
            f"'{text}' is not a path in a snapshot", hint="such paths begin with / (or a drive, C:)"
        )
    return split_path(os.fsencode(text))


def parse_argument(path: bytes) -> tuple[bytes, ...]:
    """The names along a path given as an argument, absolute or below an address."""
    text = os.fsdecode(path)
    return parse_path(text) if _DRIVE.match(text) else split_path(path)


def is_absolute(path: bytes) -> bool:
    """Whether a path given as an argument begins at the top: with a slash or a drive."""
    return path.startswith(b"/") or _DRIVE.match(os.fsdecode(path)) is not None


def split_path(path: bytes) -> tuple[bytes, ...]:
    """The names along a path. ``UsageError`` for a way upwards, which no snapshot has."""
    names = tuple(name for name in path.split(b"/") if name not in (b"", b"."))
    if b".." in names:
        raise UsageError("a path in a snapshot cannot lead upwards ('..')")
    return names


def path_text(path: Sequence[bytes]) -> bytes:
    """A path in a snapshot as it is shown."""
    return b"/" + b"/".join(path)


def address_text(snapshot: str, partition: PartName | None, path: Sequence[bytes]) -> bytes:
    """An address out of its parts, as people type it."""
    middle = f":p{partition}" if partition is not None else ""
    return f"{snapshot}{middle}:".encode() + path_text(path)


def _end_of(match: re.Match[str]) -> int:
    """The first moment after the day, minute or second named, in ns."""
    try:
        day = date.fromisoformat(match["day"])
        hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
        if hour > 23 or minute > 59 or second > 59:
            raise ValueError("no such time of day")
        if match["second"]:
            second += 1
        elif match["hour"]:
            minute += 1
        days = day.day if match["hour"] else day.day + 1
        # mktime takes a 32nd of the month or a 60th minute for what it is, and knows summer time
        end = time.mktime((day.year, day.month, days, hour, minute, second, 0, 0, -1))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"'{match[0]}' is not a day or time ({error})") from error
    return round(end) * _NS


def resolve(address: Address, snapshots: Sequence[Snapshot]) -> Snapshot:
    """The snapshot meant, out of all by time, newest last.

    ``SnapshotNotFound``; ``NewerFormat`` when it is of a kind that is not known: the next older one
    is not what was asked for.
    """
    found = _resolve(address, snapshots)
    found.root.check_kind()
    return found


def _resolve(address: Address, snapshots: Sequence[Snapshot]) -> Snapshot:
    if address.prefix is not None:
        return _by_prefix(address.prefix, snapshots)
    kept = [each for each in snapshots if not each.forgotten and not each.root.partial]
    if address.before_ns is not None:
        return _by_time(address, kept)
    back = address.back or 0
    if back >= len(kept):
        raise SnapshotNotFound(
            f"'{address.text}' asks for more snapshots than there are ({len(kept)})"
        )
    return kept[-1 - back]


def _by_prefix(prefix: str, snapshots: Sequence[Snapshot]) -> Snapshot:
    found = [each for each in snapshots if each.id.hex().startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if found:
        raise SnapshotNotFound(
            f"'{prefix}' is the beginning of {len(found)} ids: {_named(found)}",
            hint="give more digits",
        )
    near = [each for each in snapshots if not each.forgotten][-_SHOWN:]
    message = f"no snapshot's id begins with '{prefix}'"
    raise SnapshotNotFound(f"{message}; the newest are {_named(near)}" if near else message)


def _by_time(address: Address, kept: Sequence[Snapshot]) -> Snapshot:
    before = address.before_ns or 0
    found = [each for each in kept if each.root.time_ns < before]
    if found:
        return found[-1]
    if not kept:
        raise SnapshotNotFound("there is no snapshot yet")
    raise SnapshotNotFound(f"no snapshot is that old; the oldest is {_named(kept[:1])}")


def _named(snapshots: Sequence[Snapshot]) -> str:
    shown = ", ".join(f"{each.id.hex()[:12]} of {_day(each)}" for each in snapshots[:_SHOWN])
    return shown + (", …" if len(snapshots) > _SHOWN else "")


def _day(snapshot: Snapshot) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(snapshot.root.time_ns // _NS))
