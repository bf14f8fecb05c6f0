"""Which file system a volume holds, by its signature.

A signature only chooses the parser; whether the rest is as it should be is the parser's to say. FAT
has no signature and is asked for last. A new file system is one more line of the list.

A member of an array that is no mirror begins with pieces of what the array holds. Where that is a
file system smaller than the member, all looks as it should be and its maps are those of other
bytes. A member with its superblock at the start, a volume group, an encrypted volume or a part of
a ZFS pool may still have the superblock of a file system that was there before, which none of them
writes over. So nothing is looked for in any of these.

ext and btrfs leave sector 0 to boot loaders, and their tools wipe it. Where it is the boot sector
of another file system or has a partition table, as the disk of a virtual machine has in a logical
volume, one of the two is left from before, and nobody knows which.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from twofold.disk import mbr
from twofold.disk.base import BlockReader, FileSystem, UsedBlocks
from twofold.disk.btrfs import open_btrfs
from twofold.disk.exfat import open_exfat
from twofold.disk.ext import open_ext
from twofold.disk.fat import is_fat, open_fat
from twofold.disk.ntfs import open_ntfs
from twofold.disk.raid import md_member
from twofold.disk.recognise import recognise
from twofold.disk.xfs import open_xfs
from twofold.errors import FormatError

OpenedT = TypeVar("OpenedT", FileSystem, UsedBlocks)


class Signature(NamedTuple, Generic[OpenedT]):
    """Bytes at a place of the volume, and the parser they stand for."""

    offset: int
    magic: bytes
    open: Callable[[BlockReader, bool], OpenedT]
    """The reader, and whether the volume was flushed and frozen."""


_NTFS, _EXFAT = b"NTFS    ", b"EXFAT   "
_EXT = Signature(1080, b"\x53\xef", lambda reader, _: open_ext(reader))
_BTRFS = Signature(0x10040, b"_BHRfS_M", lambda reader, _: open_btrfs(reader))
SIGNATURES = (
    Signature(3, _NTFS, lambda reader, frozen: open_ntfs(reader, frozen=frozen)),
    Signature(3, _EXFAT, lambda reader, _: open_exfat(reader)),
    _EXT,
)
_MAPPED = (
    Signature(0, b"XFSB", lambda reader, frozen: open_xfs(reader, frozen=frozen)),
    _BTRFS,
)
_BOOT = 512
_HIDING = frozenset(("luks1", "luks2", "bitlocker", "lvm2", "refs", "zfs"))


def open_file_system(reader: BlockReader, *, frozen: bool = False) -> FileSystem | None:
    """The file system of a volume, None when none is recognised.

    ``frozen``: it was flushed and frozen, so its tables are up to date whatever its log says.
    FormatError when one is recognised and too damaged to be opened.
    """
    if _is_hidden(reader):
        return None
    _refuse_two(reader, _EXT)
    for signature in SIGNATURES:
        if _has(reader, signature):
            return signature.open(reader, frozen)
    if reader.size >= _BOOT and is_fat(reader.read(0, _BOOT)):
        return open_fat(reader)
    return None


def open_used_blocks(reader: BlockReader, *, frozen: bool = False) -> UsedBlocks | None:
    """A file system of which only what is in use is understood, None when it is none of them.

    ``frozen`` as above.
    FormatError when one is recognised and too damaged to be opened.
    """
    if _is_hidden(reader):
        return None
    _refuse_two(reader, _BTRFS)
    for signature in _MAPPED:
        if _has(reader, signature):
            return signature.open(reader, frozen)
    return None


def _has(reader: BlockReader, signature: Signature[OpenedT]) -> bool:
    offset, magic, _ = signature
    return reader.size >= offset + len(magic) and reader.read(offset, len(magic)) == magic


def _refuse_two(reader: BlockReader, signature: Signature[OpenedT]) -> None:
    """``FormatError`` for a volume with a signature, and with a sector 0 that is no boot loader."""
    if _has(reader, signature) and _is_taken(reader.read(0, _BOOT)):
        raise FormatError("its first sector is that of something else, and one of the two is old")


def _is_taken(sector: bytes) -> bool:
    """Whether the first sector is a boot sector of NTFS, exFAT or FAT, or tells of partitions."""
    if sector[510:] != mbr.SIGNATURE:
        return False
    entries = mbr.read_entries(sector)
    is_table = bool(entries) and all(entry.is_sane and entry.start for entry in entries)
    return is_table or sector[3:11] in (_NTFS, _EXFAT) or is_fat(sector)


def _is_hidden(reader: BlockReader) -> bool:
    """Whether what the volume holds is not what it shows at its start."""
    try:
        member = md_member(reader)
        if member is not None:
            return not member.is_array
        return recognise(reader).kind in _HIDING
    except OSError:  # near the end, maybe; what is at the start can be read all the same
        return False
