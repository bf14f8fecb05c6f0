"""The disk that is imaged: an open device or disk-image file, divided into its parts.

Part 0 is the frame, everything outside of the partitions. A partition that overlaps another one, or
leaves the disk, is not followed: its bytes belong to the frame. So do logical partitions behind the
place where their chain breaks off. Where such bytes, a record of that chain or a copy of a GPT lie
in a partition that is followed, that one is kept with every sector, for what it calls free may be
the other's contents. Logical volumes follow the partition that they lie in.

A disk that belongs to an array as a whole may have kept the table of what was on it before. Nobody
knows which of the two is left from before, so its partitions are kept with every sector. So is one
that Windows calls dynamic: it has several volumes, and the first may go on where others are.
"""

from collections.abc import Iterator

import msgspec

from twofold.disk.base import BlockReader
from twofold.disk.blocks import is_frozen
from twofold.disk.gpt import PRIMARY
from twofold.disk.partitions import Partition, PartitionTable, read_table, uncovered
from twofold.disk.raid import Member, md_member
from twofold.errors import FormatError
from twofold.imaging.logical import with_logical
from twofold.imaging.part import Part

_OLDEST = "0.90"
"""The version of superblocks that do not say whether they are of a disk or of its last partition.
"""
_DYNAMIC = frozenset(("42", "af9b60a0-1431-4f62-bc68-3311714a69ad"))
"""Types of partitions in which the logical disk manager of Windows keeps its volumes."""
_REST = "What else is in the extended partition is kept as it is, as nobody knows its partitions."
_MEMBER = (
    "The disk is marked as a member of a Linux software RAID ({}) as well: its partitions may be"
    " those of before."
)


class Source(msgspec.Struct, frozen=True):
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
    member = _member(reader) if table.kind != "none" else None
    parts = _followed(table, reader.size, exact=member is not None)
    covered = [(part.start, part.start + part.size) for part in parts]
    notes = [note for note in table.notes if table.kind != "none"]
    notes += [_REST] if table.kind == "mbr" and table.mbr and table.mbr.faults else []
    notes += [_MEMBER.format(member.level)] if member is not None else []
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


def _member(reader: BlockReader) -> Member | None:
    """The array that has the disk as a whole and is not what the disk reads as."""
    try:
        found = md_member(reader)
    except OSError:  # near the end, maybe
        return None
    return None if found is None or found.is_array or found.version == _OLDEST else found


def _followed(table: PartitionTable, size: int, *, exact: bool) -> tuple[Part, ...]:
    """Partitions that share no byte: of two that do, that which begins first. ``exact``: all of it.

    Logical ones come last, in the order of their chain: what a damaged one tells must cost no other
    partition.
    """
    found: list[Partition] = []
    usable = [p for p in table.partitions if not p.is_container and p.size > 0 and p.end <= size]
    for p in sorted(usable, key=lambda p: (p.number if p.is_logical else 0, p.start, p.number)):
        is_placed = p.start or table.kind == "none"
        if is_placed and not any(_meet(p, other) for other in found):
            found.append(p)
    found.sort(key=lambda p: p.number)
    return tuple(_part(p, table, exact=exact) for p in found)


def _meet(one: Partition, other: Partition) -> bool:
    """Whether both claim the same bytes."""
    return max(one.start, other.start) < min(one.end, other.end)


def _share(one: Partition, other: Partition) -> bool:
    """Whether both claim the same bytes. Logical ones lie in their container by right."""
    if one.number == other.number or (other.is_container and one.is_logical):
        return False
    return _meet(one, other)


def _part(p: Partition, table: PartitionTable, *, exact: bool) -> Part:
    shared = exact or p.type in _DYNAMIC or any(_share(p, other) for other in table.partitions)
    size = table.sector_size
    shared = shared or any(p.start < end * size and at * size < p.end for at, end in _kept(table))
    return Part(p.number, p.start, p.size, p.type, p.name, p.guid, shared)


def _kept(table: PartitionTable) -> Iterator[tuple[int, int]]:
    """(first sector, that behind the last) of what tells of partitions, but for the first sector.

    Copies of a GPT only if they are in order.
    """
    gpt = table.gpt
    if gpt is None:
        yield from ((at, at + 1) for at in (table.mbr.records if table.mbr else ()))
        return
    copies = {
        "primary": (PRIMARY, gpt.entries_place),
        "backup": (gpt.backup_place, gpt.backup_entries_place),
    }
    for name, (header, entries) in copies.items():
        if name not in gpt.damaged:
            yield header, header + 1
            yield entries, entries + gpt.entries_sectors
