"""Which units are in use: the bitmaps of blocks of all groups, one after the other.

A group that was never written (BLOCK_UNINIT) has no bitmap; only the file system's own tables are
in use there. These count as in use everywhere, whatever a bitmap says, and so does the whole of a
group whose descriptor or bitmap cannot be relied on: too much is kept rather than too little. A
bitmap that has another count of free units than its descriptor tells is none to rely on. Of a
volume whose journal waits that holds once it was followed; before, the two may be of two times.
"""

from collections.abc import Collection

from twofold.disk import bitmap
from twofold.disk.base import BlockReader
from twofold.disk.ext.groups import BLOCK_UNINIT, Groups, fixed_blocks
from twofold.disk.ext.superblock import Superblock


def read(
    reader: BlockReader, sb: Superblock, groups: Groups, unfit: Collection[int] = ()
) -> bytearray:
    """One bit per unit, lowest first; groups with an ``unfit`` bitmap are all in use.

    OSError when the device cannot read.
    """
    per_group = sb.blocks_per_group // sb.cluster_blocks // 8
    bits = bytearray(per_group * sb.groups)
    for number in range(sb.groups):
        place = slice(number * per_group, (number + 1) * per_group)
        group = groups[number]
        if group is None or number in groups.doubtful or number in unfit:
            bits[place] = b"\xff" * per_group
        elif not group.flags & BLOCK_UNINIT:
            bits[place] = reader.read(group.block_bitmap * sb.block_size, per_group)
    for number in range(sb.groups):
        _mark_tables(bits, sb, groups, number)
    return bitmap.cut(bits, sb.units)


def unfit(reader: BlockReader, sb: Superblock, groups: Groups) -> set[int]:
    """Groups whose bitmap has not as many free units as it should. OSError as above."""
    per_group = sb.blocks_per_group // sb.cluster_blocks
    found = set()
    for number in range(sb.groups):
        group = groups[number]
        if group is None or group.flags & BLOCK_UNINIT:
            continue
        units = min(per_group, sb.units - number * per_group)
        bits = reader.read(group.block_bitmap * sb.block_size, -(-units // 8))
        used = (int.from_bytes(bits, "little") & (1 << units) - 1).bit_count()
        if units - used != group.free_units:
            found.add(number)
    return found


def _mark_tables(bits: bytearray, sb: Superblock, groups: Groups, number: int) -> None:
    for first, count in fixed_blocks(sb, number):
        _mark(bits, sb, first, count)
    group = groups[number]
    if group:
        _mark(bits, sb, group.block_bitmap, 1)
        _mark(bits, sb, group.inode_bitmap, 1)
        _mark(bits, sb, group.inode_table, sb.inode_table_blocks)


def _mark(bits: bytearray, sb: Superblock, block: int, count: int) -> None:
    """Set the units of blocks."""
    first = (block - sb.first_block) // sb.cluster_blocks
    end = -(-(block + count - sb.first_block) // sb.cluster_blocks)
    bitmap.fill(bits, first, min(end, len(bits) * 8) - first)
