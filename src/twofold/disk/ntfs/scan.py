"""All streams of a volume, in one pass through its table of files.

Per record in use: its attributes are walked once; most have nothing in clusters, or one attribute
in one run. Only a file with an attribute list needs other records, fetched where they are.

Roles. $DATA of user files is FILE, or CODED if some part of it is compressed or it is encrypted; a
compressed file of which nothing could be made smaller lies plain in its clusters and is FILE too.
CODED streams are as long as their clusters go, since coded bytes may pass the end of the content.
Everything else is META and called by its type, as in ``$I30:$INDEX_ALLOCATION``.

Stamps. Writing into a file changes its record: the times of the last write and of the last change
when a handle is closed or the cache is flushed, the USN if the volume keeps a change journal, and
each change of a record is logged and leaves the number of the log record (LSN) in its header. The
sequence number tells apart files that had the same record one after the other. So the stamp is

    1 | LSN (8) | sequence (2) | modified, record changed (16) | USN (8, if the record has one)

Not proven by it: writes through a handle that was told to leave times alone, on a volume without
change journal; writes through a handle that is still open, for which times may wait in memory and
the journal gets one entry only; drivers that write without a log and set times back; the clock's
grain. Whoever trusts stamps must know that. META streams change without their record: no stamp.
Nor has any file that may be thrown away one: page files and shadow copies are written cluster by
cluster, past the file system, and somebody may want them to be kept.

Of a volume whose tables may not be up to date (``state``) nothing is proven: no stream has a stamp,
and the clusters of a page file may be those of another file by now, so none is to be thrown away.
Only a hibernation file that is one, as its first bytes prove, is told as ``asleep``.

$BadClus:$Bad is as long as the volume and has clusters where the disk is broken. It is told only if
there are such, as ``discard``: nobody reads them, and what is restored elsewhere is zeros there.
"""

from collections.abc import Iterable, Iterator, Sequence

from twofold.disk.base import HOLE, Role, Run, Stream
from twofold.disk.ntfs import attributes as at
from twofold.disk.ntfs.attributes import Head, Part, Stored
from twofold.disk.ntfs.boot import Geometry
from twofold.disk.ntfs.notes import Notes
from twofold.disk.ntfs.state import State
from twofold.disk.ntfs.system import System
from twofold.disk.ntfs.table import MAGIC, Table
from twofold.errors import FormatError
from twofold.native import EXTENSION

RECIPE = b"\x01"
"""First byte of every stamp; another one where stamps are made otherwise. See images.md."""

_MAKERS = Stream, Run, Role.FILE, Role.META
_BAD_CLUSTERS = 8
_RESIDENT = {at.STANDARD_INFORMATION, at.ATTRIBUTE_LIST, at.FILE_NAME}
"""The resident attributes whose values count here."""
_SLACK_OF_LISTS = 1 << 20
Place = tuple[int, int, int]
"""Type, offset and length of an attribute."""
About = tuple[Head, Sequence[bytes], Sequence[bytes]]
"""The header of a file's record; values of $STANDARD_INFORMATION; values of $FILE_NAME."""


class Scan:
    """One pass. What cannot be understood is left out and noted."""

    def __init__(
        self, table: Table, geometry: Geometry, system: System, notes: Notes, state: State
    ) -> None:
        self._state = state
        self._table = table
        self._geometry = geometry
        self._system = system
        self._notes = notes
        # Each listed part fills a good piece of a record, so lists are shorter than the table.
        # More than twice as much is lists that share clusters, made to keep us busy.
        self._lists = 2 * table.count * geometry.record + _SLACK_OF_LISTS

    def streams(self) -> Iterator[Stream]:
        """In the order of the table."""
        size = self._geometry.record
        for first, block, damaged in self._table.blocks():
            for index in damaged:
                self._damaged(first + index, block[index * size : index * size + 4])
            for told in self._told(first, block, damaged):
                if isinstance(told, int):
                    yield from self._understood(first + told, block, told * size)
                else:
                    yield told

    def _told(self, first: int, block: bytes, damaged: set[int]) -> Iterable[Stream | int]:
        """The streams of records that nothing is special about; the indexes of all others."""
        size = self._geometry.record
        if EXTENSION is None:
            flags = enumerate(block[22::size])
            return [index for index, each in flags if each & at.USED and index not in damaged]
        system, sure = self._system, not self._state.doubt
        found: list[Stream | int] = EXTENSION.ntfs_streams(
            block,
            size,
            self._geometry.cluster,
            self._geometry.units,
            first,
            damaged,
            system.below_extend,
            b"".join(system.parents),
            RECIPE if sure else b"",
            _MAKERS,
        )
        return found

    def _damaged(self, number: int, magic: bytes) -> None:
        """Records that were never used are zeros; anything else is damage."""
        if any(magic):
            kind = "was written only in part" if magic == MAGIC else "is damaged"
            self._notes.tell(f"record {number} of the table of files {kind}")

    def _understood(self, number: int, block: bytes, start: int) -> list[Stream]:
        try:
            return self._record(number, block, start)
        except FormatError as error:
            self._notes.tell(f"file {number} is left to the map of clusters: {error.message}")
            return []

    def _record(self, number: int, block: bytes, start: int) -> list[Stream]:
        head = at.head_of(block, start)
        if head.base:
            return []
        places = at.walk(block, start, head, self._geometry.record)
        stored = []
        for place in places:
            if place[0] == at.ATTRIBUTE_LIST:
                return self._listed(number, head, block, places)
            if block[place[1] + 8]:
                stored.append(place)
        if not stored:
            return []
        infos = _values(block, places, at.STANDARD_INFORMATION)
        names = _values(block, places, at.FILE_NAME)
        units = self._geometry.units
        whole = [at.stored_at(block, kind, place, length, units) for kind, place, length in stored]
        return self._streams_of(number, whole, (head, infos, names))

    def _listed(self, number: int, head: Head, block: bytes, places: list[Place]) -> list[Stream]:
        """Of a file whose attributes are in several records."""
        parts = [
            at.part_at(block, kind, place, length)
            for kind, place, length in places
            if block[place + 8] or kind in _RESIDENT
        ]
        parts = self._complete(number, head, parts)
        infos = [at.value_of(p) for p in parts if p.kind == at.STANDARD_INFORMATION and p.resident]
        names = [at.value_of(p) for p in parts if p.kind == at.FILE_NAME and p.resident]
        groups = _grouped([part for part in parts if part.raw[8]])
        whole = [at.join(group, self._geometry.units) for group in groups]
        return self._streams_of(number, whole, (head, infos, names))

    def _complete(self, number: int, head: Head, parts: list[Part]) -> list[Part]:
        for part in parts:
            if part.kind == at.ATTRIBUTE_LIST and not part.resident:
                self._lists -= at.pack(part, self._geometry.units).size
        if self._lists < 0:
            raise FormatError("the attribute lists are longer than the table of files")
        return self._table.complete(number, head, parts).parts

    def _streams_of(self, number: int, whole: list[Stored], about: About) -> list[Stream]:
        head, infos, names = about
        content = not self._system.owns(number)
        sure = not self._state.doubt
        stamp = _stamp(head, infos) if content and sure else b""
        discard = content and self._system.discards(names, infos)
        found = []
        for stored in whole:
            if not _is_somewhere(stored):
                continue
            if content and stored.kind == at.DATA:
                throw = discard and not stored.name
                proof = b"" if throw else stamp  # Windows writes these past the file system
                stream = self._content(number, stored, proof, discard=throw and sure)
                asleep = throw and not sure and number == self._state.memory
                found.append(stream._replace(asleep=True) if asleep else stream)
            else:
                found.append(self._meta(number, stored))
        return found

    def _content(self, number: int, stored: Stored, stamp: bytes, *, discard: bool) -> Stream:
        _, name, flags, size, valid, _, runs, _ = stored
        if flags & (at.COMPRESSION_MASK | at.ENCRYPTED) and not _is_plain(stored):
            runs = _without_end(runs)
            size = valid = sum(units for _, units in runs) * self._geometry.cluster
            return Stream(number, name, Role.CODED, size, valid, runs, stamp, discard)
        self._covers(stored)
        return Stream(number, name, Role.FILE, size, valid, runs, stamp, discard)

    def _meta(self, number: int, stored: Stored) -> Stream:
        self._covers(stored)
        name = stored.name
        if stored.kind != at.DATA:
            kind = at.NAMES.get(stored.kind, f"0x{stored.kind:X}")
            name += b":" + kind.encode()
        bad = number == _BAD_CLUSTERS
        size, valid, runs = stored.size, stored.valid, stored.runs
        return Stream(number, name, Role.META, size, valid, runs, discard=bad)

    def _covers(self, stored: Stored) -> None:
        if stored.size > stored.units * self._geometry.cluster:
            raise FormatError("an attribute is longer than its clusters")


def _grouped(parts: list[Part]) -> list[list[Part]]:
    """The parts of each attribute that is split over records."""
    groups: dict[tuple[int, bytes], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.kind, part.name), []).append(part)
    return list(groups.values())


def _is_somewhere(stored: Stored) -> bool:
    """Whether any cluster belongs to an attribute."""
    runs = stored.runs
    if runs and runs[0].first != HOLE:
        return True
    return any(first != HOLE for first, _ in runs)


def _is_plain(stored: Stored) -> bool:
    """Whether a compressed attribute has all clusters, so that no unit is compressed."""
    if stored.flags & at.ENCRYPTED:
        return False
    return all(first != HOLE for first, _ in stored.runs)


def _without_end(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """Without the holes after the last cluster."""
    end = len(runs)
    while runs[end - 1].first == HOLE:
        end -= 1
    return runs[:end]


def _values(block: bytes, places: list[Place], kind: int) -> list[bytes]:
    """The values of all resident attributes of a type."""
    return [
        at.value_at(block, place, length)
        for found, place, length in places
        if found == kind and not block[place + 8]
    ]


def _stamp(head: Head, infos: Sequence[bytes]) -> bytes:
    """See above; empty for a file without times."""
    for value in infos:
        number = head.log.to_bytes(8, "little") + head.sequence.to_bytes(2, "little")
        return RECIPE + number + value[8:24] + value[64:72]
    return b""
