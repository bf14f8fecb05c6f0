"""The checksums of exFAT: rotate right by one bit, add the next byte.

(exFAT specification 3.4, figure 1; 6.3.3, figure 2; 7.2.2, figure 3.)
"""

_BOOT_LEFT_OUT = (106, 107, 112)  # volume flags and percentage in use, which change all the time
_SET_LEFT_OUT = (2, 3)  # the checksum itself


def table_checksum(data: bytes) -> int:
    """Of the up-case table, 32 bits."""
    total = 0
    for byte in data:
        total = ((total & 1) << 31 | total >> 1) + byte & 0xFFFFFFFF
    return total


def boot_checksum(sectors: bytes) -> int:
    """Of the first 11 sectors of a boot region, 32 bits."""
    total = 0
    for at, byte in enumerate(sectors):
        if at not in _BOOT_LEFT_OUT:
            total = ((total & 1) << 31 | total >> 1) + byte & 0xFFFFFFFF
    return total


def set_checksum(slots: bytes) -> int:
    """Of a directory entry with its secondary entries, 16 bits."""
    total = 0
    for at, byte in enumerate(slots):
        if at not in _SET_LEFT_OUT:
            total = ((total & 1) << 15 | total >> 1) + byte & 0xFFFF
    return total
