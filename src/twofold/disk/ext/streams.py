"""All streams of a volume, in one pass over the inode tables.

Each group's inode table is a stream, so that it is cut alike wherever it lies. Of each inode in use
the main stream has the content up to its size; blocks behind that are the hash tree of a
``verity`` file, or reserved and left to the allocation map. So are trees of extents, blocks of
attributes, bitmaps and descriptors: small, and in use by the map.
"""

import stat
from collections.abc import Iterable, Iterator

from twofold.disk.base import BlockReader, Kind, Role, Run, Stream
from twofold.disk.ext import runs, stamp
from twofold.disk.ext.files import Files
from twofold.disk.ext.groups import Group, Groups
from twofold.disk.ext.inode import (
    BAD_BLOCKS,
    COMPRESSED,
    EA_INODE,
    ENCRYPTED,
    INLINE_DATA,
    RESIZE,
    VERITY,
    Inode,
)
from twofold.disk.ext.notes import Notes
from twofold.disk.ext.pieces import Nodes, Piece
from twofold.disk.ext.superblock import Superblock
from twofold.disk.ext.table import InodeTable
from twofold.errors import FormatError
from twofold.native import EXTENSION

_HAVE_BLOCKS = {stat.S_IFREG: Role.FILE, stat.S_IFDIR: Role.META, stat.S_IFLNK: Role.META}
_PAST_THE_END = 1 << 62
_END_OF_TIME = (1 << 63) - 1  # in nanoseconds, of what fits into a number
_MAKERS = Stream, Run, Role.FILE, Role.META


class StreamPass:
    """One pass; what cannot be understood goes into the notes."""

    def __init__(self, reader: BlockReader, sb: Superblock, groups: Groups, notes: Notes) -> None:
        self._sb = sb
        self._groups = groups
        self._notes = notes
        self._table = InodeTable(reader, sb, groups)
        self._files = Files(reader, sb, self._table)
        self._nodes = Nodes(reader, sb)
        self._latest = stamp.youngest(sb)
        self._own = own_inodes(sb)

    def __iter__(self) -> Iterator[Stream]:
        for number in range(len(self._groups)):
            group = self._groups[number]
            if group is None:
                continue
            yield from self._inode_table(number, group)
            for first, raw, used in self._table.of_group(number, group):
                for told in self._told(first, raw, used):
                    if isinstance(told, int):
                        yield from self._of_inode(self._inode(first, raw, told))
                    else:
                        yield told

    def _told(self, first: int, raw: bytes, used: list[int]) -> Iterable[Stream | int]:
        """The streams of inodes that nothing is special about; the indexes of all others."""
        sb = self._sb
        if EXTENSION is None or sb.cluster_blocks != 1:
            return used
        found: list[Stream | int] = EXTENSION.ext_streams(
            raw,
            sb.inode_size,
            used,
            first,
            (sb.block_size, sb.blocks, sb.first_block),
            self._own,
            min(self._latest, _END_OF_TIME),
            stamp.digest,
            _MAKERS,
        )
        return found

    def _inode(self, first: int, raw: bytes, index: int) -> Inode:
        size = self._sb.inode_size
        return Inode(first + index, raw[index * size : (index + 1) * size])

    def _inode_table(self, number: int, group: Group) -> Iterator[Stream]:
        """The table as a stream, where it has units of its own."""
        sb = self._sb
        if sb.cluster_blocks == 1:
            count = sb.inode_table_blocks
            run = Run(group.inode_table - sb.first_block, count)
            size = count * sb.block_size
            yield Stream(0, b"inodes.%d" % number, Role.META, size, size, (run,))

    def _of_inode(self, inode: Inode) -> Iterator[Stream]:
        role = self._role(inode)
        if role is None or (inode.kind is Kind.LINK and inode.fast_link):
            return
        try:
            pieces = self._files.pieces(inode, self._nodes)
            streams = self._make(inode, role, pieces) if pieces else []
        except FormatError as error:
            self._notes.leave_out(inode.number, error.message)
            return
        yield from streams

    def _role(self, inode: Inode) -> Role | None:
        """What the blocks hold; None when there are none or they are not to be claimed."""
        if inode.number == BAD_BLOCKS or inode.number in self._own:
            return Role.META
        if inode.number == RESIZE or inode.flags & INLINE_DATA:
            return None
        role = _HAVE_BLOCKS.get(stat.S_IFMT(inode.mode))
        if role is Role.FILE and inode.flags & (ENCRYPTED | COMPRESSED):
            return Role.CODED
        return Role.META if role and inode.flags & EA_INODE else role

    def _make(self, inode: Inode, role: Role, pieces: list[Piece]) -> list[Stream]:
        block_size = self._sb.block_size
        blocks = -(-inode.size // block_size)
        if inode.number == BAD_BLOCKS:
            blocks = pieces[-1].logical + pieces[-1].blocks
        streams = self._stream(inode, b"", role, runs.clip(pieces, 0, blocks), blocks)
        end = pieces[-1].logical + pieces[-1].blocks
        if inode.flags & VERITY and end > blocks:
            tree = runs.clip(pieces, blocks, _PAST_THE_END)
            streams += self._stream(inode, b"verity", Role.META, tree, end - blocks)
        return streams

    def _stream(
        self, inode: Inode, name: bytes, role: Role, pieces: list[Piece], blocks: int
    ) -> list[Stream]:
        if not pieces:
            return []
        whole = True
        if self._sb.cluster_blocks == 1:
            found = runs.of_blocks(self._sb, pieces, blocks)
        else:
            found, whole = runs.of_clusters(self._sb, pieces, blocks)
        role = role if whole or role is Role.META else Role.CODED
        size = blocks * self._sb.block_size
        if not name and inode.number != BAD_BLOCKS:
            size = inode.size
        mark = b"" if role is Role.META else stamp.of(inode, self._latest)
        bad = inode.number == BAD_BLOCKS
        return [Stream(inode.number, name, role, size, size, found, mark, bad)]


def own_inodes(sb: Superblock) -> frozenset[int]:
    """The numbers of the journal, quota and orphan files."""
    return frozenset(sb.long(place) for place in (224, 0x240, 0x244, 0x26C, 0x280)) - {0}
