"""Finding a superblock: the first one, or a copy when that is damaged.

A copy is where group 1 (or another that keeps copies) begins for some block and cluster size, and
says so itself: its own size and group number must lead to the place where it was found.
"""

from collections.abc import Iterator

from twofold.disk.base import BlockReader
from twofold.disk.ext import superblock
from twofold.disk.ext.superblock import Superblock
from twofold.errors import FormatError

_GROUPS = (1, 3, 5, 7, 9, 25, 27, 49, 81, 125)
_LARGEST_CLUSTERS_PER_GROUP = 65528
"""A group's counts have 16 bits."""


def find(reader: BlockReader, *, search: bool) -> Superblock:
    """The superblock to go by; ``group_number`` tells whether it is a copy.

    Without its magic number the first one is not damaged but absent, and what copies are left may
    be of a file system that was there before: then only ``search`` looks for them. FormatError
    when there is none, OSError when the device cannot read.
    """
    if reader.size < superblock.OFFSET + superblock.SIZE:
        raise FormatError("too small for an ext volume")
    raw = reader.read(superblock.OFFSET, superblock.SIZE)
    try:
        return superblock.parse(raw, reader.size)
    except FormatError:
        magic = raw[56:58] == superblock.MAGIC.to_bytes(2, "little")
        found = next(_copies(reader), None) if magic or search else None
        if found is None:
            raise
        return found


def _copies(reader: BlockReader) -> Iterator[Superblock]:
    for offset, group in _places():
        if offset + superblock.SIZE > reader.size:
            continue
        try:
            found = superblock.parse(reader.read(offset, superblock.SIZE), reader.size)
        except FormatError:
            continue
        told = found.group_start(found.group_number) * found.block_size
        if found.group_number == group and told == offset:
            yield found


def _places() -> Iterator[tuple[int, int]]:
    """Offset and group number of where copies are with the usual sizes of groups."""
    for log_block in range(7):
        size = 1024 << log_block
        clusters = min(size * 8, _LARGEST_CLUSTERS_PER_GROUP)
        for group in _GROUPS:
            yield (clusters * group + int(log_block == 0)) * size, group
        for log_cluster in range(1, 17):
            yield (clusters << log_cluster) * size, 1
