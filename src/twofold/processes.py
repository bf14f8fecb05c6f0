"""Copies of this process that answer messages, each with an interpreter lock of its own.

    this process                     the copy (fork)
    send(message) ─────── pipe ────► messages ─► answer
    receive() ◄────────── pipe ───── replies

A copy has all that was there when it was made, so nothing is handed over but messages. The end of
its messages tells it to end, which also comes when this process dies in any way; signals are for
this process, and a copy passes over them. Only where the system can fork, and only while no other
thread is at work, whose locks a copy would find taken for ever.
"""

import gc
import os
import signal
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_LENGTH = struct.Struct("<Q")
_READ = 1 << 20
_PASSED_OVER = ("SIGINT", "SIGTERM", "SIGHUP")

Serve = Callable[[Iterator[bytes], Callable[[bytes], None]], None]
"""What a copy does: takes messages until they end, and gives replies."""


def processors() -> int:
    """How many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def can_copy() -> bool:
    """Whether this process may be copied now."""
    return hasattr(os, "fork") and threading.active_count() == 1


class Process:
    """One copy. ``receive`` and ``send`` may be called by one thread each."""

    def __init__(self, serve: Serve, others: Sequence["Process"] = ()) -> None:
        """``others``: those made before; their ends must not stay open in this one. OSError."""
        theirs, self._out = os.pipe()
        try:
            self._in, back = os.pipe()
        except OSError:
            _close(theirs, self._out)
            raise

        def serve_there() -> None:
            for each in (*others, self):
                each.let_go()
            serve(_messages(theirs), lambda reply: _write(back, reply))

        gc.freeze()  # in the copy nobody goes through what is shared, which would double it
        try:
            self._id = _copied(serve_there)
        except OSError:
            _close(theirs, self._out, self._in, back)
            raise
        finally:
            gc.unfreeze()
        _close(theirs, back)

    def send(self, message: bytes) -> None:
        """Give it something to do. ``BrokenPipeError`` when it has ended."""
        _write(self._out, message)

    def receive(self) -> bytes | None:
        """Its next reply; None when it has ended."""
        return next(_messages(self._in), None)

    def finish(self) -> None:
        """Let it end: no more messages come."""
        _close(self._out)

    def let_go(self) -> None:
        """Close both ends; the process goes on for whoever else holds them."""
        _close(self._out, self._in)

    def wait(self) -> int:
        """Its exit code, or minus the signal that ended it, once it has ended; ``finish`` first."""
        _close(self._in)
        return os.waitstatus_to_exitcode(os.waitpid(self._id, 0)[1])


def _copied(work: Callable[[], None]) -> int:
    """The number of a copy of this process, which does some work and ends. OSError.

    No signal reaches it before it passes them over: it would go the way of the one that made it.
    """
    fork: Callable[[], int] | None = getattr(os, "fork", None)
    if fork is None:
        raise OSError("this system copies no processes")
    with _signals_held():
        number = fork()
        if number == 0:
            _be_a_copy(work)
    return number


@contextmanager
def _signals_held() -> Iterator[None]:
    has = vars(signal)  # not everywhere the same
    before = has["pthread_sigmask"](has["SIG_BLOCK"], _passed_over())
    try:
        yield
    finally:
        has["pthread_sigmask"](has["SIG_SETMASK"], before)


def _passed_over() -> list[int]:
    return [vars(signal)[name] for name in _PASSED_OVER]


def _be_a_copy(work: Callable[[], None]) -> None:
    """Work, and end without going back to where the copy was made."""
    code = 1
    try:
        for number in _passed_over():
            signal.signal(number, signal.SIG_IGN)
        work()
        code = 0
    finally:
        os._exit(code)


def _close(*handles: int) -> None:
    for handle in handles:
        os.close(handle)


def _write(handle: int, message: bytes) -> None:
    view = memoryview(_LENGTH.pack(len(message)) + message)
    while view:
        view = view[os.write(handle, view) :]


def _messages(handle: int) -> Iterator[bytes]:
    """Whole ones; one that was cut short is none."""
    while len(head := _read(handle, _LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        message = _read(handle, length)
        if len(message) < length:
            return
        yield message


def _read(handle: int, length: int) -> bytes:
    """So many bytes, or fewer at the end."""
    pieces: list[bytes] = []
    while length and (piece := os.read(handle, min(length, _READ))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
