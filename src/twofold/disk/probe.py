"""Which file system a volume holds, by its signature.

A signature only chooses the parser; whether the rest is as it should be is the parser's to say. FAT
has no signature and is asked for last. A new file system is one more line of the list.

A member of an array that is no mirror begins with pieces of what the array holds. Where that is a
file system smaller than the member, all looks as it should be and its maps are those of other
bytes. A member with its superblock at the start, a volume group or an encrypted volume may still
have the superblock of a file system that was there before, which none of them writes over. So
nothing is looked for in any of these.
"""

from collections.abc import Callable
from typing import NamedTuple

from twofold.disk.base import BlockReader, FileSystem, UsedBlocks
from twofold.disk.btrfs import open_btrfs
from twofold.disk.exfat import open_exfat
from twofold.disk.ext import open_ext
from twofold.disk.fat import is_fat, open_fat
from twofold.disk.ntfs import open_ntfs
from twofold.disk.raid import md_member
from twofold.disk.recognise import recognise
from twofold.disk.xfs import open_xfs


class Signature(NamedTuple):
    """Bytes at a place of the volume, and the parser they stand for."""

    offset: int
    magic: bytes
    open: Callable[[BlockReader, bool], FileSystem]
    """The reader, and whether the volume was flushed and frozen."""


SIGNATURES = (
    Signature(3, b"NTFS    ", lambda reader, frozen: open_ntfs(reader, frozen=frozen)),
    Signature(3, b"EXFAT   ", lambda reader, _: open_exfat(reader)),
    Signature(1080, b"\x53\xef", lambda reader, _: open_ext(reader)),
)
_BOOT = 512
_HIDING = frozenset(("luks1", "luks2", "bitlocker", "lvm2", "refs"))


def open_file_system(reader: BlockReader, *, frozen: bool = False) -> FileSystem | None:
    """The file system of a volume, None when none is recognised.

    ``frozen``: it was flushed and frozen, so its tables are up to date whatever its log says.
    FormatError when one is recognised and too damaged to be opened.
    """
    if _is_hidden(reader):
        return None
    for offset, magic, opener in SIGNATURES:
        end = offset + len(magic)
        if reader.size >= end and reader.read(offset, len(magic)) == magic:
            return opener(reader, frozen)
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
    for offset, magic, opener in _MAPPED:
        end = offset + len(magic)
        if reader.size >= end and reader.read(offset, len(magic)) == magic:
            return opener(reader, frozen)
    return None


def _is_hidden(reader: BlockReader) -> bool:
    """Whether what the volume holds is not what it shows at its start."""
    try:
        member = md_member(reader)
        if member is not None:
            return not member.is_array
        return recognise(reader).kind in _HIDING
    except OSError:  # near the end, maybe; what is at the start can be read all the same
        return False


_MAPPED: tuple[tuple[int, bytes, Callable[[BlockReader, bool], UsedBlocks]], ...] = (
    (0, b"XFSB", lambda reader, frozen: open_xfs(reader, frozen=frozen)),
    (0x10040, b"_BHRfS_M", lambda reader, _: open_btrfs(reader)),
)
