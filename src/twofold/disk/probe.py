"""Which file system a volume holds, by its signature.

A signature only chooses the parser; whether the rest is as it should be is the parser's to say. FAT
has no signature and is asked for last. A new file system is one more line of the list.
"""

from collections.abc import Callable
from typing import NamedTuple

from twofold.disk.base import BlockReader, FileSystem, UsedBlocks
from twofold.disk.btrfs import open_btrfs
from twofold.disk.exfat import open_exfat
from twofold.disk.ext import open_ext
from twofold.disk.fat import is_fat, open_fat
from twofold.disk.ntfs import open_ntfs
from twofold.disk.xfs import open_xfs


class Signature(NamedTuple):
    """Bytes at a place of the volume, and the parser they stand for."""

    offset: int
    magic: bytes
    open: Callable[[BlockReader], FileSystem]


SIGNATURES = (
    Signature(3, b"NTFS    ", open_ntfs),
    Signature(3, b"EXFAT   ", open_exfat),
    Signature(1080, b"\x53\xef", open_ext),
)
_BOOT = 512


def open_file_system(reader: BlockReader) -> FileSystem | None:
    """The file system of a volume, None when none is recognised.

    FormatError when one is recognised and too damaged to be opened.
    """
    for offset, magic, opener in SIGNATURES:
        end = offset + len(magic)
        if reader.size >= end and reader.read(offset, len(magic)) == magic:
            return opener(reader)
    if reader.size >= _BOOT and is_fat(reader.read(0, _BOOT)):
        return open_fat(reader)
    return None


def open_used_blocks(reader: BlockReader) -> UsedBlocks | None:
    """A file system of which only what is in use is understood, None when it is none of them.

    FormatError when one is recognised and too damaged to be opened.
    """
    for offset, magic, opener in _MAPPED:
        end = offset + len(magic)
        if reader.size >= end and reader.read(offset, len(magic)) == magic:
            return opener(reader)
    return None


_MAPPED: tuple[tuple[int, bytes, Callable[[BlockReader], UsedBlocks]], ...] = (
    (0, b"XFSB", open_xfs),
    (0x10040, b"_BHRfS_M", open_btrfs),
)
