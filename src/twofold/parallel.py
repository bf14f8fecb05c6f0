"""A map over threads: ordered, bounded, cancellable.

Results come in the order of the items, whoever finishes first. At most ``ahead`` items are under
way or waiting to be taken, so neither a quick reader nor a slow one makes memory grow. Items are
taken in the caller's thread. Leaving the loop early drops what has not begun, waits for the rest.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Self, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Threads:
    """A few threads that serve one map after another. Use as a context."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    def map(
        self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT], *, ahead: int
    ) -> Iterator[ResultT]:
        """``function`` of every item, in order; its first error is raised in its place."""
        waiting: deque[Future[ResultT]] = deque()
        try:
            for item in items:
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
                waiting.append(self._pool.submit(function, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            wait([future for future in waiting if not future.cancel()])

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
