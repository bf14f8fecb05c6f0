"""Images: the page that describes a disk, and the pages of its streams (docs/format/images.md).

A volume's bytes are written in the order of its entries, so a later entry overrides an earlier one.
Runs say where: neighbouring units as a variable-length number 2·count + hole, followed by the
distance from the end of the stored run before, as a zigzag number, where they are no hole.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum

import msgspec

from twofold.errors import FormatError
from twofold.format.layout import Buffer
from twofold.format.records import PageRef

IMAGE, EXTENTS = 6, 7
RAW_WINDOW = 64 << 20
"""Bytes of a volume that one raw entry is about."""
RUNS_LIMIT = 256 << 10
"""Most bytes of an entry's runs."""
_LARGEST = 1 << 62  # units: more than any volume has
_HOLE = -1


class EntryRole(IntEnum):
    """What an entry's bytes are."""

    FILE = 1
    CODED = 2
    META = 3
    RAW = 4


class ExtentEntry(msgspec.Struct, frozen=True, array_like=True):
    """A stream of a volume: its bytes, and the units that hold them."""

    owner: int
    name: bytes
    role: int
    size: int
    runs: bytes
    content: bytes = b""
    ref: PageRef | None = None
    stamp: bytes = b""


class ExtentsPage(msgspec.Struct, frozen=True, array_like=True):
    """A leaf of a volume's entries."""

    kind: int
    entries: list[ExtentEntry]


class VolumeRecord(msgspec.Struct, frozen=True, array_like=True):
    """A part of a disk; number 0 is the frame: everything outside of the partitions."""

    number: int
    start: int
    size: int
    sort: str
    name: str
    guid: str
    system: str
    label: str
    serial: str
    unit: int
    units: int
    origin: int
    used: int
    entries: PageRef


class ImagePage(msgspec.Struct, frozen=True, array_like=True):
    """A disk and its parts."""

    kind: int
    size: int
    sector_size: int
    table: str
    disk: str
    exact: bool
    volumes: list[VolumeRecord]


def pack_runs(runs: Iterable[tuple[int, int]]) -> bytes:
    """(first unit or -1 for a hole, units) as stored."""
    out = bytearray()
    end = 0
    for first, units in runs:
        _put(out, units << 1 | (first == _HOLE))
        if first != _HOLE:
            distance = first - end
            _put(out, distance << 1 if distance >= 0 else (-distance << 1) - 1)
            end = first + units
    return bytes(out)


def iterate_runs(packed: Buffer, units: int) -> Iterator[tuple[int, int]]:
    """Decode runs within a volume of ``units`` units; ``FormatError`` for what cannot be one."""
    place, end, total = 0, 0, 0
    while place < len(packed):
        number, place = _take(packed, place)
        count = number >> 1
        total += count
        if not count or total >= _LARGEST:
            raise FormatError("a run of an image is impossible")
        if number & 1:
            yield _HOLE, count
            continue
        number, place = _take(packed, place)
        first = end + (-((number + 1) >> 1) if number & 1 else number >> 1)
        end = first + count
        if first < 0 or end > units:
            raise FormatError("a run of an image lies outside of its volume")
        yield first, count


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _take(packed: Buffer, place: int) -> tuple[int, int]:
    """A number and the place after it: seven bits a byte, low ones first."""
    number = shift = 0
    while place < len(packed) and shift <= 63:
        byte = packed[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
    raise FormatError("the runs of an image are cut short")
