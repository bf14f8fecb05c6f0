"""Inode tables: all inodes in use, in big sequential reads, or one by number.

The bitmap of inodes says which are in use, and the descriptor how many at the end never were.
"""

from collections import OrderedDict
from collections.abc import Iterator

from twofold.disk.base import BlockReader
from twofold.disk.ext.groups import INODE_UNINIT, Group, Groups
from twofold.disk.ext.inode import Inode
from twofold.disk.ext.superblock import Superblock
from twofold.errors import FormatError

_PIECE = 1 << 20
_KEPT = 64
_BITS = tuple(tuple(bit for bit in range(8) if value >> bit & 1) for value in range(256))


class InodeTable:
    """Reads inodes; keeps the few blocks last read one by one."""

    def __init__(self, reader: BlockReader, sb: Superblock, groups: Groups) -> None:
        self._reader = reader
        self._sb = sb
        self._groups = groups
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def get(self, number: int) -> Inode:
        """The inode of a number, in use or not. FormatError when there is no such number."""
        sb = self._sb
        group, index = divmod(number - 1, sb.inodes_per_group)
        found = self._groups[group] if 0 < number <= sb.inodes else None
        if found is None:
            raise FormatError(f"there is no inode {number}")
        block, offset = divmod(index * sb.inode_size, sb.block_size)
        raw = self._block(found.inode_table + block)
        return Inode(number, raw[offset : offset + sb.inode_size])

    def _block(self, block: int) -> bytes:
        found = self._blocks.pop(block, None)
        if found is None:
            found = self._reader.read(block * self._sb.block_size, self._sb.block_size)
            if len(self._blocks) >= _KEPT:
                self._blocks.popitem(last=False)
        self._blocks[block] = found
        return found

    def of_group(self, number: int, group: Group) -> Iterator[tuple[int, bytes, list[int]]]:
        """The inodes of a group in pieces: number of the first, the bytes, which are in use."""
        sb = self._sb
        size = sb.inode_size
        per_piece = max(1, _PIECE // size)
        used = self._used(group)
        first = number * sb.inodes_per_group + 1
        for start in range(0, len(used) * 8, per_piece):
            bits = used[start // 8 : (start + per_piece) // 8]
            indexes = [i * 8 + bit for i, value in enumerate(bits) if value for bit in _BITS[value]]
            if indexes:
                place = group.inode_table * sb.block_size + start * size
                raw = self._reader.read(place, (indexes[-1] + 1) * size)
                yield first + start, raw, indexes

    def _used(self, group: Group) -> bytes:
        """The bitmap of the inodes that may be in use."""
        sb = self._sb
        count = 0 if group.flags & INODE_UNINIT else sb.inodes_per_group - group.unused_inodes
        if not count:
            return b""
        raw = self._reader.read(group.inode_bitmap * sb.block_size, -(-count // 8))
        if count % 8:
            return raw[:-1] + bytes([raw[-1] & (1 << count % 8) - 1])
        return raw
