"""The master boot record: four entries in sector 0, and a chain of logical partitions.

One entry may be an extended partition. Its first sector is a record of the same layout: entry 0 is
a logical partition counted from this very sector, entry 1 names the next record, counted from the
start of the extended partition. A chain that comes back to a record, leaves the extended partition
or goes on beyond reason breaks off there; what it told before stands, and the fault is told.
Numbers are little-endian; partitions are counted in logical sectors.
"""

import struct

import msgspec
from msgspec.structs import replace

from twofold.disk.base import BlockReader
from twofold.disk.blocks import unread_in

SIGNATURE = b"\x55\xaa"
ENTRY = struct.Struct("<B3sB3sII")
TABLE, DISK_ID = 446, 440
EXTENDED = frozenset({0x05, 0x0F, 0x85})
PROTECTIVE = 0xEE
ACTIVE = 0x80
_LOGICAL_LIMIT = 256
FIRST_LOGICAL = 5


class MbrEntry(msgspec.Struct, frozen=True, kw_only=True):
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


class Mbr(msgspec.Struct, frozen=True, kw_only=True):
    """A boot record with the partitions it tells, extended ones included, in order of number."""

    disk_id: int
    entries: tuple[MbrEntry, ...]
    records: tuple[int, ...]
    """Sectors that hold the records of logical partitions."""
    faults: tuple[str, ...] = ()
    """Why a chain of logical partitions broke off, in words that go on after a colon."""

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
        if kind and (sectors or kind == PROTECTIVE):  # systems do not mind the size of that one
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

    A chain of logical partitions that is a loop, damaged or leads astray ends up in ``faults``.
    OSError.
    """
    if reader.size < 512:
        return None
    sector = reader.read(0, 512)
    if sector[510:] != SIGNATURE:
        return None
    primary = read_entries(sector)
    chains = _Chains(reader, sector_size)
    is_table = all(entry.is_sane for entry in primary)  # otherwise it is code, see partitions
    for entry in primary:
        if is_table and entry.is_extended and entry.start * sector_size < reader.size:
            chains.follow(entry)
    return Mbr(
        disk_id=int.from_bytes(sector[DISK_ID : DISK_ID + 4], "little"),
        entries=(*primary, *chains.logical),
        records=tuple(chains.records),
        faults=tuple(chains.faults),
    )


class _Chains:
    """The logical partitions of all extended ones. No record is read twice."""

    def __init__(self, reader: BlockReader, sector_size: int) -> None:
        self._reader = reader
        self._sector_size = sector_size
        self.logical: list[MbrEntry] = []
        self.records: list[int] = []
        self.faults: list[str] = []

    def follow(self, extended: MbrEntry) -> None:
        """Add what an extended partition tells, up to its end or the first fault."""
        place: int | None = extended.start
        while place is not None:
            fault = self._astray(place, extended)
            sector = b"" if fault else self._reader.read(place * self._sector_size, 512)
            if not any(sector) and not fault and place == extended.start and self._is_had(place):
                return  # it was never filled
            fault = fault or self._damage(sector, place)
            if fault:
                self.faults.append(fault)
                return
            self.records.append(place)
            place = self._record(sector, place, extended)

    def _astray(self, place: int, extended: MbrEntry) -> str:
        """Why no record can be in a sector."""
        if place in self.records:
            return f"it is a loop that comes back to sector {place}"
        if len(self.records) == _LOGICAL_LIMIT:
            return f"it has more than {_LOGICAL_LIMIT} records"
        if not extended.start <= place < extended.start + extended.sectors:
            return f"it leaves the extended partition for sector {place}"
        if place * self._sector_size + 512 > self._reader.size:
            return f"it leaves the disk for sector {place}"
        return ""

    def _damage(self, sector: bytes, place: int) -> str:
        """Why what is in a sector is no record of a logical partition."""
        if not self._is_had(place):
            return f"the record in sector {place} cannot be read"
        if sector[510:] != SIGNATURE or not all(e.is_sane for e in read_entries(sector)[:2]):
            return f"the record in sector {place} is damaged"
        return ""

    def _is_had(self, place: int) -> bool:
        """Whether a sector could be read; others came as zeros."""
        return not unread_in(self._reader, place * self._sector_size, 512)

    def _record(self, sector: bytes, place: int, extended: MbrEntry) -> int | None:
        """Add what one record tells; the sector of the next record."""
        following = None
        for entry in read_entries(sector, place)[:2]:
            if entry.is_extended:
                following = following or extended.start + entry.start
            else:
                number = FIRST_LOGICAL + len(self.logical)
                self.logical.append(replace(entry, number=number, start=place + entry.start))
        return following
