"""Update sequences: how NTFS tells that a record of several sectors was written only half.

The last two bytes of every 512 bytes of a record are replaced by the same number; what belongs
there waits in an array near the record's start, behind that number:

    0 4 magic    4 2 place of the array    6 2 its length: 1 + record / 512

Putting back the two bytes is the first thing to do with every record. The table of files holds
millions; where all records of a block are alike, which is the rule, slices with a stride do a
whole block in a few copies (``mend_block``), and nothing is done per record.
"""

import struct

from twofold.errors import FormatError

STRIDE = 512

_HEAD = struct.Struct("<4sHH")


def mend(record: bytes, magic: bytes) -> bytes:
    """The record as it was meant; FormatError when it is torn or is not of this magic."""
    data = bytearray(record)
    if data[:4] != magic:
        raise FormatError(f"a record begins with {bytes(data[:4])!r} instead of {magic!r}")
    if not mend_at(data, 0, len(data)):
        raise FormatError("a record was written only in part")
    return bytes(data)


def mend_at(data: bytearray, at: int, size: int) -> bool:
    """Put back the last bytes of each sector of one record; False when the record is torn."""
    _, place, count = _HEAD.unpack_from(data, at)
    if count != size // STRIDE + 1 or place & 1 or place + 2 * count > STRIDE - 2:
        return False
    number = data[at + place : at + place + 2]
    for index in range(1, count):
        end = at + index * STRIDE
        if data[end - 2 : end] != number:
            return False
        source = at + place + 2 * index
        data[end - 2 : end] = data[source : source + 2]
    return True


def mend_block(data: bytearray, size: int, magic: bytes) -> set[int]:
    """Mend every record of a block in place; gives those that are torn or of another magic."""
    if len(data) >= size and _alike(data, size, magic):
        return set()
    damaged = set()
    for index in range(len(data) // size):
        at = index * size
        if data[at : at + 4] != magic or not mend_at(data, at, size):
            damaged.add(index)
    return damaged


def _alike(data: bytearray, size: int, magic: bytes) -> bool:
    """Mend all at once if all have the same shape and none is torn; else nothing is changed."""
    total, count = len(data) // size, size // STRIDE + 1
    place = data[4] | data[5] << 8
    head = magic + struct.pack("<HH", place, count)
    if place & 1 or place + 2 * count > STRIDE - 2:
        return False
    if any(data[index::size] != head[index : index + 1] * total for index in range(8)):
        return False
    ends = [
        (index, index * STRIDE - 2 + byte, byte) for index in range(1, count) for byte in (0, 1)
    ]
    if any(data[end::size] != data[place + byte :: size] for _, end, byte in ends):
        return False
    for index, end, byte in ends:
        data[end::size] = data[place + 2 * index + byte :: size]
    return True
