"""CRC-32C (Castagnoli), as VHDX and newer file systems use it.

The reflected polynomial 0x82F63B78. Long data goes 32 bits at a time through two tables of 65,536
entries: one loop turn per four bytes, which is what Python can do. Making those takes as long as
some ten thousand bytes do one by one, so short data, such as superblocks and descriptors, does
without them.

Tables on disks are mostly zeros. A zero byte changes the remainder linearly, so that many of them
are a few products of bit matrices, one for each power of two.

All of that is for computers without the extension, which is some hundred times as quick.
"""

import re
import struct
from array import array
from collections.abc import Iterator
from functools import cache

from twofold.native import EXTENSION

Buffer = bytes | bytearray | memoryview

_POLYNOMIAL = 0x82F63B78
_ALL = 0xFFFFFFFF
_LONG = 16 << 10  # bytes that are worth the large tables
_ZEROS = bytes(1 << 10)  # so many are worth the matrices
_RUN = re.compile(rb"\0+")


@cache
def _bytewise() -> "array[int]":
    """What a byte adds to the remainder."""
    table = array("I")
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)  # noqa: PLW2901 - shifted out
        table.append(value)
    return table


@cache
def _wordwise() -> "tuple[array[int], array[int]]":
    """What the low half and the high half of a word add to the remainder."""
    bytewise = _bytewise()

    def shift(value: int) -> int:
        return value >> 8 ^ bytewise[value & 0xFF]

    high = array("I", (shift(shift(value)) for value in range(0x10000)))
    low = array("I", (shift(shift(value)) for value in high))
    return low, high


def crc32c(data: Buffer, before: int = 0) -> int:
    """The checksum of ``data``, going on from that of what came before it."""
    return remainder(before ^ _ALL, data) ^ _ALL


def remainder(seed: int, data: Buffer) -> int:
    """The same without the inversions at the start and the end, as ext4 uses it."""
    if EXTENSION is None:
        return remainder_twin(seed, data)
    found: int = EXTENSION.crc32c_remainder(seed, data)
    return found


def remainder_twin(seed: int, data: Buffer) -> int:
    """The same without the extension."""
    full = bytes(data)
    at = 0
    for start, end in _empty(full):
        seed = _passed(_summed(seed, full[at:start]), end - start)
        at = end
    return _summed(seed, full[at:] if at else full)


def _empty(data: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of the long runs of zeros."""
    start = data.find(_ZEROS)
    while start >= 0:
        end = _RUN.match(data, start).end()  # type: ignore[union-attr]  # it was found there
        yield start, end
        start = data.find(_ZEROS, end)


def _summed(seed: int, data: bytes) -> int:
    """Byte by byte, or by words."""
    view = memoryview(data)
    whole = len(view) & ~3 if len(view) >= _LONG else 0
    if whole:
        low, high = _wordwise()
        for (word,) in struct.iter_unpack("<I", view[:whole]):
            word ^= seed  # noqa: PLW2901 - the remainder is folded into the next word
            seed = low[word & 0xFFFF] ^ high[word >> 16]
    bytewise = _bytewise()
    for byte in view[whole:]:
        seed = seed >> 8 ^ bytewise[(seed ^ byte) & 0xFF]
    return seed


def _passed(seed: int, zeros: int) -> int:
    """The remainder after so many zero bytes."""
    power = 0
    while zeros:
        if zeros & 1:
            seed = _product(_matrix(power), seed)
        zeros >>= 1
        power += 1
    return seed


@cache
def _matrix(power: int) -> tuple[int, ...]:
    """What each bit of a remainder has become after 2^power zero bytes."""
    if not power:
        bytewise = _bytewise()
        return tuple(bit >> 8 ^ bytewise[bit & 0xFF] for bit in (1 << n for n in range(32)))
    half = _matrix(power - 1)
    return tuple(_product(half, column) for column in half)


def _product(matrix: tuple[int, ...], seed: int) -> int:
    total = 0
    while seed:
        total ^= matrix[seed.bit_length() - 1]
        seed ^= 1 << seed.bit_length() - 1
    return total
