"""A raw image: the bytes of the disk and nothing else.

Written, the parts without data become holes of the file where its file system has such.
"""

from collections.abc import Iterable
from typing import BinaryIO

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import Container, Extent, Place
from twofold.disk.containers.grains import begin, finish, grains


class RawImage(Container):
    """A disk that is its file."""

    def __init__(self, reader: BlockReader) -> None:
        super().__init__(reader.size, sector_size=reader.sector_size)
        self._reader = reader

    def place(self, offset: int) -> Place:
        """Where it is on the disk."""
        return Place(self._reader, offset, self.size - offset)


def write_raw(source: BlockReader, extents: Iterable[Extent], out: BinaryIO) -> None:
    """Write a disk as it is into an empty file. FormatError when extents are not ascending."""
    begin(out)
    for offset, data in grains(source, extents):
        out.seek(offset)
        out.write(data)
    finish(out, source.size)
