"""The GUID partition table (UEFI 2.10, section 5.3), read from either copy.

    sector 0     protective MBR              last - n   entries, the same again
    1            header                      last       header, the same again
    2            entries

Each header has a CRC-32 of itself and one of the entries, and names the place of the other header.
A copy counts when both checksums and all its places are right; the primary one is preferred.
Whatever a table says is kept as it is (unused bytes included), so it can be written as it was.
Numbers are little-endian, places are logical sectors.
"""

import struct
import zlib
from typing import NamedTuple
from uuid import UUID

import msgspec

from twofold.disk.base import BlockReader
from twofold.errors import FormatError

SIGNATURE = b"EFI PART"
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
ENTRY = struct.Struct("<16s16sQQQ72s")
PRIMARY = 1
SMALLEST_ENTRY = 128
_LARGEST_ENTRY = 4096
_LARGEST_TABLE = 1024 * 1024


class Header(NamedTuple):
    """A header, as it is laid out."""

    signature: bytes
    revision: int
    length: int
    checksum: int
    reserved: int
    own: int
    other: int
    first_usable: int
    last_usable: int
    disk_guid: bytes
    entries: int
    entry_count: int
    entry_size: int
    entries_checksum: int


class GptEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A slot of the table that is not blank."""

    number: int
    """From 1."""
    type: UUID
    guid: UUID
    first: int
    last: int
    """Sectors; the last one belongs to the partition."""
    attributes: int
    label: bytes
    """36 units of UTF-16, as stored."""
    rest: bytes = b""
    """What entries of more than 128 bytes have besides."""

    @property
    def is_used(self) -> bool:
        """Whether it is a partition: blank slots may have remains of one."""
        return self.type.int != 0

    @property
    def name(self) -> str:
        """The label as text."""
        return self.label.decode("utf-16-le", "replace").split("\0", 1)[0]


class Gpt(msgspec.Struct, frozen=True, kw_only=True):
    """A table. Places are logical sectors of ``sector_size`` bytes."""

    sector_size: int
    revision: int
    header_length: int
    disk_guid: UUID
    first_usable: int
    last_usable: int
    entries_place: int
    backup_place: int
    backup_entries_place: int
    entry_count: int
    entry_size: int
    entries: tuple[GptEntry, ...]
    header_rest: bytes = b""
    """What the header's sector holds behind the 92 bytes that are defined."""
    damaged: tuple[str, ...] = ()
    """``primary``, ``backup``: copies that are not in order."""
    differs: bool = False
    """Both copies are in order and do not say the same."""

    @property
    def entries_sectors(self) -> int:
        """Sectors of one copy of the entries."""
        return -(-self.entry_count * self.entry_size // self.sector_size)


class _Copy(NamedTuple):
    header: Header
    rest: bytes
    table: bytes


def read_gpt(reader: BlockReader, sector_size: int) -> Gpt | None:
    """The table; None when neither copy has its signature. FormatError when both are damaged."""
    last = reader.size // sector_size - 1
    if last <= PRIMARY:
        return None
    primary = _read_copy(reader, sector_size, PRIMARY)
    places = [primary.header.other] if primary else []
    found = (_read_copy(reader, sector_size, place) for place in dict.fromkeys([*places, last]))
    backup = next((copy for copy in found if copy and copy.header.own != PRIMARY), None)
    if not primary and not backup:
        if _has_signature(reader, sector_size, last):
            raise FormatError("both copies of the partition table (GPT) are damaged")
        return None
    return _joined(sector_size, primary, backup)


def _has_signature(reader: BlockReader, sector_size: int, last: int) -> bool:
    places = (PRIMARY * sector_size, last * sector_size)
    return any(reader.read(place, len(SIGNATURE)) == SIGNATURE for place in places)


def _read_copy(reader: BlockReader, sector_size: int, place: int) -> _Copy | None:
    """The copy whose header is at a sector; None unless all of it is in order."""
    sectors = reader.size // sector_size
    if not PRIMARY <= place < sectors:
        return None
    data = reader.read(place * sector_size, sector_size)
    header = Header(*HEADER.unpack_from(data))
    if not _is_header(header, data, place):
        return None
    length = header.entry_count * header.entry_size
    start = header.entries * sector_size
    if length > _LARGEST_TABLE or start + length > reader.size:
        return None
    table = reader.read(start, length)
    if zlib.crc32(table) != header.entries_checksum:
        return None
    return _Copy(header, data[HEADER.size :].rstrip(b"\0"), table)


def _is_header(header: Header, data: bytes, place: int) -> bool:
    size = header.entry_size
    return (
        header.signature == SIGNATURE
        and HEADER.size <= header.length <= len(data)
        and header.own == place
        and SMALLEST_ENTRY <= size <= _LARGEST_ENTRY
        and size & (size - 1) == 0
        and header.checksum == header_checksum(data[: header.length])
    )


def header_checksum(header: bytes) -> int:
    """That of a header, whose own checksum field counts as zero."""
    return zlib.crc32(header[:16] + bytes(4) + header[20:])


def _joined(sector_size: int, primary: _Copy | None, backup: _Copy | None) -> Gpt:
    """One table of the copies that are in order."""
    copy = primary or backup
    assert copy
    header = copy.header
    table_sectors = -(-header.entry_count * header.entry_size // sector_size)
    if backup:
        backup_place, backup_entries = backup.header.own, backup.header.entries
    else:
        backup_place = header.other
        backup_entries = backup_place - table_sectors
    names = ("primary", not primary), ("backup", not backup)
    return Gpt(
        sector_size=sector_size,
        revision=header.revision,
        header_length=header.length,
        disk_guid=UUID(bytes_le=header.disk_guid),
        first_usable=header.first_usable,
        last_usable=header.last_usable,
        entries_place=header.entries if primary else PRIMARY + 1,
        backup_place=backup_place,
        backup_entries_place=backup_entries,
        entry_count=header.entry_count,
        entry_size=header.entry_size,
        entries=tuple(_entries(copy)),
        header_rest=copy.rest,
        damaged=tuple(name for name, is_damaged in names if is_damaged),
        differs=bool(primary and backup and primary.table != backup.table),
    )


def _entries(copy: _Copy) -> list[GptEntry]:
    size = copy.header.entry_size
    blank = bytes(size)
    found = []
    for index in range(copy.header.entry_count):
        data = copy.table[index * size : (index + 1) * size]
        if data == blank:
            continue
        kind, guid, first, last, attributes, label = ENTRY.unpack_from(data)
        found.append(
            GptEntry(
                number=index + 1,
                type=UUID(bytes_le=kind),
                guid=UUID(bytes_le=guid),
                first=first,
                last=last,
                attributes=attributes,
                label=label,
                rest=data[ENTRY.size :],
            )
        )
    return found
