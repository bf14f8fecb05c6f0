"""Writing files by several processes, for restores of many.

    files ─► orders of bounded size ─► the process with the least to do ─► replies ─► report
         └► what needs more than the repository and the directory (asides, links) ─► written here

Each process is a copy of this one with readers and writers of its own (``FileContents``), so that
the interpreter's lock, which one process spends most of a restore of small files waiting for, is
shared by fewer. Nothing else changes: directories are made before, and given their metadata after
their files, by the process that decides.
"""

import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import msgspec

from twofold.errors import TwofoldError
from twofold.events import Event, Finding
from twofold.processes import Process, Serve, can_copy, processors
from twofold.repository import Index
from twofold.restorer.contents import FileContents
from twofold.restorer.jobs import FileJob
from twofold.restorer.orders import Order, Reply, Stop, order_of
from twofold.restorer.writer import Tools, Trouble

ORDER_FILES = 2048
ORDER_BYTES = 32 << 20
MOST_PROCESSES = 3
"""Each takes some 90 MiB; with three a restore stays below 400."""

_UNDER_WAY = 2
"""Orders that a process may have: one it works on, one that waits."""
_POLL_SECONDS = 0.1
_orders = msgspec.msgpack.Decoder(Order)
_replies = msgspec.msgpack.Decoder(Reply)


def crew_size() -> int:
    """How many processes a restore of many files is worth here; 0 where it has to do without."""
    count = min(MOST_PROCESSES, processors())
    return count if count > 1 and can_copy() else 0


class Given(msgspec.Struct, eq=False):
    """An order under way; ``done`` once all that became of it is in the report."""

    jobs: list[FileJob]
    done: threading.Event


class Hand:
    """One process, the orders it has, and the thread that takes its replies."""

    def __init__(self, process: Process, tools: Tools, index: Index, told: set[Finding]) -> None:
        """``told``: what any process has found already."""
        self._index = index
        self._told = told
        self._process = process
        self._tools = tools
        self._given: deque[Given] = deque()
        self._room = threading.Semaphore(_UNDER_WAY)
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name="replies", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> int:
        """How many orders it has."""
        return len(self._given)

    def give(self, jobs: list[FileJob], message: bytes) -> threading.Event:
        """Hand over an order; waits while it has enough. Raises what stopped the run."""
        while not self._room.acquire(timeout=_POLL_SECONDS):
            self._tools.trouble.raise_error()
        given = Given(jobs, threading.Event())
        self._given.append(given)
        with suppress(BrokenPipeError):  # the end of its replies says it
            self._process.send(message)
        return given.done

    def close(self) -> None:
        """Have it end, and wait for that."""
        self._closing = True
        self._process.finish()
        self._thread.join()

    def _listen(self) -> None:
        try:
            while (message := self._process.receive()) is not None:
                self._take(_replies.decode(message))
            code = self._process.wait()
            if not self._closing:
                raise _ended(code)
        except BaseException as error:  # noqa: BLE001 - raised where the run waits
            self._tools.trouble.note(error)

    def _take(self, reply: Reply) -> None:
        given = self._given.popleft()
        reply.findings = [each for each in reply.findings if each not in self._told]
        self._told.update(reply.findings)
        self._index.note_lost(reply.lost)
        reply.tell(given.jobs, self._tools.report)
        if reply.stop is not None:
            self._tools.trouble.note(reply.stop.error())
            return
        given.done.set()
        self._room.release()


def _ended(code: int) -> TwofoldError:
    how = signal.Signals(-code).name if code < 0 else f"with code {code}"
    return TwofoldError(
        f"a process that wrote files was ended ({how})",
        hint="if memory was short, close other programs; the same restore, run again, goes on",
    )


class Crew:
    """Writes files as ``FileContents`` does, most of them in other processes."""

    def __init__(
        self, count: int, make: Callable[[Tools], FileContents], tools: Tools, index: Index
    ) -> None:
        """``make`` gives readers and writers, for each process and for what is done here. OSError.

        Before any other thread is started.
        """
        there = _There(make, tools, index)
        told: set[Finding] = set()
        self._hands = [Hand(each, tools, index, told) for each in _copies(count, there.serve)]
        self._tools = tools
        self._here = make(tools)
        self._given: list[threading.Event] = []

    def write(self, jobs: Iterable[FileJob]) -> None:
        """Hand out files; some may still be on their way afterwards."""
        here: list[FileJob] = []
        for order in _orders_of(jobs, here):
            self._tools.trouble.raise_error()
            hand = min(self._hands, key=lambda each: each.busy)
            message = msgspec.msgpack.encode(order_of(order))
            self._given.append(hand.give(order, message))
        self._here.write(here)

    def mark(self) -> list[threading.Event]:
        """Each set once something handed out so far is written; never if the run stopped."""
        self._given = [given for given in self._given if not given.is_set()]
        return [*self._given, *self._here.mark()]

    def drain(self) -> None:
        """Wait until all that was handed out is written. Raises what stopped the run."""
        self._tools.trouble.wait(self.mark())
        self._here.drain()

    def close(self) -> None:
        """End the processes; what is not finished is removed."""
        for hand in self._hands:
            hand.close()
        self._here.close()


def _copies(count: int, serve: Serve) -> list[Process]:
    """All of them, or none and an OSError."""
    made: list[Process] = []
    try:
        while len(made) < count:
            made.append(Process(serve, made))
    except OSError:
        for process in made:
            process.finish()
            process.wait()
        raise
    return made


def _orders_of(jobs: Iterable[FileJob], here: list[FileJob]) -> Iterator[list[FileJob]]:
    """Files to be written elsewhere, a few at a time; the others are put ``here``."""
    order: list[FileJob] = []
    size = 0
    for job in jobs:
        if job.aside or job.state is not None or (job.node.more and job.node.more.seconds):
            here.append(job)
            continue
        order.append(job)
        size += job.node.size
        if len(order) >= ORDER_FILES or size >= ORDER_BYTES:
            yield order
            order, size = [], 0
    if order:
        yield order


class _There(msgspec.Struct, frozen=True):
    """The other end, in the other process."""

    make: Callable[[Tools], FileContents]
    tools: Tools
    index: Index

    def serve(self, messages: Iterator[bytes], give: Callable[[bytes], None]) -> None:
        """Write what is ordered until no more comes; when that is early, leave the rest."""
        findings: list[Event] = []
        self.tools.report.divert(findings.append)
        waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        listening = messages, waiting, self.tools.trouble
        threading.Thread(target=_listen, args=listening, daemon=True).start()
        files = self.make(self.tools)
        while (message := waiting.get()) is not None:
            reply = self._written(files, _orders.decode(message).jobs())
            self.tools.report.flush()
            reply.findings = [each for each in findings if isinstance(each, Finding)]
            reply.lost = list(self.index.lost)
            findings.clear()
            give(msgspec.msgpack.encode(reply))
        files.close()

    def _written(self, files: FileContents, jobs: list[FileJob]) -> Reply:
        stop = None
        try:
            files.write(jobs)
            files.drain()
        except BaseException as error:  # noqa: BLE001 - raised in the process that decides
            stop = Stop.of(error)
        reply = Reply.of(jobs, self.tools.report.take())
        reply.stop = stop
        return reply


def _listen(
    messages: Iterator[bytes], waiting: "queue.SimpleQueue[bytes | None]", trouble: Trouble
) -> None:
    for message in messages:
        waiting.put(message)
    trouble.note(RuntimeError("the restore was stopped"))
    waiting.put(None)
