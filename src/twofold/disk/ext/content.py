"""The content of a file, read through its pieces: what is not written reads as zeros."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from twofold.disk.base import BlockReader
from twofold.disk.ext.pieces import Piece


class PiecesContent:
    """Content that stands in blocks."""

    def __init__(
        self, reader: BlockReader, block_size: int, size: int, pieces: Sequence[Piece]
    ) -> None:
        self.size = size
        self._reader = reader
        self._block = block_size
        self._pieces = [piece for piece in pieces if piece.written]
        self._starts = [piece.logical * block_size for piece in self._pieces]

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end."""
        end = min(offset + length, self.size)
        parts: list[bytes] = []
        place = max(0, bisect_right(self._starts, offset) - 1)
        while offset < end:
            start = self._starts[place] if place < len(self._starts) else end
            piece_end = start + self._pieces[place].blocks * self._block if start < end else end
            if offset < start:
                stop = min(start, end)
                parts.append(bytes(stop - offset))
            else:
                stop = min(piece_end, end)
                inside = self._pieces[place].physical * self._block + offset - start
                if stop > offset:
                    parts.append(self._reader.read(inside, stop - offset))
                place += 1
            offset = max(offset, stop)
        return b"".join(parts)

    def holes(self) -> Iterator[tuple[int, int]]:
        """(start, length) of what is not written, in bytes."""
        at = 0
        for start, piece in zip(self._starts, self._pieces, strict=True):
            if min(start, self.size) > at:
                yield at, min(start, self.size) - at
            at = start + piece.blocks * self._block
        if at < self.size:
            yield at, self.size - at


class InlineContent:
    """Content that stands in an inode and its attributes."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end."""
        return self._data[offset : offset + length]
