"""Extent trees: the root stands in the inode, nodes are blocks, at most five levels below it.

A level must be one less than its parent's, so no loop can be followed. Lengths above 32768 mark
extents that are reserved and not yet written.
(Kernel documentation, "ext4 Data Structures and Algorithms", extent tree.)
"""

import struct

from twofold.disk.ext.pieces import Nodes, Pieces
from twofold.errors import FormatError

_HEADER = struct.Struct("<HHHH4x")
_LEAF = struct.Struct("<IHHI")
_INDEX = struct.Struct("<IIH2x")
_MAGIC = 0xF30A
_LONGEST = 32768
_DEEPEST = 5


def walk(root: bytes, nodes: Nodes, pieces: Pieces) -> None:
    """Add the extents below the root, 60 bytes of an inode. FormatError when they are none."""
    depth = _HEADER.unpack_from(root)[3]
    if depth > _DEEPEST:
        raise FormatError("an extent tree is too deep")
    _walk(root, depth, nodes, pieces)


def _walk(node: bytes, depth: int, nodes: Nodes, pieces: Pieces) -> None:
    magic, count, _, level = _HEADER.unpack_from(node)
    if magic != _MAGIC or level != depth or count > len(node) // 12 - 1:
        raise FormatError("a node of an extent tree is damaged")
    entries = node[12 : 12 + 12 * count]
    if depth:
        for _, low, high in _INDEX.iter_unpack(entries):
            _walk(nodes.read(low | high << 32), depth - 1, nodes, pieces)
        return
    for logical, length, high, low in _LEAF.iter_unpack(entries):
        written = length <= _LONGEST
        blocks = length if written else length - _LONGEST
        if not blocks:
            raise FormatError("an extent is empty")
        pieces.add(logical, blocks, low | high << 32, written=written)
