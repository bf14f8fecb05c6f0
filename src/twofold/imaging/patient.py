"""Reading a disk that may have bad sectors: what cannot be read is zeros, told, and remembered.

A refused request is repeated in smaller and smaller pieces down to the sector. Reading stops trying
when a thousand pieces were refused: each refusal may have cost the drive many seconds. However
often a bad sector is met, it is told of once; neighbours are told of together.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from threading import Lock

from twofold.disk.base import BlockReader
from twofold.disk.blocks import hole_at

_PIECES = (1 << 20, 64 << 10)
_MOST_REFUSALS = 1000

OnBad = Callable[[int, int], None]


class Ranges:
    """Ranges of bytes, ascending, apart from each other. Safe to share between threads."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._lock = Lock()

    def __bool__(self) -> bool:
        return bool(self._starts)

    def add(self, start: int, end: int) -> None:
        """Join a range to those that it meets."""
        with self._lock:
            first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
            low = min([start, *self._starts[first:last]])
            high = max([end, *self._ends[first:last]])
            self._starts[first:last], self._ends[first:last] = [low], [high]

    def remove(self, start: int, end: int) -> None:
        """Take a range out."""
        with self._lock:
            first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
            if first >= last:
                return
            low, high = self._starts[first], self._ends[last - 1]
            left = [(low, start)] if low < start else []
            left += [(end, high)] if end < high else []
            self._starts[first:last] = [each[0] for each in left]
            self._ends[first:last] = [each[1] for each in left]

    def within(self, start: int, end: int) -> list[tuple[int, int]]:
        """(first, length) of what lies between two bytes."""
        with self._lock:
            if not self._starts:
                return []
            first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
            pairs = zip(self._starts[first:last], self._ends[first:last], strict=True)
            clipped = [(max(low, start), min(high, end)) for low, high in pairs]
        return [(low, high - low) for low, high in clipped]


class PatientReader:
    """A BlockReader that never fails for a bad sector; ``bad`` is told first byte and length."""

    def __init__(self, reader: BlockReader, bad: OnBad) -> None:
        self._reader = reader
        self._bad = bad
        self._refusals = 0
        self._unread = Ranges()
        self._told = Ranges()
        self._untold: list[tuple[int, int]] = []
        self.answered = False
        """Whether anything at all could be read."""
        self.size = reader.size
        self.sector_size = reader.sector_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        try:
            data = self._reader.read(offset, length)
        except OSError:
            filled = bytearray(length)
            self._unread.remove(offset, offset + length)
            self._fill(memoryview(filled), offset, (*_PIECES, self.sector_size))
            self._tell()
            return bytes(filled)
        self.answered = True
        if self._unread:  # it was refused before, and can be read now
            self._unread.remove(offset, offset + length)
        return data

    def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
        """(first byte, bytes) in a range of what came as zeros when it was read last."""
        return self._unread.within(offset, offset + length)

    def hole(self, offset: int) -> int:
        """As the disk says; what it cannot say is read."""
        try:
            return hole_at(self._reader, offset)
        except OSError:
            return 0

    def _fill(self, target: memoryview, offset: int, steps: tuple[int, ...]) -> None:
        step, at = steps[0], 0
        while at < len(target):
            place = offset + at
            if self._refusals >= _MOST_REFUSALS:
                self._give_up(place, offset + len(target))
                return
            end = min(len(target), place // step * step + step - offset)
            self._piece(target[at:end], place, steps)
            at = end

    def _piece(self, piece: memoryview, place: int, steps: tuple[int, ...]) -> None:
        try:
            piece[:] = self._reader.read(place, len(piece))
            self.answered = True
        except OSError:
            self._refusals += 1
            if len(steps) > 1:
                self._fill(piece, place, steps[1:])
            else:
                self._give_up(place, place + len(piece))

    def _give_up(self, start: int, end: int) -> None:
        self._unread.add(start, end)
        sector = self.sector_size
        first, last = start // sector * sector, min(-(-end // sector) * sector, self.size)
        for low, length in [*self._told.within(first, last), (last, 0)]:
            if low > first:
                self._keep(first, low - first)
            first = low + length
        self._told.add(start // sector * sector, last)

    def _keep(self, first: int, length: int) -> None:
        """Hold back what is to be told until its neighbours are known."""
        if self._untold and sum(self._untold[-1]) == first:
            begin, before = self._untold.pop()
            first, length = begin, before + length
        self._untold.append((first, length))

    def _tell(self) -> None:
        for first, length in self._untold:
            self._bad(first, length)
        self._untold.clear()
