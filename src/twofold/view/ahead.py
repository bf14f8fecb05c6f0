"""Reading an image by threads before somebody who goes along it asks for the bytes.

    extents ─► batches of neighbouring pieces ─► threads: read ─► pieces, as their bytes are there

Neighbouring pieces mostly lie in the same frame of a pack, so one thread reads a whole batch: the
frame is then decoded once.
"""

from collections.abc import Iterable, Iterator

from twofold.disk.base import BlockReader
from twofold.disk.containers import Extent
from twofold.parallel import Threads

_BATCH = 8 << 20
_AHEAD = 4


class ReadAhead:
    """A BlockReader for one reader that takes the pieces one after the other.

    What is not among the pieces is read when it is asked for.
    """

    def __init__(self, source: BlockReader, threads: Threads) -> None:
        self._source = source
        self._threads = threads
        self._there: dict[Extent, bytes] = {}
        self.size = source.size
        self.sector_size = source.sector_size

    def pieces(self, extents: Iterable[Extent]) -> Iterator[Extent]:
        """The extents as they are, each when its bytes were read. ``DamageFound``."""
        for found in self._threads.map(self._batch, _batches(extents), ahead=_AHEAD):
            for piece, data in found:
                self._there[piece] = data
                yield piece

    def _batch(self, batch: list[Extent]) -> list[tuple[Extent, bytes]]:
        """Runs in a thread."""
        return [(piece, self._source.read(piece.offset, piece.length)) for piece in batch]

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        found = self._there.pop(Extent(offset, length), None)
        return self._source.read(offset, length) if found is None else found


def _batches(extents: Iterable[Extent]) -> Iterator[list[Extent]]:
    batch: list[Extent] = []
    held = 0
    for piece in extents:
        if batch and held + piece.length > _BATCH:
            yield batch
            batch, held = [], 0
        batch.append(piece)
        held += piece.length
    if batch:
        yield batch
