"""Writing VMDK files of one extent: sparse (for VMware and QEMU), or stream-optimised (for OVF).

    sparse    header | descriptor | directory and tables, twice | grains
    streamed  header | descriptor | grains, and after those of a table the table itself,
              each behind a marker | directory | copy of the header | end

Grains are appended as the data of the disk comes; one table (2 KiB) and the directory are in
memory.
"""

import struct
import zlib
from array import array
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import SECTOR, Extent, whole_sectors
from twofold.disk.containers.grains import GRAIN, begin, finish, grains
from twofold.disk.containers.limits import VMDK
from twofold.disk.containers.vhd_write import geometry
from twofold.disk.containers.vmdk import (
    AT_END,
    COMPRESSED,
    HEADER,
    MAGIC,
    MARKER,
    MARKERS,
    NEWLINES,
    REDUNDANT,
    Header,
)

ENTRIES = 512
REACH = GRAIN * ENTRIES

_GRAIN_SECTORS = GRAIN // SECTOR
_TABLE_SECTORS = ENTRIES * 4 // SECTOR
_DESCRIPTOR, _DESCRIPTOR_SECTORS = 1, 20
_TABLES = _DESCRIPTOR + _DESCRIPTOR_SECTORS
_END_MARKER, _TABLE_MARKER, _DIRECTORY_MARKER, _FOOTER_MARKER = range(4)
_DESCRIPTOR_TEXT = """\
# Disk DescriptorFile
version=1
encoding="UTF-8"
CID={identity:08x}
parentCID=ffffffff
createType="{kind}"

# Extent description
RW {sectors} SPARSE "{name}"

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "{heads}"
ddb.geometry.sectors = "{per_track}"
ddb.adapterType = "lsilogic"
"""


class Details(NamedTuple):
    """What a descriptor says about the file besides the disk."""

    name: str = "disk.vmdk"
    """That of the file itself."""
    identity: int = 0x2F01D001
    """Content ID, 32 bits, not all of them set: changes with every change of the content."""


def write_vmdk(
    source: BlockReader,
    extents: Iterable[Extent],
    out: BinaryIO,
    *,
    stream_optimised: bool = False,
    details: Details | None = None,
) -> None:
    """Write a disk as VMDK into an empty file; its size is rounded up to whole sectors.

    UsageError when the disk is too large for one file, FormatError when extents are not ascending.
    """
    begin(out)
    size = whole_sectors(source.size)
    VMDK.check(size)
    writer = (_Streamed if stream_optimised else _Sparse)(out, size, details or Details())
    for offset, data in grains(source, extents):
        writer.add(offset, bytes(data).ljust(GRAIN, b"\0"))
    writer.end()


class _Sparse:
    """Grains as they are; all tables exist, in two copies."""

    kind = "monolithicSparse"
    flags, compression, version = 1 | REDUNDANT, 0, 1

    def __init__(self, out: BinaryIO, size: int, details: Details) -> None:
        self.out = out
        self.sectors = size // SECTOR
        self.details = details
        self.directory = array("I", [0]) * -(-size // REACH)
        self.table = array("I", [0]) * ENTRIES
        self.number = -1
        self.place = self.first_grain()

    def first_grain(self) -> int:
        """The sector of the first grain."""
        copy = self._directory_sectors() + len(self.directory) * _TABLE_SECTORS
        return -(-(_TABLES + 2 * copy) // _GRAIN_SECTORS) * _GRAIN_SECTORS

    def add(self, offset: int, grain: bytes) -> None:
        """Append a grain, and the table that is full when it belongs to the next one."""
        number, index = divmod(offset // GRAIN, ENTRIES)
        if number != self.number:
            self.flush()
            self.number = number
        self.table[index] = self.append(self.packed(offset, grain))

    def packed(self, offset: int, grain: bytes) -> bytes:  # noqa: ARG002 - the other kind needs it
        """A grain as it is stored."""
        return grain

    def append(self, data: bytes) -> int:
        """Put data at the end, in whole sectors; the first one."""
        sector = self.place
        self.put(sector, data)
        self.place += -(-len(data) // SECTOR)
        return sector

    def put(self, sector: int, data: bytes) -> None:
        """Write at a sector."""
        self.out.seek(sector * SECTOR)
        self.out.write(data)

    def flush(self) -> None:
        """Write the table that is being filled, if any."""
        if self.number >= 0:
            for directory in self._directories():
                tables = directory + self._directory_sectors()
                self.put(tables + self.number * _TABLE_SECTORS, _packed(self.table))
            self.table = array("I", [0]) * ENTRIES

    def end(self) -> None:
        """Write what describes the grains."""
        self.flush()
        for directory in self._directories():
            tables = directory + self._directory_sectors()
            numbers = range(len(self.directory))
            self.put(directory, _packed(tables + _TABLE_SECTORS * number for number in numbers))
        redundant, directory = self._directories()
        self.describe(self.header(directory, redundant))
        finish(self.out, self.place * SECTOR)

    def describe(self, header: bytes) -> None:
        """Write header and descriptor."""
        self.put(0, header)
        self.put(_DESCRIPTOR, self._descriptor().encode())

    def header(self, directory: int, redundant: int) -> bytes:
        """The header for a directory at a sector."""
        header = Header(
            magic=MAGIC,
            version=self.version,
            flags=self.flags,
            capacity=self.sectors,
            grain=_GRAIN_SECTORS,
            descriptor=_DESCRIPTOR,
            descriptor_length=_DESCRIPTOR_SECTORS,
            table_entries=ENTRIES,
            redundant_directory=redundant,
            directory=directory,
            overhead=self.first_grain(),
            unclean=0,
            newlines=NEWLINES,
            compression=self.compression,
        )
        return HEADER.pack(*header)

    def _directory_sectors(self) -> int:
        return -(-len(self.directory) * 4 // SECTOR)

    def _directories(self) -> tuple[int, int]:
        """Sectors of the redundant directory and of the directory; their tables follow each."""
        copy = self._directory_sectors() + len(self.directory) * _TABLE_SECTORS
        return _TABLES, _TABLES + copy

    def _descriptor(self) -> str:
        cylinders, heads, per_track = geometry(self.sectors)
        return _DESCRIPTOR_TEXT.format(
            identity=self.details.identity,
            kind=self.kind,
            sectors=self.sectors,
            name="".join(_kept(each) for each in self.details.name),
            cylinders=cylinders,
            heads=heads,
            per_track=per_track,
        )


class _Streamed(_Sparse):
    """Deflated grains behind markers; tables and directory follow what they describe."""

    kind = "streamOptimized"
    flags, compression, version = 1 | COMPRESSED | MARKERS, 1, 3

    def first_grain(self) -> int:
        """Behind the descriptor, on a whole grain."""
        return _GRAIN_SECTORS

    def packed(self, offset: int, grain: bytes) -> bytes:
        """A marker of the place on the disk, and the deflated grain."""
        data = zlib.compress(grain)
        return MARKER.pack(offset // SECTOR, len(data)) + data

    def flush(self) -> None:
        """Append the table that is being filled, if any, behind a marker."""
        if self.number >= 0:
            self._mark(_TABLE_MARKER, _TABLE_SECTORS)
            self.directory[self.number] = self.append(_packed(self.table))
            self.table = array("I", [0]) * ENTRIES

    def end(self) -> None:
        """Append directory and footer; the header at the start only says that they are there."""
        self.flush()
        self._mark(_DIRECTORY_MARKER, self._directory_sectors())
        directory = self.append(_packed(self.directory))
        self._mark(_FOOTER_MARKER, 1)
        self.append(self.header(directory, 0))
        self._mark(_END_MARKER, 0)
        self.describe(self.header(AT_END, 0))
        finish(self.out, self.place * SECTOR)

    def _mark(self, kind: int, sectors: int) -> None:
        self.append(struct.pack("<QII", sectors, 0, kind).ljust(SECTOR, b"\0"))


def _kept(character: str) -> str:
    """A character of a name where a line and quotation marks go around it."""
    return character if character.isprintable() and character != '"' else "_"


def _packed(numbers: Iterable[int]) -> bytes:
    words = array("I", numbers)
    return struct.pack(f"<{len(words)}I", *words)
