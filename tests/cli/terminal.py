"""A terminal for the program under test: what is typed is answered, what is shown is kept."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from .world import COMMAND, Program

CONTROLLING = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


@dataclass
class Terminal:
    """A pseudo-terminal with a program in it."""

    master: int
    process: "subprocess.Popen[bytes]"
    seen: bytes = b""
    _answered: int = field(default=0)

    @classmethod
    def start(
        cls,
        program: Program,
        *words: str,
        stdout: "int | IO[bytes] | None" = None,
        columns: int = 100,
    ) -> "Terminal":
        """Run the program with the terminal as its controlling one."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", CONTROLLING, *COMMAND, *words],
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            env={**program.env, "TERM": "xterm-256color"},
            cwd=program.place,
            start_new_session=True,
        )
        os.close(slave)
        return cls(master, process)

    def wait_for(self, text: str) -> None:
        """Read on until something new appears."""
        self._read(lambda: text.encode() in self.seen[self._answered :])

    def answer(self, question: str, line: str) -> None:
        """Type a line when a question appears."""
        self.wait_for(question)
        time.sleep(0.1)  # echo is switched off right after the question
        self._answered = len(self.seen)
        os.write(self.master, line.encode() + b"\n")

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        os.write(self.master, b"\x03")

    def end(self) -> int:
        """Read to the end; the exit code."""
        self._read(lambda: False)
        os.close(self.master)
        return self.process.wait(30)

    @property
    def text(self) -> str:
        """Everything that was shown."""
        return self.seen.decode("utf-8", "replace").replace("\r\n", "\n")

    def _read(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not done():
            ready, _, _ = select.select([self.master], [], [], 0.2)
            try:
                data = os.read(self.master, 65536) if ready else None
            except OSError:  # the last one on the other side has gone
                return
            if data == b"":
                return
            self.seen += data or b""
            if time.monotonic() > deadline:
                self.process.send_signal(signal.SIGKILL)
                raise AssertionError(f"waited in vain; seen: {self.text}")
