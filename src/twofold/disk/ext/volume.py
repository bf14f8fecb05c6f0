"""An ext2, ext3 or ext4 volume as a file system."""

from collections.abc import Iterator
from operator import or_

from twofold.disk import bitmap
from twofold.disk.base import (
    BlockReader,
    Content,
    DirectoryEntry,
    Facts,
    FileFacts,
    Kind,
    PlainFile,
    Stream,
)
from twofold.disk.ext import allocation, directory, features, inode, locate, xattrs
from twofold.disk.ext.files import Files
from twofold.disk.ext.groups import Groups
from twofold.disk.ext.inode import ENCRYPTED, INLINE_DATA, Inode
from twofold.disk.ext.notes import Notes, feature_names
from twofold.disk.ext.replay import replay
from twofold.disk.ext.streams import StreamPass
from twofold.disk.ext.superblock import Superblock
from twofold.disk.ext.table import InodeTable
from twofold.errors import FormatError

_FILE_TYPE = 0x2


def open_ext(reader: BlockReader, *, search: bool = False) -> "ExtVolume":
    """Open an ext2, ext3 or ext4 volume that begins at byte 0.

    ``search``: even where nothing looks like ext, go by a copy of the superblock if one is left.
    FormatError when it is none, is not understood or damaged beyond use; OSError when the device
    cannot read.
    """
    sb = locate.find(reader, search=search)
    return ExtVolume(reader, sb)


class ExtVolume:
    """``FileSystem`` over the tables of an ext volume; memory holds only the group descriptors."""

    def __init__(self, reader: BlockReader, sb: Superblock) -> None:
        self._volume = reader
        self._replay = replay(reader, sb)
        self._reader = self._replay.reader
        self._sb = sb
        self._groups = Groups(self._reader, sb)
        self._table = InodeTable(self._reader, sb, self._groups)
        self._files = Files(self._reader, sb, self._table)
        self._notes = Notes(sb, len(self._groups.doubtful), self._replay.lost)

    @property
    def facts(self) -> Facts:
        """The volume; ``version`` has its features, notes grow with what ``streams`` leaves out."""
        sb = self._sb
        return Facts(
            kind=features.kind(sb.compat, sb.incompat, sb.ro_compat),
            label=sb.label,
            serial=sb.uuid,
            unit=sb.unit,
            units=sb.units,
            origin=sb.first_block * sb.block_size,
            clean=sb.clean and not self._groups.doubtful,
            version=f"revision {sb.long(76)}: {' '.join(feature_names(sb)) or 'no features'}",
            notes=self._notes.sentences(),
        )

    def allocation(self) -> bytearray:
        """Bitmaps of all groups; damaged groups count as in use.

        While a journal waits: what is in use before and after it; all if it cannot be followed. All
        as well of a volume that was not unmounted and has none, or has errors, and where the root
        directory is none: these may be tables of a file system that was here before, with something
        else over them.
        """
        self._notes.rootless = not self._has_root()
        if self._replay.lost or self._sb.unsettled or self._notes.rootless:
            return bitmap.full(self._sb.units)
        found, self._notes.unfit = allocation.read(
            self._reader, self._sb, self._groups, settled=True
        )
        if self._replay.newer:
            old = Groups(self._volume, self._sb)
            before, _ = allocation.read(self._volume, self._sb, old, settled=False)
            bitmap.change(found, before, or_)
        return found

    def _has_root(self) -> bool:
        try:
            return self._table.get(inode.ROOT).kind is Kind.DIRECTORY
        except FormatError:
            return False

    def streams(self) -> Iterator[Stream]:
        """In the order of inodes, each group's inode table before them. See ``StreamPass``."""
        streams = StreamPass(self._reader, self._sb, self._groups, self._notes)
        return self._replay.told(streams, self._sb)

    def root(self) -> int:
        """Always inode 2."""
        return inode.ROOT

    def facts_of(self, file: int) -> FileFacts:
        """What ``stat``, ``readlink`` and ``getfattr`` tell. FormatError on damage."""
        found = self._in_use(file)
        return FileFacts(
            kind=found.kind,
            size=found.size,
            links=found.links,
            modified_ns=found.modified_ns,
            changed_ns=found.changed_ns,
            created_ns=found.created_ns,
            mode=found.mode,
            uid=found.uid,
            gid=found.gid,
            device=found.device,
            target=self._files.target(found) if found.kind is Kind.LINK else None,
            xattrs=self._files.xattrs(found),
            encrypted=bool(found.flags & ENCRYPTED),
        )

    def record(self, file: int) -> bytes:
        """The inode."""
        return self._table.get(file).raw

    def plain(self, file: int) -> PlainFile | None:
        """Of a regular file that needs neither a key nor attributes."""
        try:
            found = self._in_use(file)
            if found.kind is not Kind.FILE or found.flags & (ENCRYPTED | INLINE_DATA):
                return None
            return None if xattrs.has_any(found) else PlainFile(found.size, inside=False)
        except FormatError:
            return None

    def entries(self, directory: int) -> Iterator[DirectoryEntry]:
        """In the order stored; names in encrypted directories are spelled in letters.

        A hostile volume may name a directory in several places, even inside itself: who walks must
        remember where they were. FormatError on damage, after what could be read before it.
        """
        for name, number, kind in self._names(self._in_use(directory)):
            if number not in {directory, inode.ROOT}:
                yield DirectoryEntry(name, number, kind or self._in_use(number).kind)

    def _names(self, found: Inode) -> Iterator[directory.Found]:
        if found.kind is not Kind.DIRECTORY:
            raise FormatError(f"inode {found.number} is not a directory")
        sb, sealed = self._sb, bool(found.flags & ENCRYPTED)
        if found.flags & INLINE_DATA:
            data = self._files.inline(found)
            yield from directory.inline(data, sb.inodes, sealed=sealed)
            return
        typed = bool(sb.incompat & _FILE_TYPE)
        for piece in self._files.pieces(found):
            for block in range(piece.physical, piece.physical + piece.blocks):
                raw = self._reader.read(block * sb.block_size, sb.block_size)
                yield from directory.entries(raw, sb.inodes, typed=typed, sealed=sealed)

    def open(self, file: int, stream: bytes = b"") -> Content:
        """The content of a regular file. FormatError when there is none that can be read."""
        found = self._in_use(file)
        if stream or found.kind is not Kind.FILE:
            raise FormatError(f"inode {file} has no such content")
        return self._files.content(found)

    def _in_use(self, number: int) -> Inode:
        found = self._table.get(number)
        if not found.mode:
            raise FormatError(f"inode {number} is not in use")
        return found
