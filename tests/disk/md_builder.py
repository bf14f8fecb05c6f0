"""Superblocks of Linux software RAID, as md writes them into members of arrays."""

import struct
from uuid import UUID

UUID_OF_ARRAY = "11111111-2222-3333-4444-555555555555"
MIRROR = 1


def md_1(
    size: int, version: str, level: int = MIRROR, *, start: int = 32 << 10
) -> tuple[int, bytes]:
    """Place and bytes of one of version 1 (md_p.h of Linux: struct mdp_superblock_1).

    ``start``: the first byte that the array has of the member, unless the superblock is at its end.
    """
    sector = {"1.0": (size // 512 - 16) & ~7, "1.1": 0, "1.2": 8}[version]
    block = bytearray(256 + 2 * 2)
    struct.pack_into("<IIII", block, 0, 0xA92B4EFC, 1, 0, 0)
    block[16:32] = UUID(UUID_OF_ARRAY).bytes
    block[32:41] = b"host:name"
    struct.pack_into("<QiIQIi", block, 64, 0, level, 0, 4096, 0 if level == MIRROR else 128, 2)
    struct.pack_into("<QQQ", block, 128, 0 if version == "1.0" else start // 512, 4096, sector)
    struct.pack_into("<II", block, 216, 0, 2)
    total = sum(struct.unpack(f"<{len(block) // 4}I", block))
    struct.pack_into("<I", block, 216, (total & 0xFFFFFFFF) + (total >> 32))
    return sector * 512, bytes(block)


def md_0(size: int, level: int = MIRROR) -> tuple[int, bytes]:
    """Place and bytes of one of 0.90 (md_p.h of Linux: struct mdp_superblock_s)."""
    words = [0] * 1024
    words[:10] = [0xA92B4EFC, 0, 90, 0, 0, 0x11111111, 0, level, 2048, 2]
    words[10:12] = [2, 0]
    words[13:16] = [0x22223333, 0x44445555, 0x55555555]
    words[65] = 0 if level == MIRROR else 65536
    total = sum(words)
    words[38] = ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF
    return (size & ~0xFFFF) - 65536, struct.pack("<1024I", *words)
