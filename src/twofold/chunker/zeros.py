"""Zero runs: the maximal ranges of at least 64 KiB of zero bytes, found at memory speed.

Any run of 64 KiB contains a whole aligned block of 32 KiB, so it is enough to look at those, and
one byte of each rules out nearly all of them. Blocks are compared with constant zeros (one
memcmp); the exact border of a run is found by halving, again with memcmp only. The C extension
does the same without the calls between.
"""

from collections.abc import Callable

from twofold.chunker.cut import Buffer
from twofold.native import EXTENSION

ZERO_RUN = 64 * 1024
"""Fewest zero bytes that make a zero run. Part of the format."""

_BLOCK = ZERO_RUN // 2
_ZEROS = bytes(_BLOCK)


def zero_runs(data: Buffer) -> list[tuple[int, int]]:
    """All maximal zero runs of ``data`` as (start, end) offsets, in order."""
    return _zero_runs(memoryview(data).cast("B"))


def leading_zeros(data: Buffer) -> int:
    """How many zero bytes ``data`` begins with."""
    return _leading_zeros(memoryview(data).cast("B"))


def trailing_zeros(data: Buffer) -> int:
    """How many zero bytes ``data`` ends with."""
    return _trailing_zeros(memoryview(data).cast("B"))


def _zero_runs_in_python(view: memoryview) -> list[tuple[int, int]]:
    whole = len(view) // _BLOCK * _BLOCK
    firsts = view[:whole:_BLOCK].tobytes()
    runs: list[tuple[int, int]] = []
    block = firsts.find(0)
    while block >= 0:
        after = block + 1
        at = block * _BLOCK
        if _ZEROS.startswith(view[at : at + _BLOCK]):
            # The block before is not all zero, else it would belong to a run already found.
            start = at - _trailing_zeros_in_python(view[max(at - _BLOCK, 0) : at])
            end = at + _leading_zeros_in_python(view[at:])
            if end - start >= ZERO_RUN:
                runs.append((start, end))
            after = end // _BLOCK + 1
        block = firsts.find(0, after)
    return runs


def _leading_zeros_in_python(view: memoryview) -> int:
    size = len(view)
    at = 0
    while at + _BLOCK <= size and _ZEROS.startswith(view[at : at + _BLOCK]):
        at += _BLOCK
    low, high = at, min(at + _BLOCK, size)
    while low < high:
        middle = (low + high + 1) // 2
        if _ZEROS.startswith(view[low:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def _trailing_zeros_in_python(view: memoryview) -> int:
    at = len(view)
    if not at or view[-1]:
        return 0
    while at >= _BLOCK and _ZEROS.startswith(view[at - _BLOCK : at]):
        at -= _BLOCK
    low, high = max(at - _BLOCK, 0), at
    while low < high:
        middle = (low + high) // 2
        if _ZEROS.startswith(view[middle:high]):
            high = middle
        else:
            low = middle + 1
    return len(view) - high


_zero_runs: Callable[[memoryview], list[tuple[int, int]]] = _zero_runs_in_python
_leading_zeros: Callable[[memoryview], int] = _leading_zeros_in_python
_trailing_zeros: Callable[[memoryview], int] = _trailing_zeros_in_python
if EXTENSION is not None:
    _zero_runs = EXTENSION.zero_runs
    _leading_zeros = EXTENSION.leading_zeros
    _trailing_zeros = EXTENSION.trailing_zeros
