"""A stream that arrives in buffers becomes data pieces and zero runs.

The result is defined on the whole stream: its maximal zero runs are taken out, each segment
between them is cut from its own start. So a decision is put off until the bytes seen settle it:

- zeros at the end of a buffer may grow into a run; fewer than 64 KiB of them stay with the
  caller, more are counted in ``_pending`` and reported once something else follows;
- a chunk that more data could lengthen stays with the caller.

The caller moves what was not consumed to the front of its next buffer and fills up behind it.
"""

from typing import NamedTuple

from twofold.chunker.cut import Buffer, Chunker
from twofold.chunker.zeros import ZERO_RUN, leading_zeros, trailing_zeros, zero_runs


class Piece(NamedTuple):
    """A chunk of a stream, or a zero run where ``data`` is None; length in bytes."""

    length: int
    data: memoryview | None


class StreamCutter:
    """Cuts one stream; one object per stream, used by one thread at a time.

    Misuse of the protocol (data after the end, a hole where none can be) raises ValueError.
    """

    def __init__(self, chunker: Chunker) -> None:
        self._chunker = chunker
        self._pending = 0  # length of the zero run that ends where the next buffer begins
        self._rest = False  # the caller holds bytes that were not consumed
        self._hole_due = False
        self._ended = False

    @property
    def rest_limit(self) -> int:
        """Most bytes a split can leave unconsumed; a buffer must be larger than this."""
        return self._chunker.params.maximum + ZERO_RUN - 2

    def split(
        self, view: Buffer, *, final: bool = False, hole_follows: bool = False
    ) -> tuple[list[Piece], int]:
        """Pieces at the front of ``view``, and how many of its bytes were consumed.

        ``view`` begins with what the last call left unconsumed. ``final``: the stream ends with
        it. ``hole_follows``: ``hole`` is called next. In both cases everything is consumed.
        Data pieces are slices of ``view``, valid as long as its memory is left alone.
        """
        if self._ended or self._hole_due or (final and hole_follows):
            raise ValueError("data does not fit here: the stream has ended, or a hole is due")
        data = memoryview(view).cast("B")
        pieces: list[Piece] = []
        at = 0
        if self._pending:
            at = leading_zeros(data)
            self._pending += at
            self._report_zeros(pieces, at < len(data))
        offset = at
        for start, end in zero_runs(data[offset:]):
            self._cut(data[at : offset + start], pieces, final=True)
            at = offset + end
            self._pending = end - start
            self._report_zeros(pieces, at < len(data))
        consumed = at + self._split_tail(data[at:], pieces, final, hole_follows)
        self._report_zeros(pieces, final)
        self._ended, self._hole_due = final, hole_follows
        self._rest = consumed < len(data)
        return pieces, consumed

    def _split_tail(
        self, tail: memoryview, pieces: list[Piece], final: bool, hole_follows: bool
    ) -> int:
        """Cut what follows the last zero run of a buffer; how much of it was consumed."""
        if final:
            return self._cut(tail, pieces, final=True)
        zeros = trailing_zeros(tail)
        settled = tail[: len(tail) - zeros]
        if not hole_follows:
            return self._cut(settled, pieces, final=False)
        self._cut(settled, pieces, final=True)
        self._pending += zeros
        return len(tail)

    def _cut(self, segment: memoryview, pieces: list[Piece], *, final: bool) -> int:
        start = 0
        for end in self._chunker.cut(segment, final):
            pieces.append(Piece(end - start, segment[start:end]))
            start = end
        return start

    def _report_zeros(self, pieces: list[Piece], ended: bool) -> None:
        if ended and self._pending:
            pieces.append(Piece(self._pending, None))
            self._pending = 0

    def hole(self, length: int) -> None:
        """Announce ``length`` zero bytes that need not be read.

        Right at the start, after ``split(hole_follows=True)``, and whenever the last split
        consumed everything. A hole shorter than 64 KiB may not be a zero run, so it is allowed
        only where it lengthens one; elsewhere its zeros must come through ``split``.
        """
        if self._ended or self._rest or self._pending + length < ZERO_RUN or length < 1:
            raise ValueError("a hole does not fit here")
        self._pending += length
        self._hole_due = False

    def finish(self) -> list[Piece]:
        """End a stream whose bytes were all consumed; the zero run at its end, if any."""
        if self._rest:
            raise ValueError("the stream cannot end: bytes were left unconsumed")
        return self.split(b"", final=True)[0]


def cut_whole(chunker: Chunker, data: Buffer) -> list[Piece]:
    """The pieces of a stream that is in memory as a whole."""
    view = memoryview(data).cast("B")
    size = len(view)
    if 0 < size <= chunker.params.minimum and (size < ZERO_RUN or not zero_runs(view)):
        return [Piece(size, view)]
    return StreamCutter(chunker).split(view, final=True)[0]
