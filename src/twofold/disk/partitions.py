"""The partition table of a disk, whichever kind it is, and what lies outside of its partitions.

    gpt     when a copy of a GPT is in order and sector 0 has a protective entry (or nothing)
    mbr     when sector 0 has a boot record with entries
    none    when a file system begins in sector 0, or nothing tells of partitions but a GPT's
            backup copy behind something that fills the disk

What cannot be right is told and not mended: a partition that overlaps another one, leaves the disk
or the extended partition is listed with its faults, and where a chain of logical partitions breaks
off, those before it are. Regions are everything that no partition covers, the tables among them by
name: together with the partitions they are the whole disk.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from twofold.disk.base import BlockReader
from twofold.disk.gpt import Gpt, read_gpt
from twofold.disk.mbr import Mbr, MbrEntry, read_mbr
from twofold.disk.partition_types import gpt_flags, gpt_type_name, mbr_type_name
from twofold.disk.recognise import fills_sector_0, recognise
from twofold.errors import FormatError

_SECTOR_SIZES = (512, 4096)


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a disk. Places and sizes are bytes."""

    number: int
    """As systems count: logical partitions of an MBR from 5."""
    start: int
    size: int
    type: str
    """GUID of the type (GPT), or two hexadecimal digits (MBR)."""
    type_name: str = ""
    """What people call the type; empty when it is not known."""
    name: str = ""
    guid: str = ""
    flags: tuple[str, ...] = ()
    """``active``, ``logical``, ``extended``, or the names of GPT attributes."""
    attributes: int = 0
    """Of GPT, as stored."""
    faults: tuple[str, ...] = ()
    """Sentences about what cannot be right."""

    @property
    def end(self) -> int:
        """The first byte that follows."""
        return self.start + self.size

    @property
    def is_container(self) -> bool:
        """Whether it only contains logical partitions (an extended one)."""
        return "extended" in self.flags

    @property
    def is_logical(self) -> bool:
        """Whether an extended partition contains it."""
        return "logical" in self.flags


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes outside of all partitions: kept as they are."""

    start: int
    size: int
    name: str
    """``mbr``, ``ebr``, ``gpt header``, ``gpt entries``, ``gpt backup ...`` or ``gap``."""


class PartitionTable(msgspec.Struct, frozen=True, kw_only=True):
    """How a disk is divided."""

    kind: str
    """``gpt``, ``mbr`` or ``none``."""
    disk_id: str = ""
    """GUID, or the eight hexadecimal digits of an MBR."""
    sector_size: int
    """Bytes of the sectors that the table counts in."""
    partitions: tuple[Partition, ...] = ()
    regions: tuple[Region, ...] = ()
    notes: tuple[str, ...] = ()
    gpt: Gpt | None = None
    mbr: Mbr | None = None


def read_table(reader: BlockReader) -> PartitionTable:
    """How a disk is divided.

    FormatError when both copies of a GPT are damaged. OSError when the device cannot read.
    """
    mbr = read_mbr(reader, reader.sector_size)
    if mbr is None or mbr.is_protective:
        gpt = _find_gpt(reader)
        if gpt and (mbr or not _is_left_over(reader, gpt)):
            return _gpt_table(reader, gpt, mbr)
    if mbr is None or not mbr.entries or _is_superfloppy(reader, mbr):
        return _undivided(reader)
    return _mbr_table(reader, mbr)


def _find_gpt(reader: BlockReader) -> Gpt | None:
    """A GPT in sectors of the size that the reader says, or of the other one."""
    error = None
    for sector_size in dict.fromkeys((reader.sector_size, *_SECTOR_SIZES)):
        try:
            gpt = read_gpt(reader, sector_size)
        except FormatError as caught:
            error = error or caught
        else:
            if gpt:
                return gpt
    if error:
        raise error
    return None


def _is_left_over(reader: BlockReader, gpt: Gpt) -> bool:
    """Whether something else was written over all but the copy at the end, which it left there."""
    return "primary" in gpt.damaged and recognise(reader).kind not in ("empty", "unknown")


def _is_superfloppy(reader: BlockReader, mbr: Mbr) -> bool:
    """Whether sector 0 is a boot sector of a file system: then the entries are code or a disguise.

    Windows formats sticks without a table; mkfs.fat writes an entry that covers its own sector.
    """
    if all(entry.is_sane and entry.start for entry in mbr.entries):
        return False
    return any(not entry.is_sane for entry in mbr.entries) or fills_sector_0(recognise(reader))


def _undivided(reader: BlockReader) -> PartitionTable:
    note = "The disk has no partition table: it is one volume, or empty."
    return PartitionTable(
        kind="none",
        sector_size=reader.sector_size,
        partitions=(Partition(number=1, start=0, size=reader.size, type=""),),
        notes=(note,),
    )


def _mbr_table(reader: BlockReader, mbr: Mbr) -> PartitionTable:
    size = reader.sector_size
    parts = _checked([_mbr_partition(entry, size) for entry in mbr.entries], reader.size)
    tables = [Region(start=0, size=size, name="mbr")]
    tables += [Region(start=place * size, size=size, name="ebr") for place in mbr.records]
    return PartitionTable(
        kind="mbr",
        disk_id=f"{mbr.disk_id:08x}",
        sector_size=size,
        partitions=parts,
        regions=tuple(_regions(reader.size, parts, tables)),
        notes=tuple(_mbr_notes(reader, mbr)),
        mbr=mbr,
    )


def _mbr_notes(reader: BlockReader, mbr: Mbr) -> Iterator[str]:
    for fault in mbr.faults:
        yield f"The chain of logical partitions breaks off: {fault}."
    if mbr.is_protective:
        yield "The disk is marked as GPT, but there is no GPT on it."
    else:
        try:
            stale = read_gpt(reader, reader.sector_size) is not None
        except FormatError:
            stale = True
        if stale:
            yield "There are remains of a GPT; the MBR counts."


def _mbr_partition(entry: MbrEntry, sector_size: int) -> Partition:
    words = (
        ("active", entry.status == 0x80),
        ("logical", entry.number > 4),
        ("extended", entry.is_extended),
    )
    return Partition(
        number=entry.number,
        start=entry.start * sector_size,
        size=entry.sectors * sector_size,
        type=f"{entry.type:02x}",
        type_name=mbr_type_name(entry.type),
        flags=tuple(word for word, holds in words if holds),
    )


def _gpt_table(reader: BlockReader, gpt: Gpt, mbr: Mbr | None) -> PartitionTable:
    size = gpt.sector_size
    parts = [
        Partition(
            number=entry.number,
            start=entry.first * size,
            size=(entry.last - entry.first + 1) * size,
            type=str(entry.type),
            type_name=gpt_type_name(entry.type),
            name=entry.name,
            guid=str(entry.guid),
            flags=gpt_flags(entry.type, entry.attributes),
            attributes=entry.attributes,
        )
        for entry in gpt.entries
        if entry.is_used
    ]
    checked = _checked(parts, reader.size)
    return PartitionTable(
        kind="gpt",
        disk_id=str(gpt.disk_guid),
        sector_size=size,
        partitions=checked,
        regions=tuple(_regions(reader.size, checked, _gpt_regions(gpt))),
        notes=tuple(_gpt_notes(reader, gpt, mbr)),
        gpt=gpt,
        mbr=mbr,
    )


def _gpt_regions(gpt: Gpt) -> list[Region]:
    size = gpt.sector_size
    entries = gpt.entries_sectors * size
    return [
        Region(start=0, size=size, name="mbr"),
        Region(start=size, size=size, name="gpt header"),
        Region(start=gpt.entries_place * size, size=entries, name="gpt entries"),
        Region(start=gpt.backup_entries_place * size, size=entries, name="gpt backup entries"),
        Region(start=gpt.backup_place * size, size=size, name="gpt backup header"),
    ]


def _gpt_notes(reader: BlockReader, gpt: Gpt, mbr: Mbr | None) -> Iterator[str]:
    for name in gpt.damaged:
        other = "backup" if name == "primary" else "primary"
        yield f"The {name} copy of the partition table is damaged; the {other} one is used."
    if gpt.differs:
        yield "The two copies of the partition table differ; the primary one is used."
    if gpt.sector_size != reader.sector_size:
        yield f"The partition table counts in sectors of {gpt.sector_size} bytes."
    if gpt.backup_place != reader.size // gpt.sector_size - 1:
        yield "The backup of the partition table is not at the end of the disk."
    if mbr is None:
        yield "The protective MBR is missing."
    elif mbr.is_hybrid:
        yield "The MBR is a hybrid one: it tells partitions of its own."


def _checked(parts: list[Partition], disk_size: int) -> tuple[Partition, ...]:
    """The partitions with what cannot be right about them, in order of number."""
    faults: dict[int, list[str]] = {part.number: [] for part in parts}
    outer = [part for part in parts if part.is_container]
    for part in parts:
        if part.size <= 0:
            faults[part.number].append("It ends before it begins.")
        if part.end > disk_size:
            faults[part.number].append("It goes beyond the end of the disk.")
        if not part.start:
            faults[part.number].append("It covers the partition table.")
        if part.is_logical and not any(o.start <= part.start and part.end <= o.end for o in outer):
            faults[part.number].append("It leaves the extended partition.")
    for one, other in _overlaps(part for part in parts if not part.is_container):
        faults[one].append(f"It overlaps partition {other}.")
        faults[other].append(f"It overlaps partition {one}.")
    return tuple(replace(part, faults=tuple(faults[part.number])) for part in parts)


def _overlaps(parts: Iterable[Partition]) -> Iterator[tuple[int, int]]:
    """Numbers of partitions that share bytes: each with the one that reaches farthest before it."""
    farthest: Partition | None = None
    for part in sorted(parts, key=lambda part: part.start):
        if part.size <= 0:
            continue
        if farthest and part.start < farthest.end:
            yield farthest.number, part.number
        if not farthest or part.end > farthest.end:
            farthest = part


def _regions(
    disk_size: int, parts: Iterable[Partition], tables: Iterable[Region]
) -> Iterator[Region]:
    """What no partition covers, cut at the borders of the tables."""
    covered = [(p.start, p.end) for p in parts if not p.is_container and p.size > 0]
    named = [table for table in tables if table.start + table.size <= disk_size]
    for start, end in uncovered(disk_size, covered):
        borders = {start, end}
        for table in named:
            borders |= {at for at in (table.start, table.start + table.size) if start < at < end}
        for first, last in pairwise(sorted(borders)):
            names = (t.name for t in named if t.start <= first < t.start + t.size)
            yield Region(start=first, size=last - first, name=next(names, "gap"))


def uncovered(disk_size: int, covered: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(start, end) of what no range of ``covered`` holds of a disk."""
    place = 0
    for start, end in sorted(covered):
        if min(start, disk_size) > place:
            yield place, min(start, disk_size)
        place = max(place, end)
    if place < disk_size:
        yield place, disk_size
