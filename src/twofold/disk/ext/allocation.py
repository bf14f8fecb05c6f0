"""Which units are in use: the bitmaps of blocks of all groups, one after the other.

A group that was never written (BLOCK_UNINIT) has no bitmap; only the file system's own tables are
in use there. These count as in use everywhere, whatever a bitmap says, and so does the whole of a
group whose descriptor or bitmap cannot be relied on: too much is kept rather than too little. A
bitmap that has another count of free units than its descriptor tells is none to rely on. Of a
volume whose journal waits that holds once it was followed; before, the two may be of two times.
"""

from twofold.disk import bitmap
from twofold.disk.base import BlockReader
from twofold.disk.ext.groups import BLOCK_UNINIT, Groups, fixed_blocks
from twofold.disk.ext.superblock import Superblock


def read(
    reader: BlockReader, sb: Superblock, groups: Groups, *, settled: bool
) -> tuple[bytearray, int]:
    """One bit per unit, lowest first; and how many groups have a bitmap that cannot be right.

    ``settled``: bitmaps and descriptors are of the same time, so they are compared. OSError when
    the device cannot read.
    """
    size = sb.blocks_per_group // sb.cluster_blocks // 8
    bits = bytearray(size * sb.groups)
    unfit = 0
    for number in range(sb.groups):
        place = slice(number * size, (number + 1) * size)
        group = groups[number]
        is_kept = group is None or number in groups.doubtful
        if group is not None and not group.flags & BLOCK_UNINIT and (settled or not is_kept):
            bits[place] = reader.read(group.block_bitmap * sb.block_size, size)
            units = min(size * 8, sb.units - number * size * 8)
            if settled and _free(bits[place], units) != group.free_units:
                unfit += 1
                is_kept = True
        if is_kept:
            bits[place] = b"\xff" * size
    for number in range(sb.groups):
        _mark_tables(bits, sb, groups, number)
    return bitmap.cut(bits, sb.units), unfit


def _free(bits: bytearray, units: int) -> int:
    """Clear bits among the first ``units``."""
    return units - (int.from_bytes(bits, "little") & (1 << units) - 1).bit_count()


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
