"""Which units are in use: the bitmaps of blocks of all groups, one after the other.

A group that was never written (BLOCK_UNINIT) has no bitmap; only the file system's own tables are
in use there. These count as in use everywhere, whatever a bitmap says, and so does the whole of a
group whose descriptor or bitmap cannot be relied on: too much is kept rather than too little.
"""

from twofold.disk import bitmap
from twofold.disk.base import BlockReader
from twofold.disk.ext.groups import BLOCK_UNINIT, Groups, fixed_blocks
from twofold.disk.ext.superblock import Superblock


def read(reader: BlockReader, sb: Superblock, groups: Groups) -> bytearray:
    """One bit per unit, lowest first. OSError when the device cannot read."""
    per_group = sb.blocks_per_group // sb.cluster_blocks // 8
    bits = bytearray(per_group * sb.groups)
    for number in range(sb.groups):
        place = slice(number * per_group, (number + 1) * per_group)
        group = groups[number]
        if group is None or number in groups.doubtful:
            bits[place] = b"\xff" * per_group
        elif not group.flags & BLOCK_UNINIT:
            bits[place] = reader.read(group.block_bitmap * sb.block_size, per_group)
    for number in range(sb.groups):
        _mark_tables(bits, sb, groups, number)
    return bitmap.cut(bits, sb.units)


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
