"""Links and devices in the form of Interix, which ntfs-3g writes too: files marked as system files.

    IntxLNK 1   then where the link leads, in UTF-16, up to a zero or the end
    IntxCHR 0   8 major   8 minor
    IntxBLK 0   8 major   8 minor

What has the mark and the beginning and could be no such thing on Linux stays a file. So do FIFOs
and sockets, which are nothing but system files of 0 and 1 byte.
"""

import stat
import struct
from typing import NamedTuple

from twofold.disk.base import Kind
from twofold.disk.ntfs.attributes import utf8

SYSTEM = 0x4
"""The attribute that all of them have."""
_LINK = b"IntxLNK\1"
_DEVICES = {b"IntxCHR\0": stat.S_IFCHR, b"IntxBLK\0": stat.S_IFBLK}
_NUMBERS = struct.Struct("<8sQQ")
_LONGEST_TARGET = 4095  # bytes; of UTF-16 no more is needed, either
_MAJORS, _MINORS = 1 << 12, 1 << 20
_RIGHTS = 0o600
LONGEST = len(_LINK) + 2 * (_LONGEST_TARGET + 1)
"""Bytes of the longest content that can be one."""


class Special(NamedTuple):
    """A link with its target, or a device with its type and number as ``st_rdev`` has it."""

    kind: Kind
    target: bytes | None = None
    mode: int | None = None
    device: int | None = None


def may_be(attributes: int, size: int) -> bool:
    """Whether a look at the content is worth it."""
    return bool(attributes & SYSTEM) and len(_LINK) < size <= LONGEST


def parse(content: bytes) -> Special | None:
    """What the content of a system file stands for; None where that is itself."""
    if content.startswith(_LINK):
        return _link(content[len(_LINK) :])
    if len(content) != _NUMBERS.size:
        return None
    magic, major, minor = _NUMBERS.unpack(content)
    mode = _DEVICES.get(magic)
    if mode is None or major >= _MAJORS or minor >= _MINORS:
        return None
    device = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
    return Special(Kind.OTHER, mode=mode | _RIGHTS, device=device)


def _link(name: bytes) -> Special | None:
    text, _, _ = utf8(name[: len(name) // 2 * 2]).partition(b"\0")
    return Special(Kind.LINK, target=text) if 0 < len(text) <= _LONGEST_TARGET else None
