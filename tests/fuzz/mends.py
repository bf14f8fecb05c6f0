"""Checksums made right again after damage, so that it gets past them to the parsers.

Only what damage has touched is mended: some of these sums cost more than the parsers.
"""

import struct
import zlib

from tests.fuzz.subject import Subject
from twofold.disk.containers.vhd import checksum as vhd_checksum
from twofold.disk.containers.vhdx_layout import HEADER_PLACES, HEADER_SIZE, REGION_PLACES, sealed
from twofold.disk.exfat.checksums import boot_checksum, set_checksum
from twofold.disk.lvm_label import checksum as lvm_checksum
from twofold.disk.raid import _checksum_1

MIB = 1 << 20
_REGION_SIZE = 65536
_LARGEST_ENTRY_OF_LOG = 64 << 10


def vhd(subject: Subject) -> None:
    """Both footers and the header of the tables."""
    for at, size, place in ((0, 512, 64), (512, 1024, 36), (subject.size - 512, 512, 64)):
        if at >= 0 and subject.changed(at, at + size):
            total = vhd_checksum(subject.part(at, size), place)
            subject.put(at + place, total.to_bytes(4, "big"))


def vhdx(subject: Subject) -> None:
    """Headers, region tables, the first entry of a log."""
    for places, size in ((HEADER_PLACES, HEADER_SIZE), (REGION_PLACES, _REGION_SIZE)):
        for at in places:
            if subject.changed(at, at + size):
                subject.put(at + 4, sealed(subject.part(at, size))[4:8])
    if subject.part(MIB, 4) == b"loge" and subject.changed(MIB, MIB + _LARGEST_ENTRY_OF_LOG):
        length = int.from_bytes(subject.part(MIB + 8, 4), "little")
        if length <= _LARGEST_ENTRY_OF_LOG:
            subject.put(MIB + 4, sealed(subject.part(MIB, length).ljust(8, b"\0"))[4:8])


def gpt(subject: Subject) -> None:
    """Tables and headers of both copies, wherever the headers say that the tables are."""
    for at in (512, subject.size - 512):
        if subject.part(at, 8) == b"EFI PART":
            _gpt_copy(subject, at)


def _gpt_copy(subject: Subject, at: int) -> None:
    start, count, size = struct.unpack("<QII", subject.part(at + 72, 16))
    if count * size <= 1 << 16 and start * 512 + count * size <= subject.size:
        total = zlib.crc32(subject.part(start * 512, count * size))
        subject.put(at + 88, total.to_bytes(4, "little"))
    length = min(int.from_bytes(subject.part(at + 12, 4), "little"), 512)
    subject.put(at + 16, bytes(4))
    subject.put(at + 16, zlib.crc32(subject.part(at, length)).to_bytes(4, "little"))


def lvm(subject: Subject) -> None:
    """Label, text and header of the first metadata area."""
    subject.put(528, lvm_checksum(subject.part(532, 492)).to_bytes(4, "little"))
    offset, length = struct.unpack("<QQ", subject.part(4096 + 40, 16))
    if offset + length <= MIB:
        total = lvm_checksum(subject.part(4096 + offset, length))
        subject.put(4096 + 56, total.to_bytes(4, "little"))
    subject.put(4096, lvm_checksum(subject.part(4100, 508)).to_bytes(4, "little"))


def md(subject: Subject) -> None:
    """The superblock of version 1.2, and that of 0.90."""
    members = int.from_bytes(subject.part(4096 + 220, 4), "little")
    if subject.changed(4096, 8192) and members < 1920:
        data = subject.part(4096, 256 + 2 * members)
        subject.put(4096 + 216, _checksum_1(data).to_bytes(4, "little"))
    at = (subject.size & ~0xFFFF) - 0x10000
    if at >= 0 and subject.changed(at, at + 4096):
        words = struct.unpack("<1024I", subject.part(at, 4096))
        total = sum(words) - words[38]
        folded = (total + (total >> 32)) & 0xFFFFFFFF
        subject.put(at + 4 * 38, folded.to_bytes(4, "little"))


def exfat(subject: Subject) -> None:
    """The main boot region, and the sets of directory entries that were touched."""
    touched = subject.places_changed()
    if subject.changed(0, 11 * 512):
        total = boot_checksum(subject.part(0, 11 * 512)).to_bytes(4, "little")
        subject.put(11 * 512, total * 128)
    for at in touched:
        if at >= 24 * 512:
            _exfat_set(subject, at & ~31)


def _exfat_set(subject: Subject, slot: int) -> None:
    for first in range(slot, max(slot - 19 * 32, 0), -32):
        kind, count = subject.part(first, 2)
        if kind == 0x85:
            if first + 32 * count >= slot and count < 20:
                total = set_checksum(subject.part(first, 32 * (count + 1)))
                subject.put(first + 2, total.to_bytes(2, "little"))
            return
