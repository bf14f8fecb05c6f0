"""Reading a disk that may have bad sectors: what cannot be read is zeros, remembered and told.

Each refusal may cost the drive many seconds, and what it still gives should be had before it fails
altogether. So large pieces come first, over the whole disk (``glance``); what was refused is left
until the end, and then read backwards (``read``) in smaller and smaller pieces down to the sector,
from both edges to the first that is bad, then in between. Few large steps rather than halves:
pieces that can be read cost little, refusals much, and each step has one more. What is tried again
is read alone, for systems read along what lies around, and give nothing if that is bad.

Refusals may take so much time in all (``patience``), of which each piece gets its share; and the
large pieces as much again, after which more and more of them are passed over where many in a row
were refused, to be tried from the other side. What was never tried alone for want of time is known
as such. No sector that was refused alone is asked for again.

Who says, time after time, that there is no such device is no bad sector: the disk was taken away.
"""

import errno
from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from twofold import clock
from twofold.disk.base import AloneBlocks, BlockReader
from twofold.disk.blocks import between, fill, hole_at, joined
from twofold.errors import SourceDamaged
from twofold.imaging.ranges import Ranges

PATIENCE = 30 * 60.0
"""Seconds that refusals may take in all, once the large pieces were tried."""
_STEPS = (1 << 20, 64 << 10)
_UNFORESEEN = 1 / 4  # of the time left: what a read may take that was not put off
_GRACE = 8  # refusals that any read may meet, as long as there is time at all
_SKIP, _MOST_SKIPPED = 8 << 20, 1 << 30  # bytes passed over after a refusal, when time has run out
_GONE = (errno.ENXIO, errno.ENODEV)
_GONE_FOR_GOOD = 16  # such answers, with no other in between
Piece = tuple[int, int]


class Fate(Enum):
    """Why bytes were not had."""

    BAD = "bad"
    """Their sectors were asked for one by one."""
    UNTRIED = "untried"
    """They lie in something larger that was refused, and were not tried alone."""


class PatientReader:
    """A BlockReader that never fails for a bad sector. Used by one thread, but for ``fill``.

    ``SourceDamaged`` from any method when the disk was taken away.

    ``patience``: see above, in seconds. ``refused`` is told once, with the place of the first.
    """

    def __init__(
        self,
        reader: BlockReader,
        *,
        patience: float = PATIENCE,
        refused: Callable[[int], None] = lambda _: None,
        now: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._reader = reader
        self._alone = reader.read_alone if isinstance(reader, AloneBlocks) else reader.read
        self._tell: Callable[[int], None] | None = refused
        self._now = now
        self._left = self._left_at_once = patience
        self._limit, self._grace = 0.0, 0
        self._gone = 0
        self._passed_over = (0, 0)  # first byte, and the one behind
        self._refused: set[Piece] = set()
        self._bad, self._untried, self._waiting = Ranges(), Ranges(), Ranges()
        self.answered = False
        """Whether anything at all could be read."""
        self.size = reader.size
        self.sector_size = reader.sector_size

    @property
    def is_clean(self) -> bool:
        """Whether nothing was refused."""
        return self._tell is not None

    def lost(self) -> Iterator[tuple[int, int, Fate]]:
        """(first byte, bytes, why) of what was not had, neighbours as one."""
        for fate, ranges in ((Fate.BAD, self._bad), (Fate.UNTRIED, self._untried)):
            yield from ((first, length, fate) for first, length in ranges)

    def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
        """(first byte, bytes) in a range of what came as zeros when it was read last."""
        end = offset + length
        return list(
            joined(sorted(self._bad.within(offset, end) + self._untried.within(offset, end)))
        )

    def hole(self, offset: int) -> int:
        """As the disk says; what it cannot say is read."""
        try:
            return hole_at(self._reader, offset)
        except OSError:
            return 0

    def glance(self, offset: int, length: int) -> bytes | None:
        """Exactly ``length`` bytes, or None where ``read`` is to be asked when all else is done."""
        low, high = self._passed_over
        if low <= offset < high or self.unread(offset, length):
            self._waiting.add(offset, offset + length)
            return None
        began = self._now()
        data = self._ask(offset, length)
        if data is not None:
            self._passed_over = (0, 0)
            return data
        self._waiting.add(offset, offset + length)
        self._left_at_once -= self._now() - began
        if self._left_at_once < 0:
            skip = min(max(_SKIP, 2 * (high - low)), _MOST_SKIPPED)
            self._passed_over = (offset + length, offset + length + skip)
        return None

    def fill(self, offset: int, view: memoryview) -> bool:
        """Fill memory, as long as nothing was ever refused; from any thread."""
        try:
            filled = self.is_clean and fill(self._reader, offset, view)
        except OSError:  # ``glance`` will meet it as well, and act on it
            return False
        self.answered = self.answered or filled
        return filled

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, zeros for what could not be had."""
        end = offset + length
        waiting = sum(count for _, count in self._waiting.within(offset, end))
        unread = self.unread(offset, length)
        if not waiting and not unread:
            data = self._ask(offset, length)
            if data is not None:
                return data
        share = waiting / self._waiting.length if waiting else _UNFORESEEN
        self._waiting.remove(offset, end)
        filled = _Filled(offset, bytearray(length))
        hard = self._untried.within(offset, end)
        for piece in between(offset, end, unread):
            data = None if waiting else self._ask(*piece)
            if data is None:
                hard += between(*_ends(piece), self._bad.within(*_ends(piece)))
            else:
                filled.put(piece[0], data)
        self._narrow(filled, list(joined(sorted(hard))), share)
        return bytes(filled.data)

    # what was refused

    def _narrow(self, target: "_Filled", pieces: list[Piece], share: float) -> None:
        """Get what can be had of pieces within a share of the time left."""
        self._limit, self._grace = self._left * (1 - share), _GRACE
        for piece in pieces:
            self._mark(self._untried.add, *piece)
        for step in (*_STEPS, self.sector_size):
            edges, between = list[Piece](), list[Piece]()
            for piece in _inwards(pieces):
                cut = self._trimmed(target, list(_cut(piece, step)))
                edges += {*cut[:1], *cut[-1:]}
                between += cut[1:-1]
            pieces = sorted(edges + [each for each in between if not self._get(target, each)])

    def _trimmed(self, target: "_Filled", pieces: list[Piece]) -> list[Piece]:
        """What is left from the first to the last that is refused."""
        first, last = 0, len(pieces)
        while last > first and self._get(target, pieces[last - 1]):
            last -= 1
        while last > first + 1 and self._get(target, pieces[first]):
            first += 1
        return pieces[first:last]

    def _get(self, target: "_Filled", piece: Piece) -> bool:
        """Read a piece into its place, unless its time is over."""
        over = self._left <= self._limit and not self._grace
        if over or self._left <= 0 or piece in self._refused:
            return False
        began = self._now()
        data = self._ask(*piece, alone=True)
        if data is None:
            self._left -= self._now() - began
            self._grace = max(0, self._grace - 1)
            return False
        target.put(piece[0], data)
        self._mark(self._untried.remove, *piece)
        return True

    def _ask(self, offset: int, length: int, *, alone: bool = False) -> bytes | None:
        read = self._alone if alone else self._reader.read
        try:
            data = read(offset, length)
        except OSError as error:
            self._count_gone(error)
            if self._tell is not None:
                self._tell(offset)
                self._tell = None
            if read == self._alone:  # else it may be something read along that is bad
                self._refuse(offset, length)
            return None
        self.answered = True
        self._gone = 0
        return data

    def _count_gone(self, error: OSError) -> None:
        self._gone = self._gone + 1 if error.errno in _GONE else 0
        if self._gone >= _GONE_FOR_GOOD:
            raise SourceDamaged(
                f"the disk was taken away while it was read: {error.strerror}",
                hint="see that it is connected, then run again: what is stored is not stored twice",
            ) from error

    def _refuse(self, offset: int, length: int) -> None:
        if offset // self.sector_size == (offset + length - 1) // self.sector_size:
            self._mark(self._untried.remove, offset, length)
            self._mark(self._bad.add, offset, length)
        self._refused.add((offset, length))

    def _mark(self, mark: Callable[[int, int], None], first: int, length: int) -> None:
        """A range of whole sectors, for they are read or refused as such."""
        sector = self.sector_size
        end = -(-(first + length) // sector) * sector
        mark(first // sector * sector, min(end, self.size))


class _Filled(NamedTuple):
    """Bytes from a place on, filled piece by piece."""

    start: int
    data: bytearray

    def put(self, first: int, data: bytes) -> None:
        """A piece."""
        self.data[first - self.start : first - self.start + len(data)] = data


def _cut(piece: Piece, step: int) -> Iterator[Piece]:
    """Pieces that end at multiples of a step."""
    at, end = piece[0], sum(piece)
    while at < end:
        size = min(end - at, step - at % step)
        yield at, size
        at += size


def _inwards(pieces: list[Piece]) -> Iterator[Piece]:
    """Those at the edges first: the last, the first, the last but one, ..."""
    left = list(pieces)
    while left:
        yield left.pop()
        if left:
            yield left.pop(0)


def _ends(piece: Piece) -> tuple[int, int]:
    return piece[0], sum(piece)
