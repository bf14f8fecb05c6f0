"""The searches for zeros, on slices that begin and end anywhere, against regular expressions.

An input is two cuts, then steps that make the data (``material.py``).
"""

import re
from struct import Struct

from tests.native.fuzz.material import expand, memory
from twofold.native import EXTENSION

HEADER = Struct("<BHH")  # flags, bytes cut off at the start and at the end
ZERO_RUN = 65_536
LARGEST = 400_000  # several runs, and blocks of 32 KiB before, in and behind them


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    flags, front, back = HEADER.unpack(data[: HEADER.size].ljust(HEADER.size, b"\1"))
    material = expand(data[HEADER.size :], LARGEST)
    part = material[front : max(front, len(material) - back)]
    if flags & 1:  # aligned, and nothing behind it
        held = memoryview(memory(part)).cast("B")
    else:
        held = memoryview(memory(material)).cast("B")[front : max(front, len(material) - back)]
    spans = [found.span() for found in re.finditer(rb"\0+", part)]
    assert EXTENSION.zero_runs(held) == [(a, b) for a, b in spans if b - a >= ZERO_RUN]
    assert EXTENSION.leading_zeros(held) == len(part) - len(part.lstrip(b"\0"))
    assert EXTENSION.trailing_zeros(held) == len(part) - len(part.rstrip(b"\0"))
    if flags & 2 and len(held) > 2:
        _refuses_what_is_in_pieces(held)


def _refuses_what_is_in_pieces(held: memoryview) -> None:
    """Every second byte of a buffer is no piece of memory."""
    assert EXTENSION is not None
    for function in (EXTENSION.zero_runs, EXTENSION.leading_zeros, EXTENSION.trailing_zeros):
        try:
            function(held[::2])
        except BufferError:
            continue
        raise AssertionError(f"{function} took a buffer in pieces")
