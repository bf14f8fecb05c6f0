"""One file: where its content is, in whichever of the four ways the inode keeps it."""

from twofold.disk.base import BlockReader, Content, Kind
from twofold.disk.ext import extents, indirect, xattrs
from twofold.disk.ext.content import InlineContent, PiecesContent
from twofold.disk.ext.inode import (
    COMPRESSED,
    EA_INODE,
    ENCRYPTED,
    EXTENTS,
    INLINE_DATA,
    MAP_SIZE,
    Inode,
)
from twofold.disk.ext.pieces import Nodes, Piece, Pieces
from twofold.disk.ext.superblock import Superblock
from twofold.disk.ext.table import InodeTable
from twofold.errors import FormatError

_MOST_BLOCKS = 1 << 32
_LONGEST_TARGET = 4096


class Files:
    """Reads content, targets and attributes of inodes."""

    def __init__(self, reader: BlockReader, sb: Superblock, table: InodeTable) -> None:
        self._reader = reader
        self._sb = sb
        self._table = table

    def pieces(self, inode: Inode, nodes: Nodes | None = None) -> list[Piece]:
        """The blocks of an inode that has some. FormatError on damage."""
        sb = self._sb
        if inode.size > _MOST_BLOCKS * sb.block_size:
            raise FormatError(f"inode {inode.number} is larger than a file can be")
        pieces = Pieces(sb)
        nodes = nodes or Nodes(self._reader, sb)
        if inode.flags & EXTENTS:
            extents.walk(inode.map, nodes, pieces)
        else:
            indirect.walk(inode.map, sb.block_size, nodes, pieces)
        return pieces.found

    def content(self, inode: Inode) -> Content:
        """What programs read. FormatError when it is coded or damaged."""
        if inode.flags & ENCRYPTED and inode.kind is not Kind.DIRECTORY:
            raise FormatError(f"inode {inode.number} is encrypted")
        if inode.flags & COMPRESSED:
            raise FormatError(f"inode {inode.number} is compressed in a way that is not understood")
        if inode.flags & INLINE_DATA:
            return InlineContent(self.inline(inode))
        return PiecesContent(self._reader, self._sb.block_size, inode.size, self.pieces(inode))

    def inline(self, inode: Inode) -> bytes:
        """Content that stands in the inode. FormatError when there is less than its size."""
        data = inode.map
        if inode.size > MAP_SIZE:
            data += xattrs.inline_data(inode, self._block)
        if inode.size > len(data):
            raise FormatError(f"inode {inode.number} has less content than it says")
        return data[: inode.size]

    def target(self, inode: Inode) -> bytes | None:
        """Where a symbolic link leads; None when that is encrypted."""
        if inode.flags & ENCRYPTED:
            return None
        if inode.fast_link:
            return inode.map[: inode.size]
        if inode.size > _LONGEST_TARGET:
            raise FormatError(f"the link in inode {inode.number} is too long")
        return self.content(inode).read(0, inode.size)

    def xattrs(self, inode: Inode) -> tuple[tuple[bytes, bytes], ...]:
        """Extended attributes as Linux shows them."""
        return xattrs.shown(inode, self._block, self._value)

    def _value(self, number: int, size: int) -> bytes:
        inode = self._table.get(number)
        if not inode.flags & EA_INODE or inode.size != size:
            raise FormatError(f"inode {number} holds no extended attribute")
        return self.content(inode).read(0, size)

    def _block(self, number: int) -> bytes:
        if not self._sb.contains(number):
            raise FormatError(f"block {number} is outside of the volume")
        return self._reader.read(number * self._sb.block_size, self._sb.block_size)
