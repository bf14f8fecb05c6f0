"""The trees of btrfs: nodes, their items, and where logical addresses are on the device.

All trees are B-trees of one form: a header, then keys with either the places of nodes below or the
places of items' data in the same node. Nodes are named by logical addresses, which chunks map to
stripes on devices. Whatever names a node tells its generation as well: where that is another one, a
write was lost, and where the check sum is wrong, the medium decays. Then a second copy is asked.
(btrfs documentation, "On-disk format".)
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from hashlib import blake2b, sha256
from typing import NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.crc32c import crc32c
from twofold.errors import FormatError

_HEADER = struct.Struct("<48xQ24xQ8xIB")
_HEADER_SIZE = 101
_ITEM = struct.Struct("<QBQII")
_POINTER = struct.Struct("<QBQQQ")
_CHUNK = struct.Struct("<QQQQIIIHH")
_STRIPE = struct.Struct("<QQ16x")
_DEEPEST = 8
_CHECKED = 32
"""Bytes at the start of a node that have the check sum of all others."""
_SUMS: dict[int, Callable[[bytes], bytes]] = {
    0: lambda data: crc32c(data).to_bytes(4, "little"),
    2: lambda data: sha256(data).digest(),
    3: lambda data: blake2b(data, digest_size=32).digest(),
}
"""By their number in the superblock; xxhash (1) is not computed here."""

STRIPED = 0x8 | 0x40 | 0x80 | 0x100
"""RAID0, RAID10, RAID5, RAID6: a device has only a part of each chunk."""


class Root(NamedTuple):
    """What names a node: its logical address, generation, and level."""

    place: int
    generation: int
    level: int


class Item(NamedTuple):
    """An entry of a tree."""

    object_id: int
    kind: int
    offset: int
    data: bytes


class Chunk(NamedTuple):
    """Logical addresses and where on the device they are, once or several times."""

    logical: int
    length: int
    profile: int
    stripes: tuple[int, ...]

    @property
    def on_device(self) -> int:
        """Bytes that each stripe takes. FormatError when a device has only a part of them."""
        if self.profile & STRIPED:
            raise FormatError("the chunks of a btrfs volume are striped")
        return self.length


def parse_chunk(logical: int, data: bytes, device: int, volume: int) -> Chunk:
    """A chunk item. FormatError unless all of its stripes are inside of the one device."""
    if len(data) < _CHUNK.size:
        raise FormatError("a btrfs chunk is damaged")
    length, _, _, profile, _, _, _, count, _ = _CHUNK.unpack_from(data)
    places = data[_CHUNK.size : _CHUNK.size + count * _STRIPE.size]
    stripes = list(_STRIPE.iter_unpack(places)) if len(places) % _STRIPE.size == 0 else []
    if not count or len(stripes) != count or not length:
        raise FormatError("a btrfs chunk is damaged")
    if any(owner != device or place + length > volume for owner, place in stripes):
        raise FormatError("a btrfs chunk is not on this device")
    found = Chunk(logical, length, profile, tuple(place for _, place in stripes))
    if found.on_device + logical >= 1 << 64:
        raise FormatError("a btrfs chunk is damaged")
    return found


class Chunks:
    """The map from logical addresses to the device."""

    def __init__(self, volume: int) -> None:
        self._left = volume
        self._starts: list[int] = []
        self._chunks: list[Chunk] = []

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self._chunks)

    def add(self, chunk: Chunk) -> None:
        """Add a chunk; again is allowed, overlapping or more than the device has is not."""
        place = bisect_right(self._starts, chunk.logical)
        if place and self._chunks[place - 1] == chunk:
            return
        before = self._chunks[place - 1] if place else None
        after = self._chunks[place] if place < len(self._chunks) else None
        if (before and before.logical + before.length > chunk.logical) or (
            after and chunk.logical + chunk.length > after.logical
        ):
            raise FormatError("the chunks of a btrfs volume overlap")
        self._left -= chunk.length * len(chunk.stripes)
        if self._left < 0:
            raise FormatError("the chunks of a btrfs volume take more than it has")
        self._starts.insert(place, chunk.logical)
        self._chunks.insert(place, chunk)

    def places(self, logical: int, length: int) -> list[int]:
        """Where a logical range is on the device. FormatError when no chunk has all of it."""
        place = bisect_right(self._starts, logical) - 1
        chunk = self._chunks[place] if place >= 0 else None
        if chunk is None or logical + length > chunk.logical + chunk.length:
            raise FormatError("a btrfs address is in no chunk")
        return [stripe + logical - chunk.logical for stripe in chunk.stripes]


class Trees:
    """Reads trees; all together may have as many nodes as the volume has room for."""

    def __init__(self, reader: BlockReader, chunks: Chunks, node_size: int, sums: int) -> None:
        """``sums``: the kind of check sums that nodes have."""
        self._reader = reader
        self._chunks = chunks
        self._size = node_size
        self._sum = _SUMS.get(sums)
        self._left = reader.size // node_size

    def items(self, root: Root) -> Iterator[Item]:
        """All items below a node, in order. FormatError on damage."""
        if root.level >= _DEEPEST:
            raise FormatError("a btrfs tree is too deep")
        raw = self._node(root)
        count = _HEADER.unpack_from(raw)[2]
        if not root.level:
            yield from self._leaf(raw, count)
            return
        if _HEADER_SIZE + count * _POINTER.size > self._size:
            raise FormatError("a btrfs node is overfull")
        end = _HEADER_SIZE + count * _POINTER.size
        for _, _, _, below, generation in _POINTER.iter_unpack(raw[_HEADER_SIZE:end]):
            yield from self.items(Root(below, generation, root.level - 1))

    def _node(self, root: Root) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise FormatError("a btrfs tree has no end")
        for place in self._chunks.places(root.place, self._size):
            raw = self._reader.read(place, self._size)
            told, generation, _, level = _HEADER.unpack_from(raw)
            if Root(told, generation, level) == root and self._is_whole(raw):
                return raw
        raise FormatError("a btrfs node is damaged")

    def _is_whole(self, raw: bytes) -> bool:
        return self._sum is None or raw.startswith(self._sum(raw[_CHECKED:]))

    def _leaf(self, raw: bytes, count: int) -> Iterator[Item]:
        end = _HEADER_SIZE + count * _ITEM.size
        if end > self._size:
            raise FormatError("a btrfs leaf is overfull")
        for object_id, kind, offset, place, size in _ITEM.iter_unpack(raw[_HEADER_SIZE:end]):
            start = _HEADER_SIZE + place
            if start + size > self._size:
                raise FormatError("an item of a btrfs leaf is outside of it")
            yield Item(object_id, kind, offset, raw[start : start + size])
