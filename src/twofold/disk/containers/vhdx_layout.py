"""The structures at the start of a VHDX file (MS-VHDX, sections 2.2 to 2.6).

    0 KiB  file type identifier       192 KiB  region table
    64     header                     256      region table, the same again
    128    header, the other one      1 MiB    log, metadata, block allocation table, blocks

Of the two headers the one with the higher sequence number is current, for they are written in
turns. Each structure is protected by a CRC-32C of itself with the checksum field as zero. All
numbers are little-endian.
"""

import struct
from typing import NamedTuple
from uuid import UUID

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import refused
from twofold.disk.containers.limits import VHDX
from twofold.disk.crc32c import crc32c
from twofold.errors import FormatError

KIB, MIB = 1024, 1024 * 1024
IDENTIFIER = b"vhdxfile"
HEADER_PLACES = (64 * KIB, 128 * KIB)
REGION_PLACES = (192 * KIB, 256 * KIB)
HEADER_SIZE, REGION_SIZE = 4 * KIB, 64 * KIB
HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
REGIONS = struct.Struct("<4sII4x")
REGION = struct.Struct("<16sQII")
METADATA = struct.Struct("<8s2xH20x")
ITEM = struct.Struct("<16sIIII")
_METADATA_SIZE = 64 * KIB
_ENTRY_LIMIT = 2047

BLOCK_TABLE = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
DISK_IDENTITY = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
_KNOWN = {FILE_PARAMETERS, DISK_SIZE, DISK_IDENTITY, LOGICAL_SECTOR, PHYSICAL_SECTOR}


class Header(NamedTuple):
    """A header, as it is laid out."""

    signature: bytes
    checksum: int
    sequence: int
    file_write: bytes
    data_write: bytes
    log: bytes
    log_version: int
    version: int
    log_length: int
    log_offset: int


class Shape(NamedTuple):
    """What the metadata say about the disk: sizes in bytes."""

    size: int
    block: int
    sector: int


def sealed(data: bytes) -> bytes:
    """A structure with its checksum, which is at byte 4."""
    checksum = crc32c(data[:4] + bytes(4) + data[8:])
    return data[:4] + checksum.to_bytes(4, "little") + data[8:]


def is_sealed(data: bytes) -> bool:
    """Whether the checksum at byte 4 is that of the structure."""
    return crc32c(data[:4] + bytes(4) + data[8:]) == int.from_bytes(data[4:8], "little")


def current_header(reader: BlockReader) -> Header:
    """The newer one of the headers that are in order. FormatError when none is."""
    found = []
    for at in HEADER_PLACES:
        data = reader.read(at, HEADER_SIZE)
        header = Header(*HEADER.unpack_from(data))
        if header.signature == b"head" and header.version == 1 and is_sealed(data):
            found.append(header)
    if not found:
        raise FormatError("both headers of the VHDX file are damaged")
    header = max(found, key=lambda header: header.sequence)
    if header.log_offset % MIB or header.log_length % MIB:
        raise FormatError("the log of the VHDX file lies askew")
    return header


def read_regions(reader: BlockReader) -> dict[UUID, tuple[int, int]]:
    """(offset, length) of the block table and of the metadata. FormatError when they are amiss."""
    for at in REGION_PLACES:
        data = reader.read(at, REGION_SIZE)
        signature, _, count = REGIONS.unpack_from(data)
        if signature == b"regi" and count <= _ENTRY_LIMIT and is_sealed(data):
            return _regions(reader, data, count)
    raise FormatError("both region tables of the VHDX file are damaged")


def _regions(reader: BlockReader, data: bytes, count: int) -> dict[UUID, tuple[int, int]]:
    regions = {}
    for index in range(count):
        name, offset, length, required = REGION.unpack_from(data, 16 + index * REGION.size)
        identity = UUID(bytes_le=name)
        if identity in (BLOCK_TABLE, METADATA_REGION):
            if offset < MIB or offset % MIB or offset + length > reader.size:
                raise FormatError("a region of the VHDX file lies askew or outside of the file")
            regions[identity] = offset, length
        elif required & 1:
            raise refused(f"the VHDX file needs the unknown region {identity}")
    if len(regions) != 2:
        raise FormatError("the VHDX file lacks its block table or its metadata")
    return regions


def read_shape(reader: BlockReader, region: tuple[int, int]) -> Shape:
    """What the disk is like. FormatError for impossible values and differencing disks."""
    items = _items(reader, region)
    if missing := _KNOWN - {DISK_IDENTITY, PHYSICAL_SECTOR} - items.keys():
        raise FormatError(f"the metadata of the VHDX file lack {min(missing)}")
    block, flags = struct.unpack("<II", items[FILE_PARAMETERS][:8].ljust(8, b"\0"))
    size = int.from_bytes(items[DISK_SIZE][:8], "little")
    sector = int.from_bytes(items[LOGICAL_SECTOR][:4], "little")
    if flags & 2 or PARENT_LOCATOR in items:
        raise refused("this VHDX holds only the changes to another disk image, its parent")
    if not MIB <= block <= 256 * MIB or block & block - 1:
        raise FormatError(f"VHDX blocks of {block} bytes do not exist")
    if sector not in (512, 4096) or size % sector or size > VHDX.largest:
        raise FormatError(f"a VHDX disk of {size} bytes in sectors of {sector} does not exist")
    return Shape(size, block, sector)


def _items(reader: BlockReader, region: tuple[int, int]) -> dict[UUID, bytes]:
    """The metadata items that are known. FormatError when one that is not known is required."""
    start, length = region
    if length < _METADATA_SIZE:
        raise FormatError("the metadata of the VHDX file are cut short")
    table = reader.read(start, _METADATA_SIZE)
    signature, count = METADATA.unpack_from(table)
    if signature != b"metadata" or count > _ENTRY_LIMIT:
        raise FormatError("the metadata of the VHDX file are damaged")
    items = {}
    for index in range(count):
        name, offset, size, flags, _ = ITEM.unpack_from(table, 32 + index * ITEM.size)
        identity = UUID(bytes_le=name)
        if identity in _KNOWN or identity == PARENT_LOCATOR:
            if offset + size > length:
                raise FormatError("an item of the VHDX metadata lies outside of them")
            items[identity] = reader.read(start + offset, min(size, 16))
        elif flags & 4:
            raise refused(f"the VHDX file needs the unknown metadata item {identity}")
    return items
