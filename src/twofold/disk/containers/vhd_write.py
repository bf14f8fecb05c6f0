"""Writing VHD files: blocks are appended as the data of the disk comes.

The creator is given as Windows: readers that follow Virtual PC take the size of the disk from the
geometry unless the creator is known to mean *current size*, and a geometry rounds it down.
"""

import struct
from array import array
from collections.abc import Iterable
from typing import BinaryIO
from uuid import UUID, uuid4

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import SECTOR, Extent, whole_sectors
from twofold.disk.containers.grains import begin, grains
from twofold.disk.containers.limits import VHD
from twofold.disk.containers.vhd import (
    COOKIE,
    DYNAMIC,
    FIXED,
    FOOTER,
    HEADER,
    HEADER_SIZE,
    UNUSED,
    Footer,
    checksum,
)

BLOCK = 2 * 1024 * 1024

_NOWHERE = 0xFFFFFFFFFFFFFFFF
_TABLE = SECTOR + HEADER_SIZE


def write_vhd(
    source: BlockReader,
    extents: Iterable[Extent],
    out: BinaryIO,
    *,
    fixed: bool = False,
    created: int = 0,
    identity: UUID | None = None,
) -> None:
    """Write a disk as VHD into an empty file; its size is rounded up to whole sectors.

    ``created`` is in seconds since 2000. UsageError when the disk is larger than 2040 GiB,
    FormatError when extents are not ascending.
    """
    begin(out)
    size = whole_sectors(source.size)
    VHD.check(size)
    name = (identity or uuid4()).bytes
    if fixed:
        for offset, data in grains(source, extents):
            out.seek(offset)
            out.write(data)
        out.seek(size)
        out.write(_footer(size, FIXED, created, name))
    else:
        _Dynamic(out, size, _footer(size, DYNAMIC, created, name)).write(source, extents)


def geometry(sectors: int) -> tuple[int, int, int]:
    """(cylinders, heads, sectors per track) for a disk, as in the specification's appendix."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // (16 * 255), 16, 255
    tracks, heads, per_track = sectors // 17, 0, 17
    heads = max((tracks + 1023) // 1024, 4)
    if tracks >= heads * 1024 or heads > 16:
        heads, per_track = 16, 31
        tracks = sectors // per_track
    if tracks >= heads * 1024:
        per_track = 63
        tracks = sectors // per_track
    return tracks // heads, heads, per_track


def _footer(size: int, kind: int, created: int, identity: bytes) -> bytes:
    footer = Footer(
        cookie=COOKIE,
        features=2,  # a bit that is always set
        version=0x00010000,
        data_offset=SECTOR if kind == DYNAMIC else _NOWHERE,
        created=created,
        creator=b"win ",
        creator_version=0x000A0000,
        creator_system=b"Wi2k",
        original_size=size,
        size=size,
        **dict(zip(("cylinders", "heads", "sectors"), geometry(size // SECTOR), strict=True)),
        kind=kind,
        checksum=0,
        identity=identity,
        saved_state=0,
    )
    total = checksum(FOOTER.pack(*footer), 64)
    return FOOTER.pack(*footer._replace(checksum=total))


def _header(entries: int) -> bytes:
    values = (b"cxsparse", _NOWHERE, _TABLE, 0x00010000, entries, BLOCK)
    total = checksum(HEADER.pack(*values, 0).ljust(HEADER_SIZE, b"\0"), 36)
    return HEADER.pack(*values, total).ljust(HEADER_SIZE, b"\0")


class _Dynamic:
    """A dynamic VHD in the making: the table is kept in memory, 4 bytes for each 2 MiB."""

    def __init__(self, out: BinaryIO, size: int, footer: bytes) -> None:
        self.out = out
        self.size = size
        self.footer = footer
        self.table = array("I", [UNUSED]) * -(-size // BLOCK)
        self.end = _TABLE + -(-len(self.table) * 4 // SECTOR) * SECTOR

    def write(self, source: BlockReader, extents: Iterable[Extent]) -> None:
        """The blocks, then what describes them."""
        bitmap = BLOCK // SECTOR // 8
        for offset, data in grains(source, extents):
            number, inside = divmod(offset, BLOCK)
            if self.table[number] == UNUSED:
                self.table[number] = self.end // SECTOR
                self.out.seek(self.end)
                self.out.write(b"\xff" * bitmap)
                self.end += bitmap + BLOCK
            self.out.seek(self.table[number] * SECTOR + bitmap + inside)
            self.out.write(data)
        self._finish()

    def _finish(self) -> None:
        self.out.seek(self.end)
        self.out.write(self.footer)
        self.out.seek(0)
        self.out.write(self.footer + _header(len(self.table)))
        filler = b"\xff" * (-len(self.table) * 4 % SECTOR)
        self.out.write(struct.pack(f">{len(self.table)}I", *self.table) + filler)
