"""An NTFS volume as a file system: what the other modules know, behind one door.

The metafiles by their record: 0 $MFT, 1 $MFTMirr, 2 $LogFile, 3 $Volume, 4 $AttrDef, 5 the root,
6 $Bitmap, 7 $Boot, 8 $BadClus, 9 $Secure, 10 $UpCase, 11 $Extend. They are not told as entries of
the root directory, as Windows does not tell them, but can be opened by number.
"""

from collections.abc import Iterator
from functools import cached_property

import msgspec

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
from twofold.disk.ntfs import attributes as at
from twofold.disk.ntfs import reparse, values
from twofold.disk.ntfs.boot import Geometry, read_geometry
from twofold.disk.ntfs.files import Files
from twofold.disk.ntfs.interix import SYSTEM
from twofold.disk.ntfs.notes import Notes
from twofold.disk.ntfs.scan import Scan
from twofold.disk.ntfs.state import State, state_of
from twofold.disk.ntfs.system import FIRST_USER_RECORD, ROOT, System
from twofold.disk.ntfs.table import Table
from twofold.errors import FormatError

_VOLUME = 3
_BITMAP = 6
_DIRECTORY = 0x10000000
_REPARSE = 0x400


def open_ntfs(reader: BlockReader, *, frozen: bool = False) -> "Ntfs":
    """The file system of a volume that begins at byte 0 of the reader.

    ``frozen``: it was flushed and frozen, so its tables are up to date whatever its log says.
    FormatError when it is no NTFS volume, does not fit into the reader, or its table of files is
    damaged; OSError when the device cannot be read.
    """
    geometry = read_geometry(reader)
    return Ntfs(geometry, Table(reader, geometry), frozen=frozen)


class _About(msgspec.Struct, frozen=True):
    """What the volume says of itself."""

    label: str
    version: str
    state: State


class Ntfs:
    """See ``twofold.disk.base.FileSystem``; notes grow while streams are told."""

    def __init__(self, geometry: Geometry, table: Table, *, frozen: bool = False) -> None:
        self._geometry = geometry
        self._table = table
        self._frozen = frozen
        self._notes = Notes()
        self._files = Files(table, geometry, self._notes)
        self._about = self._ask()

    @property
    def facts(self) -> Facts:
        """With the notes so far. Not clean: marked for checking, changes wait (``state``)."""
        return Facts(
            kind="ntfs",
            label=self._about.label,
            serial=f"{self._geometry.serial:016X}",
            unit=self._geometry.cluster,
            units=self._geometry.units,
            clean=self._about.state.clean,
            doubt=self._about.state.doubt,
            version=self._about.version,
            notes=self._notes.sentences(),
        )

    def _ask(self) -> _About:
        """Label, version and state; a volume that cannot tell them is read all the same."""
        try:
            file = self._table.file(_VOLUME)
            labels = file.values(at.VOLUME_NAME)
            versions = file.values(at.VOLUME_INFORMATION)
            version, marked = values.volume_version(versions[0] if versions else b"")
            state = state_of(self._files, marked=marked, frozen=self._frozen)
            label = labels[0].decode("utf-16-le", "replace") if labels else ""
            return _About(label, version, state)
        except FormatError as error:
            self._notes.tell(f"the volume does not describe itself: {error.message}")
            return _About("", "", State(clean=False, doubt="it does not describe itself"))

    def allocation(self) -> bytearray:
        """$Bitmap; FormatError when it is too short."""
        units = self._geometry.units
        length = (units + 7) // 8
        content = self._files.open(_BITMAP)
        if content.size < length:
            raise FormatError("the map of clusters is shorter than the volume")
        return bitmap.cut(bitmap.gathered(content.read, length), units)

    def streams(self) -> Iterator[Stream]:
        """Every stream that has clusters, in the order of the table of files (``scan``)."""
        state = self._about.state
        return Scan(self._table, self._geometry, self._system, self._notes, state).streams()

    @cached_property
    def _system(self) -> System:
        return System(self._files.names, self._notes)

    def root(self) -> int:
        """5."""
        return ROOT

    def facts_of(self, file: int) -> FileFacts:
        """What is known of a file by the number of its record."""
        return self._files.facts_of(file)

    def record(self, file: int) -> bytes:
        """Its base record."""
        return self._files.record(file)

    def plain(self, file: int) -> PlainFile | None:
        """Of a file with one content in one record."""
        return self._files.plain(file)

    def entries(self, directory: int) -> Iterator[DirectoryEntry]:
        """The children; of names that could lead elsewhere, what does so is spelled.

        What has no name at all is left out and noted.
        """
        for number, name in self._files.names(directory):
            if name.space == values.DOS or number < FIRST_USER_RECORD:
                continue
            if not name.name:
                self._notes.tell(f"directory {directory} has no name for file {number}")
                continue
            yield DirectoryEntry(values.step(name.name), number, self._kind(number, name))

    def _kind(self, number: int, name: values.FileName) -> Kind:
        """From the copy of the attributes that the directory keeps, if they tell all."""
        if name.attributes & _DIRECTORY:
            kind = Kind.DIRECTORY
        else:
            kind = self._files.kind_of(number) if name.attributes & SYSTEM else Kind.FILE
        return reparse.kind_of(name.tag, kind) if name.attributes & _REPARSE else kind

    def open(self, file: int, stream: bytes = b"") -> Content:
        """The content of a file, decoded where it is compressed; FormatError if encrypted."""
        return self._files.open(file, stream)
