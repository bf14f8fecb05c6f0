"""A map over threads: ordered, bounded, cancellable.

Results come in the order of the items, whoever finishes first. At most ``ahead`` items are under
way or waiting to be taken, so neither a quick reader nor a slow one makes memory grow. Items are
taken in the caller's thread. Leaving the loop early drops what has not begun, waits for the rest.

A call belongs to whoever takes its one permit: the thread that makes it, or the caller who drops
it. (``concurrent.futures`` does the same, and loads ``logging``, ``string`` and ``traceback``,
which takes as long as all that an unchanged backup of a few files has to do.)
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, Self, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class _Call(Generic[ResultT]):
    """One call of a function, made once or never."""

    __slots__ = ("_ended", "_error", "_item", "_made", "_permit", "_value")

    def __init__(self, function: Callable[[ItemT], ResultT], item: ItemT) -> None:
        self._made: Callable[[Any], ResultT] = function
        self._item = item
        self._permit = threading.Lock()
        self._ended = threading.Lock()
        self._ended.acquire()
        self._error: BaseException | None = None
        self._value: ResultT

    def make(self) -> None:
        """Make the call, unless it was dropped."""
        if self.drop():
            try:
                self._value = self._made(self._item)
            except BaseException as error:  # noqa: BLE001 (raised where the result is wanted)
                self._error = error
            finally:
                self._ended.release()
                del self  # an error's traceback would hold us, and we the error

    def drop(self) -> bool:
        """Take the permit; False when somebody has it."""
        return self._permit.acquire(blocking=False)

    def refuse(self) -> None:
        """End what has not begun: nobody is left to make it."""
        if self.drop():
            self._error = RuntimeError("the threads have ended")
            self._ended.release()

    def wait(self) -> None:
        """Until the call has ended."""
        with self._ended:
            pass

    def result(self) -> ResultT:
        """What came of it, once it has ended; its error is raised."""
        self.wait()
        if self._error is not None:
            try:
                raise self._error
            finally:
                del self  # as above
        return self._value


class Threads:
    """A few threads that serve one map after another. Use as a context."""

    def __init__(self, count: int, name: str) -> None:
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._threads = [  # daemons: one that somebody forgot to close keeps no process alive
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()
            del call  # its item and result are the caller's to keep

    def map(
        self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT], *, ahead: int
    ) -> Iterator[ResultT]:
        """``function`` of every item, in order; its first error is raised in its place."""
        waiting: deque[_Call[ResultT]] = deque()
        try:
            for item in items:
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
                waiting.append(_Call(function, item))
                self._calls.put(waiting[-1])
            while waiting:
                yield waiting.popleft().result()
        finally:
            for begun in [call for call in waiting if not call.drop()]:
                begun.wait()

    def close(self) -> None:
        """Refuse what has not begun, wait for what is under way and end the threads."""
        with suppress(Empty):
            while (call := self._calls.get_nowait()) is not None:
                call.refuse()
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
