"""Single files: what is known of one, its content, the names in a directory."""

from collections.abc import Iterator
from contextlib import suppress

from twofold.disk.base import Content, FileFacts, Kind, PlainFile
from twofold.disk.ntfs import attributes as at
from twofold.disk.ntfs import interix, reparse, values, wof
from twofold.disk.ntfs.attributes import Part, Stored
from twofold.disk.ntfs.boot import Geometry
from twofold.disk.ntfs.index import Index
from twofold.disk.ntfs.lznt1 import Compressed
from twofold.disk.ntfs.notes import Notes
from twofold.disk.ntfs.runs import RunMap
from twofold.disk.ntfs.security import Security
from twofold.disk.ntfs.table import File, Table
from twofold.errors import FormatError

OBJECT_ID = b"system.ntfs_object_id"
"""The extended attribute as which an object id is told, named as Linux names it."""

_DIRECTORY = 0x10
_NAMES = b"$I30"
_MAX_VALUE = 1 << 17  # of reparse points, extended attributes and descriptors; Windows has 64 KiB
_PLAIN = {at.STANDARD_INFORMATION, at.FILE_NAME, at.SECURITY_DESCRIPTOR}
_CONTENT_KINDS = {f":{name}".encode(): kind for kind, name in at.NAMES.items()}


class Files:
    """Files of a table. All methods raise FormatError for a file that is not there or damaged."""

    def __init__(self, table: Table, geometry: Geometry, notes: Notes) -> None:
        self._table = table
        self._notes = notes
        self._geometry = geometry
        self._security: Security | None = None

    def facts_of(self, number: int) -> FileFacts:
        """What is known of a file; its object id is told as an extended attribute."""
        file = self._table.file(number)
        info = _information(file)
        names = [values.file_name(value) for value in file.values(at.FILE_NAME)]
        point = self._reparse(file)
        special = self._special(file, info.attributes, point)
        sizes = {part.name: _size(part) for part in file.of_kind(at.DATA) if _has_size(part)}
        size = sizes.pop(b"", 0)
        return FileFacts(
            kind=special.kind,
            size=0 if file.directory else size,
            links=sum(name.space != values.DOS for name in names),
            modified_ns=info.modified,
            changed_ns=info.changed,
            created_ns=info.created,
            attributes=info.attributes | (_DIRECTORY if file.directory else 0),
            mode=special.mode,
            device=special.device,
            target=special.target,
            reparse=point,
            security=self._descriptor(file, info.security),
            short_name=next((name.name for name in names if name.space == values.DOS), None),
            xattrs=self._xattrs(file),
            streams=sizes,
            encrypted=any(part.flags & at.ENCRYPTED for part in file.of_kind(at.DATA)),
        )

    def kind_of(self, number: int) -> Kind:
        """The same as that of ``facts_of``; a damaged one is a file."""
        try:
            file = self._table.file(number)
            return self._special(file, _information(file).attributes, self._reparse(file)).kind
        except FormatError:
            return Kind.FILE

    def _special(
        self, file: File, attributes: int, point: tuple[int, bytes] | None
    ) -> interix.Special:
        """What a file stands for, which may be something else than a file."""
        kind = Kind.DIRECTORY if file.directory else Kind.FILE
        if point is not None:
            return interix.Special(reparse.kind_of(point[0], kind), reparse.target_of(*point))
        found = None
        parts = file.of_kind(at.DATA, b"") if kind is Kind.FILE else []
        if parts and interix.may_be(attributes, _size(parts[0])):
            with suppress(FormatError):  # whoever reads the file is told
                content = self._content(parts)
                found = interix.parse(content.read(0, content.size))
        return found or interix.Special(kind)

    def record(self, number: int) -> bytes:
        """The base record as it lies on the disk."""
        return self._table.stored(number)

    def plain(self, number: int) -> PlainFile | None:
        """Of a file with one content, and nothing that has a meaning of its own."""
        try:
            file = self._table.file(number)
            info = _information(file)
            if file.directory or info.attributes & interix.SYSTEM:
                return None
            data = [part for part in file.parts if part.kind == at.DATA]
            if len(data) != 1 or data[0].name or data[0].flags:
                return None
            if any(
                part.kind not in _PLAIN or not part.resident
                for part in file.parts
                if part is not data[0]
            ):
                return None
            for value in file.values(at.FILE_NAME):
                values.file_name(value)
            return PlainFile(_size(data[0]), inside=data[0].resident)
        except FormatError:
            return None

    def names(self, number: int) -> Iterator[tuple[int, values.FileName]]:
        """Numbers and names in a directory, all name spaces, in its order."""
        for entry in self.index(self._table.file(number), _NAMES).entries():
            yield entry.reference & values.NUMBER, values.file_name(entry.key)

    def index(self, file: File, name: bytes) -> Index:
        """An index of a file by the name of its attributes."""
        roots = file.of_kind(at.INDEX_ROOT, name)
        if not roots or not roots[0].resident:
            raise FormatError(f"file {file.number} is not a directory")
        blocks = file.of_kind(at.INDEX_ALLOCATION, name)
        content = self._table.attribute(blocks) if blocks else None
        return Index(at.value_of(roots[0]), content, self._geometry.cluster)

    def open(self, number: int, stream: bytes = b"") -> Content:
        """The content of a stream, or of another attribute called as in ``$I30:$BITMAP``."""
        file = self._table.file(number)
        kind, name = _attribute_of(stream)
        parts = file.of_kind(kind, name)
        if not parts:
            raise FormatError(f"file {number} has no stream {stream!r}")
        point = self._reparse(file) if kind == at.DATA and not name else None
        if point and point[0] == wof.TAG and file.of_kind(at.DATA, wof.STREAM):
            packed = self._content(file.of_kind(at.DATA, wof.STREAM))
            return wof.WofContent(packed, wof.chunk_size(point[1]), _size(parts[0]))
        return self._content(parts)

    def _content(self, parts: list[Part]) -> Content:
        if len(parts) == 1 and parts[0].resident:
            return self._table.attribute(parts)
        stored = at.join(parts, self._geometry.units)
        if stored.flags & at.ENCRYPTED:
            raise FormatError("the content is encrypted")
        if not stored.flags & at.COMPRESSION_MASK:
            return self._table.content(stored)
        return self._compressed(stored)

    def _compressed(self, stored: Stored) -> Content:
        if stored.flags & at.COMPRESSION_MASK != at.COMPRESSED or not stored.compression:
            raise FormatError("the content is compressed by a method that is not known")
        cluster, runs = self._geometry.cluster, RunMap(stored.runs)
        unit = 1 << stored.compression
        if unit * cluster > 1 << 20:
            raise FormatError(f"compression units of {unit * cluster} bytes")
        raw = self._table.raw(runs)
        return Compressed(
            raw, runs, cluster=cluster, unit=unit, size=stored.size, valid=stored.valid
        )

    def _reparse(self, file: File) -> tuple[int, bytes] | None:
        value = self._value(file, at.REPARSE_POINT)
        return None if value is None else reparse.parse(value)

    def _xattrs(self, file: File) -> tuple[tuple[bytes, bytes], ...]:
        value = self._value(file, at.EXTENDED_ATTRIBUTES) or b""
        ids = tuple((OBJECT_ID, value) for value in file.values(at.OBJECT_ID))
        return (*values.extended_attributes(value), *ids)

    def _value(self, file: File, kind: int) -> bytes | None:
        """The value of a small attribute, wherever it lies."""
        parts = file.of_kind(kind)
        if not parts:
            return None
        content = self._table.attribute(parts)
        if content.size > _MAX_VALUE:
            raise FormatError(f"{at.NAMES[kind]} of {content.size} bytes")
        return content.read(0, content.size)

    def _descriptor(self, file: File, number: int) -> bytes | None:
        """The security descriptor, from the file itself or from $Secure.

        A damaged one is noted and not told: what the file holds can be read all the same.
        """
        try:
            found = self._shared(number) if number else None
            return found or self._value(file, at.SECURITY_DESCRIPTOR)
        except FormatError as error:
            self._notes.tell(f"a file has lost its security descriptor: {error.message}")
            return None

    def _shared(self, number: int) -> bytes:
        if self._security is None:
            secure = self._table.file(9)
            content = self._content(secure.of_kind(at.DATA, b"$SDS"))
            self._security = Security(self.index(secure, b"$SII"), content)
        return self._security.descriptor(number)


def _information(file: File) -> values.Information:
    found = file.values(at.STANDARD_INFORMATION)
    return values.information(found[0] if found else b"")


def _has_size(part: Part) -> bool:
    """Whether this is the first part of its attribute, which alone knows the size."""
    return part.resident or not at.first_unit(part)


def _size(part: Part) -> int:
    if part.resident:
        return len(at.value_of(part))
    return int.from_bytes(part.raw[48:56], "little")


def _attribute_of(stream: bytes) -> tuple[int, bytes]:
    """Type and name of what a stream's name stands for."""
    name, colon, kind = stream.rpartition(b":")
    if not colon:
        return at.DATA, stream
    if b":" + kind not in _CONTENT_KINDS:
        raise FormatError(f"there is no attribute type {kind!r}")
    return _CONTENT_KINDS[b":" + kind], name
