"""VHD, the older disk image of Microsoft (Virtual Hard Disk Image Format Specification 1.0).

    fixed      the disk, then a footer of 512 bytes
    dynamic    copy of the footer, header, block allocation table, blocks, footer

A block (2 MiB as a rule) begins with a bitmap of one bit per sector, highest bit first: sectors
whose bit is not set were never written and read as zeros. All numbers are big-endian. The size of
the disk is the footer's *current size*; the geometry beside it can only tell sizes that are a
multiple of a cylinder, and is not used.
"""

import struct
from functools import lru_cache, partial
from typing import NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import SECTOR, Container, Owners, Place, Tables, refused
from twofold.errors import FormatError

COOKIE = b"conectix"
FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
HEADER = struct.Struct(">8sQQIIII")
HEADER_SIZE = 1024
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
UNUSED = 0xFFFFFFFF
_BLOCK_LIMIT = 256 * 1024 * 1024
_CHECKSUM_OF_FOOTER, _CHECKSUM_OF_HEADER = 64, 36


class Footer(NamedTuple):
    """The footer, as it is laid out."""

    cookie: bytes
    features: int
    version: int
    data_offset: int
    created: int
    creator: bytes
    creator_version: int
    creator_system: bytes
    original_size: int
    size: int
    cylinders: int
    heads: int
    sectors: int
    kind: int
    checksum: int
    identity: bytes
    saved_state: int


def checksum(data: bytes, at: int) -> int:
    """One's complement of the sum of all bytes but those of the checksum, which are at ``at``."""
    return ~(sum(data) - sum(data[at : at + 4])) & 0xFFFFFFFF


def find_footer(reader: BlockReader) -> tuple[Footer, tuple[str, ...]] | None:
    """The footer, or its copy at the start when only that is in order; None if neither is there.

    Virtual PC before 2004 wrote footers of 511 bytes.
    """
    end = reader.size - reader.size % SECTOR
    for at in (reader.size - SECTOR, end):
        footer = _footer(reader, at)
        if footer:
            return footer, ()
    footer = _footer(reader, 0)
    if footer and footer.kind != FIXED:
        return footer, ("The footer is damaged; its copy at the start is used.",)
    return None


def _footer(reader: BlockReader, at: int) -> Footer | None:
    length = min(SECTOR, reader.size - at)
    if at < 0 or length < SECTOR - 1:
        return None
    data = reader.read(at, length).ljust(SECTOR, b"\0")
    footer = Footer(*FOOTER.unpack(data))
    if footer.cookie != COOKIE or footer.checksum != checksum(data, _CHECKSUM_OF_FOOTER):
        return None
    return footer


def open_vhd(reader: BlockReader) -> Container:
    """The disk in a VHD file. FormatError on damage and for differencing disks."""
    found = find_footer(reader)
    if not found:
        raise FormatError("the VHD file has no footer that is in order")
    footer, notes = found
    if footer.kind == DIFFERENCING:
        raise refused("this VHD holds only the changes to another disk image, its parent")
    if footer.size % SECTOR:
        raise FormatError("the size of the disk in the VHD is not a number of whole sectors")
    if footer.kind == FIXED:
        return FixedVhd(reader, footer)
    if footer.kind == DYNAMIC:
        return DynamicVhd(reader, footer, notes)
    raise FormatError(f"the VHD is of the unknown kind {footer.kind}")


class FixedVhd(Container):
    """A disk followed by a footer."""

    def __init__(self, reader: BlockReader, footer: Footer) -> None:
        if footer.size > reader.size - (SECTOR - 1):
            raise FormatError("the VHD file is shorter than the disk it should hold")
        super().__init__(footer.size)
        self._reader = reader

    def place(self, offset: int) -> Place:
        """Where it is on the disk."""
        return Place(self._reader, offset, self.size - offset)


class DynamicVhd(Container):
    """A disk in blocks, of which only those that were written are stored."""

    def __init__(self, reader: BlockReader, footer: Footer, notes: tuple[str, ...]) -> None:
        super().__init__(footer.size, notes=notes)
        header = reader.read(footer.data_offset, HEADER_SIZE)
        cookie, _, self._table, _, entries, self._block, stored = HEADER.unpack_from(header)
        if cookie != b"cxsparse" or stored != checksum(header, _CHECKSUM_OF_HEADER):
            raise FormatError("the header of the dynamic VHD is damaged")
        if self._block % SECTOR or not self._block or self._block > _BLOCK_LIMIT:
            raise FormatError(f"a VHD with blocks of {self._block} bytes is not read")
        if entries * self._block < self.size or self._table % SECTOR:
            raise FormatError("the block allocation table of the VHD does not cover the disk")
        if self._table + -(-self.size // self._block) * 4 > reader.size:
            raise FormatError("the block allocation table of the VHD lies outside of the file")
        self._reader = reader
        self._tables = Tables(reader, "big")
        self._owners = Owners(self.size, self._block)
        self._bitmap_size = -(-self._block // (SECTOR * 8) // SECTOR) * SECTOR
        self._bits = self._block // SECTOR
        self._bitmap = lru_cache(64)(partial(_read_bitmap, reader, self._bits))

    def place(self, offset: int) -> Place:
        """By the table, then by the bitmap of the block."""
        number, inside = divmod(offset, self._block)
        at = self._table + number * 4
        entry = self._tables.integer(at, 4)
        if entry == UNUSED:
            blocks = self._tables.repeats(at, 4, b"\xff")
            return Place(None, 0, blocks * self._block - inside)
        block = entry * SECTOR
        self._owners.check(block, number)
        sector, rest = divmod(inside, SECTOR)
        stored, run = _run(self._bitmap(block), self._bits, sector)
        length = run * SECTOR - rest
        if not stored:
            return Place(None, 0, length)
        return Place(self._reader, block + self._bitmap_size + inside, length)


def _read_bitmap(reader: BlockReader, bits: int, at: int) -> int:
    """The bitmap at an offset as a number, the first sector in the highest of its bits."""
    data = reader.read(at, -(-bits // 8))
    return int.from_bytes(data, "big") >> -bits % 8


def _run(bitmap: int, bits: int, first: int) -> tuple[bool, int]:
    """Whether the bit is set, and how many from there on are like it."""
    left = bits - first
    rest = bitmap & (1 << left) - 1
    is_set = bool(rest >> (left - 1))
    other = rest ^ (1 << left) - 1 if is_set else rest
    return is_set, left - other.bit_length()
