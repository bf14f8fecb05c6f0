"""Stamps: what changes whenever the content of a file may have changed in place.

A stamp is a digest of the times of change and modification (nanoseconds), the change counter
(``i_version``), generation, size and the map of blocks as far as that is in the inode; whoever
compares stamps compares runs as well. It proves the content unchanged between two
volumes that were unmounted or frozen, because Linux changes ctime, to the present time, with

- every write, truncation and change of attributes; writes through mmap at the first store into a
  page after it was last written out, and freezing or unmounting writes out and protects all pages;
- i_version besides, without fail since Linux 6.1 and with the mount option of that name before.

There is no stamp where that proves nothing:

- ctime is not at least two seconds older than the last writing of the superblock, which freezing
  and unmounting bring about: a write later in the same tick of the clock would not be seen. A
  clock that was set back is not seen either, where i_version is not counted;
- the volume is not clean: the journal may hold newer times or (``data=journal``) newer content.

Not seen either is what was written shortly before a crash: contents may be on the disk and the
inode's new time only in a transaction that was never finished, or with ``lazytime`` only in memory.
Once the volume was mounted and unmounted again nothing tells of that.

Writing past the file system (debugfs, a disk editor, a boot loader, swapping to a file) is not
seen, nor is decay of the medium.
"""

from hashlib import blake2b

from twofold.disk.ext.inode import Inode
from twofold.disk.ext.superblock import Superblock

RECIPE = b"\x01"
"""First byte of every stamp; another one where another digest is made. See images.md."""

_SIZE = 16
_TICKS = 2_000_000_000


def youngest(sb: Superblock) -> int:
    """The latest ctime in nanoseconds that can be relied on; with an unclean volume none can."""
    return sb.written * 1_000_000_000 - _TICKS if sb.clean else -1 << 63


def of(inode: Inode, latest: int) -> bytes:
    """The stamp of a file, or nothing."""
    if inode.changed_ns > latest:
        return b""
    raw = inode.raw
    # Not among them: atime, the number of links, and the check sum, which follow reading.
    parts = raw[4:8] + raw[12:20] + raw[36:104] + raw[108:112] + raw[132:140] + raw[152:156]
    return digest(parts)


def digest(parts: bytes) -> bytes:
    """The stamp of a file, from those parts of its inode that count."""
    return RECIPE + blake2b(parts, digest_size=_SIZE).digest()
