"""Directories: entries one after another, none of which crosses the end of a block.

Hashed directories keep their index in what looks like unused entries, and check sums at the end of
a block look so as well, so reading all blocks in order finds every name. Small ones may stand in
the inode (``inline_data``), where the first four bytes are the number of the parent.
(Kernel documentation, "ext4 Data Structures and Algorithms", directory entries.)
"""

import struct
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256

from twofold.disk.base import Kind
from twofold.disk.ext.inode import MAP_SIZE
from twofold.errors import FormatError

_HEAD = struct.Struct("<IHBB")
_KINDS = {1: Kind.FILE, 2: Kind.DIRECTORY, 7: Kind.LINK}
_KNOWN = frozenset(range(1, 8))
_TYPE_BITS = 0xF
_SPELLED = 149

Found = tuple[bytes, int, Kind | None]
"""Name, inode, and what it is if the entry tells."""


def entries(block: bytes, inodes: int, *, typed: bool, sealed: bool = False) -> Iterator[Found]:
    """The names in one block or inline part, without ``.`` and ``..``.

    ``typed``: entries tell what they stand for. ``sealed``: names are encrypted, and told as
    ``spelled``. FormatError on damage.
    """
    place, size = 0, len(block)
    while place + 8 <= size:
        inode, length, name_length, kind = _HEAD.unpack_from(block, place)
        if size >= 65536:
            length = length & 0xFFFC | (length & 3) << 16 if 0 < length < 0xFFFF else size
        if not typed:
            name_length |= kind << 8
        if length < 8 or length % 4 or place + length > size or name_length > length - 8:
            raise FormatError("a directory is damaged")
        if inode:
            name = block[place + 8 : place + 8 + name_length]
            if inode > inodes or not (_is_name(name) or (sealed and name)):
                raise FormatError("a directory has an impossible entry")
            if name not in {b".", b".."}:
                yield (
                    spelled(name) if sealed else name,
                    inode,
                    _kind(kind & _TYPE_BITS) if typed else None,
                )
        place += length


def spelled(name: bytes) -> bytes:
    """An encrypted name, which may hold any byte, in letters: base 64 as in addresses of the web.

    Linux without the key shows the same behind a hash; of long names the end is hashed, as there.
    """
    kept = name[:_SPELLED] + (sha256(name[_SPELLED:]).digest() if len(name) > _SPELLED else b"")
    return urlsafe_b64encode(kept).rstrip(b"=")


def _is_name(name: bytes) -> bool:
    return 0 < len(name) < 256 and b"/" not in name and b"\0" not in name


def _kind(stored: int) -> Kind | None:
    return _KINDS.get(stored, Kind.OTHER) if stored in _KNOWN else None


def inline(data: bytes, inodes: int, *, sealed: bool = False) -> Iterator[Found]:
    """The names of a directory that stands in its inode: first 60 bytes, then the attribute."""
    yield from entries(data[4:MAP_SIZE], inodes, typed=True, sealed=sealed)
    yield from entries(data[MAP_SIZE:], inodes, typed=True, sealed=sealed)
