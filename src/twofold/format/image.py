"""Images: the page that describes a disk, and the pages of its streams (docs/format/images.md).

A volume's bytes are written in the order of its entries, so a later entry overrides an earlier one.
Runs say where: neighbouring units as a variable-length number 2·count + hole, followed by the
distance from the end of the stored run before, as a zigzag number, where they are no hole.
"""

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import pairwise

import msgspec

from twofold.errors import FormatError
from twofold.format.layout import Buffer
from twofold.format.records import PageRef

IMAGE, EXTENTS = 6, 7
RAW_WINDOW = 64 << 20
"""Bytes of a volume that one raw entry is about."""
RUNS_LIMIT = 256 << 10
"""Most bytes of an entry's runs."""
MOST_VOLUMES = 4096
FIRST_INNER = 10_000
"""From here on volumes that lie in another one are numbered, apart from all partitions."""
TEXT_LIMIT = 255
"""Most characters of a text that comes from a disk."""
SECTOR_SIZES = frozenset((512, 1024, 2048, 4096, 8192, 16384, 32768, 65536))
_LARGEST = 1 << 62  # units: more than any volume has
_LONGEST = 10  # bytes of a number
_HOLE = -1
_INNER_NAME = re.compile(r"[A-Za-z0-9+_.-]{1,127}", re.ASCII)


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


PartName = int | str
"""What people call a volume: the number of a partition, or ``3.root`` for one that lies in it."""


def part_called(number: int, parent: int, name: str) -> PartName:
    """What people call a volume: by its name in another one, if that is one that can be typed."""
    return f"{parent}.{name}" if parent and _INNER_NAME.fullmatch(name) else number


class VolumeRecord(msgspec.Struct, frozen=True, array_like=True):
    """A part of a disk; number 0 is the frame: everything outside of the partitions.

    ``parent`` is the number of the volume that it lies in, 0 where it lies on the disk itself;
    then ``runs`` say in which bytes of that one.
    """

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
    exact: bool
    entries: PageRef
    parent: int = 0
    runs: bytes = b""

    @property
    def called(self) -> PartName:
        """What people call it."""
        return part_called(self.number, self.parent, self.name)

    @property
    def number_called(self) -> int | None:
        """The number that people call it by; None of one that is called by its name."""
        called = self.called
        return called if isinstance(called, int) else None


class ImagePage(msgspec.Struct, frozen=True, array_like=True):
    """A disk and its parts; sizes of sectors in bytes, the physical one 0 where nobody told it."""

    kind: int
    size: int
    logical_sector: int
    physical_sector: int
    table: str
    table_sector: int
    disk: str
    volumes: list[VolumeRecord]

    def check(self) -> None:
        """Raise ``FormatError`` for a disk that cannot be, or is beyond the limits of readers."""
        sectors = (self.logical_sector, self.physical_sector or 512, self.table_sector)
        if self.size < 0 or not SECTOR_SIZES.issuperset(sectors):
            raise FormatError("the disk of this image is impossible")
        if len(self.volumes) > MOST_VOLUMES:
            raise FormatError(f"an image has more than {MOST_VOLUMES:,} volumes")
        if len({volume.number for volume in self.volumes}) != len(self.volumes):
            raise FormatError("two partitions of an image have one number")
        texts = [self.disk, self.table]
        for volume in self.volumes:
            texts += (volume.sort, volume.name, volume.guid)
            texts += (volume.system, volume.label, volume.serial)
        if any(len(text) > TEXT_LIMIT for text in texts):
            raise FormatError("a name in an image is too long")
        _check_inner(self.volumes)


def _check_inner(volumes: Iterable[VolumeRecord]) -> None:
    """``FormatError`` unless each volume in another one has bytes of it that are its own."""
    outer = {volume.number: volume for volume in volumes if not volume.parent}
    taken: dict[int, list[tuple[int, int]]] = {}
    names = set()
    for volume in volumes:
        if not volume.parent:
            if volume.runs:
                raise FormatError(f"partition {volume.number} says where it lies in nothing")
            continue
        parent = outer.get(volume.parent)
        if parent is None or volume.start or volume.called in names:
            raise FormatError(f"volume {volume.number} lies in a volume where it cannot be")
        names.add(volume.called)
        runs = list(inner_runs(volume, parent.size))
        if sum(length for _, length in runs) != volume.size:
            raise FormatError(f"volume {volume.number} is not as long as its pieces")
        taken.setdefault(volume.parent, []).extend(runs)
    for pieces in taken.values():
        pieces.sort()
        if any(start + length > follows for (start, length), (follows, _) in pairwise(pieces)):
            raise FormatError("two volumes of an image lie in the same bytes of another one")


def inner_runs(volume: VolumeRecord, size: int) -> Iterator[tuple[int, int]]:
    """(first byte, bytes) of a parent of ``size`` bytes, in the volume's order. ``FormatError``."""
    for first, length in iterate_runs(volume.runs, max(size, 0)):
        if first == _HOLE:
            raise FormatError(f"volume {volume.number} has a piece that lies nowhere")
        yield first, length


def limited(text: str) -> str:
    """Text from a foreign disk, as much of it as is kept."""
    return text[:TEXT_LIMIT]


def entry_key(role: int, owner: int) -> bytes:
    """What stands for an entry in reference pages: ascends as the entries do. ``FormatError``."""
    if not (0 <= role <= 0xFF and 0 <= owner < 1 << 64):
        raise FormatError("an image has an entry of an impossible owner")
    return role.to_bytes(1, "big") + owner.to_bytes(8, "big")


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
    if len(packed) > RUNS_LIMIT:
        raise FormatError("an entry of an image has too many runs")
    place, end, total, size = 0, 0, 0, len(packed)
    while place < size:
        number = packed[place]
        if number < 0x80:
            place += 1
        else:
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
    for byte in packed[place : place + _LONGEST]:
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
    raise FormatError("the runs of an image are cut short")
