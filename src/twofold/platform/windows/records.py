"""The structures in which Windows describes files, turned into entries. Pure.

Modes are made up from attributes so that a restore on another system has something sensible.
Directory listings do not tell the number of hard links: it is 0 there, unknown until opened.
"""

import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from twofold.platform.base import FLAG_AWAY, Entry

READ_ONLY, HIDDEN, SYSTEM, DIRECTORY, ARCHIVE = 0x1, 0x2, 0x4, 0x10, 0x20
NORMAL, REPARSE_POINT, OFFLINE, NOT_INDEXED = 0x80, 0x400, 0x1000, 0x2000
RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS = 0x4_0000, 0x40_0000

SETTABLE = READ_ONLY | HIDDEN | SYSTEM | ARCHIVE | NOT_INDEXED
"""Attributes that are kept and given back."""

_AWAY = OFFLINE | RECALL_ON_OPEN | RECALL_ON_DATA_ACCESS
_LINK_TAGS = (0xA000_000C, 0xA000_0003)  # symbolic link, junction
_NAME_SURROGATE = 0x2000_0000

# attributes, creation, access, write, volume, size high, size low, links, index high, index low
BY_HANDLE = struct.Struct("<I3Q6I")
# creation, access, write, change, attributes
BASIC = struct.Struct("<4qI4x")
# attributes, reparse tag
ATTRIBUTE_TAG = struct.Struct("<II")
# start, length
RANGE = struct.Struct("<qq")
# next entry, index, creation, access, write, change, end of file, allocated, attributes,
# name length, extended attributes' size or reparse tag, short name length, short name, file id
_LISTED = struct.Struct("<II6qIIIbx24s2xQ")

_EPOCH = 116_444_736_000_000_000  # 1970 in 100 ns since 1601


class Basic(NamedTuple):
    """Times (ns since 1970) and attributes of an open file."""

    mtime_ns: int
    ctime_ns: int
    attributes: int


def to_ns(filetime: int) -> int:
    """ns since 1970 of 100 ns since 1601."""
    return (filetime - _EPOCH) * 100


def to_filetime(ns: int) -> int:
    """100 ns since 1601 of ns since 1970."""
    return ns // 100 + _EPOCH


def is_link(attributes: int, tag: int) -> bool:
    """Whether this leads elsewhere by name, as symbolic links and junctions do."""
    return bool(attributes & REPARSE_POINT and (tag in _LINK_TAGS or tag & _NAME_SURROGATE))


def mode_of(attributes: int, tag: int) -> int:
    """A POSIX mode for attributes; links never count as directories."""
    if is_link(attributes, tag):
        return stat.S_IFLNK | 0o777
    if attributes & DIRECTORY:
        return stat.S_IFDIR | 0o755  # read-only means something else on directories
    return stat.S_IFREG | (0o444 if attributes & READ_ONLY else 0o644)


def flags_of(attributes: int) -> int:
    """Flags of a scanned record."""
    return FLAG_AWAY if attributes & _AWAY else 0


def parse_basic(data: bytes) -> Basic:
    """From FILE_BASIC_INFO."""
    _, _, write, change, attributes = BASIC.unpack(data[: BASIC.size])
    return Basic(to_ns(write), to_ns(change), attributes)


def parse_open(by_handle: bytes, basic: bytes, tag: int) -> tuple[int, Entry]:
    """(Volume number, entry without a name) of an open file."""
    numbers = BY_HANDLE.unpack(by_handle[: BY_HANDLE.size])
    attributes, _, _, _, volume, size_high, size_low, links, high, low = numbers
    times = parse_basic(basic)
    mode, flags = mode_of(attributes, tag), flags_of(attributes)
    size = 0 if stat.S_ISDIR(mode) else size_high << 32 | size_low
    stamps = times.mtime_ns, times.ctime_ns
    return volume, Entry(high << 32 | low, size, *stamps, mode, 0, 0, links, flags, b"")


def parse_listing(data: bytes) -> Iterator[Entry]:
    """From a filled buffer of FILE_ID_BOTH_DIR_INFO records, without ``.`` and ``..``."""
    at = 0
    while at + _LISTED.size <= len(data):
        step, _, _, _, write, change, size, _, *rest = _LISTED.unpack_from(data, at)
        attributes, length, tag, _, _, inode = rest
        start = at + _LISTED.size
        name = data[start : start + length].decode("utf-16-le", "surrogatepass")
        if name not in (".", ".."):
            mode = mode_of(attributes, tag)
            size = size if stat.S_ISREG(mode) else 0
            stamps = to_ns(write), to_ns(change)
            encoded = name.encode("utf-8", "surrogatepass")
            yield Entry(inode, size, *stamps, mode, 0, 0, 0, flags_of(attributes), encoded)
        if not step:
            return
        at += step


def holes_between(ranges: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """(Start, length) of what lies between allocated ranges (start, length) below ``size``."""
    at = 0
    for start, length in ranges:
        if start >= size:
            break
        if start > at:
            yield at, start - at
        at = max(at, start + length)
    if at < size:
        yield at, size - at
