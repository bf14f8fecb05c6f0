"""The checksums of exFAT: rotate right by one bit, add the next byte.

(exFAT specification 3.4, figure 1; 6.3.3, figure 2; 7.2.2, figure 3.)

Zeros, which most of a boot region is, only rotate: a run of them is one step.
"""

import re
from functools import lru_cache

_ZEROS = re.compile(rb"\0{8,}")


@lru_cache(maxsize=4)  # nearly all volumes have the same one
def table_checksum(data: bytes) -> int:
    """Of the up-case table, 32 bits."""
    return _sum(data, 32)


def boot_checksum(sectors: bytes) -> int:
    """Of the first 11 sectors of a boot region, 32 bits.

    Volume flags (106, 107) and percentage in use (112) change all the time and are left out.
    """
    return _sum(sectors[:106] + sectors[108:112] + sectors[113:], 32)


def set_checksum(slots: bytes) -> int:
    """Of a directory entry with its secondary entries, 16 bits; it stands in bytes 2 and 3."""
    return _sum(slots[:2] + slots[4:], 16)


def _sum(data: bytes, bits: int) -> int:
    total, at = 0, 0
    for zeros in _ZEROS.finditer(data):
        total = _added(total, data[at : zeros.start()], bits)
        turn = (zeros.end() - zeros.start()) % bits
        total = (total >> turn | total << bits - turn) & (1 << bits) - 1
        at = zeros.end()
    return _added(total, data[at:], bits)


def _added(total: int, data: bytes, bits: int) -> int:
    top, mask = bits - 1, (1 << bits) - 1
    for byte in data:
        total = ((total & 1) << top | total >> 1) + byte & mask
    return total
