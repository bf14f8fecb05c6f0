"""File records: a header and attributes, each either resident or a run list.

Record, 1024 or 4096 bytes:                     Attribute:
    0  4 "FILE"       22 2 flags: 1 used,           0  4 type         9  1 characters of the name
    8  8 log number         2 directory             4  4 length       10 2 place of the name
    16 2 sequence     24 4 bytes used               8  1 non-resident 12 2 flags
    20 2 attributes   32 8 base record           resident:            16 4 length  20 2 place
                                                 non-resident:        16 8 first   24 8 last unit
                                                     32 2 place of runs  34 1 compression unit
                                                     40 8 allocated   48 8 size    56 8 valid

A non-resident attribute may be split over several records; then only its first part has sizes.
``walk`` and ``pack`` are the inner loop of going through a table of files.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from twofold.disk.base import Run
from twofold.disk.ntfs.runs import MAX_RUNS, decode_runs
from twofold.errors import FormatError

STANDARD_INFORMATION = 0x10
ATTRIBUTE_LIST = 0x20
FILE_NAME = 0x30
OBJECT_ID = 0x40
SECURITY_DESCRIPTOR = 0x50
VOLUME_NAME = 0x60
VOLUME_INFORMATION = 0x70
DATA = 0x80
INDEX_ROOT = 0x90
INDEX_ALLOCATION = 0xA0
BITMAP = 0xB0
REPARSE_POINT = 0xC0
EXTENDED_ATTRIBUTES = 0xE0
LOGGED_UTILITY_STREAM = 0x100

NAMES = {
    STANDARD_INFORMATION: "$STANDARD_INFORMATION",
    ATTRIBUTE_LIST: "$ATTRIBUTE_LIST",
    FILE_NAME: "$FILE_NAME",
    OBJECT_ID: "$OBJECT_ID",
    SECURITY_DESCRIPTOR: "$SECURITY_DESCRIPTOR",
    VOLUME_NAME: "$VOLUME_NAME",
    VOLUME_INFORMATION: "$VOLUME_INFORMATION",
    DATA: "$DATA",
    INDEX_ROOT: "$INDEX_ROOT",
    INDEX_ALLOCATION: "$INDEX_ALLOCATION",
    BITMAP: "$BITMAP",
    REPARSE_POINT: "$REPARSE_POINT",
    0xD0: "$EA_INFORMATION",
    EXTENDED_ATTRIBUTES: "$EA",
    LOGGED_UTILITY_STREAM: "$LOGGED_UTILITY_STREAM",
}

COMPRESSED = 0x0001
ENCRYPTED = 0x4000
COMPRESSION_MASK = 0x00FF

USED = 1
DIRECTORY = 2

_END = 0xFFFFFFFF
_KIND_AND_LENGTH = struct.Struct("<II")
_RECORD = struct.Struct("<8xQH2xHHI4xQ")
_STORED = struct.Struct("<16xQQHB5xQQQ")
_RANGE = struct.Struct("<16xQQH")
_RESIDENT = struct.Struct("<16xIH")
_LIMIT = 1 << 63


class Head(NamedTuple):
    """The header of a file record."""

    log: int
    sequence: int
    start: int
    """Offset of the first attribute."""
    flags: int
    used: int
    base: int
    """Reference of the record this one extends (48 bits number, 16 bits sequence), or 0."""


class Part(NamedTuple):
    """An attribute as one record has it."""

    kind: int
    name: bytes
    """UTF-8, surrogates passed."""
    flags: int
    raw: bytes

    @property
    def resident(self) -> bool:
        """Whether the value itself is here."""
        return not self.raw[8]


class Stored(NamedTuple):
    """A non-resident attribute, all parts joined."""

    kind: int
    name: bytes
    flags: int
    size: int
    valid: int
    compression: int
    """Clusters that are compressed together, as a power of two; 0 if none are."""
    runs: tuple[Run, ...]
    units: int
    """Clusters and holes of all runs."""


def head_of(block: bytes, at: int) -> Head:
    """The header of the record at an offset."""
    return Head._make(_RECORD.unpack_from(block, at))


def walk(block: bytes, at: int, head: Head, size: int) -> list[tuple[int, int, int]]:
    """(type, offset, length) of every attribute of the record of ``size`` bytes at ``at``."""
    found: list[tuple[int, int, int]] = []
    limit = at + min(head.used, size)
    place = at + head.start
    unpack = _KIND_AND_LENGTH.unpack_from
    while place + 8 <= limit:
        kind, length = unpack(block, place)
        if kind == _END:
            return found
        if length < 24 or length & 7 or place + length > limit:
            raise FormatError("the attributes of a file record do not fit into it")
        found.append((kind, place, length))
        place += length
    if place + 4 <= limit and block[place : place + 4] == b"\xff\xff\xff\xff":
        return found
    raise FormatError("the attributes of a file record have no end")


def part_at(block: bytes, kind: int, at: int, length: int) -> Part:
    """The attribute at an offset, as ``walk`` found it."""
    raw = block[at : at + length]
    flags = raw[12] | raw[13] << 8
    return Part(kind, _name(raw, length) if raw[9] else b"", flags, raw)


def _name(raw: bytes, length: int) -> bytes:
    start = raw[10] | raw[11] << 8
    end = start + 2 * raw[9]
    if end > length:
        raise FormatError("the name of an attribute is outside of it")
    return utf8(raw[start:end])


@lru_cache(maxsize=1024)
def utf8(name: bytes) -> bytes:
    """UTF-16 as UTF-8; lone surrogates, which NTFS allows, are passed."""
    return name.decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")


def value_at(block: bytes, at: int, length: int) -> bytes:
    """The value of the resident attribute at an offset, as ``walk`` found it."""
    size, start = _RESIDENT.unpack_from(block, at)
    if start + size > length:
        raise FormatError("the value of an attribute is outside of it")
    return block[at + start : at + start + size]


def value_of(part: Part) -> bytes:
    """The value of a resident attribute."""
    length, start = _RESIDENT.unpack_from(part.raw)
    if start + length > len(part.raw):
        raise FormatError("the value of an attribute is outside of it")
    return part.raw[start : start + length]


def stored_at(block: bytes, kind: int, at: int, length: int, units: int) -> Stored:
    """The non-resident attribute at an offset, whole in its record: ``join`` of that one part."""
    if length < _STORED.size:
        return join([part_at(block, kind, at, length)], units)
    first, last, place, compression, _, size, valid = _STORED.unpack_from(block, at)
    runs = decode_runs(block, at + place, at + length, units)
    total = _end_of(runs, first, last, 0)
    _check_sizes(size, compression)
    flags = block[at + 12] | block[at + 13] << 8
    name = _name(block[at : at + length], length) if block[at + 9] else b""
    return Stored(kind, name, flags, size, min(valid, size), compression, tuple(runs), total)


def pack(part: Part, units: int) -> Stored:
    """A non-resident attribute that is whole in one record of a volume of ``units`` clusters."""
    return join([part], units)


def join(parts: Sequence[Part], units: int) -> Stored:
    """A non-resident attribute from all its parts, in any order; FormatError if one is missing."""
    if not parts:
        raise FormatError("an attribute is missing")
    ordered = sorted(parts, key=first_unit) if len(parts) > 1 else parts
    runs: list[Run] = []
    total = 0
    for part in ordered:
        more, total = _runs(part, total, units)
        runs.extend(more)
        if len(runs) > MAX_RUNS:
            raise FormatError(f"an attribute lies in more than {MAX_RUNS} pieces")
    kind, name, flags, raw = ordered[0]
    if len(raw) < _STORED.size:
        raise FormatError("an attribute is too short for its sizes")
    _, _, _, compression, _, size, valid = _STORED.unpack_from(raw)
    _check_sizes(size, compression)
    return Stored(kind, name, flags, size, min(valid, size), compression, tuple(runs), total)


def _check_sizes(size: int, compression: int) -> None:
    if size >= _LIMIT or compression > 16:
        raise FormatError(f"an attribute of {size} bytes, compressed by 2^{compression} clusters")


def first_unit(part: Part) -> int:
    """The first unit that a part of a non-resident attribute tells about."""
    if part.resident or len(part.raw) < 32:
        raise FormatError("one attribute is resident and in clusters at once")
    return int.from_bytes(part.raw[16:24], "little")


def _runs(part: Part, total: int, units: int) -> tuple[list[Run], int]:
    """The runs of a part that continues after ``total`` units, and where the next goes on."""
    raw = part.raw
    if part.resident or len(raw) < 40:
        raise FormatError("a part of an attribute has no run list")
    first, last, place = _RANGE.unpack_from(raw)
    runs = decode_runs(raw, place, len(raw), units)
    return runs, _end_of(runs, first, last, total)


def _end_of(runs: list[Run], first: int, last: int, total: int) -> int:
    """Where runs end that are said to be of the units from ``first`` to ``last``."""
    if first != total:
        raise FormatError("a part of the run list of an attribute is missing")
    for _, length in runs:
        total += length
    following = (last + 1) & (1 << 64) - 1  # an attribute of no clusters ends at unit -1
    if total != following or total >= _LIMIT:
        raise FormatError("the run list of an attribute does not cover its units")
    return total
