"""Bitmaps of units: one bit each, unit 0 in the lowest bit of the first byte."""


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


def union(one: bytes | bytearray, other: bytes | bytearray) -> bytearray:
    """What is set in either of two of one length."""
    bits = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return bytearray(bits.to_bytes(len(one), "little"))
