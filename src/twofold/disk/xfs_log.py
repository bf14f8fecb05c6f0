"""The log of an XFS volume: whether it ends with the record that unmounting writes.

The log is a ring of 512-byte blocks, each of which begins with the number of the round it was
written in (behind the magic number where a record begins). The head is where the rounds change. The
log is clean when the last record before it, and all of it, is the one of unmounting.
("XFS Algorithms & Data Structures", journaling log.)
"""

import struct

from twofold.disk.base import BlockReader
from twofold.errors import FormatError

_BLOCK = 512
_MAGIC = 0xFEEDBABE
_LARGEST_RECORD = 256 << 10
_HEADER_SPAN = 32 << 10
"""One header block describes so many bytes."""
_UNMOUNT = 0x20


def is_clean(reader: BlockReader, start: int, size: int) -> bool:
    """Whether the log at a byte offset needs no replay; false when it cannot be understood."""
    try:
        return _ends_with_unmount(reader, start, _head(reader, start, size // _BLOCK))
    except FormatError:
        return False


def _round(reader: BlockReader, start: int, block: int) -> int:
    first, second = struct.unpack(">II", reader.read(start + block * _BLOCK, 8))
    return int(second if first == _MAGIC else first)


def _head(reader: BlockReader, start: int, blocks: int) -> int:
    """The first block of the round before, by halving; the end when all are of one round."""
    first = _round(reader, start, 0)
    low, high = 0, blocks
    while high - low > 1:
        middle = (low + high) // 2
        if _round(reader, start, middle) == first:
            low = middle
        else:
            high = middle
    return high


def _ends_with_unmount(reader: BlockReader, start: int, head: int) -> bool:
    """Whether the last record before the head is the one, complete."""
    first = max(0, head - _LARGEST_RECORD // _BLOCK - _LARGEST_RECORD // _HEADER_SPAN)
    raw = reader.read(start + first * _BLOCK, (head - first) * _BLOCK)
    for place in range(len(raw) - _BLOCK, -1, -_BLOCK):
        magic, _, version, length = struct.unpack_from(">IIII", raw, place)
        if magic == _MAGIC:
            (operations,) = struct.unpack_from(">I", raw, place + 40)
            (span,) = struct.unpack_from(">I", raw, place + 320)
            headers = max(1, -(-span // _HEADER_SPAN)) if version & 2 else 1
            body = place + headers * _BLOCK
            complete = body + -(-length // _BLOCK) * _BLOCK == len(raw)
            one = complete and operations == 1 and body + 9 < len(raw)
            return one and bool(raw[body + 9] & _UNMOUNT)
    return False
