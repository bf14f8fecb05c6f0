"""VMDK, the disk image of VMware (Virtual Disk Format 5.0).

A disk is a descriptor and extents. A sparse extent is a file of grains (64 KiB as a rule): the
grain directory names tables of (mostly) 512 entries, whose entries say at which sector a grain is.
Stream-optimised files have deflated grains, each behind a marker, and the directory at their end,
named by a copy of the header there. Descriptors stand alone or inside of the one sparse file.
Numbers are little-endian, and counted in sectors of 512 bytes.
"""

import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.blocks import MemoryBlocks, Window
from twofold.disk.containers.base import SECTOR, Container, Place, Tables, refused
from twofold.disk.containers.vmdk_descriptor import (
    TEXT_LIMIT,
    ExtentLine,
    parse_descriptor,
    plain_name,
)
from twofold.errors import FormatError

MAGIC = b"KDMV"
TEXT_MAGIC = b"# Disk DescriptorFile"
HEADER = struct.Struct("<4sIIQQQQIQQQB4sH433x")
MARKER = struct.Struct("<QI")
REDUNDANT, ZERO_GRAINS, COMPRESSED, MARKERS = 2, 4, 0x10000, 0x20000
NEWLINES = b"\n \r\n"
AT_END = 0xFFFFFFFFFFFFFFFF
_TABLE_LIMIT = 1 << 20
_WHOLE = "name the descriptor, the small .vmdk file that names all parts"
_GRAIN_LIMIT = 1024 * 1024

Sibling = Callable[[str], BlockReader]
"""Opens a file of the same folder by its plain name; OSError when it cannot."""


class Header(NamedTuple):
    """The header of a sparse extent, as it is laid out."""

    magic: bytes
    version: int
    flags: int
    capacity: int
    grain: int
    descriptor: int
    descriptor_length: int
    table_entries: int
    redundant_directory: int
    directory: int
    overhead: int
    unclean: int
    newlines: bytes
    compression: int


def open_vmdk(reader: BlockReader, sibling: Sibling | None = None) -> Container:
    """The disk of a VMDK; ``sibling`` opens the files that a descriptor names.

    FormatError on damage, for differencing disks and when files are named but cannot be had.
    """
    if reader.read(0, 4) == MAGIC:
        return _open_sparse(reader)
    if reader.size > TEXT_LIMIT:  # a raw disk, on which somebody wrote what would name our files
        raise FormatError("it begins as the descriptor of a VMDK does, and is too large for one")
    descriptor = parse_descriptor(reader.read(0, reader.size))
    if not descriptor.extents:
        raise FormatError("the descriptor of the VMDK names no extents")
    return JoinedVmdk([(line.size, _extent(line, sibling)) for line in descriptor.extents])


def _open_sparse(reader: BlockReader) -> Container:
    """A sparse file that holds its descriptor. Parts of a disk in several files have none."""
    header = read_header(reader)
    length = min(header.descriptor_length * SECTOR, TEXT_LIMIT) if header.descriptor else 0
    descriptor = parse_descriptor(reader.read(header.descriptor * SECTOR, length))
    if not descriptor.extents:
        raise FormatError("this file holds only a part of a disk", hint=_WHOLE)
    if len(descriptor.extents) > 1:
        raise FormatError("a sparse VMDK file names further files")
    return SparseVmdk(reader, header)


def _extent(line: ExtentLine, sibling: Sibling | None) -> BlockReader | None:
    """The bytes of an extent; None when it has none."""
    if line.kind == "ZERO":
        return None
    if line.kind not in ("FLAT", "VMFS", "SPARSE"):
        raise refused(f"this VMDK has an extent of the kind {line.kind}, which is not read")
    name = plain_name(line.file)
    if sibling is None:
        raise FormatError(f"the VMDK needs the file {name}, which is not at hand")
    reader = sibling(name)
    if line.kind == "SPARSE":
        return SparseVmdk(reader, read_header(reader))
    return Window(reader, line.offset, max(reader.size - line.offset, 0))


def read_header(reader: BlockReader) -> Header:
    """The header of a sparse file; its copy at the end when the first one says so."""
    header = Header(*HEADER.unpack(reader.read(0, SECTOR)))
    if header.directory == AT_END:
        header = Header(*HEADER.unpack(reader.read(reader.size - 2 * SECTOR, SECTOR)))
    if header.magic != MAGIC or header.directory == AT_END:
        raise FormatError("the header of the VMDK file is damaged")
    if header.version not in (1, 2, 3):
        raise refused(f"this VMDK file is of the unknown version {header.version}")
    if header.flags & 1 and header.newlines != NEWLINES:
        raise FormatError("the VMDK file was changed as if it were text (its line ends are not)")
    return header


class SparseVmdk(Container):
    """A sparse extent: grains that are found through a directory and tables."""

    def __init__(self, reader: BlockReader, header: Header) -> None:
        notes = ("The image was not closed properly.",) if header.unclean else ()
        super().__init__(header.capacity * SECTOR, notes=notes)
        self._grain = header.grain * SECTOR
        self._entries = header.table_entries
        if not SECTOR <= self._grain <= _GRAIN_LIMIT or not 0 < self._entries <= 65536:
            raise FormatError("the grains or tables of the VMDK file have an impossible size")
        if header.flags & COMPRESSED and header.compression != 1:
            raise refused(f"this VMDK is compressed by the unknown method {header.compression}")
        self._reach = self._grain * self._entries  # of one table
        tables = -(-self.size // self._reach)
        self._directory = header.directory * SECTOR
        if tables > _TABLE_LIMIT or self._directory + tables * 4 > reader.size:
            raise FormatError("the grain directory of the VMDK does not fit the disk or the file")
        self._reader = reader
        self._compressed = bool(header.flags & COMPRESSED)
        self._first_place = 2 if header.flags & ZERO_GRAINS else 1  # 1 may stand for zeros
        self._tables = Tables(reader, "little")
        self._seen: dict[int, int] = {}
        self._decoded = lru_cache(4)(partial(_decode, reader, self._grain, self.size))

    def place(self, offset: int) -> Place:
        """By the directory and its table."""
        number, inside = divmod(offset, self._reach)
        at = self._directory + number * 4
        table = self._tables.integer(at, 4) * SECTOR
        if not table:
            return Place(None, 0, self._tables.repeats(at, 4) * self._reach - inside)
        if self._seen.setdefault(table, number) != number:
            raise FormatError(f"a grain table of the VMDK file is used twice (byte {table})")
        index, inside = divmod(inside, self._grain)
        at = table + index * 4
        grain = self._tables.integer(at, 4)
        left = self._grain - inside
        if not grain:
            grains = min(self._tables.repeats(at, 4), self._entries - index)
            return Place(None, 0, grains * self._grain - inside)
        if grain < self._first_place:
            return Place(None, 0, left)
        if self._compressed:
            return Place(self._decoded(grain, offset - inside), inside, left)
        return Place(self._reader, grain * SECTOR + inside, left)


def _decode(reader: BlockReader, grain: int, size: int, sector: int, offset: int) -> MemoryBlocks:
    """The deflated grain at a sector, which must be that of the disk's byte ``offset``."""
    at = sector * SECTOR
    first, length = MARKER.unpack(reader.read(at, MARKER.size))
    if first * SECTOR != offset or length > 2 * grain + SECTOR:
        raise FormatError(f"a grain of the VMDK file is not the one meant (byte {at})")
    packed = reader.read(at + MARKER.size, length)
    try:
        data = zlib.decompressobj().decompress(packed, grain)
    except zlib.error as error:
        raise FormatError(f"a compressed grain is damaged ({error})") from error
    if len(data) < min(grain, size - offset):
        raise FormatError(f"a compressed grain is cut short (byte {at})")
    return MemoryBlocks(data.ljust(grain, b"\0"))


class JoinedVmdk(Container):
    """Extents one behind the other; None stands for zeros."""

    def __init__(self, extents: list[tuple[int, BlockReader | None]]) -> None:
        notes = dict.fromkeys(
            note for _, part in extents if isinstance(part, Container) for note in part.notes
        )
        super().__init__(sum(size for size, _ in extents), notes=tuple(notes))
        self._extents = [extent for extent in extents if extent[0]]
        self._starts: list[int] = []
        start = 0
        for size, reader in self._extents:
            if reader is not None and reader.size < size:
                raise FormatError("a file of the VMDK is shorter than its descriptor says")
            self._starts.append(start)
            start += size

    def place(self, offset: int) -> Place:
        """By the extent that it falls into."""
        number = bisect_right(self._starts, offset) - 1
        size, reader = self._extents[number]
        inside = offset - self._starts[number]
        if isinstance(reader, Container):
            place = reader.place(inside)
            return place._replace(length=min(place.length, size - inside))
        return Place(reader, inside, size - inside)
