"""FAT file systems written byte by byte, for what formatting tools do not make.

An encoder of its own, by the specification: nothing here comes from the parser under test.
"""

import struct
from dataclasses import dataclass, field
from itertools import pairwise

from twofold.disk.blocks import check_range

END = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}
BAD = {12: 0xFF7, 16: 0xFFF7, 32: 0x0FFFFFF7}


@dataclass
class Sparse:
    """A reader of few bytes on a big volume; counts what is read."""

    size: int
    sector_size: int = 512
    pieces: dict[int, bytes] = field(default_factory=dict)
    """Offset in 512-byte units -> 512 bytes."""
    was_read: int = 0

    def read(self, offset: int, length: int) -> bytes:
        check_range(self, offset, length)
        self.was_read += length
        first, last = offset // 512, (offset + length + 511) // 512
        empty = bytes(512)
        whole = b"".join(self.pieces.get(piece, empty) for piece in range(first, last))
        return whole[offset % 512 :][:length]

    def write(self, offset: int, data: bytes) -> None:
        check_range(self, offset, len(data))
        for at, byte_count in _split(offset, len(data)):
            piece = bytearray(self.pieces.get(at // 512, bytes(512)))
            piece[at % 512 : at % 512 + byte_count] = data[at - offset : at - offset + byte_count]
            self.pieces[at // 512] = bytes(piece)


def _split(offset: int, length: int) -> list[tuple[int, int]]:
    pieces = []
    at = offset
    while at < offset + length:
        count = min(512 - at % 512, offset + length - at)
        pieces.append((at, count))
        at += count
    return pieces


@dataclass
class FatBuilder:
    """A file system of exactly so many clusters; cluster 2 is the root's on FAT32."""

    bits: int
    units: int
    sector: int = 512
    per_cluster: int = 1
    fats: int = 2
    root_slots: int = 64
    flags: int = 0
    """FAT32's: which FAT is kept."""

    def __post_init__(self) -> None:
        self.reserved = 8 if self.bits == 32 else 1
        self.fat_sectors = -(-(self.units + 2) * self.bits // 8 // self.sector) + 1
        self.root_slots = 0 if self.bits == 32 else self.root_slots
        self.root_offset = (self.reserved + self.fats * self.fat_sectors) * self.sector
        self.origin = self.root_offset + self.root_slots * 32
        self.unit = self.sector * self.per_cluster
        total = self.origin // self.sector + self.units * self.per_cluster
        self.disk = Sparse(total * self.sector, self.sector)
        self.disk.write(0, self._boot(total))
        if self.bits == 32:
            self.disk.write(6 * self.sector, self._boot(total))
            self.disk.write(self.sector, self._info())
            self.entry(2, END[32])
        self.entry(0, END[self.bits] & ~0xFF | 0xF8)
        self.entry(1, END[self.bits])

    def _boot(self, total: int) -> bytes:
        small = total if total < 65536 and self.bits != 32 else 0
        head = b"\xeb\x3c\x90TWOFOLD " + struct.pack(
            "<HBHBHHBHHHII",
            self.sector,
            self.per_cluster,
            self.reserved,
            self.fats,
            self.root_slots,
            small,
            0xF8,
            0 if self.bits == 32 else self.fat_sectors,
            32,
            64,
            0,
            0 if small else total,
        )
        if self.bits == 32:
            head += struct.pack("<IHHIHH12x", self.fat_sectors, self.flags, 0, 2, 1, 6)
        kind = f"FAT{self.bits}".encode()
        head += struct.pack("<BBBI11s8s", 0x80, 0, 0x29, 0x1234ABCD, b"BOOT LABEL", kind)
        return head.ljust(510, b"\0") + b"\x55\xaa"

    def _info(self) -> bytes:
        middle = struct.pack("<4sII", b"rrAa", 0xFFFFFFFF, 0xFFFFFFFF)
        return b"RRaA" + bytes(480) + middle + bytes(14) + b"\x55\xaa"

    def entry(self, cluster: int, value: int, fat: int | None = None) -> None:
        """Write an entry, to all FATs or to one."""
        for number in range(self.fats) if fat is None else [fat]:
            start = (self.reserved + number * self.fat_sectors) * self.sector
            at = start + cluster * self.bits // 8
            if self.bits == 12:
                (old,) = struct.unpack("<H", self.disk.read(at, 2))
                odd = cluster % 2 == 1
                new = old & 0x000F | value << 4 if odd else old & 0xF000 | value
                self.disk.write(at, struct.pack("<H", new))
            else:
                self.disk.write(at, struct.pack("<H" if self.bits == 16 else "<I", value))

    def chain(self, *clusters: int, end: int | None = None) -> int:
        """Link clusters; the first one."""
        for cluster, following in pairwise(clusters):
            self.entry(cluster, following)
        self.entry(clusters[-1], END[self.bits] if end is None else end)
        return clusters[0]

    def offset(self, cluster: int) -> int:
        """Where a cluster lies."""
        return self.origin + (cluster - 2) * self.unit

    def root(self, *slots: bytes) -> None:
        """Write the root directory's slots."""
        place = self.offset(2) if self.bits == 32 else self.root_offset
        self.disk.write(place, b"".join(slots))

    def directory(self, cluster: int, *slots: bytes, above: int = 0) -> None:
        """Write a directory with its dots."""
        dots = slot(b".", 0x10, cluster), slot(b"..", 0x10, above)
        self.disk.write(self.offset(cluster), b"".join((*dots, *slots)))


def slot(
    name: bytes,
    attributes: int = 0x20,
    first: int = 0,
    size: int = 0,
    *,
    case: int = 0,
    hundredths: int = 0,
    created: tuple[int, int] = (0, 0),
    modified: tuple[int, int] = (0, 0),
) -> bytes:
    """A short name's slot; ``name`` is padded to eleven bytes, dates come before times."""
    return struct.pack(
        "<11sBBBHHHHHHHI",
        name.ljust(11),
        attributes,
        case,
        hundredths,
        created[1],
        created[0],
        0,
        first >> 16,
        modified[1],
        modified[0],
        first & 0xFFFF,
        size,
    )


def checksum(short: bytes) -> int:
    """Of a short name, written as the specification's C code is."""
    total = 0
    for byte in short.ljust(11):
        total = (0x80 if total & 1 else 0) + (total >> 1) + byte
        total %= 256
    return total


def long_slots(name: bytes, short: bytes) -> list[bytes]:
    """The slots of a long name given in UTF-16."""
    pieces = [name[at : at + 26] for at in range(0, len(name), 26)]
    if len(pieces[-1]) < 26:
        pieces[-1] = (pieces[-1] + b"\0\0").ljust(26, b"\xff")
    slots = []
    for number, piece in reversed([*enumerate(pieces, 1)]):
        ordinal = number | (0x40 if number == len(pieces) else 0)
        head = struct.pack("<B10sBBB", ordinal, piece[:10], 0x0F, 0, checksum(short))
        slots.append(head + piece[10:22] + b"\0\0" + piece[22:])
    return slots
