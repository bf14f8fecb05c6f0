"""Files of a foreign file system as nodes: what a restore writes, out of what a parser tells.

    POSIX (ext)    mode, owner, times, extended attributes, devices as they are
    Windows, FAT   nobody's, with a mode after the read-only attribute; marked if hidden or system;
                   further streams become attributes ``user.NAME``, as ntfs-3g shows them

A node's ``ref`` holds the number of its file. What cannot be read is told beside (``refusal``).
"""

import re
from collections.abc import Callable

from twofold.disk import Facts, FileFacts, Kind
from twofold.errors import DamageFound
from twofold.format.pages import ExtraStream, More, Node, NodeKind, Owner, kind_of_mode, split_time
from twofold.format.records import TreeRef
from twofold.view.base import NO_OWNER

STREAM_LIMIT = 64 << 10
"""Bytes of the longest stream that is given back as an attribute: what attributes may have."""

_READ_ONLY, _HIDDEN, _SYSTEM, _OFFLINE, _RECALL = 0x1, 0x2, 0x4, 0x1000, 0x400000
_WOF = 0x80000017
_WOF_STREAM = b"WofCompressedData"
_WIM_ARCHIVE = b"\1\0\0\0"
"""The provider in the data of such a reparse point, where it is not the file itself."""
_ELSEWHERE = {
    0x80000013: "its content is kept by the data deduplication of Windows",
    0xC0000004: "its content was moved to other storage by Windows",
    0x80000006: "its content was moved to other storage by Windows",
}
_WSL_LINK = 0xA000001D
_ABSOLUTE = re.compile(rb"[A-Za-z]:|Volume\{|[\\/]")

ReadStream = Callable[[bytes], bytes]
"""Content of a named stream. ``DamageFound``."""


def number_of(node: Node) -> int:
    """The number of a node's file."""
    return int.from_bytes(node.ref.id, "little") if node.ref is not None else -1


def node_of(
    name: bytes, number: int, facts: FileFacts, read: ReadStream, otherwise_ns: int
) -> tuple[Node, Owner]:
    """The node of a file, and its owner; ``otherwise_ns`` is the time of what has none."""
    kind = _kind(facts)
    seconds, mtime = split_time(otherwise_ns if facts.modified_ns is None else facts.modified_ns)
    target = _target(facts) if kind == NodeKind.SYMLINK else b""
    node = Node(
        name,
        kind,
        _mode(facts),
        0,
        mtime,
        facts.size if kind == NodeKind.FILE else 0,
        target,
        TreeRef(number.to_bytes(8, "little")),
        facts.links > 1 and kind != NodeKind.DIRECTORY,
        _more(facts, seconds, target, read),
    )
    return node, NO_OWNER if facts.uid is None else Owner(facts.uid, facts.gid or 0)


def refusal(facts: FileFacts) -> str:
    """Why a file cannot be given back, in words; empty when it can."""
    tag = facts.reparse[0] if facts.reparse else 0
    attributes = facts.attributes or 0
    if facts.kind is Kind.OTHER and (facts.mode is None or kind_of_mode(facts.mode) is None):
        return "it is a special file of another operating system"
    if facts.kind is Kind.LINK and facts.target is None:
        return "where the link leads is encrypted"
    if facts.kind is not Kind.FILE:
        return ""
    if facts.encrypted:
        return "its content is encrypted by the file system"
    if attributes & (_RECALL | _OFFLINE) and tag:
        return "its content was not on the disk, only with a cloud service"
    if tag == _WOF and facts.reparse and facts.reparse[1][4:8] == _WIM_ARCHIVE:
        return "its content lies in an archive of Windows (WIM) elsewhere"
    return _ELSEWHERE.get(tag, "")


def _kind(facts: FileFacts) -> NodeKind:
    if facts.kind is Kind.DIRECTORY:
        return NodeKind.DIRECTORY
    if facts.kind is Kind.LINK:
        return NodeKind.SYMLINK
    found = kind_of_mode(facts.mode) if facts.mode is not None else None
    return found or NodeKind.FILE


def _mode(facts: FileFacts) -> int:
    """Permissions; where there are none, those of a new file that everybody may read."""
    if facts.mode is not None:
        return facts.mode & 0o7777
    if facts.kind is Kind.DIRECTORY:
        return 0o755
    if facts.kind is Kind.LINK:
        return 0o777
    return 0o444 if (facts.attributes or 0) & _READ_ONLY else 0o644


def _target(facts: FileFacts) -> bytes:
    """Where a link leads, as this system writes it."""
    target = facts.target or b""
    if facts.reparse is None or facts.reparse[0] == _WSL_LINK:
        return target
    return target.removeprefix(b"\\??\\").replace(b"\\", b"/")


def _more(facts: FileFacts, seconds: int, target: bytes, read: ReadStream) -> More | None:
    """What few entries have; also of those with a refusal, so that they are looked at."""
    flags = (facts.attributes or 0) & (_HIDDEN | _SYSTEM)
    if facts.kind in (Kind.LINK, Kind.OTHER) and facts.reparse is None:
        flags &= ~_SYSTEM  # which is how NTFS tells it from a file
    abroad = facts.reparse is not None and is_absolute(target)
    xattrs, streams = _streams(facts, read)
    device = facts.device or 0
    if not (flags or abroad or xattrs or streams or device or seconds or refusal(facts)):
        return None
    system = "" if facts.attributes is None else "windows"
    return More(
        xattrs=xattrs, flags=flags, device=device, streams=streams, system=system, seconds=seconds
    )


def _streams(
    facts: FileFacts, read: ReadStream
) -> tuple[list[tuple[bytes, bytes]], list[ExtraStream]]:
    """Attributes, with the streams that fit among them, and the streams that do not."""
    xattrs = list(facts.xattrs)
    left: list[ExtraStream] = []
    for name, size in facts.streams.items():
        if name == _WOF_STREAM and facts.reparse and facts.reparse[0] == _WOF:
            continue  # it is the content itself
        try:
            if size > STREAM_LIMIT or facts.encrypted:
                raise DamageFound("too much for an attribute")
            xattrs.append((b"user." + name, read(name)))
        except DamageFound:
            left.append(ExtraStream(name, size))
    return xattrs, left


def is_absolute(target: bytes) -> bool:
    """Whether a link of Windows leads somewhere by drive, volume or from the top."""
    return _ABSOLUTE.match(target) is not None


def is_sound(name: bytes) -> bool:
    """Whether a name can be one step of a path."""
    return name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name


def notes_on(facts: Facts) -> tuple[str, ...]:
    """Sentences about a file system as a whole, for whoever restores from it."""
    found = []
    if not facts.clean:
        why = facts.doubt or "the file system was in use"
        found.append(f"{why}: its last changes may be missing")
    if facts.kind == "ntfs":
        found.append("owners and access rights of Windows are not restored")
    return (*found, *facts.notes)
