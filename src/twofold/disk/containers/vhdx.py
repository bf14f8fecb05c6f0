"""VHDX, the disk image of Hyper-V and Windows (MS-VHDX).

The block allocation table has one entry of 64 bits for each block of the disk, and after every
``ratio`` of them one for a block of sector bitmaps, which only differencing disks use. An entry is
a state in its lowest three bits and the place of the block in MiB.
"""

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import Container, Owners, Place, Tables
from twofold.disk.containers.vhdx_layout import (
    BLOCK_TABLE,
    IDENTIFIER,
    METADATA_REGION,
    MIB,
    Shape,
    current_header,
    read_regions,
    read_shape,
)
from twofold.disk.containers.vhdx_log import replay
from twofold.errors import FormatError

NOT_PRESENT, UNDEFINED, ZERO, UNMAPPED, PRESENT, PARTIALLY_PRESENT = 0, 1, 2, 3, 6, 7
_EMPTY = {NOT_PRESENT, UNDEFINED, ZERO, UNMAPPED}


def open_vhdx(reader: BlockReader) -> Container:
    """The disk in a VHDX file. FormatError on damage and for differencing disks."""
    if reader.read(0, 8) != IDENTIFIER:
        raise FormatError("this is not a VHDX file")
    header = current_header(reader)
    file = replay(reader, header)
    notes = () if file is reader else ("The image was not closed; its log has been carried out.",)
    regions = read_regions(file)
    return Vhdx(file, read_shape(file, regions[METADATA_REGION]), regions[BLOCK_TABLE], notes)


def chunk_ratio(block: int, sector: int) -> int:
    """How many blocks' sector bitmaps (one bit per sector) fill a block of bitmaps, 1 MiB."""
    return (MIB * 8) * sector // block


def table_entries(shape: Shape) -> int:
    """Entries of the block allocation table, those for bitmaps included."""
    blocks = -(-shape.size // shape.block)
    return blocks + max(blocks - 1, 0) // chunk_ratio(shape.block, shape.sector)


class Vhdx(Container):
    """A disk in blocks, of which only those that were written are stored."""

    def __init__(
        self, file: BlockReader, shape: Shape, table: tuple[int, int], notes: tuple[str, ...]
    ) -> None:
        super().__init__(shape.size, sector_size=shape.sector, notes=notes)
        if table_entries(shape) * 8 > table[1]:
            raise FormatError("the block allocation table of the VHDX file is too short")
        self._file = file
        self._block = shape.block
        self._ratio = chunk_ratio(shape.block, shape.sector)
        self._table = table[0]
        self._tables = Tables(file, "little")
        self._owners = Owners(shape.size, shape.block)

    def place(self, offset: int) -> Place:
        """By the table."""
        number, inside = divmod(offset, self._block)
        chunk, index = divmod(number, self._ratio)
        at = self._table + (number + chunk) * 8
        entry = self._tables.integer(at, 8)
        state, left = entry & 7, self._block - inside
        if not entry:
            blocks = min(self._tables.repeats(at, 8), self._ratio - index)
            return Place(None, 0, blocks * self._block - inside)
        if state in _EMPTY:
            return Place(None, 0, left)
        place = (entry >> 20) * MIB
        if state != PRESENT or not place:
            raise FormatError(f"a block of the VHDX file is in the impossible state {state}")
        self._owners.check(place, number)
        return Place(self._file, place + inside, left)
