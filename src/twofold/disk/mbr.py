"""The master boot record: four entries in sector 0, and a chain of logical partitions.

One entry may be an extended partition. Its first sector is a record of the same layout: entry 0 is
a logical partition counted from this very sector, entry 1 names the next record, counted from the
start of the extended partition. A chain that comes back to a record, leaves the extended partition
or goes on beyond reason is refused. Numbers are little-endian; partitions are counted in logical
sectors.
"""

import struct
from dataclasses import dataclass

from twofold.disk.base import BlockReader
from twofold.errors import FormatError

SIGNATURE = b"\x55\xaa"
ENTRY = struct.Struct("<B3sB3sII")
TABLE, DISK_ID = 446, 440
EXTENDED = frozenset({0x05, 0x0F, 0x85})
PROTECTIVE = 0xEE
ACTIVE = 0x80
_LOGICAL_LIMIT = 256
FIRST_LOGICAL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MbrEntry:
    """A partition: place and size in sectors, counted from the start of the disk."""

    number: int
    """1 to 4 for those of the first record, from 5 on for logical ones."""
    status: int
    type: int
    start: int
    sectors: int
    record: int = 0
    """The sector of the record that tells it."""

    @property
    def is_extended(self) -> bool:
        """Whether it only contains logical partitions."""
        return self.type in EXTENDED

    @property
    def is_sane(self) -> bool:
        """Whether this can be an entry at all, and not the code of a boot sector."""
        return self.status in (0, ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mbr:
    """A boot record with the partitions it tells, extended ones included, in order of number."""

    disk_id: int
    entries: tuple[MbrEntry, ...]
    records: tuple[int, ...]
    """Sectors that hold the records of logical partitions."""

    @property
    def is_protective(self) -> bool:
        """Whether an entry keeps programs off that do not know GPT."""
        return any(entry.type == PROTECTIVE for entry in self.entries)

    @property
    def is_hybrid(self) -> bool:
        """Whether it tells other partitions beside the protective one."""
        return self.is_protective and any(entry.type != PROTECTIVE for entry in self.entries)


def read_entries(sector: bytes, record: int = 0) -> list[MbrEntry]:
    """The entries of a record that are used, as they stand there."""
    found = []
    for index in range(4):
        status, _, kind, _, start, sectors = ENTRY.unpack_from(sector, TABLE + index * ENTRY.size)
        if kind and sectors:
            found.append(
                MbrEntry(
                    number=index + 1,
                    status=status,
                    type=kind,
                    start=start,
                    sectors=sectors,
                    record=record,
                )
            )
    return found


def read_mbr(reader: BlockReader, sector_size: int) -> Mbr | None:
    """The boot record with its logical partitions; None when sector 0 has no signature.

    FormatError when the chain of logical partitions is a loop or leads astray.
    """
    if reader.size < 512:
        return None
    sector = reader.read(0, 512)
    if sector[510:] != SIGNATURE:
        return None
    primary = read_entries(sector)
    logical: list[MbrEntry] = []
    records: list[int] = []
    is_table = all(entry.is_sane for entry in primary)  # otherwise it is code, see partitions
    for entry in primary:
        if is_table and entry.is_extended and entry.start * sector_size < reader.size:
            _follow(reader, sector_size, entry, logical, records)
    disk_id = int.from_bytes(sector[DISK_ID : DISK_ID + 4], "little")
    return Mbr(disk_id=disk_id, entries=(*primary, *logical), records=tuple(records))


def _follow(
    reader: BlockReader,
    sector_size: int,
    extended: MbrEntry,
    logical: list[MbrEntry],
    records: list[int],
) -> None:
    """Add the logical partitions of an extended one, and the sectors of their records."""
    place: int | None = extended.start
    while place is not None:
        if place in records:
            raise FormatError("the chain of logical partitions is a loop")
        if len(records) == _LOGICAL_LIMIT:
            raise FormatError(f"there are more than {_LOGICAL_LIMIT} logical partitions")
        if not extended.start <= place < extended.start + extended.sectors:
            raise FormatError("the chain of logical partitions leaves the extended partition")
        sector = reader.read(place * sector_size, 512)
        if sector[510:] != SIGNATURE:
            if place == extended.start:
                return  # an extended partition that was never filled
            raise FormatError(f"the record of a logical partition is damaged (sector {place})")
        records.append(place)
        place = _record(sector, place, extended, logical)


def _record(sector: bytes, place: int, extended: MbrEntry, logical: list[MbrEntry]) -> int | None:
    """Add what one record tells; the sector of the next record."""
    following = None
    for entry in read_entries(sector, place)[:2]:
        if entry.is_extended:
            following = following or extended.start + entry.start
        else:
            logical.append(
                MbrEntry(
                    number=FIRST_LOGICAL + len(logical),
                    status=entry.status,
                    type=entry.type,
                    start=place + entry.start,
                    sectors=entry.sectors,
                    record=place,
                )
            )
    return following
