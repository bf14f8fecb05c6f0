"""The content of one stream on its way into the repository: pieces in, segments out.

Pieces of a buffer go to any worker; each puts its segment into the place reserved for it. The
buffer goes back when the last of them is stored.
"""

from collections.abc import Callable, Sequence

from twofold.chunker import Piece
from twofold.format.segments import pack_blob, pack_zeros
from twofold.pipeline.buffers import Lease
from twofold.pipeline.flow import Flow, Worker


class Parts:
    """Segments of one attempt at a stream, filled in any order."""

    __slots__ = ("holes", "packed", "size")

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self.size = 0
        self.holes: list[tuple[int, int]] = []

    def reserve(self, length: int) -> int:
        """A place for the next segment."""
        self.packed.append(b"")
        self.size += length
        return len(self.packed) - 1

    def put(self, position: int, packed: bytes) -> None:
        """Fill a place."""
        self.packed[position] = packed


def store_piece(worker: Worker, piece: Piece, *, apart: bool = False) -> bytes:
    """Store a piece, ``apart`` from those of another sort; its segment."""
    if piece.data is None:
        return pack_zeros(piece.length)
    return pack_blob(worker.store(piece.data, apart=apart), piece.length)


def send(
    flow: Flow,
    pieces: Sequence[Piece],
    parts: Parts,
    lease: Lease | None = None,
    *,
    apart: bool = False,
) -> None:
    """Submit pieces, each for any worker; ``lease`` is the buffer they lie in, if it goes round."""
    for piece in pieces:
        position = parts.reserve(piece.length)
        if piece.data is None:
            parts.put(position, pack_zeros(piece.length))
            continue
        task = _task(piece, parts, position, apart=apart)
        if lease is not None:
            lease.hold()
            task = lease.last(task)
        flow.submit(task)


def _task(piece: Piece, parts: Parts, position: int, *, apart: bool) -> Callable[[Worker], None]:
    def task(worker: Worker) -> None:
        parts.put(position, store_piece(worker, piece, apart=apart))

    return task
