"""The superblock: how the volume is divided, and what is special about it.

1024 bytes at byte 1024, and copies at the begin of some block groups. Nothing is believed before it
fits together and into the volume, because everything else is computed from it.
(Kernel documentation, "ext4 Data Structures and Algorithms", super block.)
"""

import struct
from uuid import UUID

import msgspec

from twofold.disk.crc32c import remainder
from twofold.disk.ext import features
from twofold.errors import FormatError

SIZE = 1024
OFFSET = 1024
MAGIC = 0xEF53
LEAST_BLOCKS_PER_GROUP = 256
_LARGEST_INODE_SIZE = 65536
_ALL = 0xFFFFFFFF
_UNMOUNTED, _ERRORS = 1, 2
"""The state; while a volume with a journal is mounted, that alone says so."""


class Superblock(msgspec.Struct, frozen=True, kw_only=True):
    """The geometry; ``raw`` has the rest."""

    raw: bytes
    block_size: int
    blocks: int
    first_block: int
    """Number of the first block that a group holds: 1 with blocks of 1 KiB, otherwise 0."""
    cluster_blocks: int
    """Blocks in a cluster, the unit of allocation; 1 without ``bigalloc``."""
    blocks_per_group: int
    inodes: int
    inodes_per_group: int
    inode_size: int
    descriptor_size: int
    compat: int
    incompat: int
    ro_compat: int

    @property
    def groups(self) -> int:
        """How many block groups there are, the last one mostly shorter."""
        return -(-(self.blocks - self.first_block) // self.blocks_per_group)

    @property
    def unit(self) -> int:
        """Bytes of a cluster."""
        return self.block_size * self.cluster_blocks

    @property
    def units(self) -> int:
        """Whole clusters."""
        return (self.blocks - self.first_block) // self.cluster_blocks

    @property
    def inode_table_blocks(self) -> int:
        """Blocks of the inode table of each group."""
        return -(-self.inodes_per_group * self.inode_size // self.block_size)

    @property
    def group_number(self) -> int:
        """The group this copy belongs to."""
        return self.short(90)

    @property
    def label(self) -> str:
        """Volume name."""
        return self.raw[120:136].split(b"\0")[0].decode("utf-8", "replace")

    @property
    def uuid(self) -> str:
        """As blkid writes it."""
        return str(UUID(bytes=self.raw[104:120]))

    @property
    def unsettled(self) -> str:
        """Why maps may not tell all that is in use, even once a journal was followed; "" if none.

        Only the check of the file system finds such blocks then, by going through all inodes.
        """
        if self.group_number:  # copies are not told of what happens between two checks
            return f"the superblock is damaged; its copy in group {self.group_number} was read"
        if self.short(58) & _ERRORS:
            return "errors were met when it was last in use"
        return "" if self.short(58) & _UNMOUNTED else "it was not unmounted"

    @property
    def clean(self) -> bool:
        """Whether it was unmounted properly and no error was met."""
        waiting = self.incompat & features.RECOVER or self.ro_compat & features.ORPHAN_PRESENT
        return not (self.unsettled or waiting or self.long(232))

    @property
    def written(self) -> int:
        """When the superblock was last written, in seconds since 1970."""
        return self.long(48) | self.raw[0x274] << 32

    @property
    def group_checksums(self) -> bool:
        """Whether descriptors are checked, and tell what is not initialized."""
        return bool(self.ro_compat & (features.GROUP_CHECKSUM | features.METADATA_CHECKSUM))

    @property
    def checksum_seed(self) -> int:
        """What ``metadata_csum`` sums begin with."""
        if self.incompat & features.CHECKSUM_SEED:
            return self.long(0x270)
        return remainder(_ALL, self.raw[104:120])

    def short(self, offset: int) -> int:
        """A field of 16 bits."""
        return int.from_bytes(self.raw[offset : offset + 2], "little")

    def long(self, offset: int) -> int:
        """A field of 32 bits."""
        return int.from_bytes(self.raw[offset : offset + 4], "little")

    def group_start(self, group: int) -> int:
        """The first block of a group."""
        return self.first_block + group * self.blocks_per_group

    def has_copy(self, group: int) -> bool:
        """Whether a group begins with a superblock."""
        if group == 0:
            return True
        if self.compat & features.SPARSE_SUPER2:
            return group in (self.long(0x24C), self.long(0x250))
        return not self.ro_compat & features.SPARSE_SUPER or _is_sparse(group)

    def contains(self, block: int, count: int = 1) -> bool:
        """Whether blocks lie inside, behind the superblock."""
        return self.first_block < block and block + count <= self.blocks


def _is_sparse(group: int) -> bool:
    """1 and the powers of 3, 5 and 7."""
    if group == 1:
        return True
    for base in (3, 5, 7):
        power = base
        while power < group:
            power *= base
        if power == group:
            return True
    return False


def parse(raw: bytes, volume: int) -> Superblock:
    """Parse and check the 1024 bytes of a superblock for a volume of so many bytes.

    FormatError when it is none, is damaged, does not fit into the volume or needs what is not
    known.
    """
    if len(raw) != SIZE or raw[56:58] != MAGIC.to_bytes(2, "little"):
        raise FormatError("there is no ext superblock")
    found = _fields(raw)
    _check_features(found)
    _check_geometry(found)
    if found.blocks * found.block_size > volume:
        raise FormatError("the ext volume is larger than what holds it")
    return found


def _fields(raw: bytes) -> Superblock:
    inodes, blocks = struct.unpack_from("<II", raw)
    first_block, log_block, log_cluster, blocks_per_group, _, inodes_per_group = struct.unpack_from(
        "<6I", raw, 20
    )
    revision, compat, incompat, ro_compat = struct.unpack_from("<I12xIII", raw, 76)
    if log_block > 6 or (ro_compat & features.BIGALLOC and not 0 <= log_cluster - log_block <= 20):
        raise FormatError("an ext superblock has impossible sizes of blocks")
    wide = bool(incompat & features.BITS64)
    return Superblock(
        raw=raw,
        block_size=1024 << log_block,
        blocks=blocks | (int.from_bytes(raw[0x150:0x154], "little") << 32 if wide else 0),
        first_block=first_block,
        cluster_blocks=1 << log_cluster - log_block if ro_compat & features.BIGALLOC else 1,
        blocks_per_group=blocks_per_group,
        inodes=inodes,
        inodes_per_group=inodes_per_group,
        inode_size=int.from_bytes(raw[88:90], "little") if revision else 128,
        descriptor_size=int.from_bytes(raw[0xFE:0x100], "little") if wide else 32,
        compat=compat if revision else 0,
        incompat=incompat if revision else 0,
        ro_compat=ro_compat if revision else 0,
    )


def _check_features(found: Superblock) -> None:
    if found.incompat & features.JOURNAL_DEVICE:
        raise FormatError("this is the journal of an ext volume, not a file system")
    unknown = found.incompat & ~features.KNOWN_INCOMPAT
    if unknown:
        words = " ".join(features.names(0, unknown, 0))
        raise FormatError(f"the ext volume has features that are not understood: {words}")
    if found.ro_compat & features.METADATA_CHECKSUM:
        kept = int.from_bytes(found.raw[0x3FC:], "little")
        if found.raw[0x175] == 1 and remainder(_ALL, found.raw[:0x3FC]) != kept:
            raise FormatError("the check sum of an ext superblock is wrong")


def _check_geometry(found: Superblock) -> None:
    per_group, size = found.blocks_per_group, found.inode_size
    clusters, remainder = divmod(per_group, found.cluster_blocks)
    small = found.block_size == 1024 and found.cluster_blocks == 1
    sound = (
        found.first_block == int(small)
        and found.blocks > found.first_block
        and per_group >= LEAST_BLOCKS_PER_GROUP
        and not remainder
        and clusters % 8 == 0
        and clusters <= found.block_size * 8
        and 0 < found.inodes_per_group <= found.block_size * 8
        and found.inodes_per_group * size < found.blocks * found.block_size
        and 128 <= size <= min(found.block_size, _LARGEST_INODE_SIZE)
        and not size & size - 1
        and found.inodes <= found.inodes_per_group * found.groups
    )
    if not sound:
        raise FormatError("the numbers of an ext superblock do not fit together")
    _check_descriptor_size(found)


def _check_descriptor_size(found: Superblock) -> None:
    size = found.descriptor_size
    if size & size - 1 or not (64 if found.incompat & features.BITS64 else 32) <= size <= 1024:
        raise FormatError("the group descriptors of an ext volume have an impossible size")
