"""Block maps of ext2 and ext3: 12 blocks, then blocks of block numbers, up to three levels.

The number 0 is a hole. (Kernel documentation, "ext4 Data Structures and Algorithms", direct and
indirect block addressing.)
"""

import struct
from collections.abc import Sequence

from twofold.disk.ext.pieces import Nodes, Pieces

_DIRECT = 12


def walk(root: bytes, block_size: int, nodes: Nodes, pieces: Pieces) -> None:
    """Add the blocks of a map whose 15 numbers stand in an inode. FormatError on damage."""
    numbers = struct.unpack_from("<15I", root)
    _add(numbers[:_DIRECT], 0, pieces)
    per_block = block_size // 4
    logical = _DIRECT
    for level, number in enumerate(numbers[_DIRECT:]):
        if number:
            _walk(number, level, logical, nodes, pieces)
        logical += per_block ** (level + 1)


def _walk(block: int, level: int, logical: int, nodes: Nodes, pieces: Pieces) -> None:
    node = nodes.read(block)
    per_block = len(node) // 4
    numbers = struct.unpack(f"<{per_block}I", node)
    if not level:
        _add(numbers, logical, pieces)
        return
    span = per_block**level
    for place, number in enumerate(numbers):
        if number:
            _walk(number, level - 1, logical + place * span, nodes, pieces)


def _add(numbers: Sequence[int], logical: int, pieces: Pieces) -> None:
    first, count = numbers[0], len(numbers)
    if first and numbers[-1] == first + count - 1 and numbers == tuple(range(first, first + count)):
        pieces.add(logical, count, first)
        return
    for place, number in enumerate(numbers):
        if number:
            pieces.add(logical + place, 1, number)
