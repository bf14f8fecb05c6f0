"""Sets of bytes as ranges that ascend and lie apart."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from threading import Lock


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

    @property
    def length(self) -> int:
        """Bytes in all."""
        with self._lock:
            return sum(self._ends) - sum(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(first, length) of each, as they are now."""
        with self._lock:
            pairs = list(zip(self._starts, self._ends, strict=True))
        return ((low, high - low) for low, high in pairs)

    def within(self, start: int, end: int) -> list[tuple[int, int]]:
        """(first, length) of what lies between two bytes."""
        with self._lock:
            if not self._starts:
                return []
            first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
            pairs = zip(self._starts[first:last], self._ends[first:last], strict=True)
            clipped = [(max(low, start), min(high, end)) for low, high in pairs]
        return [(low, high - low) for low, high in clipped]
