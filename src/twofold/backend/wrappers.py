"""Stores around a store: try again, hold back, refuse to write.

Only what may be repeated is repeated. Reading, listing and putting whole objects may; a move or a
delete may only while its object is provably still there, because "it is gone now" does not tell
whether we or somebody else took it: then the first error is raised, and whoever must know looks.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from twofold.backend.base import (
    Backend,
    Buffer,
    ObjectInfo,
    ObjectWriter,
    ShowsStrays,
    Stray,
    Sweeps,
)
from twofold.clock import monotonic
from twofold.errors import NeedsRights, StoreError

T = TypeVar("T")

_PIECE = 256 << 10  # bytes sent at a time under a limit, so that a slow line stays even


def _random_part() -> float:
    """A random number in [0, 1)."""
    return secrets.randbelow(1 << 20) / (1 << 20)


class _Wrapper:
    """Hands every call through to the store inside."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

    @property
    def location(self) -> str:
        """The place of the store inside."""
        return self._inner.location

    def create(self, name: str) -> ObjectWriter:
        """Begin writing a new object."""
        return self._inner.create(name)

    def put(self, name: str, data: Buffer) -> None:
        """Write a whole object."""
        self._inner.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range of bytes."""
        return self._inner.get(name, offset, length)

    def size(self, name: str) -> int:
        """Bytes in the object."""
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """All objects below a folder."""
        return self._inner.list(folder)

    def strays(self) -> Iterator[Stray]:
        """What else lies in the store, if the store inside can tell."""
        return self._inner.strays() if isinstance(self._inner, ShowsStrays) else iter(())

    def sweep(self) -> int:
        """Remove what dead writers left, if the store inside keeps such."""
        return self._inner.sweep() if isinstance(self._inner, Sweeps) else 0

    def move(self, src: str, dst: str) -> None:
        """Rename atomically."""
        self._inner.move(src, dst)

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._inner.delete(name)

    def close(self) -> None:
        """Close the store inside."""
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Retry(_Wrapper):
    """Tries again after a retryable StoreError, waiting longer each time, with jitter.

    The n-th wait is between half and all of ``first_wait * 2**n`` seconds, at most ``max_wait``.
    A writer once begun is not repeated: what must get through is put whole, or in a deed that
    begins anew (``repeat``). An error may say that fewer attempts are worth it.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        attempts: int = 5,
        first_wait: float = 0.5,
        max_wait: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = _random_part,
        on_retry: Callable[[StoreError, float], None] | None = None,
    ) -> None:
        super().__init__(inner)
        self._attempts = attempts
        self._first_wait = first_wait
        self._max_wait = max_wait
        self._sleep = sleep
        self._jitter = jitter
        self._on_retry = on_retry

    def _persist(self, call: Callable[[], T], may_repeat: Callable[[], bool] | None = None) -> T:
        for attempt in range(1, self._attempts + 1):
            try:
                return call()
            except StoreError as error:
                worth = min(self._attempts, error.attempts or self._attempts)
                if not error.retryable or attempt >= worth:
                    raise
                self._wait(error, attempt)
                if may_repeat is not None and not may_repeat():
                    raise
        raise ValueError("attempts must be at least 1")

    def _wait(self, error: StoreError, attempt: int) -> None:
        full = min(self._max_wait, self._first_wait * 2.0 ** (attempt - 1))
        wait = full * (0.5 + 0.5 * self._jitter())
        if self._on_retry is not None:
            self._on_retry(error, wait)
        self._sleep(wait)

    def _is_there(self, name: str) -> bool:
        try:
            self._inner.size(name)
        except StoreError:  # absent, or not to be known: in either case nothing to repeat
            return False
        return True

    def repeat(self, deed: Callable[[Backend], T]) -> T:
        """Do something with the store inside, from its beginning each time."""
        return self._persist(lambda: deed(self._inner))

    def create(self, name: str) -> ObjectWriter:
        """Begin writing a new object; only the beginning is tried again."""
        return self._persist(lambda: self._inner.create(name))

    def put(self, name: str, data: Buffer) -> None:
        """Write a whole object; a put whose reply was lost meets its own bytes and succeeds."""
        self._persist(lambda: self._inner.put(name, data))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range of bytes."""
        return self._persist(lambda: self._inner.get(name, offset, length))

    def size(self, name: str) -> int:
        """Bytes in the object."""
        return self._persist(lambda: self._inner.size(name))

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """All objects below a folder; each attempt lists from the beginning, nothing twice."""
        return iter(self._persist(lambda: tuple(self._inner.list(folder))))

    def move(self, src: str, dst: str) -> None:
        """Rename atomically; see the module docstring for what happens after an error."""
        self._persist(lambda: self._inner.move(src, dst), lambda: self._is_there(src))

    def delete(self, name: str) -> None:
        """Remove an object; see the module docstring for what happens after an error."""
        self._persist(lambda: self._inner.delete(name), lambda: self._is_there(name))


class _Meter:
    """Shares a rate (bytes per second) among all threads; None is no limit."""

    def __init__(
        self, rate: float | None, sleep: Callable[[float], None], now: Callable[[], float]
    ) -> None:
        if rate is not None and rate <= 0:
            raise ValueError("a limit must be more than 0 bytes per second")
        self._rate = rate
        self._sleep = sleep
        self._now = now
        self._free_at = now()
        self._lock = threading.Lock()

    def pass_through(self, count: int) -> None:
        """Wait until the line has carried what was sent before, then take it for ``count``."""
        if self._rate is None or count <= 0:
            return
        with self._lock:
            now = self._now()
            begin = max(now, self._free_at)
            self._free_at = begin + count / self._rate
        if begin > now:
            self._sleep(begin - now)


class _ThrottledWriter:
    """Writes in small pieces, each when the meter lets it pass."""

    def __init__(self, inner: ObjectWriter, meter: _Meter) -> None:
        self._inner = inner
        self._meter = meter

    def write(self, data: Buffer) -> None:
        """Append bytes, as fast as is allowed."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            self._meter.pass_through(len(piece))
            self._inner.write(piece)

    def finish(self) -> None:
        """Make the object durable and visible."""
        self._inner.finish()

    def abort(self) -> None:
        """Drop the object."""
        self._inner.abort()


class Throttle(_Wrapper):
    """Limits how fast object bytes go up and come down, in bytes per second; None: no limit."""

    def __init__(
        self,
        inner: Backend,
        *,
        upload: float | None = None,
        download: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(inner)
        self._up = _Meter(upload, sleep, now)
        self._down = _Meter(download, sleep, now)

    def create(self, name: str) -> ObjectWriter:
        """Begin writing a new object."""
        return _ThrottledWriter(self._inner.create(name), self._up)

    def put(self, name: str, data: Buffer) -> None:
        """Write a whole object."""
        writer = self.create(name)
        try:
            writer.write(data)
            writer.finish()
        except BaseException:
            writer.abort()
            raise

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range of bytes; what was read holds back the next reader."""
        data = self._inner.get(name, offset, length)
        self._down.pass_through(len(data))
        return data


class ReadOnly(_Wrapper):
    """Reads as the store inside does; every attempt to change it raises NeedsRights."""

    def _refuse(self, deed: str, name: str) -> NeedsRights:
        return NeedsRights(
            f"cannot {deed} {name}: {self.location} is opened for reading only",
            hint="this command must not change the repository",
        )

    def create(self, name: str) -> ObjectWriter:
        """Refused."""
        raise self._refuse("write", name)

    def put(self, name: str, data: Buffer) -> None:
        """Refused."""
        del data
        raise self._refuse("write", name)

    def sweep(self) -> int:
        """Nothing is removed."""
        return 0

    def move(self, src: str, dst: str) -> None:
        """Refused."""
        raise self._refuse("move", f"{src} to {dst}")

    def delete(self, name: str) -> None:
        """Refused."""
        raise self._refuse("delete", name)
