"""Block groups: where their bitmaps and inode tables are, and what is initialized.

Descriptors stand in a table behind the first superblock, or (``meta_bg``) in one block at the begin
of each set of groups that fits into it. One whose check sum or places are wrong is replaced by its
copy, which tells the places but not the state: such a group counts as wholly in use.
(Kernel documentation, "ext4 Data Structures and Algorithms", block group descriptors.)
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.crc32c import remainder
from twofold.disk.ext import features
from twofold.disk.ext.crc16 import crc16
from twofold.disk.ext.superblock import Superblock
from twofold.errors import FormatError

INODE_UNINIT = 0x1
BLOCK_UNINIT = 0x2
_LOW = struct.Struct("<IIIH4xH8xHH")
_HIGH = struct.Struct("<IIIH4xH")


class Group(NamedTuple):
    """A block group: block numbers and state."""

    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    flags: int
    unused_inodes: int
    """Inodes at the end of the table that were never used."""
    free_units: int
    """Clear bits that the bitmap of blocks should have."""


class Groups:
    """All groups of a volume; the table of descriptors is kept in memory."""

    def __init__(self, reader: BlockReader, sb: Superblock) -> None:
        self._sb = sb
        self._reader = reader
        self._table = bytearray().join(self._read(_classic_start(sb, 0), spread=True))
        self._seed = _seed(sb)
        self.doubtful: set[int] = set()
        """Groups whose descriptor is a copy, or that have none."""
        self._replace_damaged()

    def __len__(self) -> int:
        return self._sb.groups

    def __getitem__(self, number: int) -> Group | None:
        """The descriptor, or None when neither it nor a copy can be right."""
        found = parse(self._raw(number))
        if not self._inside(found):
            return None
        if number in self.doubtful or not self._sb.group_checksums:
            return found._replace(flags=0, unused_inodes=0)
        return found

    def _raw(self, number: int) -> bytes:
        size = self._sb.descriptor_size
        return bytes(self._table[number * size : (number + 1) * size])

    def _inside(self, group: Group) -> bool:
        sb = self._sb
        return (
            sb.contains(group.block_bitmap)
            and sb.contains(group.inode_bitmap)
            and sb.contains(group.inode_table, sb.inode_table_blocks)
            and group.unused_inodes <= sb.inodes_per_group
        )

    def _read(self, start: int, *, spread: bool) -> Iterator[bytes]:
        """The blocks of the table that begins at a block; ``spread`` with those of ``meta_bg``."""
        sb = self._sb
        together = self._together(start)
        yield self._reader.read(start * sb.block_size, together * sb.block_size)
        for index in range(together, table_blocks(sb)) if spread else ():
            yield self._reader.read(spread_block(sb, index) * sb.block_size, sb.block_size)

    def _together(self, start: int) -> int:
        """How many blocks of the table follow the superblock. FormatError when they cannot."""
        sb = self._sb
        count = classic_blocks(sb)
        if start + count > sb.blocks:
            raise FormatError("the table of ext groups does not fit into the volume")
        return count

    def _is_right(self, number: int, raw: bytes) -> bool:
        return self._inside(parse(raw)) and _checksum_is_right(self._sb, self._seed, number, raw)

    def _replace_damaged(self) -> None:
        wrong = [
            number for number in range(len(self)) if not self._is_right(number, self._raw(number))
        ]
        self.doubtful.update(wrong)
        size = self._sb.descriptor_size
        for copy in self._copies() if wrong else ():
            for number in wrong:
                raw = copy[number * size : (number + 1) * size]
                if len(raw) == size and self._is_right(number, raw):
                    self._table[number * size : (number + 1) * size] = raw

    def _copies(self) -> Iterator[bytes]:
        """The table as its copies have it, those that are most likely right last."""
        for member in (-1, 1):
            yield b"".join(self._spread_copy(member))
        sb = self._sb
        for group in (7, 5, 3, 1, sb.group_number):
            if 0 < group < sb.groups and sb.has_copy(group):
                with suppress(FormatError):
                    yield b"".join(self._read(_classic_start(sb, group), spread=False))

    def _spread_copy(self, member: int) -> Iterator[bytes]:
        """The copies that ``meta_bg`` keeps; zeros for what is not among them."""
        sb = self._sb
        yield bytes(classic_blocks(sb) * sb.block_size)
        for index in range(classic_blocks(sb), table_blocks(sb)):
            block = spread_block(sb, index, member)
            inside = block < sb.blocks
            yield self._reader.read(block * sb.block_size, sb.block_size) if inside else b""


def parse(raw: bytes) -> Group:
    """A descriptor of 32 or at least 64 bytes."""
    block_bitmap, inode_bitmap, table, free, flags, unused, _ = _LOW.unpack_from(raw)
    if len(raw) < 64:
        return Group(block_bitmap, inode_bitmap, table, flags, unused, free)
    high = _HIGH.unpack_from(raw, 32)
    return Group(
        block_bitmap | high[0] << 32,
        inode_bitmap | high[1] << 32,
        table | high[2] << 32,
        flags,
        unused | high[4] << 16,
        free | high[3] << 16,
    )


def table_blocks(sb: Superblock) -> int:
    """Blocks that all descriptors take."""
    return -(-sb.groups * sb.descriptor_size // sb.block_size)


def classic_blocks(sb: Superblock) -> int:
    """Blocks of descriptors that follow the superblock."""
    if sb.incompat & features.META_BG:
        return min(sb.long(0x104), table_blocks(sb))
    return table_blocks(sb)


def spread_block(sb: Superblock, index: int, member: int = 0) -> int:
    """Where ``meta_bg`` keeps a block of descriptors: in which of the groups it describes.

    The first has it; the second (1) and the last (-1) have copies.
    """
    per_block = sb.block_size // sb.descriptor_size
    group = index * per_block + member % per_block
    return sb.group_start(group) + int(sb.has_copy(group)) + _shift(sb, group)


def _classic_start(sb: Superblock, group: int) -> int:
    return sb.group_start(group) + 1 + _shift(sb, group)


def _shift(sb: Superblock, group: int) -> int:
    """With blocks of 1 KiB in clusters, block 0 is a group's, and the superblock is in block 1."""
    return int(group == 0 and sb.block_size == 1024 and sb.first_block == 0)


def fixed_blocks(sb: Superblock, group: int) -> Iterator[tuple[int, int]]:
    """(first, count) of the superblock and descriptors that a group keeps."""
    start, has_copy = sb.group_start(group), sb.has_copy(group)
    if has_copy:
        yield start, 1 + _shift(sb, group)
        reserved = 0 if sb.incompat & features.META_BG else sb.short(206)
        yield _classic_start(sb, group), classic_blocks(sb) + reserved
    index, member = divmod(group, sb.block_size // sb.descriptor_size)
    last = member == sb.block_size // sb.descriptor_size - 1
    if index >= classic_blocks(sb) and (member < 2 or last):
        yield start + int(has_copy) + _shift(sb, group), 1


def _seed(sb: Superblock) -> int:
    if sb.ro_compat & features.METADATA_CHECKSUM:
        return sb.checksum_seed
    return crc16(0xFFFF, sb.raw[104:120])


def _checksum_is_right(sb: Superblock, seed: int, number: int, raw: bytes) -> bool:
    if not sb.group_checksums:
        return True
    kept = int.from_bytes(raw[30:32], "little")
    place = number.to_bytes(4, "little")
    if sb.ro_compat & features.METADATA_CHECKSUM:
        return remainder(seed, place + raw[:30] + b"\0\0" + raw[32:]) & 0xFFFF == kept
    return crc16(seed, place + raw[:30] + raw[32:]) == kept
