"""Nodes and listing records out of what the platform tells of an entry."""

import struct
from collections.abc import Sequence

from twofold.format.pages import More, Node, NodeKind, Owner, kind_of_mode, split_time
from twofold.format.records import TreeRef
from twofold.format.segments import pack_holes
from twofold.platform import FLAG_FAILED, FLAG_RACY, Entry, Extras, Platform, pack_record

_FLAGS = struct.Struct("<H")
FLAGS_AT = 50
"""Where the flags lie in a listing record."""

XATTR_LIMIT = 256 << 10
"""Most bytes of extended attributes of one entry, so that it always fits a metadata page."""

FAILED = FLAG_FAILED | FLAG_RACY
"""Flags of a stored record whose entry failed: it differs from every scan, so it is tried again."""

_WHOLE_SECONDS = Entry(0, 0, 0, 0, 0, 0, 0, 0, 0, b"")
"""What makes a platform assume the coarsest steps of time."""


def flagged(record: bytes, flags: int) -> bytes:
    """The record (with or without its name) with flags added."""
    if not flags:
        return record
    old = _FLAGS.unpack_from(record, FLAGS_AT)[0]
    return record[:FLAGS_AT] + _FLAGS.pack(old | flags) + record[FLAGS_AT + 2 :]


class NodeMaker:
    """Makes nodes for one platform; owners are cached."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._owners: dict[tuple[int, int], Owner] = {}
        self._system = "windows" if platform.machine().system.lower().startswith("win") else ""

    def owner(self, entry: Entry) -> Owner:
        """Owner by number and name."""
        key = (entry.uid, entry.gid)
        found = self._owners.get(key)
        if found is None:
            names = self._platform.owner_names(*key)
            found = self._owners[key] = Owner(*key, *names)
        return found

    def node(
        self,
        name: bytes,
        entry: Entry,
        extras: Extras | None,
        *,
        size: int = 0,
        content: bytes = b"",
        ref: TreeRef | None = None,
        holes: Sequence[tuple[int, int]] = (),
    ) -> Node:
        """A node; its owner is settled when it enters a page. The kind must be one we know."""
        kind = kind_of_mode(entry.mode)
        seconds, mtime = split_time(entry.mtime_ns)
        assert kind is not None
        return Node(
            name,
            int(kind),
            entry.mode & 0o7777,
            0,  # right more often than not, which spares a copy of the node
            mtime,
            size,
            extras.target if extras and kind is NodeKind.SYMLINK else content,
            ref,
            entry.links > 1 and kind is not NodeKind.DIRECTORY,
            self._more(extras or Extras(), holes, seconds) if extras or holes or seconds else None,
        )

    def _more(self, extras: Extras, holes: Sequence[tuple[int, int]], seconds: int) -> More | None:
        if not (extras.xattrs or extras.flags or extras.device or holes or seconds):
            return None
        return More(
            xattrs=sorted(extras.xattrs),
            flags=extras.flags,
            device=extras.device,
            holes=pack_holes(holes),
            system=self._system if extras.flags else "",
            seconds=seconds,
        )

    def bounded(self, extras: Extras) -> Extras:
        """Extras that fit a page: attributes beyond ``XATTR_LIMIT`` bytes are left out and told."""
        if not extras.xattrs:
            return extras
        kept, size = [], 0
        for name, value in sorted(extras.xattrs, key=lambda pair: len(pair[1])):
            size += len(name) + len(value)
            if size > XATTR_LIMIT:
                text = name.decode("utf-8", "replace")
                extras.problems.append(f"extended attribute '{text}' is too long and was left out")
            else:
                kept.append((name, value))
        extras.xattrs = kept
        return extras

    def settled_before(self, read_from_ns: int, fs_type: str) -> int:
        """Times up to this one are surely not ``racy``, whatever entry they are of."""
        step = self._platform.timestamp_granularity_ns(fs_type, _WHOLE_SECONDS)
        return read_from_ns - 2 * step

    def racy(self, entry: Entry, read_from_ns: int, fs_type: str) -> bool:
        """Whether a change could hide behind these times: they are too near to the reading."""
        step = self._platform.timestamp_granularity_ns(fs_type, entry)
        return max(entry.mtime_ns, entry.ctime_ns) > read_from_ns - 2 * step


def record_of(name: bytes, entry: Entry) -> bytes:
    """A listing record, name included."""
    return pack_record(entry._replace(name=name))
