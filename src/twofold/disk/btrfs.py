"""btrfs on one device: which sectors are in use, from the extent tree.

Every extent of data and every node of a tree is an item of the extent tree, with its logical
address and length; chunks map these to the device, two times with ``DUP``. The sum of all lengths
must be what the superblock counts, or the tree is not believed. Then, and when a log of fsync'ed
files waits (its extents are not in the tree yet), all that chunks take counts as in use; what no
chunk has taken is free in any case, but for the first MiB and the copies of the superblock.
(btrfs documentation, "On-disk format".)
"""

import struct
from collections.abc import Iterator
from uuid import UUID

from twofold.disk import bitmap
from twofold.disk.base import BlockReader, Facts
from twofold.disk.btrfs_trees import Chunks, Item, Root, Trees, parse_chunk
from twofold.errors import FormatError

_OFFSET = 64 << 10
_SIZE = 4096
_MAGIC = b"_BHRfS_M"
_COPIES = (64 << 10, 64 << 20, 256 << 30)
_RESERVED = 1 << 20
_KEY_SIZE = 17
_SYSTEM_CHUNKS = 811
_LARGEST_ARRAY = 2048

_EXTENT_TREE = 2
_ROOT_ITEM = 132
_EXTENT_ITEM = 168
_METADATA_ITEM = 169
_CHUNK_ITEM = 228
_ROOT_GENERATION_AT = 160
_ROOT_LEVEL_AT = 238

_KNOWN_INCOMPAT = 0xFFF
"""Up to raid1c34: neither zones nor the second form of the extent tree nor trees of stripes."""


class _Superblock:
    def __init__(self, raw: bytes) -> None:
        generation, root, chunk_root, self.log_root = struct.unpack_from("<QQQQ", raw, 72)
        self.used, _, self.devices = struct.unpack_from("<QQQ", raw, 120)
        self.sector, self.node, _, _, self.array = struct.unpack_from("<5I", raw, 144)
        (chunk_generation,) = struct.unpack_from("<Q", raw, 164)
        self.incompat, self.sums = struct.unpack_from("<QH", raw, 188)
        self.root = Root(root, generation, raw[198])
        self.chunk_root = Root(chunk_root, chunk_generation, raw[199])
        self.device, self.size = struct.unpack_from("<QQ", raw, 201)
        self.label = raw[299:555].split(b"\0")[0].decode("utf-8", "replace")
        self.serial = str(UUID(bytes=raw[32:48]))
        self.chunks = raw[_SYSTEM_CHUNKS : _SYSTEM_CHUNKS + self.array]


def open_btrfs(reader: BlockReader) -> "BtrfsUsed":
    """Open a btrfs volume that begins at byte 0 and has this one device.

    FormatError when it is none, is on several devices, has features that are not known or is
    damaged beyond use; OSError when the device cannot read.
    """
    raw = reader.read(_OFFSET, _SIZE) if reader.size >= _OFFSET + _SIZE else b""
    if raw[64:72] != _MAGIC:
        raise FormatError("there is no btrfs superblock")
    sb = _Superblock(raw)
    _check(sb, reader.size)
    return BtrfsUsed(reader, sb)


class BtrfsUsed:
    """``UsedBlocks`` of a btrfs volume."""

    def __init__(self, reader: BlockReader, sb: _Superblock) -> None:
        self._reader = reader
        self._sb = sb
        self._chunks = Chunks(sb.size)
        self._why = "a log of changes was not replayed" if sb.log_root else ""
        self._trees = Trees(reader, self._chunks, sb.node, sb.sums)
        for logical, data in _array(sb.chunks):
            self._add_chunk(logical, data)
        for item in list(self._trees.items(sb.chunk_root)):
            if item.kind == _CHUNK_ITEM:
                self._add_chunk(item.offset, item.data)

    def _add_chunk(self, logical: int, data: bytes) -> None:
        self._chunks.add(parse_chunk(logical, data, self._sb.device, self._sb.size))

    @property
    def facts(self) -> Facts:
        """A note tells when the extent tree was not believed."""
        sb = self._sb
        note = f"{self._why}; all that is set aside counts as in use"
        return Facts(
            kind="btrfs",
            label=sb.label,
            serial=sb.serial,
            unit=sb.sector,
            units=sb.size // sb.sector,
            clean=not sb.log_root,
            notes=(note,) if self._why else (),
        )

    def allocation(self) -> bytearray:
        """What extents take, or all chunks; the first MiB and the copies of the superblock."""
        units = self._sb.size // self._sb.sector
        bits = bytearray(-(-units // 8))
        if not self._by_extents(bits):
            for chunk in self._chunks:
                self._mark(bits, chunk.logical, chunk.length)
        self._fill(bits, 0, _RESERVED)
        for copy in _COPIES:
            self._fill(bits, copy, _OFFSET)
        return bitmap.cut(bits, units)

    def _by_extents(self, bits: bytearray) -> bool:
        """Mark all extents; False when the tree cannot be relied on."""
        if self._sb.log_root:
            return False
        total = end = 0
        trees = Trees(self._reader, self._chunks, self._sb.node, self._sb.sums)
        try:
            for logical, length in self._extents(trees):
                if logical < end:
                    raise FormatError("the extents of a btrfs volume overlap")
                self._mark(bits, logical, length)
                total, end = total + length, logical + length
            if total != self._sb.used:
                raise FormatError("the extent tree of a btrfs volume is not complete")
        except FormatError as error:
            self._why = error.message
            return False
        return True

    def _extents(self, trees: Trees) -> Iterator[tuple[int, int]]:
        """Logical address and length of every extent."""
        root = self._extent_root(trees)
        generation, node = struct.unpack_from("<Q8xQ", root.data, _ROOT_GENERATION_AT)
        for item in trees.items(Root(node, generation, root.data[_ROOT_LEVEL_AT])):
            if item.kind == _EXTENT_ITEM:
                yield item.object_id, item.offset
            elif item.kind == _METADATA_ITEM:
                yield item.object_id, self._sb.node

    def _extent_root(self, trees: Trees) -> Item:
        for item in trees.items(self._sb.root):
            if (item.object_id, item.kind) == (_EXTENT_TREE, _ROOT_ITEM):
                if len(item.data) <= _ROOT_LEVEL_AT:
                    break
                return item
        raise FormatError("a btrfs volume has no extent tree")

    def _mark(self, bits: bytearray, logical: int, length: int) -> None:
        for place in self._chunks.places(logical, length):
            self._fill(bits, place, length)

    def _fill(self, bits: bytearray, place: int, length: int) -> None:
        sector = self._sb.sector
        first, end = place // sector, -(-(place + length) // sector)
        bitmap.fill(bits, first, min(end, len(bits) * 8) - first)


def _array(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Logical address and item of the chunks that the superblock itself has."""
    place = 0
    while place + _KEY_SIZE + 48 <= len(raw):
        (logical,) = struct.unpack_from("<Q", raw, place + 9)
        (stripes,) = struct.unpack_from("<H", raw, place + _KEY_SIZE + 44)
        size = 48 + stripes * 32
        yield logical, raw[place + _KEY_SIZE : place + _KEY_SIZE + size]
        place += _KEY_SIZE + size


def _check(sb: _Superblock, volume: int) -> None:
    sizes = {1 << shift for shift in range(12, 17)}
    if sb.incompat & ~_KNOWN_INCOMPAT or sb.devices != 1:
        raise FormatError("a btrfs volume of several devices or with unknown features")
    sound = (
        sb.sector in sizes
        and sb.node in sizes
        and sb.node >= sb.sector
        and sb.array <= _LARGEST_ARRAY
        and _RESERVED <= sb.size <= volume
    )
    if not sound:
        raise FormatError("the numbers of a btrfs superblock do not fit together")
