"""Superblocks of Linux software RAID (md): versions 0.90 and 1.0 to 1.2.

A superblock of version 1 is at the start (1.1), at 4 KiB (1.2) or near the end (1.0) and says
itself where it is; one of 0.90 is in the last whole 64 KiB but one. Both have a checksum. Fields
of version 1 are little-endian, those of 0.90 in the byte order of the machine that made it.
"""

import struct
from typing import NamedTuple
from uuid import UUID

from twofold.disk.base import BlockReader

MAGIC = 0xA92B4EFC
_SECTOR = 512
_HEADER = struct.Struct("<II8x16s32s8xiI")
_LEVELS = {-4: "multipath", -1: "linear", 0: "RAID 0", 1: "RAID 1", 4: "RAID 4"}
_MEMBER_LIMIT = 1920


class Member(NamedTuple):
    """A member of an array."""

    version: str
    level: str
    array: UUID
    name: str
    start: int = 0
    """First byte of what it holds of the array; before that may be anything, left from before."""

    @property
    def is_array(self) -> bool:
        """Whether it reads as the array does: its bytes in order, from the first one on."""
        return self.level in ("RAID 1", "multipath") and not self.start


def md_member(reader: BlockReader) -> Member | None:
    """The superblock of a member of an array; None when there is none in order."""
    end = (reader.size // _SECTOR - 16) & ~7
    for version, sector in (("1.1", 0), ("1.2", 8), ("1.0", end)):
        member = _version_1(reader, version, sector)
        if member:
            return member
    return _version_0(reader)


def _version_1(reader: BlockReader, version: str, sector: int) -> Member | None:
    at = sector * _SECTOR
    if at < 0 or at + 256 > reader.size:
        return None
    data = reader.read(at, 256)
    magic, major, array, name, level, _ = _HEADER.unpack_from(data)
    place = int.from_bytes(data[144:152], "little")
    members = int.from_bytes(data[220:224], "little")
    if magic != MAGIC or major != 1 or place != sector or members > _MEMBER_LIMIT:
        return None
    length = 256 + members * 2
    if at + length > reader.size:
        return None
    data = reader.read(at, length)
    if _checksum_1(data) != int.from_bytes(data[216:220], "little"):
        return None
    text = name.split(b"\0", 1)[0].decode("utf-8", "replace")
    start = int.from_bytes(data[128:136], "little") * _SECTOR
    return Member(version, _LEVELS.get(level, f"RAID {level}"), UUID(bytes=array), text, start)


def _checksum_1(data: bytes) -> int:
    """Sum of all 32-bit words (and of a last half one), its upper half added to its lower."""
    data = data[:216] + bytes(4) + data[220:]
    total: int = sum(struct.unpack(f"<{len(data) // 4}I", data[: len(data) & ~3]))
    if len(data) % 4:
        total += int.from_bytes(data[-2:], "little")
    return (total + (total >> 32)) & 0xFFFFFFFF


def _version_0(reader: BlockReader) -> Member | None:
    at = (reader.size & ~0xFFFF) - 0x10000
    if at < 0:
        return None
    data = reader.read(at, 4096)
    order = "<" if data[:4] == MAGIC.to_bytes(4, "little") else ">"
    words = struct.unpack(f"{order}1024I", data)
    if words[:3] != (MAGIC, 0, 90) or not _is_checksum_0(words):
        return None
    level = words[7] - (1 << 32) if words[7] >> 31 else words[7]
    array = b"".join(words[index].to_bytes(4, "big") for index in (5, 13, 14, 15))
    return Member("0.90", _LEVELS.get(level, f"RAID {level}"), UUID(bytes=array), "")


def _is_checksum_0(words: tuple[int, ...]) -> bool:
    total = sum(words) - words[38]
    return (total + (total >> 32)) & 0xFFFFFFFF == words[38]
