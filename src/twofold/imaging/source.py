"""The disk that is imaged: an open device or disk-image file, divided into its parts.

Part 0 is the frame, everything outside of the partitions. A partition that overlaps another one, or
leaves the disk, is not followed: its bytes belong to the frame. Where they lie in a partition that
is followed, that one is kept with every sector, for what it calls free may be the other's contents.
Logical volumes follow the partition that they lie in.
"""

from dataclasses import dataclass

from twofold.disk.base import BlockReader
from twofold.disk.blocks import is_frozen
from twofold.disk.partitions import Partition, PartitionTable, read_table, uncovered
from twofold.errors import FormatError
from twofold.imaging.logical import with_logical
from twofold.imaging.part import Part


@dataclass(frozen=True, slots=True)
class Source:
    """A disk with what its table says."""

    reader: BlockReader
    table: str
    disk_id: str
    sector_size: int
    parts: tuple[Part, ...]
    frame: tuple[tuple[int, int], ...]
    """(first byte, bytes) of everything outside of the parts."""
    notes: tuple[str, ...] = ()
    frozen: bool = False
    """Whether its file systems were flushed before it was frozen."""


def open_source(reader: BlockReader) -> Source:
    """Read the table. One that is damaged makes the whole disk one part, which is told."""
    frozen = is_frozen(reader)
    try:
        table = read_table(reader)
    except FormatError as error:
        note = f"the partition table cannot be read ({error}); the disk is kept as one piece"
        whole = Part(1, 0, reader.size, "")
        return Source(reader, "none", "", reader.sector_size, (whole,), (), (note,), frozen)
    parts = _followed(table, reader.size)
    covered = [(part.start, part.start + part.size) for part in parts]
    notes = [note for note in table.notes if table.kind != "none"]
    notes += [f"partition {p.number}: {fault}" for p in table.partitions for fault in p.faults]
    notes += [f"partition {p.number} is kept with every sector." for p in parts if p.shared]
    divided = with_logical(reader, parts)
    notes += divided.notes
    return Source(
        reader,
        table.kind,
        table.disk_id,
        table.sector_size,
        divided.parts,
        tuple((start, end - start) for start, end in uncovered(reader.size, covered)),
        tuple(notes),
        frozen,
    )


def _followed(table: PartitionTable, size: int) -> tuple[Part, ...]:
    found: list[Part] = []
    end = 0
    usable = [p for p in table.partitions if not p.is_container and p.size > 0 and p.end <= size]
    for p in sorted(usable, key=lambda p: (p.start, p.number)):
        if p.start >= end and (p.start or table.kind == "none"):
            found.append(_part(p, shared=any(_share(p, other) for other in table.partitions)))
            end = p.end
    return tuple(sorted(found, key=lambda part: part.number))


def _share(one: Partition, other: Partition) -> bool:
    """Whether both claim the same bytes. Logical partitions lie in their container by right."""
    if one.number == other.number or (other.is_container and "logical" in one.flags):
        return False
    return max(one.start, other.start) < min(one.end, other.end)


def _part(partition: Partition, *, shared: bool) -> Part:
    p = partition
    return Part(p.number, p.start, p.size, p.type, p.name, p.guid, shared)
