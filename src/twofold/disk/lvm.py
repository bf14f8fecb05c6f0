"""LVM2: logical volumes of a Linux volume group, as block readers where they are simple.

The metadata (``lvm_label`` finds them) map the extents of each logical volume to physical volumes
in segments: linear ones, or stripes over several. Mirrors, RAID, snapshots, thin pools and caches
are told and not read.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from twofold.disk.base import BlockReader
from twofold.disk.blocks import check_range
from twofold.disk.lvm_label import read_area, read_label
from twofold.disk.lvm_text import Section
from twofold.errors import FormatError

_SECTOR = 512


class Piece(NamedTuple):
    """Neighbouring extents of a logical volume. ``start`` and ``size`` are bytes of it."""

    start: int
    size: int
    stripe: int
    """Bytes until the next stripe's turn; 0 when there is only one."""
    stripes: tuple[tuple[BlockReader, int], ...]
    """Physical volumes, and where on them the piece begins."""


class LogicalVolume(msgspec.Struct, frozen=True):
    """A logical volume; ``reader`` is None when it cannot be read, which ``reason`` explains."""

    name: str
    uuid: str
    size: int
    reader: BlockReader | None
    reason: str = ""
    pieces: tuple[Piece, ...] = ()
    """Where it lies, in order; none when it cannot be read."""
    is_store: bool = False
    """It holds what was overwritten since a snapshot, and means nothing alone."""
    is_origin: bool = False
    """Snapshots read from it what was not overwritten since, also where its own files are gone."""


class VolumeGroup(msgspec.Struct, frozen=True):
    """A volume group with all its visible logical volumes."""

    name: str
    uuid: str
    extent_size: int
    volumes: tuple[LogicalVolume, ...]
    missing: tuple[str, ...]
    """Names of physical volumes that were not given."""


def open_volume_group(readers: Sequence[BlockReader]) -> VolumeGroup:
    """The volume group of the physical volumes given; some may be missing.

    FormatError when there is no metadata that is in order, or the volumes are not of one group.
    """
    found: dict[str, BlockReader] = {}
    texts: list[Section] = []
    for reader in readers:
        label = read_label(reader)
        if not label:
            raise FormatError("a volume given is not a physical volume of LVM2")
        found[label.uuid] = reader
        texts += (text for area in label.areas if (text := read_area(reader, area)))
    if not texts:
        raise FormatError("no physical volume has metadata of the volume group in order")
    groups = [_Group(text, found) for text in texts]
    if len({group.uuid for group in groups}) > 1:
        raise FormatError("the physical volumes are of different volume groups")
    return max(groups, key=lambda group: group.sequence).read()


class _Group:
    """Metadata of a volume group, and the physical volumes that are there."""

    def __init__(self, text: Section, found: dict[str, BlockReader]) -> None:
        self.name, section = next(
            ((name, value) for name, value in text.items() if isinstance(value, dict)), ("", {})
        )
        self.section = section
        self.uuid = _string(section, "id")
        self.sequence = _number(section, "seqno")
        self.extent = _number(section, "extent_size") * _SECTOR
        self.places: dict[str, tuple[BlockReader | None, int]] = {}
        for name, volume in _sections(section, "physical_volumes"):
            reader = found.get(_string(volume, "id").replace("-", ""))
            self.places[name] = reader, _number(volume, "pe_start") * _SECTOR

        snapshots = [
            segment
            for _, volume in _sections(section, "logical_volumes")
            for segment in volume.values()
            if isinstance(segment, dict) and segment.get("type") == "snapshot"
        ]
        self._stores = _named(snapshots, "cow_store")
        self._origins = _named(snapshots, "origin")
        merging = [segment for segment in snapshots if "merging_store" in segment]
        self._stores |= _named(merging, "merging_store")
        self._merging = _named(merging, "origin")

    def read(self) -> VolumeGroup:
        """All logical volumes that are visible."""
        volumes = tuple(
            self._volume(name, volume)
            for name, volume in _sections(self.section, "logical_volumes")
            if "VISIBLE" in _list(volume, "status")
        )
        missing = tuple(name for name, (reader, _) in self.places.items() if reader is None)
        return VolumeGroup(self.name, self.uuid, self.extent, volumes, missing)

    def _volume(self, name: str, volume: Section) -> LogicalVolume:
        segments = [
            segment
            for key, segment in volume.items()
            if key.startswith("segment") and isinstance(segment, dict)
        ]
        segments.sort(key=lambda segment: _number(segment, "start_extent"))
        size = sum(_number(segment, "extent_count") for segment in segments) * self.extent
        reason = next(filter(None, map(self._reason, segments)), "")
        if name in self._merging:
            reason = reason or "A snapshot is being merged into it."
        pieces = () if reason else tuple(self._pieces(segments))
        reader = None if reason else _Joined(size, pieces)
        is_store, is_origin = name in self._stores, name in self._origins
        return LogicalVolume(
            name, _string(volume, "id"), size, reader, reason, pieces, is_store, is_origin
        )

    def _reason(self, segment: Section) -> str:
        """Why a segment cannot be read; empty when it can."""
        kind = _string(segment, "type")
        if kind not in ("striped", "linear"):
            return f"It is of the kind {kind[:64]!r}, which is not read."
        for name in _list(segment, "stripes")[::2]:
            if name not in self.places:
                return f"It lies on {str(name)[:127]!r}, which is not a physical volume."
            if self.places[name][0] is None:
                return f"The physical volume {name} is missing."
        return ""

    def _pieces(self, segments: list[Section]) -> Iterator[Piece]:
        start = 0
        for segment in segments:
            size = _number(segment, "extent_count") * self.extent
            names = _list(segment, "stripes")
            count = len(names) // 2
            stripe = _number(segment, "stripe_size") * _SECTOR if count > 1 else 0
            in_order = _number(segment, "start_extent") * self.extent == start and size
            if not in_order or len(names) % 2 or not count or (count > 1 and not stripe):
                raise FormatError("a logical volume has segments that do not fit one another")
            yield Piece(start, size, stripe, tuple(self._stripes(names)))
            start += size

    def _stripes(self, names: list[int | float | str]) -> Iterator[tuple[BlockReader, int]]:
        for name, extent in zip(names[::2], names[1::2], strict=True):
            reader, first = self.places[str(name)]
            if reader is None or not isinstance(extent, int) or extent < 0:
                raise FormatError("a stripe of a logical volume is damaged")
            yield reader, first + extent * self.extent


class _Joined:
    """A logical volume: pieces one behind the other."""

    def __init__(self, size: int, pieces: Sequence[Piece]) -> None:
        self.size = size
        self.sector_size = max(
            (reader.sector_size for piece in pieces for reader, _ in piece.stripes), default=512
        )
        self._pieces = pieces
        self._starts = [piece.start for piece in pieces]

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        check_range(self, offset, length)
        parts = []
        while length:
            reader, place, count = self._place(offset)
            count = min(count, length)
            parts.append(reader.read(place, count))
            offset += count
            length -= count
        return b"".join(parts)

    def _place(self, offset: int) -> tuple[BlockReader, int, int]:
        """Where a byte is, and how many follow it there."""
        piece = self._pieces[bisect_right(self._starts, offset) - 1]
        inside = offset - piece.start
        if not piece.stripe:
            reader, first = piece.stripes[0]
            return reader, first + inside, piece.size - inside
        turn, rest = divmod(inside, piece.stripe)
        row, index = divmod(turn, len(piece.stripes))
        reader, first = piece.stripes[index]
        left = min(piece.stripe - rest, piece.size - inside)
        return reader, first + row * piece.stripe + rest, left


def _named(segments: Iterable[Section], name: str) -> set[str]:
    """The volumes that segments name as one thing."""
    return {value for segment in segments if isinstance(value := segment.get(name), str)}


def _sections(section: Section, name: str) -> Iterator[tuple[str, Section]]:
    inner = section.get(name, {})
    if not isinstance(inner, dict):
        raise FormatError(f"the metadata of the volume group are damaged ({name})")
    for key, value in inner.items():
        if isinstance(value, dict):
            yield key, value


def _number(section: Section, name: str) -> int:
    value = section.get(name)
    if not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise FormatError(f"the metadata of the volume group are damaged ({name})")
    return value


def _string(section: Section, name: str) -> str:
    value = section.get(name)
    if not isinstance(value, str):
        raise FormatError(f"the metadata of the volume group are damaged ({name})")
    return value


def _list(section: Section, name: str) -> list[int | float | str]:
    value = section.get(name, [])
    return value if isinstance(value, list) else []
