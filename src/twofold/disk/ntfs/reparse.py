"""Reparse points: links, and files whose content another driver provides ([MS-FSCC] 2.1.2).

    0 4 tag   4 2 length of the data   6 2 reserved   8 data

Data of a symbolic link or junction: place and length (2 bytes each) of the name to use, the same of
the name to show, for a symbolic link 4 bytes of flags, then the names in UTF-16.
"""

import struct

from twofold.disk.base import Kind
from twofold.disk.ntfs.attributes import utf8
from twofold.errors import FormatError

JUNCTION = 0xA0000003
SYMLINK = 0xA000000C
WSL_SYMLINK = 0xA000001D

_SPECIAL = {0x80000023, 0x80000024, 0x80000025, 0x80000026}
"""Sockets, pipes and devices of the Windows Subsystem for Linux."""
_NAMES = {JUNCTION: 8, SYMLINK: 12}


def parse(value: bytes) -> tuple[int, bytes]:
    """Tag and data; FormatError when cut short."""
    if len(value) < 8:
        raise FormatError("a reparse point is too short")
    tag, length = struct.unpack_from("<IH", value)
    if 8 + length > len(value):
        raise FormatError("a reparse point is cut short")
    return tag, value[8:]


def kind_of(tag: int, otherwise: Kind) -> Kind:
    """What a name with this tag stands for."""
    if tag in _NAMES or tag == WSL_SYMLINK:
        return Kind.LINK
    return Kind.OTHER if tag in _SPECIAL else otherwise


def target_of(tag: int, data: bytes) -> bytes | None:
    """Where a link leads, as stored (``\\??\\C:\\Users``), in UTF-8; None if it is no link."""
    if tag == WSL_SYMLINK:
        return data[4:]
    if tag not in _NAMES:
        return None
    if len(data) < _NAMES[tag]:
        raise FormatError("a link is too short")
    start, length = struct.unpack_from("<HH", data)
    start += _NAMES[tag]
    if start + length > len(data) or length & 1:
        raise FormatError("the target of a link is outside of it")
    return utf8(data[start : start + length])
