"""CRC-32C (Castagnoli), as VHDX and newer file systems use it.

The reflected polynomial 0x82F63B78. Long data goes 32 bits at a time through two tables of 65,536
entries: one loop turn per four bytes, which is what Python can do. Making those takes as long as
some ten thousand bytes do one by one, so short data, such as superblocks and descriptors, does
without them.
"""

import struct
from array import array
from functools import cache

Buffer = bytes | bytearray | memoryview

_POLYNOMIAL = 0x82F63B78
_ALL = 0xFFFFFFFF
_LONG = 16 << 10  # bytes that are worth the large tables


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
    view = memoryview(data).cast("B")
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
