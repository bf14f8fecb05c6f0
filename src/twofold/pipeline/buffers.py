"""Read buffers that go round: taken by the reader, given back by the last worker done with one."""

import mmap
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

Buffer = bytes | bytearray | memoryview
ArgumentT = TypeVar("ArgumentT")


class BufferPool:
    """At most ``count`` buffers of ``size`` bytes, made when first needed.

    ``paged``: each begins where a page does, as reads past the system's cache ask for.
    """

    def __init__(self, count: int, size: int, *, paged: bool = False) -> None:
        self.size = size
        self._paged = paged
        self._free: deque[bytearray | mmap.mmap] = deque()
        self._unmade = count
        self._ready = threading.Condition()

    def take(self) -> "Lease":
        """A buffer; waits for one to come back when all are out."""
        with self._ready:
            while not self._free and not self._unmade:
                self._ready.wait()
            if self._free:
                return Lease(self, self._free.pop())
            self._unmade -= 1
        return Lease(self, mmap.mmap(-1, self.size) if self._paged else bytearray(self.size))

    def _give(self, buffer: bytearray | mmap.mmap) -> None:
        with self._ready:
            self._free.append(buffer)
            self._ready.notify()


class Lease:
    """One buffer in use. Born with one holder; each ``hold`` needs a ``release``."""

    def __init__(self, pool: BufferPool, buffer: bytearray | mmap.mmap) -> None:
        self._pool = pool
        self._buffer = buffer
        self._holders = 1
        self._lock = threading.Lock()
        self.view = memoryview(buffer)

    def hold(self) -> None:
        """One more holder."""
        with self._lock:
            self._holders += 1

    def last(self, use: Callable[[ArgumentT], None]) -> Callable[[ArgumentT], None]:
        """The same call with one holder less when it has ended."""

        def used(argument: ArgumentT) -> None:
            try:
                use(argument)
            finally:
                self.release()

        return used

    def release(self) -> None:
        """One holder less; the last one sends the buffer back."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self._pool._give(self._buffer)  # noqa: SLF001 - pool and lease are one mechanism
