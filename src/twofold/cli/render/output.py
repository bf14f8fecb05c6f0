"""stdout, whose reader may go away and whose disk may be full.

A listing stops when nobody reads it any more; a backup goes on, for its work does not depend on who
watches. What happens is decided by ``stop_when_closed``.
"""

import errno
import os
from collections.abc import Callable
from typing import TextIO

from twofold.errors import TwofoldError

GONE = {errno.EPIPE, errno.EINVAL}  # the second is how Windows says it


class OutputClosed(Exception):
    """Whoever reads our results has gone away."""


class Output:
    """A text stream that survives its reader."""

    def __init__(self, stream: TextIO, *, stop_when_closed: bool) -> None:
        self.stream = stream
        self._stop_when_closed = stop_when_closed
        self._closed = False

    def write(self, text: str) -> None:
        """Write, or drop the text when nobody reads."""
        self._guarded(lambda: self.stream.write(text))

    def write_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """The same with bytes as they are."""
        self._guarded(lambda: self.stream.buffer.write(data))

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._guarded(self.stream.flush)

    def _guarded(self, deed: Callable[[], object]) -> None:
        if self._closed:
            return
        try:
            deed()
        except OSError as error:
            self._abandon()
            if error.errno not in GONE:
                raise TwofoldError(f"the output cannot be written ({error.strerror})") from error
            if self._stop_when_closed:
                raise OutputClosed from None

    def _abandon(self) -> None:
        """Lead what is still buffered nowhere, or the interpreter would complain at its end."""
        self._closed = True
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            return  # the stream has no file behind it
