"""A GUID partition table as bytes again: as it was, with new GUIDs, or for another size of disk."""

import zlib
from collections.abc import Callable
from uuid import UUID

from msgspec.structs import replace

from twofold.disk.gpt import ENTRY, HEADER, PRIMARY, SIGNATURE, Gpt, Header, header_checksum
from twofold.errors import FormatError


def encode(gpt: Gpt) -> list[tuple[int, bytes]]:
    """Both copies as (byte offset on the disk, bytes), each padded to whole sectors.

    Entries come before the header that makes them valid; the primary header is last.
    """
    size = gpt.sector_size
    table = _encode_entries(gpt)
    padded = table.ljust(gpt.entries_sectors * size, b"\0")
    backup = _encode_header(gpt, table, gpt.backup_place, PRIMARY, gpt.backup_entries_place)
    primary = _encode_header(gpt, table, PRIMARY, gpt.backup_place, gpt.entries_place)
    return [
        (gpt.backup_entries_place * size, padded),
        (gpt.backup_place * size, backup),
        (gpt.entries_place * size, padded),
        (PRIMARY * size, primary),
    ]


def _encode_entries(gpt: Gpt) -> bytes:
    table = bytearray(gpt.entry_count * gpt.entry_size)
    for entry in gpt.entries:
        names = entry.type.bytes_le, entry.guid.bytes_le
        data = ENTRY.pack(*names, entry.first, entry.last, entry.attributes, entry.label)
        at = (entry.number - 1) * gpt.entry_size
        table[at : at + gpt.entry_size] = (data + entry.rest).ljust(gpt.entry_size, b"\0")
    return bytes(table)


def _encode_header(gpt: Gpt, table: bytes, own: int, other: int, entries: int) -> bytes:
    header = Header(
        signature=SIGNATURE,
        revision=gpt.revision,
        length=gpt.header_length,
        checksum=0,
        reserved=0,
        own=own,
        other=other,
        first_usable=gpt.first_usable,
        last_usable=gpt.last_usable,
        disk_guid=gpt.disk_guid.bytes_le,
        entries=entries,
        entry_count=gpt.entry_count,
        entry_size=gpt.entry_size,
        entries_checksum=zlib.crc32(table),
    )
    data = (HEADER.pack(*header) + gpt.header_rest).ljust(gpt.sector_size, b"\0")
    checksum = header_checksum(data[: gpt.header_length])
    return HEADER.pack(*header._replace(checksum=checksum)) + data[HEADER.size :]


def renewed(gpt: Gpt, new: Callable[[], UUID]) -> Gpt:
    """The table of a clone that may stand beside the original: new GUIDs of disk and partitions."""
    entries = (replace(entry, guid=new()) if entry.is_used else entry for entry in gpt.entries)
    return replace(gpt, entries=tuple(entries), disk_guid=new())


def fitted(gpt: Gpt, disk_size: int) -> Gpt:
    """The table for a disk of another size, its backup at the end; partitions stay as they are.

    FormatError when a partition does not end before the backup.
    """
    backup = disk_size // gpt.sector_size - 1
    last_usable = backup - gpt.entries_sectors - 1
    if any(entry.last > last_usable for entry in gpt.entries if entry.is_used):
        raise FormatError("a partition does not fit the disk")
    return replace(
        gpt,
        backup_place=backup,
        backup_entries_place=backup - gpt.entries_sectors,
        last_usable=last_usable,
    )
