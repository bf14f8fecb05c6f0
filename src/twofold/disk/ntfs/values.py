"""The small attributes: times and flags, names, extended attributes, what a volume says of itself.

$STANDARD_INFORMATION   0 created  8 modified  16 record changed  24 accessed (100 ns since 1601)
                        32 4 attributes   and, in 72 bytes: 52 4 security id   64 8 USN
$FILE_NAME              0 8 directory   56 4 attributes   60 4 reparse tag
                        64 1 characters  65 1 name space (2: DOS only)  66 name
$EA                     0 4 distance to next  4 1 flags  5 1 name  6 2 value  8 name, 0, value
$VOLUME_INFORMATION     8 1 major  9 1 minor  10 2 flags (1: dirty)
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from twofold.disk.ntfs.attributes import utf8
from twofold.errors import FormatError

NUMBER = (1 << 48) - 1
"""The bits of a file reference that are the number of the record; above them its sequence."""

DOS = 2

_EPOCH = 116_444_736_000_000_000
_INFORMATION = struct.Struct("<QQQ8xI")
_LATER = struct.Struct("<52xI8xQ")
_FILE_NAME = struct.Struct("<Q48xIIBB")
_EA = struct.Struct("<IBBH")


class Information(NamedTuple):
    """$STANDARD_INFORMATION; times in ns since 1970."""

    created: int
    modified: int
    changed: int
    attributes: int
    security: int
    """Key into $Secure; 0 if there is none."""


class FileName(NamedTuple):
    """$FILE_NAME, also the key of a directory's index."""

    parent: int
    attributes: int
    tag: int
    """Of the reparse point, if the attributes tell of one."""
    space: int
    name: bytes


def information(value: bytes) -> Information:
    """FormatError when too short."""
    if len(value) < _INFORMATION.size:
        raise FormatError("the times of a file are missing")
    *times, attributes = _INFORMATION.unpack_from(value)
    security = _LATER.unpack_from(value)[0] if len(value) >= _LATER.size else 0
    created, modified, changed = ((time - _EPOCH) * 100 for time in times)
    return Information(created, modified, changed, attributes, security)


def file_name(value: bytes) -> FileName:
    """FormatError when the name is not inside."""
    if len(value) < _FILE_NAME.size:
        raise FormatError("a file name is too short")
    parent, attributes, tag, length, space = _FILE_NAME.unpack_from(value)
    name = value[66 : 66 + 2 * length]
    if len(name) != 2 * length:
        raise FormatError("a file name is cut short")
    return FileName(parent & NUMBER, attributes, tag, space, utf8(name))


def step(name: bytes) -> bytes:
    """A name as one step of a path.

    Names of the POSIX name space may hold all characters: what paths have other uses for is spelled
    as it would be typed, ``\\x2f``. A name that is only spelled like that is another one, and who
    reads the directory is told of the second.
    """
    if name in (b".", b".."):
        return name.replace(b".", rb"\x2e")
    return name.replace(b"/", rb"\x2f").replace(b"\0", rb"\x00")


def extended_attributes(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of $EA."""
    at = 0
    while at + _EA.size <= len(value):
        step, _, name, size = _EA.unpack_from(value, at)
        start = at + _EA.size + name + 1
        if start + size > len(value):
            raise FormatError("extended attributes are cut short")
        yield value[at + _EA.size : start - 1], value[start : start + size]
        if step < _EA.size:
            return
        at += step


def volume_version(value: bytes) -> tuple[str, bool]:
    """Version as ``3.1``, and whether the volume is marked as dirty."""
    if len(value) < 12:
        raise FormatError("the version of the volume is missing")
    return f"{value[8]}.{value[9]}", bool(value[10] & 1)
