"""XFS: which blocks are in use, from the trees of free space.

The volume is cut into allocation groups. Each keeps its free extents in a B-tree sorted by block
(``bnobt``), whose root the group's header (AGF) names; whatever is not in it counts as in use, the
free list of the trees themselves and the log among them. A tree that does not give the number of
free blocks that the header tells, or has a wrong check sum, leaves its group wholly in use.

While the log holds changes that are not yet in the trees, these say nothing. Then all is in use,
unless the caller knows that the volume was frozen, which brings the trees up to date. All is in use
as well where a feature is not known that forbids reading the volume: it may have other trees.
("XFS Algorithms & Data Structures", allocation groups.)
"""

import struct
from collections.abc import Iterator
from uuid import UUID

import msgspec

from twofold.disk import bitmap, xfs_log
from twofold.disk.base import BlockReader, Facts
from twofold.disk.crc32c import crc32c
from twofold.errors import FormatError

_MAGIC = b"XFSB"
_HEADERS = {b"ABTB": 16, b"AB3B": 56}
_AGF = struct.Struct(">4sIIIII4xI20xI")
_GROUP_SUM, _TREE_SUM = 216, 52
"""Where version 5 has the check sums of a group's header and of a block of its trees."""
_LEAST_GROUP_BLOCKS = 64
_DEEPEST = 12
_REPAIR = 0x10
_KNOWN_INCOMPAT = 0x7FF
"""Up to gaps in zones, which like all of the realtime part lie behind the blocks of the trees."""


class _Superblock(msgspec.Struct, frozen=True, kw_only=True):
    block_size: int
    blocks: int
    group_blocks: int
    groups: int
    sector_size: int
    log_start: int
    log_blocks: int
    block_log: int
    """Block numbers have the group above so many bits."""
    realtime: bool
    label: str
    serial: str
    version: int
    incompat: int

    @property
    def doubt(self) -> str:
        """Why the trees say nothing even of a volume that was frozen; "" if they do."""
        if self.incompat & ~_KNOWN_INCOMPAT:
            return "it has features that are not known"
        return "it waits to be repaired" if self.incompat & _REPAIR else ""


def open_xfs(reader: BlockReader, *, frozen: bool = False) -> "XfsUsed":
    """Open an XFS volume that begins at byte 0.

    ``frozen``: its trees are known to be up to date, whatever the log says. FormatError when it is
    none or damaged beyond use; OSError when the device cannot read.
    """
    return XfsUsed(reader, _superblock(reader), frozen=frozen)


class XfsUsed:
    """``UsedBlocks`` of an XFS volume."""

    def __init__(self, reader: BlockReader, sb: _Superblock, *, frozen: bool) -> None:
        self._reader = reader
        self._sb = sb
        self._clean = self._log_is_clean() and not sb.doubt
        self._trusted = (self._clean or frozen) and not sb.doubt
        self._doubtful: set[int] = set()

    @property
    def facts(self) -> Facts:
        """Notes name groups that count as in use because their trees are damaged."""
        sb = self._sb
        return Facts(
            kind="xfs",
            label=sb.label,
            serial=sb.serial,
            unit=sb.block_size,
            units=sb.blocks,
            clean=self._clean,
            version=str(sb.version),
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if not self._trusted:
            log = "was not replayed" if self._sb.log_start else "is on another device"
            yield f"{self._sb.doubt or f'the log {log}'}; all blocks count as in use"
        if self._sb.realtime:
            yield "there is a realtime device, which is not part of this volume"
        for group in sorted(self._doubtful):
            yield f"the free space of group {group} is damaged; all of it counts as in use"

    def allocation(self) -> bytearray:
        """Everything but the extents that the trees of free space name."""
        bits = bitmap.full(self._sb.blocks)
        for group in range(self._sb.groups) if self._trusted else ():
            try:
                free = self._free(group)
            except FormatError:
                self._doubtful.add(group)
                continue
            for first, count in free:
                bitmap.fill(bits, group * self._sb.group_blocks + first, count, used=False)
        return bits

    def _log_is_clean(self) -> bool:
        sb = self._sb
        if not sb.log_start:
            return False
        group, block = divmod(sb.log_start, 1 << sb.block_log)
        start = (group * sb.group_blocks + block) * sb.block_size
        return xfs_log.is_clean(self._reader, start, sb.log_blocks * sb.block_size)

    def _free(self, group: int) -> list[tuple[int, int]]:
        """Free extents of a group. FormatError when they are not as the header counts them."""
        sb = self._sb
        start = group * sb.group_blocks * sb.block_size
        raw = self._reader.read(start + sb.sector_size, sb.sector_size)
        magic, _, number, length, root, _, level, free = _AGF.unpack_from(raw)
        expected = min(sb.group_blocks, sb.blocks - group * sb.group_blocks)
        is_right = (magic, number, length) == (b"XAGF", group, expected) and 0 < level <= _DEEPEST
        if not is_right or not self._is_whole(raw, _GROUP_SUM):
            raise FormatError(f"the header of XFS group {group} is damaged")
        found: list[tuple[int, int]] = []
        budget = [length]
        for first, count in self._extents(start, root, level - 1, budget):
            end = sum(found[-1]) if found else 0
            if not count or first < end or first + count > length:
                raise FormatError(f"the free space of XFS group {group} is out of order")
            found.append((first, count))
        if sum(count for _, count in found) != free:
            raise FormatError(f"the free space of XFS group {group} is not complete")
        return found

    def _is_whole(self, raw: bytes, at: int) -> bool:
        """Whether the check sum at a place is right; version 4 has none."""
        if self._sb.version < 5:
            return True
        kept = int.from_bytes(raw[at : at + 4], "little")
        return crc32c(raw[:at] + bytes(4) + raw[at + 4 :]) == kept

    def _extents(
        self, start: int, block: int, level: int, budget: list[int]
    ) -> Iterator[tuple[int, int]]:
        """The records below a block of the tree; ``budget`` bounds how many blocks it has."""
        budget[0] -= 1
        if budget[0] < 0:
            raise FormatError("a tree of XFS free space has no end")
        size = self._sb.block_size
        raw = self._reader.read(start + block * size, size)
        header = _HEADERS.get(raw[:4])
        found, count = struct.unpack_from(">HH", raw, 4)
        if header is None or found != level or not self._is_whole(raw, _TREE_SUM):
            raise FormatError("a block of XFS free space is damaged")
        most = (size - header) // (12 if level else 8)
        if count > most:
            raise FormatError("a block of XFS free space is overfull")
        if not level:
            yield from struct.iter_unpack(">II", raw[header : header + count * 8])
            return
        for below in struct.unpack_from(f">{count}I", raw, header + most * 8):
            yield from self._extents(start, below, level - 1, budget)


def _superblock(reader: BlockReader) -> _Superblock:
    raw = reader.read(0, 512) if reader.size >= 512 else b""
    if raw[:4] != _MAGIC:
        raise FormatError("there is no XFS superblock")
    block_size, blocks = struct.unpack_from(">IQ", raw, 4)
    group_blocks, groups, _, log_blocks, version, sector = struct.unpack_from(">IIIIHH", raw, 84)
    number = version & 0xF
    sb = _Superblock(
        block_size=block_size,
        blocks=blocks,
        group_blocks=group_blocks,
        groups=groups,
        sector_size=sector,
        log_start=struct.unpack_from(">Q", raw, 48)[0],
        log_blocks=log_blocks,
        block_log=raw[124],
        realtime=bool(struct.unpack_from(">Q", raw, 16)[0]),
        label=raw[108:120].split(b"\0")[0].decode("utf-8", "replace"),
        serial=str(UUID(bytes=raw[32:48])),
        version=number,
        incompat=struct.unpack_from(">I", raw, 216)[0] if number == 5 else 0,
    )
    _check(sb, reader.size)
    return sb


def _check(sb: _Superblock, volume: int) -> None:
    sizes = {512 << shift for shift in range(8)}
    sound = (
        sb.version in {4, 5}
        and sb.block_size in sizes
        and sb.sector_size in sizes
        and sb.sector_size <= sb.block_size
        and sb.group_blocks >= _LEAST_GROUP_BLOCKS
        and sb.groups == -(-sb.blocks // sb.group_blocks)
        and sb.block_log == (sb.group_blocks - 1).bit_length()
        and 0 < sb.blocks <= volume // sb.block_size
    )
    if not sound:
        raise FormatError("the numbers of an XFS superblock do not fit together")
