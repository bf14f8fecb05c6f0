"""An exFAT file system: boot regions, FAT, bitmap and directories put together.

The allocation bitmap alone tells what is in use; clusters that the FAT marks bad are in use when
the bitmap says so, for the FAT says nothing reliable of clusters in contiguous files.
"""

from collections.abc import Iterable, Iterator

from twofold.disk import bitmap
from twofold.disk.base import BlockReader, Facts
from twofold.disk.clusters.chain import Allocation, Chain
from twofold.disk.clusters.heap import SLOT, Heap, RunContent, slots
from twofold.disk.clusters.notes import Notes
from twofold.disk.clusters.record import Record
from twofold.disk.clusters.table import EXFAT, FIRST_CLUSTER, AllocationTable, Location
from twofold.disk.clusters.volume import ClusterFileSystem
from twofold.disk.exfat.boot import Boot, backup_is_whole, read_boot
from twofold.disk.exfat.checksums import table_checksum
from twofold.disk.exfat.entries import FILE, file_of, is_known, set_length, sets
from twofold.disk.exfat.system import LARGEST_UPCASE, System, read_system
from twofold.errors import FormatError


def open_exfat(reader: BlockReader) -> "ExfatFileSystem":
    """An exFAT file system; FormatError when it is none or its root directory is damaged."""
    return ExfatFileSystem(reader, read_boot(reader))


class ExfatFileSystem(ClusterFileSystem):
    """Implements ``FileSystem``. The number of a file is the place of its directory entry."""

    longest_directory = 1 << 28

    def __init__(self, reader: BlockReader, boot: Boot) -> None:
        self._reader = reader
        self._boot = boot
        heap = Heap(reader, boot.origin, boot.unit, boot.units)
        offset = boot.fat_offset + boot.active * boot.fat_length
        table = AllocationTable(Location(reader, offset, boot.units, EXFAT))
        super().__init__(heap, table, Notes())
        self._table.check(boot.root_cluster)
        self._system = read_system(self._sets(self._chain(self._root(), None)))
        self._bitmap = self._open_bitmap(self._system)
        self._note_volume()

    @property
    def facts(self) -> Facts:
        """The file system as a whole."""
        boot = self._boot
        return Facts(
            kind="exfat",
            label=self._system.label,
            serial=boot.serial,
            unit=boot.unit,
            units=boot.units,
            origin=boot.origin,
            clean=not boot.dirty,
            version=f"{boot.revision >> 8}.{boot.revision & 0xFF:02}",
            notes=self._notes.sentences(),
        )

    def allocation(self) -> bytearray:
        """The bitmap as stored."""
        bits = bitmap.gathered(self._bitmap.read, self._bitmap.size)
        return bitmap.cut(bits, self._heap.units)

    def _open_bitmap(self, system: System) -> RunContent:
        if self._boot.active not in system.bitmaps:
            raise FormatError("the allocation bitmap is not to be found")
        _, allocation = system.bitmaps[self._boot.active]
        length = (self._heap.units + 7) // 8
        if (allocation.size or 0) < length:
            raise FormatError("the allocation bitmap is too short")
        chain = self._chain(allocation._replace(size=length), None)
        return RunContent(self._heap, chain.runs, length, length)

    def _root(self) -> Allocation:
        return Allocation(self._boot.root_cluster, None)

    def _tables(self) -> Iterator[tuple[int, Allocation]]:
        yield from self._system.bitmaps.values()
        if self._system.upcase is not None:
            yield self._system.upcase

    def _sets(self, chain: Chain) -> Iterator[tuple[int, list[bytes]]]:
        return sets(slots(self._reader, self._heap.extents(chain.runs)))

    def _records(self, directory: int, chain: Chain) -> Iterator[Record]:
        for number, found in self._sets(chain):
            if found[0][0] != FILE:
                if not is_known(found[0][0]):
                    self._notes.add(f"directory {directory} has entries of an unknown type")
                continue
            try:
                record = file_of(number, found)
            except FormatError as error:
                self._notes.add(f"number {number} is left out: {error.message}")
                continue
            if record.modified.local:
                self._notes.add("times without a zone are taken as UTC")
            yield record

    def _record(self, file: int) -> Record:
        """A set may go on in another cluster of its directory.

        That is the following cluster or the one the FAT names; the checksum tells which.
        """
        if not self._heap.origin <= file * SLOT < self._heap.end:
            raise FormatError(f"number {file} is no file")
        for stored in self._candidates(file * SLOT):
            try:
                return file_of(file, [stored[at : at + SLOT] for at in range(0, len(stored), SLOT)])
            except FormatError:
                continue
        raise FormatError(f"number {file} is no file, or damaged")

    def _candidates(self, offset: int) -> Iterable[bytes]:
        length = set_length(self._reader.read(offset, SLOT))
        unit, within = divmod(offset - self._heap.origin, self._heap.unit)
        size = within + length
        for in_order in (size <= self._heap.unit, True):
            try:
                chain = self._chain(Allocation(unit + FIRST_CLUSTER, size, in_order), None)
            except FormatError:
                continue
            yield RunContent(self._heap, chain.runs, size, size).read(within, length)

    def _note_volume(self) -> None:
        """Tell what the boot regions and the root directory have to say."""
        boot, system = self._boot, self._system
        if boot.from_backup:
            self._notes.add("the main boot region is damaged, its copy is used")
        elif not backup_is_whole(self._reader, boot):
            self._notes.add("the copy of the boot region is damaged")
        if boot.failed:
            self._notes.add("the system that wrote it met errors of the medium")
        if boot.fats > 1:
            self._notes.add(f"it is TexFAT, FAT {boot.active} is in use")
        if system.guid:
            self._notes.add(f"its GUID is {system.guid}")
        if system.unknown is not None:
            self._notes.add(f"the root directory has an entry of the type {system.unknown:02x}")
        if not self._upcase_is_whole(system):
            self._notes.add("the up-case table is damaged")

    def _upcase_is_whole(self, system: System) -> bool:
        if system.upcase is None:
            return False
        _, allocation = system.upcase
        size = allocation.size or 0
        if not 0 < size <= LARGEST_UPCASE:
            return False
        try:
            chain = self._chain(allocation, None)
        except FormatError:
            return False
        stored = RunContent(self._heap, chain.runs, size, size).read(0, size)
        return table_checksum(stored) == system.upcase_checksum
