"""A part of a disk that becomes one volume of its image."""

from collections.abc import Iterator

import msgspec

from twofold.disk.base import BlockReader
from twofold.disk.blocks import Pieces, Window, between
from twofold.format.image import PartName, part_called

PartRange = tuple[int, int]
"""First byte of a part, and bytes."""


class Part(msgspec.Struct, frozen=True):
    """A partition, the whole of a disk without a table, or a logical volume in one of these.

    ``start`` is on the disk; of a logical volume it is that of its ``parent``, whose bytes ``runs``
    are of. ``taken``: what of this part belongs to volumes in it, ascending.
    """

    number: int
    start: int
    size: int
    sort: str
    name: str = ""
    guid: str = ""
    shared: bool = False
    """Whether another partition or a snapshot has bytes of it, so that none is free for certain."""
    label: str = ""
    parent: int = 0
    runs: tuple[PartRange, ...] = ()
    taken: tuple[PartRange, ...] = ()

    @property
    def called(self) -> PartName:
        """What people call it."""
        return part_called(self.number, self.parent, self.name)

    def of(self, disk: BlockReader) -> BlockReader:
        """Its bytes."""
        if self.parent:
            return Pieces(disk, self.start, self.runs)
        return Window(disk, self.start, self.size)

    def left(self) -> Iterator[PartRange]:
        """What of it no volume in it has."""
        return between(0, self.size, self.taken)
