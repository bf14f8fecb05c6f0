"""Extended attributes: behind the fixed fields of the inode, in a block, in inodes of their own.

Both places hold entries (16 bytes and a name) and values, which entries point to from the begin of
the entries (inode) or of the block. Large values (``ea_inode``) are the content of another inode.
Names are kept without their prefix.
(Kernel documentation, "ext4 Data Structures and Algorithms", extended attributes.)
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from twofold.disk.ext import acl
from twofold.disk.ext.inode import Inode, check_extra
from twofold.errors import FormatError

_MAGIC = b"\x00\x00\x02\xea"
_BLOCK_HEADER = 32
_ENTRY = struct.Struct("<BBHIII")
_LARGEST_VALUE = 1 << 20
_LARGEST_SUM = 64 << 20

_SYSTEM = 7
_ACLS = {2: b"system.posix_acl_access", 3: b"system.posix_acl_default"}
_PREFIXES = {1: b"user.", 4: b"trusted.", 6: b"security.", 10: b"gnu."}
"""What Linux shows: neither its own (system.data, the context of encryption) nor unknown ones."""


class Entry(NamedTuple):
    """A name as stored, and where its value is."""

    prefix: int
    name: bytes
    size: int
    inode: int
    """Whose content is the value; 0 when it is in ``value``."""
    value: bytes


ReadBlock = Callable[[int], bytes]
ReadInode = Callable[[int, int], bytes]
"""(inode number, size) → content."""


def stored(inode: Inode, block: ReadBlock) -> Iterator[Entry]:
    """All entries of an inode. FormatError on damage."""
    check_extra(inode)
    start = inode.extra_end
    if len(inode.raw) >= start + 8 and inode.raw[start : start + 4] == _MAGIC:
        yield from _entries(inode.raw[start + 4 :], 0)
    if inode.xattr_block:
        raw = block(inode.xattr_block)
        if raw[:4] != _MAGIC:
            raise FormatError(f"the attribute block of inode {inode.number} is damaged")
        yield from _entries(raw, _BLOCK_HEADER)


def has_any(inode: Inode) -> bool:
    """Whether there is a place with entries. FormatError on damage."""
    check_extra(inode)
    start = inode.extra_end
    return bool(inode.xattr_block) or inode.raw[start : start + 4] == _MAGIC


def _entries(raw: bytes, place: int) -> Iterator[Entry]:
    while raw[place : place + 4] not in {bytes(4), b""}:
        if place + _ENTRY.size > len(raw):
            raise FormatError("extended attributes have no end")
        length, prefix, offset, inode, size, _ = _ENTRY.unpack_from(raw, place)
        name = raw[place + _ENTRY.size : place + _ENTRY.size + length]
        value = b"" if inode else raw[offset : offset + size]
        if size > _LARGEST_VALUE or not (inode or len(value) == size) or len(name) < length:
            raise FormatError("an extended attribute lies outside of its place")
        yield Entry(prefix, name, size, inode, value)
        place += _ENTRY.size + (length + 3 & ~3)


def shown(inode: Inode, block: ReadBlock, content: ReadInode) -> tuple[tuple[bytes, bytes], ...]:
    """Names and values as Linux shows them to root, in the order stored. FormatError on damage."""
    found = []
    total = 0
    for entry in stored(inode, block):
        total += entry.size
        if total > _LARGEST_SUM:
            raise FormatError(f"inode {inode.number} has too many extended attributes")
        name = _ACLS.get(entry.prefix) or _PREFIXES.get(entry.prefix)
        if name is None:
            continue
        value = content(entry.inode, entry.size) if entry.inode else entry.value
        if entry.prefix in _ACLS:
            found.append((name, acl.shown(value)))
        else:
            found.append((name + entry.name, value))
    return tuple(found)


def inline_data(inode: Inode, block: ReadBlock) -> bytes:
    """The continuation of content that stands in the inode."""
    for entry in stored(inode, block):
        if entry.prefix == _SYSTEM and entry.name == b"data":
            return entry.value
    return b""
