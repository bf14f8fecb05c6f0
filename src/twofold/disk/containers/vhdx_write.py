"""Writing VHDX files: blocks are appended as the data of the disk comes.

    0      identifier, headers, region tables        3 MiB  block allocation table
    1 MiB  log, empty                                then   blocks
    2 MiB  metadata

Blocks are as small as a table of at most 2^21 entries (16 MiB) allows, 1 MiB up to a disk of
2 TiB, for what a block does not need of its size is a hole only on file systems that have such.
"""

import struct
from array import array
from collections.abc import Iterable
from typing import BinaryIO
from uuid import UUID, uuid4

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import Extent
from twofold.disk.containers.grains import begin, finish, grains
from twofold.disk.containers.limits import VHDX
from twofold.disk.containers.vhdx import PRESENT, chunk_ratio, table_entries
from twofold.disk.containers.vhdx_layout import (
    BLOCK_TABLE,
    DISK_IDENTITY,
    DISK_SIZE,
    FILE_PARAMETERS,
    HEADER,
    HEADER_PLACES,
    HEADER_SIZE,
    IDENTIFIER,
    ITEM,
    KIB,
    LOGICAL_SECTOR,
    METADATA,
    METADATA_REGION,
    MIB,
    PHYSICAL_SECTOR,
    REGION,
    REGION_PLACES,
    REGION_SIZE,
    REGIONS,
    Header,
    Shape,
    sealed,
)

_LOG, _METADATA, _TABLE = MIB, 2 * MIB, 3 * MIB
_MOST_BLOCKS = 1 << 21
_REQUIRED, _OF_THE_DISK = 4, 2


def write_vhdx(
    source: BlockReader,
    extents: Iterable[Extent],
    out: BinaryIO,
    *,
    identity: UUID | None = None,
) -> None:
    """Write a disk as VHDX into an empty file; its size is rounded up to whole sectors.

    ``identity`` is that of the disk (SCSI page 83h) and of this state of it. UsageError when the
    disk is larger than 64 TiB, FormatError when extents are not ascending.
    """
    begin(out)
    sector = 4096 if source.sector_size == 4096 else 512
    size = -(-source.size // sector) * sector
    VHDX.check(size)
    block = MIB
    while size > block * _MOST_BLOCKS:
        block *= 2
    shape = Shape(size, block, sector)
    table, end = _blocks(source, extents, out, shape)
    finish(out, end)
    _describe(out, shape, table, (identity or uuid4()))


def _table_length(entries: int) -> int:
    return max(-(-entries * 8 // MIB), 1) * MIB


def _blocks(
    source: BlockReader, extents: Iterable[Extent], out: BinaryIO, shape: Shape
) -> tuple["array[int]", int]:
    """Write the blocks; the table, and where the file ends."""
    table = array("Q", [0]) * table_entries(shape)
    ratio = chunk_ratio(shape.block, shape.sector)
    end = _TABLE + _table_length(len(table))
    for offset, data in grains(source, extents):
        number, inside = divmod(offset, shape.block)
        number += number // ratio
        if not table[number]:
            table[number] = end | PRESENT
            end += shape.block
        out.seek((table[number] & -MIB) + inside)
        out.write(data)
    return table, end


def _describe(out: BinaryIO, shape: Shape, table: "array[int]", identity: UUID) -> None:
    """Write everything that lies before the blocks, the identifier last."""
    pieces = [
        (_TABLE, struct.pack(f"<{len(table)}Q", *table)),
        *_metadata(shape, identity),
        *((at, _regions(_table_length(len(table)))) for at in REGION_PLACES),
        *((at, _header(index + 1, identity)) for index, at in enumerate(HEADER_PLACES)),
        (0, IDENTIFIER + "Twofold".encode("utf-16-le")),
    ]
    for at, data in pieces:
        out.seek(at)
        out.write(data)


def _header(sequence: int, identity: UUID) -> bytes:
    header = Header(
        signature=b"head",
        checksum=0,
        sequence=sequence,
        file_write=identity.bytes_le,
        data_write=identity.bytes_le,
        log=bytes(16),  # nothing is in the log
        log_version=0,
        version=1,
        log_length=MIB,
        log_offset=_LOG,
    )
    return sealed(HEADER.pack(*header).ljust(HEADER_SIZE, b"\0"))


def _regions(table_length: int) -> bytes:
    data = REGIONS.pack(b"regi", 0, 2)
    data += REGION.pack(BLOCK_TABLE.bytes_le, _TABLE, table_length, 1)
    data += REGION.pack(METADATA_REGION.bytes_le, _METADATA, MIB, 1)
    return sealed(data.ljust(REGION_SIZE, b"\0"))


def _metadata(shape: Shape, identity: UUID) -> list[tuple[int, bytes]]:
    """The table of the metadata, and the items, which begin 64 KiB behind it."""
    disk = _REQUIRED | _OF_THE_DISK
    items = (
        (FILE_PARAMETERS, _REQUIRED, struct.pack("<II", shape.block, 0)),
        (DISK_SIZE, disk, struct.pack("<Q", shape.size)),
        (DISK_IDENTITY, disk, identity.bytes_le),
        (LOGICAL_SECTOR, disk, struct.pack("<I", shape.sector)),
        (PHYSICAL_SECTOR, disk, struct.pack("<I", 4096)),
    )
    table, data = METADATA.pack(b"metadata", len(items)), b""
    for name, flags, value in items:
        table += ITEM.pack(name.bytes_le, 64 * KIB + len(data), len(value), flags, 0)
        data += value
    return [(_METADATA, table), (_METADATA + 64 * KIB, data)]
