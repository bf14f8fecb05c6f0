"""Tables of files by themselves, records of NTFS or inodes of ext4, and what either code tells.

Everything around a table is made up, as small as it can be.
"""

import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from tests.twins import choose
from twofold.disk import Facts, FileSystem, Run, Stream
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.ext.groups import Group, Groups
from twofold.disk.ext.notes import Notes as ExtNotes
from twofold.disk.ext.streams import StreamPass
from twofold.disk.ext.superblock import Superblock
from twofold.disk.ntfs.attributes import Head, Part
from twofold.disk.ntfs.boot import Geometry
from twofold.disk.ntfs.notes import Notes
from twofold.disk.ntfs.scan import Scan
from twofold.disk.ntfs.state import State
from twofold.disk.ntfs.system import EXTEND, ROOT, System
from twofold.disk.ntfs.table import File, Table
from twofold.disk.ntfs.values import FileName
from twofold.errors import FormatError
from twofold.imaging.gather import Gathered, gather

RECORD = 1024
CLUSTER = 4096
UNITS = 1 << 20
OWNED = 40
"""Number of a file of the system's own."""
SHADOWS = 41
"""Number of the folder in which Windows keeps old data."""
INODE = 256
BLOCK = 1024
BLOCKS = 4096
WRITTEN = 1_800_000_000
JOURNAL = 14
"""Number of an inode of the system's own."""

SCAN = "twofold.disk.ntfs.scan"
STREAMS = "twofold.disk.ext.streams"
GATHER = "twofold.imaging.gather"
Told = tuple[list[Stream], object]


def by(code: str, function: str, *arguments: object) -> object:
    """What a function of this module gives with one of the codes, twin or extension."""
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, code, SCAN, STREAMS, GATHER)
        return getattr(sys.modules[__name__], function)(*arguments)


# NTFS


@dataclass
class _Table:
    """Records in one block; nothing that is said to be elsewhere can be had."""

    records: bytes
    first: int
    damaged: set[int]
    count: int = 0

    def blocks(self) -> Iterator[tuple[int, bytes, set[int]]]:
        yield self.first, self.records, self.damaged

    def complete(self, number: int, head: Head, parts: list[Part]) -> File:
        raise FormatError(f"nothing extends file {number}")


def _names(number: int) -> Iterator[tuple[int, FileName]]:
    if number == EXTEND:
        yield OWNED, FileName(EXTEND, 0, 0, 1, b"$Owned")
    if number == ROOT:
        yield SHADOWS, FileName(ROOT, 0, 0, 1, b"System Volume Information")


def ntfs(
    records: bytes,
    first: int = 64,
    damaged: Iterable[int] = (),
    doubt: str = "",
    units: int = UNITS,
) -> Told:
    """Streams and notes of records, as they are after mending, whose first has this number."""
    notes = Notes()
    geometry = Geometry(
        sector=512, cluster=CLUSTER, units=units, record=RECORD, table=4, mirror=2, serial=1
    )
    table = cast(Table, _Table(records, first, set(damaged)))
    system = System(_names, notes)
    scan = Scan(table, geometry, system, notes, State(clean=not doubt, doubt=doubt))
    return list(scan.streams()), notes.sentences()


def record(attributes: Sequence[bytes], *, flags: int = 1, base: int = 0, log: int = 7) -> bytes:
    """A file record of so many attributes."""
    head = struct.pack("<4sHHQHHHHIIQ", b"FILE", 48, 3, log, 3, 1, 56, flags, 0, RECORD, base)
    body = b"".join(attributes) + b"\xff" * 4 + bytes(4)
    used = 56 + len(body)
    data = bytearray((head.ljust(56, b"\0") + body).ljust(RECORD, b"\0"))
    data[24:28] = used.to_bytes(4, "little")
    return bytes(data[:RECORD])


def resident(kind: int, value: bytes) -> bytes:
    """An attribute whose value is in the record."""
    length = -(-(24 + len(value)) // 8) * 8
    head = struct.pack("<IIBBHHHIHH", kind, length, 0, 0, 24, 0, 0, len(value), 24, 0)
    return (head + value).ljust(length, b"\0")


def stored(
    kind: int, runs: Sequence[tuple[int, int]], size: int, *, name: str = "", flags: int = 0
) -> bytes:
    """An attribute in runs of (first cluster or -1, clusters)."""
    packed, end, total = bytearray(), 0, 0
    for first, units in runs:
        total += units
        if first < 0:
            packed += bytes([4]) + units.to_bytes(4, "little")
            continue
        packed += bytes([0x44]) + units.to_bytes(4, "little")
        packed += (first - end).to_bytes(4, "little", signed=True)
        end = first
    spelled = name.encode("utf-16-le")
    place = 64 + len(spelled)
    length = -(-(place + len(packed) + 1) // 8) * 8
    head = struct.pack("<IIBBHHH", kind, length, 1, len(name), 64, flags, 0)
    head += struct.pack("<QqHB5xQQQ", 0, total - 1, place, 0, total * CLUSTER, size, size)
    return (head + spelled + packed).ljust(length, b"\0")


def information(change: int = 5) -> bytes:
    """$STANDARD_INFORMATION of a file that was changed at a time."""
    return resident(0x10, struct.pack("<QQQQ32xQ", 1, 2, change, 4, 99))


def named(parent: int, name: str = "file") -> bytes:
    """$FILE_NAME of a file in a folder."""
    spelled = name.encode("utf-16-le")
    return resident(0x30, struct.pack("<Q56xBB", parent, len(name), 1) + spelled)


# ext4


def ext(inodes: bytes, units: int = BLOCKS) -> Told:
    """Streams and notes of a table of inodes, all of them in use."""
    count = len(inodes) // INODE // 8 * 8
    raw = bytearray(1024)
    raw[48:52] = WRITTEN.to_bytes(4, "little")
    raw[58] = 1
    raw[224] = JOURNAL
    sb = Superblock(
        raw=bytes(raw),
        block_size=BLOCK,
        blocks=units,
        first_block=1,
        cluster_blocks=1,
        blocks_per_group=8192,
        inodes=count,
        inodes_per_group=count,
        inode_size=INODE,
        descriptor_size=32,
        compat=0,
        incompat=0x40,
        ro_compat=0,
    )
    volume = bytes(3 * BLOCK) + (b"\xff" * (count // 8)).ljust(BLOCK, b"\0") + inodes
    groups = cast(Groups, [Group(2, 3, 4, 0, 0, 0)])
    notes = ExtNotes(sb, 0)
    streams = list(StreamPass(MemoryBlocks(volume), sb, groups, notes)) if count else []
    return streams, (notes.left_out, notes.more)


def inode(
    extents: Sequence[tuple[int, int, int]],
    size: int,
    *,
    mode: int = 0o100644,
    flags: int = 0x80000,
    changed: int = WRITTEN - 100,
) -> bytes:
    """An inode whose extents (logical, length as stored, physical) stand in itself."""
    tree = struct.pack("<HHHHI", 0xF30A, len(extents), 4, 0, 0)
    for logical, length, physical in extents:
        tree += struct.pack("<IHHI", logical, length, physical >> 32, physical & 0xFFFFFFFF)
    head = struct.pack("<HHIIIII", mode, 0, size & 0xFFFFFFFF, 1, changed, 2, 0)
    head += struct.pack("<HHIII", 0, 1, 8, flags, 1) + tree.ljust(60, b"\0")
    head += struct.pack("<III", 5, 0, size >> 32)
    return (head.ljust(128, b"\0") + struct.pack("<HHII", 32, 0, 4, 8)).ljust(INODE, b"\0")


# claims


@dataclass
class _System:
    """A file system that tells some streams, and has an end that cannot be read if it is broken."""

    told: Sequence[Stream]
    units: int
    broken: bool

    @property
    def facts(self) -> Facts:
        return Facts(kind="made", unit=CLUSTER, units=self.units)

    def allocation(self) -> bytearray:
        return bytearray((self.units + 7) // 8)

    def streams(self) -> Iterator[Stream]:
        yield from self.told
        if self.broken:
            raise FormatError("the rest is gone")


def claims(streams: Sequence[Stream], units: int, *, broken: bool = False) -> Gathered:
    """What is gathered from streams of a volume of so many units."""
    return gather(cast(FileSystem, _System(streams, units, broken)))


def runs(*pairs: tuple[int, int]) -> tuple[Run, ...]:
    """Runs of (first or -1, units)."""
    return tuple(Run(*pair) for pair in pairs)
