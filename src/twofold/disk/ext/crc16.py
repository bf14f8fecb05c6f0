"""CRC-16 (polynomial 0x8005, reflected), as ext4 uses it for groups that are not initialized."""

from functools import cache


@cache
def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)  # noqa: PLW2901 - shifted out
        table.append(value)
    return tuple(table)


def crc16(seed: int, data: bytes) -> int:
    """The check sum of ``data``, beginning with ``seed``."""
    table = _table()
    for byte in data:
        seed = seed >> 8 ^ table[(seed ^ byte) & 0xFF]
    return seed
