"""The table of files, $MFT: single files by number, and all records in blocks.

$MFT describes itself in its own record 0, which the boot sector points to. When it is in many
pieces, further records hold the rest of its run list, and each lies in what was known before it.

A file whose attributes do not fit into one record has an attribute list, which names the records
that extend it; each of these tells whom it belongs to. A list is only trusted for *where* to look:
whatever belongs together is found in the records themselves.

    entry   0 4 type   4 2 length   8 8 first unit   16 8 reference of the record
"""

import struct
from collections.abc import Iterator
from functools import cached_property

import msgspec

from twofold.disk.base import BlockReader, Content
from twofold.disk.ntfs import attributes as at
from twofold.disk.ntfs.attributes import Head, Part, Stored
from twofold.disk.ntfs.boot import Geometry
from twofold.disk.ntfs.content import Bytes, Plain
from twofold.disk.ntfs.fixups import mend, mend_block
from twofold.disk.ntfs.runs import RunMap
from twofold.disk.ntfs.values import NUMBER
from twofold.errors import FormatError

MAGIC = b"FILE"
BLOCK = 1 << 20
"""Bytes read at once when all records are wanted."""

_NEAR = 1 << 16
_MAX_LIST = 1 << 18  # Windows has the same limit
_ENTRY = struct.Struct("<IH2xQQ")


class File(msgspec.Struct, frozen=True, dict=True):
    """A file and all its attributes, from however many records."""

    number: int
    head: Head
    parts: list[Part]

    @property
    def directory(self) -> bool:
        """Whether it is one."""
        return bool(self.head.flags & at.DIRECTORY)

    def of_kind(self, kind: int, name: bytes | None = None) -> list[Part]:
        """The parts of one type (and name)."""
        if name is not None:
            return self._named.get((kind, name), [])
        return [part for part in self.parts if part.kind == kind]

    @cached_property
    def _named(self) -> dict[tuple[int, bytes], list[Part]]:
        """Parts by type and name: a file may have thousands of streams, each asked for."""
        found: dict[tuple[int, bytes], list[Part]] = {}
        for part in self.parts:
            found.setdefault((part.kind, part.name), []).append(part)
        return found

    def values(self, kind: int) -> list[bytes]:
        """Values of all resident attributes of a type."""
        return [at.value_of(part) for part in self.of_kind(kind) if part.resident]


class Table:
    """$MFT of a volume. FormatError when it cannot be found or does not hang together."""

    def __init__(self, reader: BlockReader, geometry: Geometry) -> None:
        self._reader = reader
        self._geometry = geometry
        self._near: tuple[int, bytes] = (0, b"")
        self._last: File | None = None  # its streams are opened one after the other
        self._parts: list[Part] = []
        head, parts = self._first_record()
        self._grow([part for part in parts if _is_table(part)])
        for number in _extensions(self._list_of(parts) or b"", 0, at.DATA):
            self._grow([part for part in self._extension(number, 0, head) if _is_table(part)])
        if self._content.size < self._size:
            raise FormatError("the table of files is not complete")

    def _first_record(self) -> tuple[Head, list[Part]]:
        """Record 0, from the copy if it is damaged."""
        errors = []
        for cluster in (self._geometry.table, self._geometry.mirror):
            place = cluster * self._geometry.cluster
            try:
                record = mend(self._reader.read(place, self._geometry.record), MAGIC)
                return self._parse(record)
            except FormatError as error:
                errors.append(error)
        raise FormatError(f"the table of files cannot be read: {errors[0]}")

    def _grow(self, parts: list[Part]) -> None:
        """Take a further part of the table's own run list."""
        self._parts += parts
        if not self._parts:
            raise FormatError("the table of files does not say where it is")
        stored = at.join(self._parts, self._geometry.units)
        runs = RunMap(stored.runs)
        self._size = min(stored.size, stored.valid)
        size = min(self._size, runs.units * self._geometry.cluster)
        self._content = Plain(self._reader, self._geometry.cluster, runs, size)
        self.count = size // self._geometry.record

    def blocks(self) -> Iterator[tuple[int, bytes, set[int]]]:
        """All records: number of the first, the block, which of them are damaged or no records."""
        size = self._geometry.record
        for start in range(0, self.count * size, BLOCK):
            block = bytearray(self._content.read(start, min(BLOCK, self.count * size - start)))
            damaged = mend_block(block, size, MAGIC)
            yield start // size, bytes(block), damaged

    def file(self, number: int) -> File:
        """A file by the number of its base record; FormatError if there is none."""
        last = self._last
        if last is None or last.number != number:
            last = self._last = self._read_file(number)
        return last

    def _read_file(self, number: int) -> File:
        head, parts = self._parse(self.record(number))
        if not head.flags & at.USED or head.base:
            raise FormatError(f"there is no file {number}")
        return self.complete(number, head, parts)

    def complete(self, number: int, head: Head, parts: list[Part]) -> File:
        """A file from its base record, with what its attribute list names."""
        listed = self._list_of(parts)
        whole = list(parts)
        for extension in _extensions(listed or b"", number):
            whole += self._extension(extension, number, head)
        return File(number, head, whole)

    def record(self, number: int) -> bytes:
        """A record, mended; FormatError when it is damaged or beyond the end."""
        return mend(self.stored(number), MAGIC)

    def stored(self, number: int) -> bytes:
        """The same as it lies on the disk, whatever it is; FormatError beyond the end."""
        if not 0 <= number < self.count:
            raise FormatError(f"there is no file {number}")
        size = self._geometry.record
        start, data = self._near
        place = number * size
        if not start <= place < start + len(data):
            start = place - place % _NEAR
            data = self._content.read(start, _NEAR)
            self._near = start, data
        return data[place - start : place - start + size]

    def content(self, stored: Stored) -> Plain:
        """The bytes of a non-resident attribute as they are in its clusters."""
        runs = RunMap(stored.runs)
        return Plain(self._reader, self._geometry.cluster, runs, stored.size, stored.valid)

    def raw(self, runs: RunMap) -> Plain:
        """All that is in clusters, whatever of it is content."""
        cluster = self._geometry.cluster
        return Plain(self._reader, cluster, runs, runs.units * cluster)

    def attribute(self, parts: list[Part]) -> Content:
        """The bytes of an attribute, resident or not, from its parts."""
        if len(parts) == 1 and parts[0].resident:
            return Bytes(at.value_of(parts[0]))
        return self.content(at.join(parts, self._geometry.units))

    def _extension(self, number: int, base: int, head: Head) -> list[Part]:
        """The parts in a record that extends another; FormatError if it does not."""
        found, parts = self._parse(self.record(number))
        if not found.flags & at.USED or found.base != base | head.sequence << 48:
            raise FormatError(f"record {number} does not belong to file {base}")
        return parts

    def _parse(self, record: bytes) -> tuple[Head, list[Part]]:
        head = at.head_of(record, 0)
        places = at.walk(record, 0, head, len(record))
        return head, [at.part_at(record, *place) for place in places]

    def _list_of(self, parts: list[Part]) -> bytes | None:
        """The attribute list of a base record."""
        lists = [part for part in parts if part.kind == at.ATTRIBUTE_LIST]
        if not lists:
            return None
        content = self.attribute(lists)
        if content.size > _MAX_LIST:
            raise FormatError(f"an attribute list of {content.size} bytes")
        return content.read(0, content.size)


def _is_table(part: Part) -> bool:
    return part.kind == at.DATA and not part.name


def _extensions(listed: bytes, base: int, kind: int | None = None) -> list[int]:
    """Numbers of the records other than the base that a list names, each once, in its order."""
    found: dict[int, None] = {}
    place = 0
    while place + _ENTRY.size <= len(listed):
        entry_kind, length, _, reference = _ENTRY.unpack_from(listed, place)
        if length < _ENTRY.size or place + length > len(listed):
            raise FormatError("an attribute list is damaged")
        if kind is None or entry_kind == kind:
            found[reference & NUMBER] = None
        place += length
    found.pop(base, None)
    return list(found)
