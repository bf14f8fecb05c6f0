"""Windows of a disk, read by two threads while another one works on those before.

    places ─► threads: memory that goes round is filled ─► windows, in order ─► their holder

Nothing is decided here: what the reader does not fill at once is left to whoever asked for it, who
then reads it as he would without any of this.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Self, TypeVar

from twofold.disk.base import BlockReader
from twofold.disk.blocks import fill
from twofold.parallel import Threads
from twofold.pipeline import BufferPool, Lease

_SIZE = 8 << 20
"""Bytes of a window, but for a few that get memory of their own."""
_AHEAD = 4
_AT_WORK = 6
"""Windows besides those that wait for a worker: filled, being filled, and one in the work."""
ItemT = TypeVar("ItemT")


class Ahead:
    """Reads ahead for one image. Use as a context."""

    def __init__(self, workers: int, count: Callable[[int], None]) -> None:
        """``count`` is told the bytes of each window, in the thread that takes it."""
        self._count = count
        self._pool = BufferPool(workers + _AT_WORK, _SIZE, paged=True)
        self._threads = Threads(2, "ahead")

    def windows(
        self,
        reader: BlockReader,
        items: Iterable[ItemT],
        place: Callable[[ItemT], tuple[int, int]],
    ) -> Iterator[tuple[ItemT, Lease | None]]:
        """Each item with the memory that its place, (first byte, bytes), was read into.

        The memory is to be released. None where there is none: nothing is to be read, or the reader
        is to be asked for it again.
        """

        def read(item: ItemT) -> tuple[ItemT, Lease | None]:
            return item, self._filled(reader, *place(item))

        for item, lease in self._threads.map(read, items, ahead=_AHEAD):
            if lease is not None:
                self._count(place(item)[1])
            yield item, lease

    def _filled(self, reader: BlockReader, offset: int, length: int) -> Lease | None:
        """Runs in a thread."""
        if not length:
            return None
        pool = self._pool if length <= _SIZE else BufferPool(1, length, paged=True)
        lease, is_filled = pool.take(), False
        try:
            is_filled = fill(reader, offset, lease.view[:length])
        finally:
            if not is_filled:
                lease.release()
        return lease if is_filled else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._threads.close()
