"""From logical blocks of a file to blocks of the volume, whichever way the inode keeps it.

The result is a list of pieces in logical order. What the lists must keep, however they came to be:
ascending, inside the volume, and never more blocks than the volume has. Nodes of trees are read
against a budget of as many blocks as the volume has, which one pass over all files shares: each
block belongs to one file, so only a damaged or hostile volume exceeds it.
"""

from typing import NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.ext.superblock import Superblock
from twofold.errors import FormatError


class Piece(NamedTuple):
    """Neighbouring blocks; ``written`` is false where they were only reserved and read as zeros."""

    logical: int
    blocks: int
    physical: int
    written: bool


class Nodes:
    """Reads blocks of block maps and extent trees, and keeps to the budget."""

    def __init__(self, reader: BlockReader, sb: Superblock) -> None:
        self._reader = reader
        self._sb = sb
        self._left = sb.blocks

    def read(self, block: int) -> bytes:
        """One block. FormatError when outside, or when there were more than there can be."""
        self._left -= 1
        if self._left < 0 or not self._sb.contains(block):
            raise FormatError(f"block {block} cannot belong to a map of blocks")
        return self._reader.read(block * self._sb.block_size, self._sb.block_size)


class Pieces:
    """Gathers pieces, joins neighbours and checks what all must keep."""

    def __init__(self, sb: Superblock) -> None:
        self._sb = sb
        self._end = 0
        self._blocks = 0
        self.found: list[Piece] = []

    def add(self, logical: int, blocks: int, physical: int, *, written: bool = True) -> None:
        """Add the next piece. FormatError when it cannot be."""
        self._blocks += blocks
        fits = self._sb.contains(physical, blocks) and self._blocks <= self._sb.blocks
        if logical < self._end or not fits:
            raise FormatError("a file claims blocks that it cannot have")
        self._end = logical + blocks
        if self.found:
            last = self.found[-1]
            if (last.logical + last.blocks, last.physical + last.blocks, last.written) == (
                logical,
                physical,
                written,
            ):
                self.found[-1] = last._replace(blocks=last.blocks + blocks)
                return
        self.found.append(Piece(logical, blocks, physical, written))
