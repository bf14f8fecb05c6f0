"""A volume that was not unmounted, as it will be once its journal was written back.

Data lie in place before the journal tells of them, so units of files that were synced may be in use
though no bitmap on the volume says so yet. Where the journal cannot be followed, everything counts
as in use.
"""

from collections.abc import Iterable, Iterator

import msgspec

from twofold.disk.base import HOLE, BlockReader, Role, Run, Stream
from twofold.disk.ext import features, superblock
from twofold.disk.ext.files import Files
from twofold.disk.ext.groups import Groups
from twofold.disk.ext.journal import Replayed, newer_blocks
from twofold.disk.ext.superblock import Superblock
from twofold.disk.ext.table import InodeTable
from twofold.errors import FormatError

_JOURNAL_INODE = 224


class Replay(msgspec.Struct, frozen=True):
    """The volume itself where no journal waits; ``lost`` says why one that waits is of no use."""

    reader: BlockReader
    newer: Replayed | None = None
    """The same reader, where a journal is laid over the volume."""
    lost: str = ""

    def told(self, streams: Iterable[Stream], sb: Superblock) -> Iterator[Stream]:
        """With ``data=journal`` what is in place may not be what programs read: kept, not told."""
        if self.newer is None:
            yield from streams
            return
        for stream in streams:
            stale = stream.role is Role.FILE and self._covers(stream.runs, sb)
            yield stream._replace(role=Role.CODED) if stale else stream

    def _covers(self, runs: Iterable[Run], sb: Superblock) -> bool:
        ratio = sb.cluster_blocks
        return self.newer is not None and any(
            self.newer.covers(sb.first_block + first * ratio, units * ratio)
            for first, units in runs
            if first != HOLE
        )


def replay(reader: BlockReader, sb: Superblock) -> Replay:
    """Follow the journal, if it has to be. OSError when the device cannot read."""
    if not sb.incompat & features.RECOVER:
        return Replay(reader)
    try:
        found = _replayed(reader, sb)
    except FormatError as error:
        return Replay(reader, lost=error.message)
    return Replay(found, found)


def _replayed(reader: BlockReader, sb: Superblock) -> Replayed:
    number = sb.long(_JOURNAL_INODE)
    if not number:
        raise FormatError("the journal is on another device")
    table = InodeTable(reader, sb, Groups(reader, sb))
    journal = Files(reader, sb, table).content(table.get(number))
    places = newer_blocks(journal, sb.block_size)
    found = Replayed(reader, sb.block_size, journal, places)
    after = superblock.parse(found.read(superblock.OFFSET, superblock.SIZE), reader.size)
    if (after.blocks, after.groups) != (sb.blocks, sb.groups):
        raise FormatError("the volume was being resized")
    return found
