"""Bitmaps of units: one bit each, unit 0 in the lowest bit of the first byte.

That of a large disk takes half a gigabyte, so whatever looks at all of one does so piece by piece.
"""

from collections.abc import Callable, Iterator

_PIECE = 1 << 20


def fill(bits: bytearray, first: int, count: int, *, used: bool = True) -> None:
    """Set (or clear) neighbouring bits; nothing when ``count`` is not positive."""
    end = first + max(0, count)
    head = min(-first % 8, end - first)
    _few(bits, first, first + head, used=used)
    whole = (end - first - head) // 8
    start = (first + head) // 8
    bits[start : start + whole] = (b"\xff" if used else b"\0") * whole
    _few(bits, (start + whole) * 8 if head < end - first else end, end, used=used)


def _few(bits: bytearray, first: int, end: int, *, used: bool) -> None:
    for unit in range(first, end):
        if used:
            bits[unit // 8] |= 1 << unit % 8
        else:
            bits[unit // 8] &= ~(1 << unit % 8)


def cut(bits: bytearray, units: int) -> bytearray:
    """Cut to a number of units, in place; bits behind the last are clear."""
    del bits[-(-units // 8) :]
    if units % 8:
        bits[-1] &= (1 << units % 8) - 1
    return bits


def full(units: int) -> bytearray:
    """All in use."""
    return cut(bytearray(b"\xff") * -(-units // 8), units)


def change(one: bytearray, other: bytes | bytearray, how: Callable[[int, int], int]) -> None:
    """Make one of two of one length, in place, what ``how`` gives of the bits of both."""
    view = memoryview(other)
    for at in range(0, len(one), _PIECE):
        piece = slice(at, min(at + _PIECE, len(one)))
        new = how(int.from_bytes(one[piece], "little"), int.from_bytes(view[piece], "little"))
        one[piece] = new.to_bytes(piece.stop - at, "little")


def count(bits: bytes | bytearray) -> int:
    """How many are set."""
    return sum(int.from_bytes(piece, "little").bit_count() for piece in _pieces(bits))


def _pieces(bits: bytes | bytearray) -> Iterator[memoryview]:
    view = memoryview(bits)
    return (view[at : at + _PIECE] for at in range(0, len(view), _PIECE))


def gathered(read: Callable[[int, int], bytes], length: int) -> bytearray:
    """What a stream holds, from its start on; ``read`` takes offset and length."""
    bits = bytearray(length)
    for at in range(0, length, _PIECE):
        end = min(at + _PIECE, length)
        bits[at:end] = read(at, end - at)
    return bits
