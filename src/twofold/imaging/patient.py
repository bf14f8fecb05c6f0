"""Reading a disk that may have bad sectors: what cannot be read is zeros, and is told.

A refused request is repeated in smaller and smaller pieces down to the sector. Reading stops trying
when a thousand pieces were refused: each refusal may have cost the drive many seconds.
"""

from collections.abc import Callable

from twofold.disk.base import BlockReader
from twofold.disk.blocks import hole_at

_PIECES = (1 << 20, 64 << 10)
_MOST_REFUSALS = 1000

OnBad = Callable[[int, int], None]


class PatientReader:
    """A BlockReader that never fails for a bad sector; ``bad`` is told first byte and length."""

    def __init__(self, reader: BlockReader, bad: OnBad) -> None:
        self._reader = reader
        self._bad = bad
        self._refusals = 0
        self.size = reader.size
        self.sector_size = reader.sector_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        try:
            return self._reader.read(offset, length)
        except OSError:
            data = bytearray(length)
            self._fill(memoryview(data), offset, (*_PIECES, self.sector_size))
            return bytes(data)

    def hole(self, offset: int) -> int:
        """As the disk says; what it cannot say is read."""
        try:
            return hole_at(self._reader, offset)
        except OSError:
            return 0

    def _fill(self, target: memoryview, offset: int, steps: tuple[int, ...]) -> None:
        step = steps[0]
        for at in range(0, len(target), step):
            piece = target[at : at + step]
            if self._refusals >= _MOST_REFUSALS:
                self._bad(offset + at, len(target) - at)
                return
            try:
                piece[:] = self._reader.read(offset + at, len(piece))
            except OSError:
                self._refusals += 1
                if len(steps) > 1:
                    self._fill(piece, offset + at, steps[1:])
                else:
                    self._bad(offset + at, len(piece))
