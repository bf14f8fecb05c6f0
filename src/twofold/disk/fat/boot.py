"""The boot sector: where everything lies, and which of the three FATs it is.

    reserved sectors | FAT | FAT ... | root directory (FAT12, FAT16) | clusters from number 2 on

The specification takes the type from the count of clusters alone: fewer than 4085 FAT12, fewer
than 65525 FAT16, else FAT32. Formatting tools make FAT32 of fewer clusters on request, and all
systems then go by the field for the size of a 16-bit FAT, which is zero on FAT32 only. So here:
that field decides about FAT32, the count between the others. The name of the type that is stored
as text decides nothing. A table too short for the clusters bounds their number, as in Linux; what
lies behind counts as the volume's end.
(FAT specification 1.03, "Boot Sector and BPB", "FAT Type Determination".)
"""

import struct

import msgspec

from twofold.disk.base import BlockReader
from twofold.disk.clusters.heap import SLOT
from twofold.disk.clusters.table import FAT12, FAT16, FAT32, FIRST_CLUSTER, EntryForm
from twofold.errors import FormatError

BOOT_LENGTH = 512
_FEWEST_FAT16 = 4085
_MOST_FAT16 = 65524
_MOST_FAT32 = 0x0FFFFFF5
_COMMON = struct.Struct("<HBHBHHBH8xI")  # sector size ... FAT size; hidden sectors left out
_LARGE = struct.Struct("<IHHIHH")  # FAT32: FAT size, flags, version, root, FSInfo, backup
_EXTENDED = struct.Struct("<xBBI11s")  # state, signature, serial number, label
_BITLOCKER = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
_NOT_MIRRORED = 0x80


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """The boot sector's fields; sizes in bytes unless told otherwise."""

    sector: int
    unit: int
    units: int
    form: EntryForm
    fat_offset: int
    fats: int
    fat_length: int
    root_length: int
    """Of the root directory of FAT12 and FAT16, else 0."""
    root_cluster: int
    """Of FAT32, else 0."""
    media: int
    mirrored: bool
    """Whether all FATs are kept equal; otherwise only ``active`` is kept."""
    active: int
    info_sector: int
    """Number of the sector of FSInfo; 0 for none."""
    backup_sector: int
    """Number of the sector of the boot sector's copy; 0 for none."""
    state: int
    """Bit 0: not unmounted properly, bit 1: to be checked (as Windows and Linux write it)."""
    serial: str
    label: bytes
    signed: bool
    """Whether the sector ends with 55 AA."""

    @property
    def root_offset(self) -> int:
        """End of the FATs."""
        return self.fat_offset + self.fats * self.fat_length

    @property
    def origin(self) -> int:
        """Start of cluster 2."""
        return self.root_offset + self.root_length

    @property
    def kind(self) -> str:
        """``fat12``, ``fat16`` or ``fat32``."""
        return {FAT12: "fat12", FAT16: "fat16", FAT32: "fat32"}[self.form]


def is_fat(sector: bytes) -> bool:
    """Whether the first 512 bytes of a volume are plausibly FAT's: nothing in them is certain."""
    if len(sector) < BOOT_LENGTH or sector[0] not in (0xEB, 0xE9):
        return False
    try:
        _check_fields(sector)
    except FormatError:
        return False
    return True


def read_boot(reader: BlockReader) -> Boot:
    """The boot sector; FormatError when it is not FAT's or leads outside of the volume."""
    if reader.size < BOOT_LENGTH:
        raise FormatError("too small for a FAT file system")
    raw = reader.read(0, BOOT_LENGTH)
    _check_fields(raw)
    if raw[424:440] == _BITLOCKER:
        raise FormatError("encrypted by BitLocker; what looks like FAT only leads to its reader")
    boot = _boot(raw)
    end = boot.origin + boot.units * boot.unit
    if end > reader.size:
        raise FormatError(f"the FAT file system ends at byte {end} of {reader.size}")
    return boot


def _check_fields(raw: bytes) -> None:
    """FormatError when a field of the parameter block has a value no FAT has."""
    sector, per_cluster, reserved, fats, root, _, media, small, _ = _COMMON.unpack_from(raw, 11)
    large = _LARGE.unpack_from(raw, 36)
    wrong = (
        ("sector size", sector not in (512, 1024, 2048, 4096)),
        ("cluster size", per_cluster.bit_count() != 1),
        ("reserved sectors", reserved == 0),
        ("number of FATs", fats == 0),
        ("media byte", media != 0xF0 and media < 0xF8),
        ("root directory", (root == 0) != (small == 0)),
        ("size of the FAT", small == 0 and large[0] == 0),
        ("version", small == 0 and large[2] != 0),
    )
    for name, is_wrong in wrong:
        if is_wrong:
            raise FormatError(f"not FAT, or damaged: {name}")


def _boot(raw: bytes) -> Boot:
    sector, per_cluster, reserved, fats, root, total, media, small, total_large = (
        _COMMON.unpack_from(raw, 11)
    )
    is_large = small == 0
    large = _LARGE.unpack_from(raw, 36) if is_large else (small, 0, 0, 0, 0, 0)
    state, signature, serial, label = _EXTENDED.unpack_from(raw, 64 if is_large else 36)
    signed_label = signature == 0x29
    root_length = -(-root * SLOT // sector) * sector
    fat_length = large[0] * sector
    data = (total or total_large) * sector - reserved * sector - fats * fat_length - root_length
    form, units = _type(is_large, max(0, data // (per_cluster * sector)), fat_length)
    mirrored = not large[1] & _NOT_MIRRORED
    active = 0 if mirrored else large[1] & 15
    if active >= fats:
        raise FormatError(f"not FAT, or damaged: FAT {active} of {fats} is in use")
    return Boot(
        sector=sector,
        unit=per_cluster * sector,
        units=units,
        form=form,
        fat_offset=reserved * sector,
        fats=fats,
        fat_length=fat_length,
        root_length=root_length,
        root_cluster=large[3],
        media=media,
        mirrored=mirrored,
        active=active,
        info_sector=_reserved_sector(large[4], reserved),
        backup_sector=_reserved_sector(large[5], reserved),
        state=state,
        serial=f"{serial >> 16:04X}-{serial & 0xFFFF:04X}" if signature in (0x28, 0x29) else "",
        label=label if signed_label else b"",
        signed=raw[510:512] == b"\x55\xaa",
    )


def _type(is_large: bool, units: int, fat_length: int) -> tuple[EntryForm, int]:
    """The form of the entries, and how many clusters there are."""
    small = FAT12 if units < _FEWEST_FAT16 else FAT16
    form, most = (FAT32, _MOST_FAT32) if is_large else (small, _MOST_FAT16)
    if units > most:
        raise FormatError(f"not FAT, or damaged: {units} clusters")
    held = fat_length * 8 // form.bits - FIRST_CLUSTER
    if min(units, held) <= 0:
        raise FormatError("not FAT, or damaged: no clusters")
    return form, min(units, held)


def _reserved_sector(number: int, reserved: int) -> int:
    """Both 0 and 0xFFFF mean none."""
    return number if 0 < number < reserved else 0
