"""Physical volumes made by hand: metadata that LVM's tools would write, or never would."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from twofold.disk.lvm_label import checksum

SECTOR = 512
PE_START = 1 << 20
AREA = 4096
UUID = "A" * 32


@dataclass(frozen=True)
class Logical:
    """A logical volume: (first extent on the physical volume, extents) of each segment."""

    name: str
    pieces: Sequence[tuple[int, int]]
    kind: str = "striped"
    status: str = '"READ", "WRITE", "VISIBLE"'
    volume: str = "pv0"


@dataclass(frozen=True)
class Group:
    """A volume group on physical volumes ``pv0`` and further ones; extents of ``sectors``."""

    volumes: Sequence[Logical] = ()
    sectors: int = 8
    others: Sequence[str] = ()
    more: str = ""
    """Text of further logical volumes, as it stands."""
    name: str = field(default="vg")

    def text(self) -> bytes:
        physical = [_physical("pv0", UUID), *(_physical(pv, "B" * 32) for pv in self.others)]
        logical = [_logical(volume) for volume in self.volumes]
        return (
            f'{self.name} {{ id = "group" seqno = 1 extent_size = {self.sectors}\n'
            f"physical_volumes {{ {' '.join(physical)} }}\n"
            f"logical_volumes {{ {' '.join(logical)} {self.more} }} }}\0"
        ).encode()

    def put(self, disk: bytearray) -> bytearray:
        """Write label and metadata at the start of a physical volume."""
        text = self.text()
        header = bytearray(SECTOR)
        struct.pack_into("<32sQ", header, 0, UUID.encode(), len(disk))
        struct.pack_into("<QQ", header, 40, PE_START, 0)
        struct.pack_into("<QQ", header, 72, AREA, PE_START - AREA)
        label = bytearray(SECTOR)
        struct.pack_into("<8sQII8s", label, 0, b"LABELONE", 1, 0, 32, b"LVM2 001")
        label[32:] = header[: SECTOR - 32]
        label[16:20] = checksum(bytes(label[20:])).to_bytes(4, "little")
        disk[SECTOR : 2 * SECTOR] = label
        area = bytearray(SECTOR)
        struct.pack_into("<16sIQQ", area, 4, b" LVM2 x[5A%r0N*>", 1, AREA, PE_START - AREA)
        struct.pack_into("<QQII", area, 40, SECTOR, len(text), checksum(text), 0)
        area[:4] = checksum(bytes(area[4:])).to_bytes(4, "little")
        disk[AREA : AREA + SECTOR] = area
        disk[AREA + SECTOR : AREA + SECTOR + len(text)] = text
        return disk

    def places(self, volume: Logical) -> list[tuple[int, int]]:
        """(first byte, bytes) of each piece of a logical volume."""
        extent = self.sectors * SECTOR
        return [(PE_START + first * extent, count * extent) for first, count in volume.pieces]


def _physical(name: str, uuid: str) -> str:
    return f'{name} {{ id = "{uuid}" pe_start = {PE_START // SECTOR} }}'


def _logical(volume: Logical) -> str:
    segments, start = [], 0
    for number, (first, count) in enumerate(volume.pieces, 1):
        segments.append(
            f"segment{number} {{ start_extent = {start} extent_count = {count}"
            f' type = "{volume.kind}" stripe_count = 1 stripes = ["{volume.volume}", {first}] }}'
        )
        start += count
    return (
        f'{volume.name} {{ id = "id of {volume.name}" status = [{volume.status}]'
        f" segment_count = {len(segments)} {' '.join(segments)} }}"
    )
