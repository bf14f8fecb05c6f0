"""How long it will still take, told only once that means something.

Work is watched in windows of a few seconds. Only when two windows in a row agree about the speed is
there an estimate, and it goes away again as soon as they no longer do.
"""

from collections.abc import Callable

WINDOW = 3.0
AGREEMENT = 0.3


class Estimate:
    """Speed and time left of one phase."""

    def __init__(self, total: int | None, clock: Callable[[], float]) -> None:
        self._total = total
        self._clock = clock
        self._began = self._window_began = clock()
        self._done = self._window_done = 0
        self._speeds: list[float] = []

    def update(self, done: int) -> None:
        """So much is done in all by now."""
        self._done = done
        passed = self._clock() - self._window_began
        if passed >= WINDOW:
            self._speeds = [*self._speeds[-1:], (done - self._window_done) / passed]
            self._window_began, self._window_done = self._clock(), done

    def speed(self) -> float:
        """Per second, over the last windows or, in the beginning, since the start."""
        if self._speeds:
            return max(sum(self._speeds) / len(self._speeds), 0.0)
        passed = self._clock() - self._began
        return self._done / passed if passed > 0.5 else 0.0

    def left(self) -> float | None:
        """Seconds to go, None while nobody can know."""
        if self._total is None or self._done >= self._total or len(self._speeds) < 2:
            return None
        low, high = sorted(self._speeds)
        if low <= 0 or low < high * (1 - AGREEMENT):
            return None
        return (self._total - self._done) / self.speed()
