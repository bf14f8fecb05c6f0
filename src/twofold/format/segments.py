"""Content of a stream in order: blobs, zero runs, what is not stored (docs/format/metadata.md)."""

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from twofold.errors import FormatError
from twofold.format.layout import Buffer
from twofold.format.names import BLOB_ID_SIZE

BLOB, ZERO, NOT_STORED = 1, 2, 3
INLINE_LIMIT = 1024
_BLOB = struct.Struct(f"<B{BLOB_ID_SIZE}sI")
_ZERO = struct.Struct("<BQ")
_NOT_STORED = struct.Struct("<BBQ")
_HOLE = struct.Struct("<QQ")


class Absence(IntEnum):
    """Why bytes of a stream are not stored: nobody knows what they are, and they are not zeros."""

    UNREADABLE = 1
    LEFT_OUT = 2

    @property
    def words(self) -> str:
        """As people are told."""
        return _WORDS[self]


_WORDS = {
    Absence.UNREADABLE: "could not be read when the backup was made",
    Absence.LEFT_OUT: "were left out of the backup on purpose",
}


class Segment(NamedTuple):
    """``blob`` is a blob id, None for a zero run, or why nothing is stored; length in bytes."""

    blob: bytes | Absence | None
    length: int


def pack_blob(blob_id: bytes, length: int) -> bytes:
    """One data blob."""
    return _BLOB.pack(BLOB, blob_id, length)


def pack_zeros(length: int) -> bytes:
    """One zero run."""
    return _ZERO.pack(ZERO, length)


def pack_absent(cause: Absence, length: int) -> bytes:
    """Bytes that are not stored."""
    return _NOT_STORED.pack(NOT_STORED, cause, length)


def iterate(packed: Buffer) -> Iterator[Segment]:
    """Decode segments; ``FormatError`` on anything that is none."""
    place, end = 0, len(packed)
    while place < end:
        tag = packed[place]
        if tag == BLOB and place + _BLOB.size <= end:
            _, ident, length = _BLOB.unpack_from(packed, place)
            place += _BLOB.size
            yield Segment(ident, length)
        elif tag == ZERO and place + _ZERO.size <= end:
            place_zero = _ZERO.unpack_from(packed, place)
            place += _ZERO.size
            yield Segment(None, place_zero[1])
        elif tag == NOT_STORED and place + _NOT_STORED.size <= end:
            _, cause, length = _NOT_STORED.unpack_from(packed, place)
            place += _NOT_STORED.size
            yield Segment(_absence(cause), length)
        else:
            raise FormatError("a list of segments is damaged")


def only_blob(packed: Buffer) -> tuple[bytes, int] | None:
    """The blob and its length, where a list is that of one blob; as almost every one is."""
    if len(packed) != _BLOB.size or packed[0] != BLOB:
        return None
    _, ident, length = _BLOB.unpack(packed)
    return ident, length


def _absence(cause: int) -> Absence:
    """Causes that come later are as bad as the worst of today."""
    return Absence.LEFT_OUT if cause == Absence.LEFT_OUT else Absence.UNREADABLE


def pack_holes(holes: Sequence[tuple[int, int]]) -> bytes:
    """(start, length) pairs as stored in a node's ``more``."""
    return b"".join(_HOLE.pack(start, length) for start, length in holes)


def iterate_holes(packed: bytes) -> list[tuple[int, int]]:
    """Decode and check holes: ascending, not overlapping."""
    if len(packed) % _HOLE.size:
        raise FormatError("a list of holes is damaged")
    holes = list(_HOLE.iter_unpack(packed))
    end = 0
    for start, length in holes:
        if start < end or length <= 0:
            raise FormatError("a list of holes is out of order")
        end = start + length
    return holes
