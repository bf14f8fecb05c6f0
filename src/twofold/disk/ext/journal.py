"""What the journal of a volume that was not unmounted holds newer than the volume itself.

The journal is a file, blocks in a ring, numbers big-endian. From where its superblock says, there
are transactions, numbered one after the other:

    descriptor   tags: the blocks that follow, and where each belongs
    revoke       blocks that no transaction up to this one may bring back
    commit       the end; a transaction without one does not count

``Replayed`` shows the volume as it will be once its journal was written back, without writing.
(Kernel documentation, "ext4 Data Structures and Algorithms", journal.)
"""

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from twofold.disk.base import BlockReader, Content
from twofold.errors import FormatError

MAGIC = 0xC03B3998
_DESCRIPTOR, _COMMIT, _REVOKE = 1, 2, 5
_SUPERBLOCKS = (3, 4)
_ESCAPED, _SAME_UUID, _LAST_TAG = 1, 2, 8
_BITS64, _CHECKSUM_2, _CHECKSUM_3 = 0x2, 0x8, 0x10
_KNOWN = 0x1 | _BITS64 | 0x4 | _CHECKSUM_2 | _CHECKSUM_3  # and not fast commits, 0x20
_MOST = 1 << 20  # blocks: several times what mke2fs makes
_HEADER = struct.Struct(">III")


class Log(NamedTuple):
    """The superblock of a journal."""

    block_size: int
    blocks: int
    first: int
    """The block at which the ring begins."""
    sequence: int
    start: int
    """Where the first transaction is; 0 when there is none."""
    features: int


def parse(raw: bytes) -> Log:
    """FormatError when it is no superblock of a journal, or has what is not known."""
    magic, kind, _ = _HEADER.unpack_from(raw)
    if magic != MAGIC or kind not in _SUPERBLOCKS:
        raise FormatError("the journal has no superblock")
    block_size, blocks, first, sequence, start = struct.unpack_from(">12x5I", raw)
    features = struct.unpack_from(">40xI", raw)[0] if kind == _SUPERBLOCKS[1] else 0
    if features & ~_KNOWN:
        raise FormatError("the journal has features that are not understood")
    if start and not (0 < first < blocks and first <= start < blocks):
        raise FormatError("the numbers of a journal do not fit together")
    return Log(block_size, blocks, first, sequence, start, features)


Places = dict[int, tuple[int, bool]]
"""Blocks of the volume that stand in the journal: where there, and whether escaped."""


def newer_blocks(journal: Content, block_size: int) -> Places:
    """All that committed transactions bring. FormatError when the journal is not understood."""
    log = parse(journal.read(0, 1024).ljust(1024, b"\0"))
    if log.block_size != block_size or log.blocks * block_size > journal.size:
        raise FormatError("the journal does not fit its volume")
    if log.blocks > _MOST:
        raise FormatError(f"a journal of {log.blocks} blocks")
    found: Places = {}
    for places, revoked in _transactions(journal, log):
        found.update(places)
        for block in revoked:
            found.pop(block, None)
    return found


def _transactions(journal: Content, log: Log) -> Iterator[tuple[Places, set[int]]]:
    """Of each committed one what it brings, and what it revokes."""
    places: Places = {}
    revoked: set[int] = set()
    sequence, at, left = log.sequence, log.start, log.blocks if log.start else 0
    while left > 0:
        raw = journal.read(at * log.block_size, log.block_size)
        magic, kind, number = _HEADER.unpack_from(raw)
        if magic != MAGIC or number != sequence:
            return
        at, left = _next(log, at), left - 1
        if kind == _DESCRIPTOR:
            for block, escaped in _tags(raw, log):
                places[block] = at, escaped
                at, left = _next(log, at), left - 1
        elif kind == _REVOKE:
            revoked.update(_revoked(raw, log))
        elif kind == _COMMIT:
            yield places, revoked
            places, revoked, sequence = {}, set(), sequence + 1 & 0xFFFFFFFF
        else:
            return


def _next(log: Log, at: int) -> int:
    return at + 1 if at + 1 < log.blocks else log.first


def _tags(raw: bytes, log: Log) -> Iterator[tuple[int, bool]]:
    """(block of the volume, escaped) of a descriptor, in the order of the blocks behind it."""
    wide, sums = log.features & _BITS64, log.features & (_CHECKSUM_2 | _CHECKSUM_3)
    size = 16 if sums & _CHECKSUM_3 else 8 + (2 if sums else 0) + (4 if wide else 0)
    at, end = 12, len(raw) - (4 if sums else 0)
    while at + size <= end:
        low, flags = struct.unpack_from(">II", raw, at)  # flags are the low 16 bits in both forms
        high = struct.unpack_from(">I", raw, at + 8)[0] if wide else 0
        yield low | high << 32, bool(flags & _ESCAPED)
        if flags & _LAST_TAG:
            return
        at += size + (0 if flags & _SAME_UUID else 16)


def _revoked(raw: bytes, log: Log) -> Iterator[int]:
    (used,) = struct.unpack_from(">12xI", raw)
    size = 8 if log.features & _BITS64 else 4
    for at in range(16, min(used, len(raw)) - size + 1, size):
        yield int.from_bytes(raw[at : at + size], "big")


class Replayed:
    """A volume with what its journal holds laid over it."""

    def __init__(
        self, reader: BlockReader, block_size: int, journal: Content, places: Places
    ) -> None:
        self._reader = reader
        self._block = block_size
        self._journal = journal
        self._places = places
        self._blocks = array("Q", sorted(places))
        self.size = reader.size
        self.sector_size = reader.sector_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        data = self._reader.read(offset, length)
        blocks = range(offset // self._block, -(-(offset + length) // self._block))
        touched = [block for block in blocks if block in self._places]
        if not touched:
            return data
        found = bytearray(data)
        for block in touched:
            start = block * self._block - offset
            first, last = max(start, 0), min(start + self._block, length)
            found[first:last] = self._newer(block)[first - start : last - start]
        return bytes(found)

    def covers(self, first: int, count: int) -> bool:
        """Whether any of these blocks stands in the journal."""
        at = bisect_left(self._blocks, first)
        return at < len(self._blocks) and self._blocks[at] < first + count

    def _newer(self, block: int) -> bytes:
        place, escaped = self._places[block]
        data = self._journal.read(place * self._block, self._block).ljust(self._block, b"\0")
        return MAGIC.to_bytes(4, "big") + data[4:] if escaped else data
