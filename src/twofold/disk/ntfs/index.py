"""Indexes: B-trees of directories and of the security descriptors, in the order of their keys.

    node    0 4 place of the entries   4 4 their end   12 1 flags (1: has children)
    entry   8 2 length   10 2 length of the key   12 2 flags (1: has a child, 2: last)   16 key
            the child's place is the last 8 bytes; for keys that are no file names bytes 0 and 2
            tell place and length of the data

The root node lies in $INDEX_ROOT, behind 16 bytes (8 4 size of a block). The others are blocks of
$INDEX_ALLOCATION ("INDX", 16 8 own place, 24 node), named by cluster, or by 512 bytes where a block
is smaller than a cluster. The tree itself tells which blocks belong to it; the bitmap of blocks is
for whoever adds one, and is not needed to read.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from twofold.disk.base import Content
from twofold.disk.ntfs.fixups import mend
from twofold.errors import FormatError

_NODE = struct.Struct("<IIIB")
_ENTRY = struct.Struct("<HHIHHH2x")
_CHILD = 1
_LAST = 2
_DEPTH = 32  # a tree of blocks that split in half is never as deep
_MAX_BLOCK = 1 << 16


class Entry(NamedTuple):
    """An entry of an index; what ``reference`` and ``data`` mean depends on the index."""

    reference: int
    """The file that a name stands for: 48 bits number, 16 bits sequence."""
    key: bytes
    data: bytes


class Index:
    """A B-tree from the value of its $INDEX_ROOT and, if it has one, its $INDEX_ALLOCATION."""

    def __init__(self, root: bytes, blocks: Content | None, cluster: int) -> None:
        if len(root) < 32:
            raise FormatError("the root of an index is too short")
        self._size = int.from_bytes(root[8:12], "little")
        if not 512 <= self._size <= _MAX_BLOCK or self._size & 511:
            raise FormatError(f"an index with blocks of {self._size} bytes")
        self._unit = cluster if cluster <= self._size else 512
        self._blocks = blocks
        self._root = root

    def entries(self) -> Iterator[Entry]:
        """All entries in order; FormatError at the first place that is damaged."""
        seen: set[int] = set()
        stack = [iter(_items(self._root, 16))]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, Entry):
                yield item
            elif item in seen or len(stack) > _DEPTH:
                raise FormatError("an index leads back into itself")
            else:
                seen.add(item)
                stack.append(iter(self._node(item)))

    def find(self, order: Callable[[bytes], int]) -> Entry | None:
        """The entry for whose key ``order`` gives 0; below 0 means that the key sorts before."""
        items = _items(self._root, 16)
        for _ in range(_DEPTH):
            child = None
            for item in items:
                if isinstance(item, int):
                    child = item
                    continue
                place = order(item.key)
                if not place:
                    return item
                if place > 0:
                    break
                child = None
            if child is None:
                return None
            items = self._node(child)
        raise FormatError("an index leads back into itself")

    def _node(self, place: int) -> "list[Entry | int]":
        if self._blocks is None:
            raise FormatError("an index has lost its blocks")
        block = self._blocks.read(place * self._unit, self._size)
        if len(block) != self._size:
            raise FormatError("an index leads to beyond its blocks")
        block = mend(block, b"INDX")
        if int.from_bytes(block[16:24], "little") != place:
            raise FormatError("a block of an index is not the one that was meant")
        return _items(block, 24)


def _items(block: bytes, node: int) -> "list[Entry | int]":
    """Entries of a node, each after the place of the child that sorts before it."""
    place, end, _, _ = _NODE.unpack_from(block, node)
    place, end = node + place, node + end
    items: list[Entry | int] = []
    while place + 16 <= min(end, len(block)):
        data, size, _, length, key, flags = _ENTRY.unpack_from(block, place)
        if length < 16 + key or length & 7 or place + length > len(block):
            raise FormatError("an entry of an index does not fit")
        if flags & _CHILD:
            items.append(int.from_bytes(block[place + length - 8 : place + length], "little"))
        if flags & _LAST:
            return items
        reference = int.from_bytes(block[place : place + 8], "little")
        found = block[place + data : place + min(data + size, length)]
        items.append(Entry(reference, block[place + 16 : place + 16 + key], found))
        place += length
    raise FormatError("a node of an index has no end")
