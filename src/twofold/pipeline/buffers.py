"""Read buffers that go round: taken by the reader, given back by the last worker done with one."""

import threading
from collections import deque

Buffer = bytes | bytearray | memoryview


class BufferPool:
    """At most ``count`` buffers of ``size`` bytes, made when first needed."""

    def __init__(self, count: int, size: int) -> None:
        self.size = size
        self._free: deque[bytearray] = deque()
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
        return Lease(self, bytearray(self.size))

    def _give(self, buffer: bytearray) -> None:
        with self._ready:
            self._free.append(buffer)
            self._ready.notify()


class Lease:
    """One buffer in use. Born with one holder; each ``hold`` needs a ``release``."""

    def __init__(self, pool: BufferPool, buffer: bytearray) -> None:
        self._pool = pool
        self._buffer = buffer
        self._holders = 1
        self._lock = threading.Lock()
        self.view = memoryview(buffer)

    def hold(self) -> None:
        """One more holder."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """One holder less; the last one sends the buffer back."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self._pool._give(self._buffer)  # noqa: SLF001 - pool and lease are one mechanism
