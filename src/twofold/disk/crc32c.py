"""CRC-32C (Castagnoli), as VHDX and newer file systems use it.

The reflected polynomial 0x82F63B78 is applied to 32 bits at a time with two tables of 65,536
entries: one loop turn per four bytes, which is what Python can do.
"""

import struct
from array import array
from functools import cache

Buffer = bytes | bytearray | memoryview

_POLYNOMIAL = 0x82F63B78


@cache
def _tables() -> "tuple[array[int], array[int]]":
    """What the low half and the high half of a word add to the remainder."""
    bytewise = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)  # noqa: PLW2901 - shifted out
        bytewise.append(value)

    def shift(value: int) -> int:
        return value >> 8 ^ bytewise[value & 0xFF]

    high = array("I", (shift(shift(value)) for value in range(0x10000)))
    low = array("I", (shift(shift(value)) for value in high))
    return low, high


def crc32c(data: Buffer, before: int = 0) -> int:
    """The checksum of ``data``, going on from that of what came before it."""
    low, high = _tables()
    crc = before ^ 0xFFFFFFFF
    view = memoryview(data).cast("B")
    whole = len(view) & ~3
    for (word,) in struct.iter_unpack("<I", view[:whole]):
        word ^= crc  # noqa: PLW2901 - the remainder is folded into the next word
        crc = low[word & 0xFFFF] ^ high[word >> 16]
    for byte in view[whole:]:
        index = (crc ^ byte) & 0xFF
        crc = crc >> 8 ^ high[index << 8]
    return crc ^ 0xFFFFFFFF
