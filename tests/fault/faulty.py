"""A twin of the file system calls that fails, dies or stumbles at the k-th call.

``install(kind, k)`` puts a twin in place of the calls every local store uses from then on; do it in
a forked child (``forked``), so that a death kills only the child and nothing has to be undone:

    calls = count(lambda: run_program())                     # how many places there are to fail
    for k in range(1, calls + 1):
        forked(lambda: (install(Kind.KILL_BEFORE, k), run_program()))
        ...look at what is left...
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from twofold.backend import files
from twofold.backend.files import Entry, FileCalls

MUTATING = (
    "open_new",
    "write",
    "sync_file",
    "close",
    "rename_new",
    "rename",
    "link",
    "unlink",
    "make_dir",
    "sync_dir",
)
READING = ("open_read", "open_existing", "scan", "read_at", "stat", "stat_open", "lock")
PROGRAM_FAILED = 99
"""Exit code of a forked child whose action raised."""


class Kind(StrEnum):
    """What happens at the k-th call."""

    NOTHING = "nothing"
    FAIL = "fail"  # the call is not made and raises OSError
    FAIL_AFTER = "fail after"  # the call is made, then raises OSError: a lost reply
    KILL_BEFORE = "kill before"
    KILL_AFTER = "kill after"
    TORN = "torn"  # a write takes half of its bytes, then the process dies; others: kill before
    SHORT = "short"  # this write and all later ones take at most a third of their bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at the ``at``-th call, counted from 1.

    Counted are all mutating calls, or those named ``call`` alone.
    """

    kind: Kind
    at: int = 0
    code: int = errno.EIO
    call: str = ""


class FaultyCalls(FileCalls):
    """The real calls with one fault among them; ``made`` has the names of the counted calls."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.made: list[str] = []
        self.fired = False

    def _due(self, call: str) -> bool:
        """Count a call; whether it is the one."""
        wanted = call == self.fault.call if self.fault.call else call in MUTATING
        if wanted:
            self.made.append(call)
        due = wanted and len(self.made) == self.fault.at
        self.fired |= due
        return due

    @contextmanager
    def _around(self, call: str) -> Iterator[bool]:
        """Make a call, or have the fault instead or afterwards; tells whether it is the one."""
        due = self._due(call)
        if due and self.fault.kind == Kind.FAIL:
            raise self._error(call)
        if due and self.fault.kind in (Kind.KILL_BEFORE, Kind.TORN):
            die()
        try:
            yield due
        finally:
            if due and self.fault.kind == Kind.KILL_AFTER:
                die()
        if due and self.fault.kind == Kind.FAIL_AFTER:
            raise self._error(call)

    def _error(self, call: str) -> OSError:
        return OSError(self.fault.code, os.strerror(self.fault.code), call)

    def write(self, fd: int, data: memoryview) -> int:
        if self.fault.kind == Kind.SHORT:
            self._due("write")
            return super().write(fd, data[: max(1, len(data) // 3)] if self.fired else data)
        if self.fault.kind == Kind.TORN:
            if self._due("write"):
                super().write(fd, data[: len(data) // 2])
                die()
            return super().write(fd, data)
        with self._around("write"):
            return super().write(fd, data)

    def open_new(self, path: str) -> int:
        fd = -1
        try:
            with self._around("open_new"):
                fd = super().open_new(path)
        except OSError:
            if fd >= 0:
                os.close(fd)  # the caller got no descriptor to close
            raise
        return fd

    def open_read(self, path: str) -> int:
        with self._around("open_read"):
            return super().open_read(path)

    def open_existing(self, path: str) -> int:
        with self._around("open_existing"):
            return super().open_existing(path)

    def sync_file(self, fd: int) -> None:
        with self._around("sync_file"):
            super().sync_file(fd)

    def sync_dir(self, path: str) -> bool:
        with self._around("sync_dir"):
            return super().sync_dir(path)

    def lock(self, fd: int) -> bool:
        with self._around("lock"):
            return super().lock(fd)

    def close(self, fd: int) -> None:
        made = False
        try:
            with self._around("close"):
                made = True
                super().close(fd)
        finally:
            if not made:
                super().close(fd)  # a close that fails has closed all the same

    def rename_new(self, source: str, target: str) -> None:
        with self._around("rename_new"):
            super().rename_new(source, target)

    def rename(self, source: str, target: str) -> None:
        with self._around("rename"):
            super().rename(source, target)

    def link(self, source: str, target: str) -> None:
        with self._around("link"):
            super().link(source, target)

    def unlink(self, path: str) -> None:
        with self._around("unlink"):
            super().unlink(path)

    def make_dir(self, path: str) -> None:
        with self._around("make_dir"):
            super().make_dir(path)

    def scan(self, path: str) -> list[Entry]:
        with self._around("scan"):
            return super().scan(path)

    def read_at(self, fd: int, length: int, offset: int) -> bytes:
        with self._around("read_at"):
            return super().read_at(fd, length, offset)

    def stat(self, path: str) -> os.stat_result:
        with self._around("stat"):
            return super().stat(path)

    def stat_open(self, fd: int) -> os.stat_result:
        with self._around("stat_open"):
            return super().stat_open(fd)


def die() -> None:
    """End this process as a power switch would: no clean-up of any kind."""
    os.kill(os.getpid(), signal.SIGKILL)


def install(kind: Kind, at: int = 0, code: int = errno.EIO, call: str = "") -> FaultyCalls:
    """Let every local store of this process that is opened from now on use a twin."""
    twin = FaultyCalls(Fault(kind, at, code, call))
    files.DEFAULT_CALLS = twin
    return twin


def forked(action: Callable[[], object]) -> int:
    """Run an action in a forked child: its exit code, or minus the signal that ended it.

    The action may end with ``os._exit`` or return; an exception makes PROGRAM_FAILED.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = PROGRAM_FAILED
        try:
            action()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def count(action: Callable[[], object], call: str = "") -> int:
    """How many mutating calls (or calls of one name) an action makes; it runs in this process."""
    before = files.DEFAULT_CALLS
    try:
        twin = install(Kind.NOTHING, call=call)
        action()
    finally:
        files.DEFAULT_CALLS = before
    return len(twin.made)
