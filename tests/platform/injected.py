"""Acting in a forked process whose system calls fail at will; strace(1) does it from outside."""

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.platform.oracles import in_child


def injected(call: str, what: str, action: Callable[[], str]) -> str:
    """What ``action`` returns in a child process to which strace does ``what`` at ``call``.

    Calls are counted from the start of the action. ``call`` may name several, as strace does.
    """
    if not shutil.which("strace"):
        pytest.skip("no strace")
    waiting, start = os.pipe()
    tell, told = os.pipe()

    def traced() -> str:
        os.write(told, b"%10d" % os.getpid())
        os.read(waiting, 1)
        return action()

    tracer = os.fork()
    if not tracer:
        _trace(int(os.read(tell, 10)), call, what, start)
    try:
        return in_child(traced)
    finally:
        os.waitpid(tracer, 0)
        for fd in (waiting, start, tell, told):
            os.close(fd)


def _trace(pid: int, call: str, what: str, start: int) -> None:
    """In a process of its own: attach, give the sign, and stay until the other one has ended."""
    words = ["strace", "-e", f"trace={call}", "-e", f"inject={call}:{what}", "-p", str(pid)]
    try:
        strace = subprocess.Popen(words, stderr=subprocess.PIPE)
        assert strace.stderr is not None
        line = strace.stderr.readline()  # "Process ... attached", or why not
        os.write(start, b"+" if b"attached" in line else b"-")
        strace.communicate()
    finally:
        os._exit(0)
