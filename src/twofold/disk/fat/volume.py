"""A FAT file system: boot sector, FATs and directories put together."""

import struct
from collections.abc import Iterator

from twofold.disk.base import BlockReader, Facts
from twofold.disk.clusters.chain import Allocation, Chain
from twofold.disk.clusters.heap import SLOT, Extent, Heap, slots
from twofold.disk.clusters.notes import Notes
from twofold.disk.clusters.record import Record
from twofold.disk.clusters.table import (
    FAT12,
    FAT16,
    FIRST_CLUSTER,
    AllocationTable,
    Location,
)
from twofold.disk.clusters.volume import ROOT, ClusterFileSystem
from twofold.disk.fat.boot import BOOT_LENGTH, Boot, read_boot
from twofold.disk.fat.directory import begins_with_itself, labels, records, single
from twofold.disk.fat.used import read_used
from twofold.errors import FormatError

_PARAMETERS = slice(11, 90)  # of the boot sector; its copy may have another state byte
_STATE = 65 - 11
_UNKNOWN_COUNT = 0xFFFFFFFF
_NO_NAME = b"NO NAME    "


def open_fat(reader: BlockReader, *, code_page: str = "cp437") -> "FatFileSystem":
    """A FAT12, FAT16 or FAT32 file system; FormatError when it is none.

    ``code_page`` is what short names are written in (``cp437``, ``cp850``): no volume tells.
    """
    return FatFileSystem(reader, read_boot(reader), code_page)


class FatFileSystem(ClusterFileSystem):
    """Implements ``FileSystem``. The number of a file is the place of its directory entry."""

    longest_directory = 65536 * SLOT

    def __init__(self, reader: BlockReader, boot: Boot, code_page: str) -> None:
        self._reader = reader
        self._boot = boot
        self._code_page = code_page
        self._wide = boot.kind == "fat32"
        heap = Heap(reader, boot.origin, boot.unit, boot.units)
        super().__init__(heap, AllocationTable(self._fat(boot.active)), Notes())
        self._media, self._marks = self._table.entries(0, 2)
        self._note_volume()
        self._label = self._read_label()

    @property
    def facts(self) -> Facts:
        """The file system as a whole."""
        boot = self._boot
        return Facts(
            kind=boot.kind,
            label=self._label,
            serial=boot.serial,
            unit=boot.unit,
            units=boot.units,
            origin=boot.origin,
            clean=self._is_clean(),
            notes=self._notes.sentences(),
        )

    def allocation(self) -> bytearray:
        """One bit per cluster: its entry in any FAT is neither zero nor the mark of a bad one."""
        copies = range(self._boot.fats) if self._boot.mirrored else ()
        others = [self._fat(number) for number in copies if number != self._boot.active]
        used = read_used(self._table.location, others)
        if not used.equal:
            self._notes.add("the copies of the FAT differ; the first one is followed")
        self._note_free(used.free)
        return used.bits

    def _fat(self, number: int) -> Location:
        boot = self._boot
        offset = boot.fat_offset + number * boot.fat_length
        return Location(self._reader, offset, boot.units, boot.form)

    def _root(self) -> Allocation:
        return Allocation(self._boot.root_cluster, None)

    def _tables(self) -> Iterator[tuple[int, Allocation]]:
        return iter(())  # the FATs lie before the clusters

    def _extents(self, directory: int, chain: Chain) -> Iterator[Extent]:
        """Where a directory is; the root of FAT12 and FAT16 is in no cluster."""
        if directory == ROOT and not self._wide:
            return iter([(self._boot.root_offset, self._boot.root_length)])
        return self._heap.extents(chain.runs)

    def _records(self, directory: int, chain: Chain) -> Iterator[Record]:
        found = slots(self._reader, self._extents(directory, chain))
        if directory != ROOT:
            self._note_directory(directory, chain)
        return records(found, wide=self._wide, code_page=self._code_page, notes=self._notes)

    def _record(self, file: int) -> Record:
        offset = file * SLOT
        if not self._boot.root_offset <= offset < self._heap.end:
            raise FormatError(f"number {file} is no file")
        slot = self._reader.read(offset, SLOT)
        return single(file, slot, wide=self._wide, code_page=self._code_page)

    def _is_clean(self) -> bool:
        if self._boot.state & 1:
            return False
        return self._boot.form == FAT12 or bool(self._marks & self._mark_bits()[0])

    def _mark_bits(self) -> tuple[int, int]:
        """Of the second entry: unmounted properly, no errors met."""
        return (0x8000, 0x4000) if self._boot.form == FAT16 else (0x08000000, 0x04000000)

    def _read_label(self) -> str:
        """The label in the root directory, else the boot sector's."""
        try:
            chain = self._chain(self._root(), None)
            found = slots(self._reader, self._extents(ROOT, chain))
            stored = next(labels(found), self._boot.label)
        except FormatError as error:
            self._notes.add(f"the root directory is damaged: {error.message}")
            stored = self._boot.label
        return "" if stored == _NO_NAME else stored.decode(self._code_page).rstrip(" \0")

    def _note_volume(self) -> None:
        """Tell what the boot sector and the first entries of the FAT have to say."""
        boot = self._boot
        self._notes.add("times are local times of an unknown zone, taken as UTC")
        if not boot.signed:
            self._notes.add("the boot sector does not end with its signature")
        if self._media & 0xFF != boot.media:
            self._notes.add("the FAT does not begin with the media byte of the boot sector")
        if boot.state & 2 or (boot.form != FAT12 and not self._marks & self._mark_bits()[1]):
            self._notes.add("the system that wrote it met errors of the medium")
        if not boot.mirrored:
            self._notes.add(f"only FAT {boot.active} is in use")
        if self._wide and not boot.root_cluster:
            self._notes.add("there is no root directory")
        if boot.backup_sector and not self._backup_equal():
            self._notes.add("the copy of the boot sector differs")

    def _backup_equal(self) -> bool:
        stored = [
            bytearray(self._reader.read(number * self._boot.sector, BOOT_LENGTH)[_PARAMETERS])
            for number in (0, self._boot.backup_sector)
        ]
        for parameters in stored:
            parameters[_STATE] = 0
        return stored[0] == stored[1]

    def _note_free(self, free: int) -> None:
        """Tell when FSInfo (FAT32) has another count; it is a hint and no more."""
        if not self._boot.info_sector:
            return
        sector = self._reader.read(self._boot.info_sector * self._boot.sector, 512)
        if sector[:4] != b"RRaA" or sector[484:488] != b"rrAa":
            self._notes.add("FSInfo is damaged")
            return
        (told,) = struct.unpack_from("<I", sector, 488)
        if told not in (free, _UNKNOWN_COUNT):
            self._notes.add(f"FSInfo tells of {told} free clusters, there are {free}")

    def _note_directory(self, directory: int, chain: Chain) -> None:
        if not chain.runs:
            self._notes.add(f"directory {directory} has no clusters")
            return
        extents = self._heap.extents(chain.runs[:1])
        _, slot = next(slots(self._reader, extents))
        if not begins_with_itself(slot, chain.runs[0].first + FIRST_CLUSTER, wide=self._wide):
            self._notes.add(f"directory {directory} does not begin with itself")
