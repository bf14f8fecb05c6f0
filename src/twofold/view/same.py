"""Whether two files hold the same bytes, wherever each of them comes from.

    equal fingerprints                             yes
    one place, one length, two blobs               no: a blob's id is a hash of its bytes
    lists that are cut otherwise, or decoded       bytes are read, but only where the lists differ

Equal contents are mostly cut alike, files and images having one chunker. Where they are not (holes,
small files within a file system's tables, compressed files), the bytes decide.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from twofold.disk import Content
from twofold.errors import FormatError
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.format.pages import Node
from twofold.format.segments import Absence
from twofold.repository import BlobReader
from twofold.view.base import FileTree

_STEP = 1 << 20
_ZEROS = bytes(_STEP)


class Part(NamedTuple):
    """Bytes of a file one after another: a blob, a range of what is decoded, zeros, or nothing."""

    length: int
    blob: bytes | None = None
    content: Content | None = None
    at: int = 0
    """Where in ``content``."""
    absence: Absence | None = None
    """Why nothing is known of them."""

    @property
    def zeros(self) -> bool:
        """Whether nothing is stored because there is nothing."""
        return self.blob is None and self.content is None and self.absence is None


class _Overlap(NamedTuple):
    """Bytes that lie in one part of each file, ``offset`` from its beginning."""

    length: int
    one: Part
    one_offset: int
    other: Part
    other_offset: int

    @property
    def equal(self) -> bool:
        """Whether they are the same without looking."""
        if self.one.absence or self.other.absence:
            return self.one.absence == self.other.absence
        if self.one.zeros or self.other.zeros:
            return self.one.zeros and self.other.zeros
        return self.one.blob is not None and (self.one.blob, self.one_offset) == (
            self.other.blob,
            self.other_offset,
        )

    @property
    def differ(self) -> bool:
        """Whether they are not, without looking: both are all of two blobs, or one is not known."""
        if self.one.absence != self.other.absence:
            return True
        return (
            self.length == self.one.length == self.other.length
            and None not in (self.one.blob, self.other.blob)
            and self.one.blob != self.other.blob
        )


class Comparable(Protocol):
    """Something with content."""

    @property
    def size(self) -> int: ...

    @property
    def fingerprint(self) -> bytes:
        """As ``FileTree.fingerprint``. ``DamageFound``."""
        ...

    def parts(self) -> Iterator[Part]:
        """The content in order. ``DamageFound``, ``FormatError`` unless it adds up to the size."""
        ...


class Kept(NamedTuple):
    """The content of a file whose tree is let go."""

    size: int
    fingerprint: bytes
    all_parts: tuple[Part, ...]

    def parts(self) -> Iterator[Part]:
        """See ``Comparable``."""
        return iter(self.all_parts)


class File(NamedTuple):
    """A file in a tree. See ``Comparable``."""

    tree: FileTree
    node: Node

    @property
    def size(self) -> int:
        """Bytes."""
        return self.node.size

    @property
    def fingerprint(self) -> bytes:
        """What the tree knows of the content."""
        return self.tree.fingerprint(self.node)

    @property
    def refusal(self) -> str:
        """Why its content cannot be read, in words; empty when it can. ``DamageFound``."""
        return self.tree.refusal(self.node) if self.node.more is not None else ""

    def parts(self) -> Iterator[Part]:
        """The content in order. ``DamageFound``, ``FormatError`` unless it adds up to the size."""
        content = self.tree.content(self.node)
        if content is None:
            for blob, length in self.tree.segments(self.node):
                if isinstance(blob, Absence):
                    yield Part(length, absence=blob)
                else:
                    yield Part(length, blob)
        elif content.size != self.node.size:
            raise FormatError(f"the content of {self.node.name!r} does not add up to its size")
        else:
            yield from _decoded(content, self.tree.holes(self.node))


def _decoded(content: Content, holes: list[tuple[int, int]]) -> Iterator[Part]:
    at = 0
    for start, length in holes:
        if start > at:
            yield Part(start - at, content=content, at=at)
        yield Part(length)
        at = start + length
    if at < content.size:
        yield Part(content.size - at, content=content, at=at)


class Comparer:
    """Compares files of one repository."""

    def __init__(self, blobs: BlobReader) -> None:
        self._blobs = blobs

    def same(self, one: Comparable, other: Comparable) -> bool:
        """Whether both hold the same bytes. ``DamageFound`` where that needs what is lost."""
        if one.size != other.size:
            return False
        known = one.fingerprint
        if not one.size or (known and known == other.fingerprint):
            return True
        doubt = False
        for overlap in _overlaps(one.parts(), other.parts()):
            if overlap.differ:
                return False
            doubt = doubt or not overlap.equal
        return not doubt or self._same_bytes(one, other)

    def _same_bytes(self, one: Comparable, other: Comparable) -> bool:
        left, right = _Reader(self._blobs), _Reader(self._blobs)
        for overlap in _overlaps(one.parts(), other.parts()):
            if overlap.equal:
                continue
            for at in range(0, overlap.length, _STEP):
                step = min(_STEP, overlap.length - at)
                mine = left.read(overlap.one, overlap.one_offset + at, step)
                theirs = right.read(overlap.other, overlap.other_offset + at, step)
                if bytes(mine) != bytes(theirs):  # views are compared byte by byte, which is slow
                    return False
        return True


def _overlaps(ones: Iterator[Part], others: Iterator[Part]) -> Iterator[_Overlap]:
    """Both lists laid over each other. Their lengths are equal, or ``FormatError``."""
    one = other = Part(0)
    one_at = other_at = 0
    while True:
        while one_at == one.length:
            found = next(ones, None)
            if found is None:
                _check_end(other, other_at, others)
                return
            one, one_at = found, 0
        while other_at == other.length:
            found = next(others, None)
            if found is None:
                raise FormatError("a file's list of contents gives a wrong length")
            other, other_at = found, 0
        length = min(one.length - one_at, other.length - other_at)
        yield _Overlap(length, one, one_at, other, other_at)
        one_at += length
        other_at += length


def _check_end(part: Part, at: int, rest: Iterator[Part]) -> None:
    if at != part.length or any(each.length for each in rest):
        raise FormatError("a file's list of contents gives a wrong length")


class _Reader:
    """Bytes of parts; keeps the blob read last."""

    def __init__(self, blobs: BlobReader) -> None:
        self._blobs = blobs
        self._blob: bytes | None = None
        self._data: Buffer = b""

    def read(self, part: Part, offset: int, length: int) -> Buffer:
        """At most ``_STEP`` bytes. ``DamageFound``."""
        if part.content is not None:
            data: Buffer = part.content.read(part.at + offset, length)
        elif part.blob is not None:
            data = memoryview(self._whole(part.blob, part.length))[offset : offset + length]
        else:
            data = memoryview(_ZEROS)[:length]
        if len(data) != length:
            raise FormatError("the content of a file ends before its size")
        return data

    def _whole(self, blob: bytes, length: int) -> Buffer:
        if blob != self._blob:
            self._data = self._blobs.read(BlobKind.DATA, blob)
            self._blob = blob
        if len(self._data) != length:
            raise FormatError("a file's list of contents gives a wrong length")
        return self._data
