"""What a volume holds, told by signatures: a name for programs and a sentence for people.

Members of arrays and encrypted containers come first, for what they hold may show through (the
superblock of a RAID 1 member is at its end, and its file system at its start). Signatures of two
bytes count only with what stands around them.
"""

import struct
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from twofold.disk.base import BlockReader
from twofold.disk.raid import md_member

_BITLOCKER_TO_GO = UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001")
_ZFS_TRAILER, _ZFS_MAGIC = (128 << 10) - 40, 0x0210DA7AB10C7A11.to_bytes(8, "little")
_EMPTY_START, _EMPTY_END = 1024 * 1024, 64 * 1024


class Recognised(NamedTuple):
    """What was found."""

    kind: str
    """``ntfs``, ``ext4``, ``fat32``, ``bitlocker``, ``luks2``, ``lvm2``, ``md``, ``swap``, ...;
    ``empty`` or ``unknown``."""
    sentence: str
    label: str = ""
    serial: str = ""
    """UUID or serial number as its own tools write it."""


def recognise(reader: BlockReader) -> Recognised:
    """What a volume holds. Reads at most 2 MiB; OSError when the device cannot read."""
    for probe in _PROBES:
        found = probe(reader)
        if found:
            return found
    end = max(reader.size - _EMPTY_END, 0)
    start = min(reader.size, _EMPTY_START)
    ends = _part(reader, 0, start), _part(reader, end, _EMPTY_END)
    if all(part == bytes(len(part)) for part in ends):
        return Recognised("empty", "Nothing: it begins and ends with zeros.")
    return Recognised("unknown", "Something that Twofold does not know; it is kept as it is.")


def fills_sector_0(found: Recognised) -> bool:
    """Whether what was found begins in sector 0, where else a partition table would be."""
    return found.kind in _IN_SECTOR_0


def _part(reader: BlockReader, offset: int, length: int) -> bytes:
    """What there is of a range: zeros beyond the end, so that a short volume has no signatures."""
    inside = max(min(length, reader.size - offset), 0)
    return (reader.read(offset, inside) if inside else b"").ljust(length, b"\0")


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()


def _md(reader: BlockReader) -> Recognised | None:
    member = md_member(reader)
    if not member:
        return None
    sentence = f"A member of a Linux software RAID ({member.level}, metadata {member.version})."
    return Recognised("md", sentence, member.name, str(member.array))


def _luks(reader: BlockReader) -> Recognised | None:
    header = _part(reader, 0, 512)
    version = int.from_bytes(header[6:8], "big")
    if header[:6] != b"LUKS\xba\xbe" or version not in (1, 2):
        return None
    label = _text(header[24:72]) if version == 2 else ""
    sentence = f"An encrypted Linux volume (LUKS{version}); its key opens it."
    return Recognised(f"luks{version}", sentence, label, _text(header[168:208]))


def _bitlocker(reader: BlockReader) -> Recognised | None:
    sector = _part(reader, 0, 512)
    to_go = sector[3:11] == b"MSWIN4.1" and sector[424:440] == _BITLOCKER_TO_GO.bytes_le
    if sector[3:11] != b"-FVE-FS-" and not to_go:
        return None
    return Recognised("bitlocker", "A Windows volume encrypted by BitLocker; its key opens it.")


def _lvm2(reader: BlockReader) -> Recognised | None:
    start = _part(reader, 0, 2048)
    for at in range(0, 2048, 512):
        label = start[at : at + 512]
        if label[:8] == b"LABELONE" and label[24:32] == b"LVM2 001":
            where = int.from_bytes(label[20:24], "little")
            name = _text(label[where : where + 32]) if where <= 480 else ""
            cuts = (0, 6, 10, 14, 18, 22, 26, 32)
            serial = "-".join(name[a:b] for a, b in pairwise(cuts))
            return Recognised("lvm2", "A part of a Linux volume group (LVM2).", "", serial)
    return None


def _windows(reader: BlockReader) -> Recognised | None:
    sector = _part(reader, 0, 512)
    serial = sector[72:80][::-1].hex().upper()
    if sector[3:11] == b"NTFS    ":
        return Recognised("ntfs", "A Windows file system (NTFS).", "", serial)
    if sector[3:11] == b"EXFAT   ":
        serial = f"{sector[102:104][::-1].hex()}-{sector[100:102][::-1].hex()}".upper()
        return Recognised("exfat", "A file system of memory cards and sticks (exFAT).", "", serial)
    if sector[3:11] == b"ReFS\0\0\0\0" and sector[16:20] == b"FSRS":
        return Recognised("refs", "A Windows file system (ReFS); it is kept as it is.")
    return None


def _ext(reader: BlockReader) -> Recognised | None:
    block = _part(reader, 1024, 1024)
    if block[56:58] != b"\x53\xef" or int.from_bytes(block[24:28], "little") > 6:
        return None
    compatible, incompatible, read_only = struct.unpack_from("<III", block, 92)
    label, serial = _text(block[120:136]), str(UUID(bytes=block[104:120]))
    if incompatible & 0x8:
        return Recognised("ext-journal", "A journal of another Linux volume (ext).", label, serial)
    kind = "ext3" if compatible & 0x4 else "ext2"
    if incompatible & ~0x16 or read_only & ~0x7:
        kind = "ext4"
    return Recognised(kind, f"A Linux file system ({kind}).", label, serial)


def _zfs(reader: BlockReader) -> Recognised | None:
    """By the trailer of the first label, which the tools of other Linux file systems write over."""
    if _part(reader, _ZFS_TRAILER, 8) not in (_ZFS_MAGIC, _ZFS_MAGIC[::-1]):
        return None
    return Recognised("zfs", "A part of a ZFS pool; it is kept as it is.")


def _xfs(reader: BlockReader) -> Recognised | None:
    block = _part(reader, 0, 512)
    if block[:4] != b"XFSB":
        return None
    serial = str(UUID(bytes=block[32:48]))
    return Recognised("xfs", "A Linux file system (XFS).", _text(block[108:120]), serial)


def _btrfs(reader: BlockReader) -> Recognised | None:
    block = _part(reader, 65536, 4096)
    if block[64:72] != b"_BHRfS_M":
        return None
    serial = str(UUID(bytes=block[32:48]))
    return Recognised("btrfs", "A Linux file system (btrfs).", _text(block[299:555]), serial)


def _swap(reader: BlockReader) -> Recognised | None:
    for page in (4096, 8192, 16384, 32768, 65536):
        signature = _part(reader, page - 10, 10)
        if signature in (b"SWAPSPACE2", b"SWAP-SPACE"):
            header = _part(reader, 1024, 64)
            label, serial = _text(header[28:44]), str(UUID(bytes=header[12:28]))
            return Recognised("swap", "Linux swap space; nothing in it lasts.", label, serial)
        if signature in (b"S1SUSPEND\0", b"S2SUSPEND\0", b"ULSUSPEND\0"):
            return Recognised("swap", "Linux swap space with a sleeping system in it.")
    return None


def _iso9660(reader: BlockReader) -> Recognised | None:
    block = _part(reader, 32768, 2048)
    if block[1:6] != b"CD001":
        return None
    return Recognised("iso9660", "A CD or DVD image (ISO 9660).", _text(block[40:72]))


def _fat(reader: BlockReader) -> Recognised | None:
    """By the parameter block: FAT has no signature. The count of clusters tells which FAT it is."""
    sector = _part(reader, 0, 512)
    size, per_cluster, reserved, tables, roots, small, media, table = struct.unpack_from(
        "<HBHBHHBH", sector, 11
    )
    sectors = small or int.from_bytes(sector[32:36], "little")
    table = table or int.from_bytes(sector[36:40], "little")
    if (
        sector[510:] != b"\x55\xaa"
        or size not in (512, 1024, 2048, 4096)
        or per_cluster not in (1, 2, 4, 8, 16, 32, 64, 128)
        or not reserved
        or tables not in (1, 2)
        or not (media == 0xF0 or media >= 0xF8)
        or not table
    ):
        return None
    data = sectors - reserved - tables * table - -(-roots * 32 // size)
    if data < per_cluster:
        return None
    clusters = data // per_cluster
    kind = "fat12" if clusters < 4085 else "fat16" if clusters < 65525 else "fat32"
    kind = "fat32" if not roots else kind
    more = sector[64:] if kind == "fat32" else sector[36:]
    serial = f"{more[5:7][::-1].hex()}-{more[3:5][::-1].hex()}".upper()
    label = more[7:18].decode("cp437").strip() if more[2] == 0x29 else ""
    label = "" if label == "NO NAME" else label
    return Recognised(kind, f"A file system of sticks and EFI ({kind.upper()}).", label, serial)


_PROBES: tuple[Callable[[BlockReader], Recognised | None], ...] = (
    _md,
    _luks,
    _bitlocker,
    _lvm2,
    _windows,
    _zfs,
    _xfs,
    _btrfs,
    _ext,
    _swap,
    _fat,
    _iso9660,
)
_IN_SECTOR_0 = frozenset(
    ("luks1", "luks2", "bitlocker", "ntfs", "exfat", "refs", "xfs", "fat12", "fat16", "fat32")
)
