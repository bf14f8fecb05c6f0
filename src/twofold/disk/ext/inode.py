"""Inodes: 128 bytes as ever, and behind them what larger ones have room for.

Times have 34 bits of seconds and nanoseconds when the inode is larger, 32 bits of seconds
otherwise.
(Kernel documentation, "ext4 Data Structures and Algorithms", index nodes.)
"""

import stat
import struct

from twofold.disk.base import Kind
from twofold.errors import FormatError

# Flags
COMPRESSED = 0x4
ENCRYPTED = 0x800
EXTENTS = 0x80000
VERITY = 0x100000
EA_INODE = 0x200000
INLINE_DATA = 0x10000000

# Numbers
BAD_BLOCKS = 1
ROOT = 2
RESIZE = 7

MAP_SIZE = 60
"""Bytes that hold the block map, the extents' root, the data or a link's target."""
_HEAD = struct.Struct("<H2xI24xI4x60s4xII")
_TIME = struct.Struct("<i")
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}
_SECOND = 1_000_000_000


class Inode:
    """An inode: the fields that every pass needs, and the rest on demand."""

    __slots__ = ("flags", "map", "mode", "number", "raw", "size", "xattr_block")

    def __init__(self, number: int, raw: bytes) -> None:
        """``raw`` has all bytes of the inode, at least 128."""
        self.number = number
        self.raw = raw
        mode, size, flags, block_map, xattr, high = _HEAD.unpack_from(raw)
        self.mode: int = mode
        self.flags: int = flags
        self.map: bytes = block_map
        self.size: int = size | high << 32 if mode & 0xF000 in {0x8000, 0x4000} else size
        self.xattr_block: int = xattr | self.short(118) << 32

    @property
    def kind(self) -> Kind:
        """Anything else is a device, pipe or socket."""
        return _KINDS.get(stat.S_IFMT(self.mode), Kind.OTHER)

    @property
    def uid(self) -> int:
        """Owner."""
        return self.short(2) | self.short(120) << 16

    @property
    def gid(self) -> int:
        """Group."""
        return self.short(24) | self.short(122) << 16

    @property
    def links(self) -> int:
        """Number of names; 1 for a directory with too many to count."""
        return self.short(26)

    @property
    def fast_link(self) -> bool:
        """Whether the target of a symbolic link stands in the inode itself."""
        return self.size < MAP_SIZE and not self.flags & (EXTENTS | INLINE_DATA)

    @property
    def device(self) -> int | None:
        """As ``st_rdev`` has it on Linux: the old form of 16 bits or the new one of 32."""
        if stat.S_IFMT(self.mode) not in {stat.S_IFBLK, stat.S_IFCHR}:
            return None
        old, new = struct.unpack_from("<II", self.map)
        return int(old or new)

    @property
    def extra_end(self) -> int:
        """Where the fixed fields end and extended attributes begin."""
        return 128 + (self.short(128) if len(self.raw) >= 132 else 0)

    @property
    def modified_ns(self) -> int:
        """Since 1970."""
        return self._time(16, 136)

    @property
    def changed_ns(self) -> int:
        """Since 1970."""
        return self._time(12, 132)

    @property
    def created_ns(self) -> int | None:
        """Since 1970; None where inodes have no room for it."""
        return self._time(144, 148) if self.extra_end >= 148 else None

    def short(self, offset: int) -> int:
        """A field of 16 bits."""
        return int.from_bytes(self.raw[offset : offset + 2], "little")

    def long(self, offset: int) -> int:
        """A field of 32 bits."""
        return int.from_bytes(self.raw[offset : offset + 4], "little")

    def _time(self, seconds_at: int, extra_at: int) -> int:
        (seconds,) = _TIME.unpack_from(self.raw, seconds_at)
        if self.extra_end < extra_at + 4:
            return int(seconds) * _SECOND
        extra = self.long(extra_at)
        return (int(seconds) + ((extra & 3) << 32)) * _SECOND + (extra >> 2)


def check_extra(inode: Inode) -> None:
    """FormatError when the fixed fields would end behind the inode."""
    if inode.extra_end > len(inode.raw):
        raise FormatError(f"inode {inode.number} has fields outside of itself")
