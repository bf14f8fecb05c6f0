"""The two check sums of ext4: CRC-32C (``metadata_csum``) and CRC-16 (``uninit_bg``).

Byte by byte from a table: quick enough for superblocks and group descriptors, which decide where
everything lies. Bitmaps, inodes and directories are not checked: what they say is checked instead.
"""


def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)  # noqa: PLW2901 - shifted out
        table.append(value)
    return tuple(table)


_CRC32C = _table(0x82F63B78)
_CRC16 = _table(0xA001)


def crc32c(seed: int, data: bytes) -> int:
    """CRC-32C (Castagnoli) as ext4 uses it: reflected, without the last inversion."""
    for byte in data:
        seed = seed >> 8 ^ _CRC32C[(seed ^ byte) & 0xFF]
    return seed


def crc16(seed: int, data: bytes) -> int:
    """CRC-16 (polynomial 0x8005, reflected)."""
    for byte in data:
        seed = seed >> 8 ^ _CRC16[(seed ^ byte) & 0xFF]
    return seed
