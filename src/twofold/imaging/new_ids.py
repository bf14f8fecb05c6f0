"""New ids for a clone that is to stand beside its original: of the disk, its partitions, volumes.

    image ─► patches (place, old bytes, new bytes) ─► PatchedTarget: whatever is written over such a
                                                      place has the new bytes from the first on

So there is no moment in which the old ids are on the target. Reading back, new bytes that are as
they should be count as the old ones, so that blobs can be compared as ever.

Disk and partitions: GUIDs in both copies of a GPT, the signature of an MBR. File systems: only
those whose serial number stands in the boot sector and nowhere else (NTFS, FAT). What others go by
is in checksums all over the volume, or in other volumes; their own tools change it, afterwards.
"""

import secrets
import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from twofold.disk.gpt import Gpt
from twofold.disk.gpt_write import encode, renewed
from twofold.disk.mbr import DISK_ID
from twofold.disk.partitions import read_table
from twofold.errors import FormatError, RefusedUnsafe
from twofold.format.image import VolumeRecord
from twofold.format.layout import Buffer
from twofold.imaging.writing import DiskTarget, StoredBlocks
from twofold.view import ImageDisk, ImageVolume

_TOOLS = {
    "ext2": "tune2fs -U random",
    "ext3": "tune2fs -U random",
    "ext4": "tune2fs -U random",
    "xfs": "xfs_admin -U generate",
    "btrfs": "btrfstune -u",
    "lvm2": "vgimportclone",
    "exfat": "exfatlabel -i",
}
_SECTOR = 512
BOOT_WARNING = (
    "boot configuration may name the old ids (BCD of Windows; root=PARTUUID=... or UUID=... in"
    " /etc/fstab, GRUB and kernel command lines): mend it before the clone is started"
)


class Patch(NamedTuple):
    """Bytes of the target that are to be others than the image says."""

    offset: int
    old: bytes
    new: bytes


class NewIds(msgspec.Struct, frozen=True):
    """What changes, in bytes and in sentences."""

    patches: tuple[Patch, ...] = ()
    notes: tuple[str, ...] = ()


def new_ids(
    disk: ImageDisk, volumes: Sequence[tuple[VolumeRecord, int | None]], *, whole: bool
) -> NewIds:
    """For volumes and where on the target they begin (None: in pieces, and they keep their ids).

    ``whole``: with the partition table.

    ``DamageFound`` when the image cannot be read there, ``RefusedUnsafe`` when it has a partition
    table that cannot be.
    """
    patches: list[Patch] = []
    notes: list[str] = []
    if whole:
        patches, notes = _of_table(disk)
    for record, at in volumes:
        if record.number:
            more, note = _of_volume(disk.volume(record.number), at)
            patches += more
            notes += [f"p{record.called}: {note}"] if note else []
    return NewIds(tuple(patches), (*notes, BOOT_WARNING) if patches else tuple(notes))


def _of_table(disk: ImageDisk) -> tuple[list[Patch], list[str]]:
    try:
        table = read_table(disk)
    except FormatError as error:
        raise RefusedUnsafe(
            f"new ids cannot be given: {error.message}", hint="restore without --new-ids"
        ) from error
    if table.kind == "none":
        return [], []
    patches, notes = [], []
    sector = disk.read(0, _SECTOR)
    old = sector[DISK_ID : DISK_ID + 4]
    if table.kind == "mbr" or (table.gpt and any(old)):
        new = _other(old)
        patches.append(Patch(DISK_ID, old, new))
        notes.append(f"the disk's signature becomes {new[::-1].hex()} (was {old[::-1].hex()})")
    if table.gpt:
        gpt = renewed(table.gpt, uuid.uuid4)
        patches += _of_gpt(disk, gpt)
        used = sum(entry.is_used for entry in gpt.entries)
        notes.append(f"the disk's GUID becomes {gpt.disk_guid} (was {table.gpt.disk_guid})")
        notes.append(f"{used} partition(s) get new GUIDs")
    return patches, notes


def _of_gpt(disk: ImageDisk, gpt: Gpt) -> Iterator[Patch]:
    for offset, new in encode(gpt):
        if offset + len(new) > disk.size:
            continue  # a disk that was cut short has no backup copy
        yield Patch(offset, disk.read(offset, len(new)), new)


def _of_volume(volume: ImageVolume, at: int | None) -> tuple[list[Patch], str]:
    """Patches of one volume that begins at a byte of the target, and what to say of it."""
    system = volume.record.system
    if at is None or volume.size < 2 * _SECTOR:
        return [], _kept(system) if at is None else ""
    boot = volume.read(0, _SECTOR)
    if system == "ntfs" and boot[3:11] == b"NTFS    ":
        last = volume.size // _SECTOR * _SECTOR - _SECTOR
        sectors = int.from_bytes(boot[0x28:0x30], "little") * int.from_bytes(boot[11:13], "little")
        return _serial(volume, at, 0x48, 8, (0, sectors, last)), "a new volume serial number"
    if system in ("fat12", "fat16", "fat32"):
        place = 0x43 if system == "fat32" else 0x27
        backup = int.from_bytes(boot[0x32:0x34], "little") * int.from_bytes(boot[11:13], "little")
        if boot[place - 1] in (0x28, 0x29):
            copies = (0, backup) if system == "fat32" else (0,)
            return _serial(volume, at, place, 4, copies), "a new volume serial number"
    return [], _kept(system)


def _kept(system: str) -> str:
    tool = _TOOLS.get(system)
    hint = f"; '{tool}' gives it another one afterwards" if tool else ""
    return f"{system} keeps its id{hint}" if system else ""


def _serial(
    volume: ImageVolume, at: int, place: int, length: int, copies: Sequence[int]
) -> list[Patch]:
    """The serial number in the boot sector and those copies of it that are there."""
    boot = volume.read(0, _SECTOR)
    old = boot[place : place + length]
    new = _other(old)
    return [
        Patch(at + copy + place, old, new)
        for copy in sorted(set(copies))
        if copy + _SECTOR <= volume.size
        and volume.read(copy, place + length)[3:] == boot[3 : place + length]
    ]


def _other(old: bytes) -> bytes:
    """As many random bytes, neither the old ones nor all zero."""
    while True:
        new = secrets.token_bytes(len(old))
        if any(new) and new != old:
            return new


class PatchedTarget:
    """A target on which the new ids stand whenever anything is written over their places."""

    def __init__(self, target: DiskTarget, patches: Sequence[Patch]) -> None:
        self._target = target
        self._patches = patches

    def _met(self, offset: int, length: int) -> Iterator[Patch]:
        end = offset + length
        return (p for p in self._patches if p.offset < end and p.offset + len(p.new) > offset)

    def read(self, offset: int, length: int) -> bytes:
        """As the image has it, where the target has what it should."""
        return bytes(self._as_imaged(self._target.read(offset, length), offset))

    def read_stored(self, offset: int, length: int) -> Buffer:
        """The same of what is stored, where the target can be read past the system's cache."""
        if not isinstance(self._target, StoredBlocks):
            return self.read(offset, length)
        return self._as_imaged(self._target.read_stored(offset, length), offset)

    def _as_imaged(self, data: Buffer, offset: int) -> Buffer:
        """Old ids for new ones; copied only where there are any."""
        for patch in self._met(offset, len(data)):
            data = _exchanged(bytes(data), offset, patch, patch.new, patch.old)
        return data

    def write_at(self, data: Buffer, offset: int) -> None:
        """Write, new ids for old ones."""
        for patch in self._met(offset, len(data)):
            low, high = _common(offset, len(data), patch)
            changed = bytearray(data)
            changed[low - offset : high - offset] = _slice(patch, patch.new, low, high)
            data = changed
        self._target.write_at(data, offset)

    def write_zeros(self, offset: int, length: int) -> None:
        """Zeros, but for the new ids."""
        self._target.write_zeros(offset, length)
        for patch in self._met(offset, length):
            low, high = _common(offset, length, patch)
            self._target.write_at(_slice(patch, patch.new, low, high), low)

    def sync(self) -> None:
        """Make everything written durable."""
        self._target.sync()


def _common(offset: int, length: int, patch: Patch) -> tuple[int, int]:
    return max(offset, patch.offset), min(offset + length, patch.offset + len(patch.new))


def _slice(patch: Patch, side: bytes, low: int, high: int) -> bytes:
    return side[low - patch.offset : high - patch.offset]


def _exchanged(data: bytes, offset: int, patch: Patch, one: bytes, other: bytes) -> bytes:
    low, high = _common(offset, len(data), patch)
    if data[low - offset : high - offset] != _slice(patch, one, low, high):
        return data
    return data[: low - offset] + _slice(patch, other, low, high) + data[high - offset :]
