"""The boot regions: where everything lies, twice, each with a checksum over its sectors.

    boot region: boot sector, 8 sectors of boot code, parameters, reserved, checksum (12 sectors)
    the same again | FAT, a second one in TexFAT | cluster heap

The first region whose checksum holds is taken. When the main one is destroyed the size of a
sector, and so the place of the other one, is not known and all sizes are tried.
(exFAT specification 2.1 "Main Boot Region" to 3.4 "Boot Checksum".)
"""

import struct

import msgspec

from twofold.disk.base import BlockReader
from twofold.disk.clusters.table import FIRST_CLUSTER
from twofold.disk.exfat.checksums import boot_checksum
from twofold.errors import FormatError

MAGIC = b"EXFAT   "
_REGION = 12
"""Sectors of a boot region."""
_SECTOR_SHIFTS = (9, 10, 11, 12)
_LARGEST_SHIFT = 25  # of a cluster, 32 MiB
_MOST_CLUSTERS = 0xFFFFFFF5
_SECTOR = struct.Struct("<QIIIIIIHHBBB")  # from VolumeLength at byte 72 to NumberOfFats
_ACTIVE, _DIRTY, _FAILED = 1, 2, 4


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """The boot sector's fields, in bytes where they are sectors on disk."""

    length: int
    """Of the volume."""
    sector: int
    unit: int
    units: int
    fat_offset: int
    fat_length: int
    fats: int
    origin: int
    root_cluster: int
    serial: str
    revision: int
    flags: int
    from_backup: bool
    """Whether the main boot region was damaged."""

    @property
    def active(self) -> int:
        """The FAT (and allocation bitmap) in use, 0 or 1."""
        return self.flags & _ACTIVE if self.fats > 1 else 0

    @property
    def dirty(self) -> bool:
        """Not unmounted properly."""
        return bool(self.flags & _DIRTY)

    @property
    def failed(self) -> bool:
        """The medium had errors."""
        return bool(self.flags & _FAILED)


def read_boot(reader: BlockReader) -> Boot:
    """The first boot region that is whole; FormatError when there is none.

    FormatError too when its fields lead outside of the volume.
    """
    for start in (0, _REGION):
        for shift in _SECTOR_SHIFTS:
            sector = _whole(reader, start << shift, shift)
            if sector is not None:
                return _checked(_boot(sector, from_backup=start > 0), reader.size)
    raise FormatError("no boot region of exFAT is whole")


def backup_is_whole(reader: BlockReader, boot: Boot) -> bool:
    """Whether the other boot region is there and says the same."""
    copy = _whole(reader, _REGION * boot.sector, boot.sector.bit_length() - 1)
    return copy is not None and _boot(copy, from_backup=True) == _boot(
        _with_flags(copy, reader.read(0, boot.sector)), from_backup=True
    )


def _with_flags(copy: bytes, main: bytes) -> bytes:
    """The main boot sector with the copy's flags, which need not be the same."""
    return main[:106] + copy[106:108] + main[108:]


def _whole(reader: BlockReader, offset: int, shift: int) -> bytes | None:
    """The boot sector of a region if it is exFAT's, of this sector size, and its checksum holds."""
    sector = 1 << shift
    if offset + _REGION * sector > reader.size:
        return None
    boot = reader.read(offset, 512)
    if boot[3:11] != MAGIC or boot[510:] != b"\x55\xaa" or boot[108] != shift:
        return None
    region = reader.read(offset, _REGION * sector)
    expected = boot_checksum(region[: (_REGION - 1) * sector]).to_bytes(4, "little")
    return boot if region[(_REGION - 1) * sector :] == expected * (sector // 4) else None


def _boot(sector: bytes, *, from_backup: bool) -> Boot:
    (
        length,
        fat_offset,
        fat_length,
        heap,
        units,
        root,
        serial,
        revision,
        flags,
        shift,
        per_cluster,
        fats,
    ) = _SECTOR.unpack_from(sector, 72)
    if shift not in _SECTOR_SHIFTS or shift + per_cluster > _LARGEST_SHIFT:
        raise FormatError("no exFAT has sectors or clusters of that size")
    return Boot(
        length=length << shift,
        sector=1 << shift,
        unit=1 << shift + per_cluster,
        units=units,
        fat_offset=fat_offset << shift,
        fat_length=fat_length << shift,
        fats=fats,
        origin=heap << shift,
        root_cluster=root,
        serial=f"{serial >> 16:04X}-{serial & 0xFFFF:04X}",
        revision=revision,
        flags=flags,
        from_backup=from_backup,
    )


def _checked(boot: Boot, size: int) -> Boot:
    """FormatError unless all areas lie inside, one after the other."""
    fats_end = boot.fat_offset + boot.fats * boot.fat_length
    wrong = (
        ("revision", boot.revision >> 8 != 1),
        ("number of FATs", boot.fats not in (1, 2)),
        ("offset of the FAT", boot.fat_offset < 2 * _REGION * boot.sector),
        ("number of clusters", not 0 < boot.units <= _MOST_CLUSTERS),
        ("length of the FAT", boot.fat_length < 4 * (boot.units + FIRST_CLUSTER)),
        ("offset of the clusters", boot.origin < fats_end),
        ("length", boot.origin + boot.units * boot.unit > boot.length),
        ("length of its place", boot.length > size),
    )
    for name, is_wrong in wrong:
        if is_wrong:
            raise FormatError(f"not exFAT, or damaged: {name}")
    return boot
