"""Arithmetic in GF(2^8) with polynomial 0x11d and generator 2, on whole rows of bytes at once.

A row of bytes is one big little-endian integer, so adding is ``^``. Doubling every byte shifts
the integer left with the high bit of each byte masked off and xors 0x1d into the bytes that had
it set. Multiplying by any other constant is a ``bytes.translate`` with a table of multiples.
"""

from collections.abc import Iterable
from functools import lru_cache

_POLYNOMIAL = 0x11D


def fold(rows: Iterable[int], width: int) -> tuple[int, int]:
    """The sums of D_r and of 2^r * D_r over rows D_r of ``width`` bytes, given last row first.

    The order is that of Horner's rule, which needs one doubling per row.
    """
    high = _high_bits(width)
    reduction = _POLYNOMIAL & 0xFF
    p = q = 0
    for row in rows:
        p ^= row
        carry = q & high
        q = ((q ^ carry) << 1) ^ ((carry >> 7) * reduction) ^ row
    return p, q


def power_of_two(exponent: int) -> int:
    """2^exponent in the field; exponents count modulo 255."""
    return _POWERS[exponent % 255]


def scale(row: bytes, factor: int) -> bytes:
    """Every byte multiplied by ``factor``, which is not 0."""
    return row.translate(_multiples(factor))


def divide(row: bytes, divisor: int) -> bytes:
    """Every byte divided by ``divisor``, which is not 0."""
    return scale(row, power_of_two(-_LOGARITHMS[divisor]))


@lru_cache(maxsize=4)
def _high_bits(width: int) -> int:
    return int.from_bytes(b"\x80" * width, "little")


@lru_cache(maxsize=256)
def _multiples(factor: int) -> bytes:
    shift = _LOGARITHMS[factor]
    return bytes([0, *(power_of_two(_LOGARITHMS[value] + shift) for value in range(1, 256))])


def _powers() -> tuple[int, ...]:
    powers = [1]
    while len(powers) < 255:
        double = powers[-1] << 1
        powers.append(double ^ _POLYNOMIAL if double & 0x100 else double)
    return tuple(powers)


_POWERS = _powers()
_LOGARITHMS = {power: exponent for exponent, power in enumerate(_POWERS)}
