"""Where LVM2 keeps its metadata on a physical volume.

A label in one of the first four sectors names metadata areas. The header of an area names the
current text; the area is a ring, so the text may go on at its start. Checksums are CRC-32 that
begins with 0xF597A6CF and is not inverted.
"""

import struct
import zlib
from typing import NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.lvm_text import Section, parse_text

_SECTOR = 512
_LABEL = struct.Struct("<8sQII8s")
_AREA = struct.Struct("<I16sIQQ")
_TEXT = struct.Struct("<QQII")
_AREA_MAGIC = b" LVM2 x[5A%r0N*>"
_AREA_HEADER = 512
_LARGEST_TEXT = 16 * 1024 * 1024
_LIST_LIMIT = 32
_IGNORED = 1


class PhysicalVolume(NamedTuple):
    """A physical volume: its UUID without dashes, and where its metadata areas are."""

    uuid: str
    areas: tuple[tuple[int, int], ...]


def checksum(data: bytes) -> int:
    """LVM's own: CRC-32 begun with 0xF597A6CF, not inverted."""
    return zlib.crc32(data, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def read_label(reader: BlockReader) -> PhysicalVolume | None:
    """The label of a physical volume; None when there is none in order."""
    for sector in range(min(4, reader.size // _SECTOR)):
        data = reader.read(sector * _SECTOR, _SECTOR)
        magic, own, stored, start, kind = _LABEL.unpack_from(data)
        is_label = magic == b"LABELONE" and kind == b"LVM2 001" and own == sector
        if is_label and stored == checksum(data[20:]) and start + 40 <= _SECTOR:
            return _physical_volume(data[start:])
    return None


def _physical_volume(data: bytes) -> PhysicalVolume:
    """The header behind a label: UUID, size, then two lists of (offset, length) that end with 0."""
    lists: list[list[tuple[int, int]]] = [[], []]
    current = 0
    for at in range(40, len(data) - 15, 16):
        offset, length = struct.unpack_from("<QQ", data, at)
        if offset:
            lists[current].append((offset, length))
        elif current:
            break
        else:
            current = 1
    return PhysicalVolume(data[:32].decode("ascii", "replace"), tuple(lists[1][:_LIST_LIMIT]))


def read_area(reader: BlockReader, area: tuple[int, int]) -> Section | None:
    """The text of a metadata area; None when it is empty or not in order."""
    start, length = area
    if length <= _AREA_HEADER or start + length > reader.size:
        return None
    header = reader.read(start, _AREA_HEADER)
    stored, magic, version, own, size = _AREA.unpack_from(header)
    if magic != _AREA_MAGIC or version != 1 or own != start or size > length:
        return None
    offset, text_length, text_checksum, flags = _TEXT.unpack_from(header, _AREA.size)
    if stored != checksum(header[4:]) or not offset or flags & _IGNORED:
        return None
    if not _AREA_HEADER <= offset < size or text_length > min(size - _AREA_HEADER, _LARGEST_TEXT):
        return None
    first = min(text_length, size - offset)
    data = reader.read(start + offset, first)
    data += reader.read(start + _AREA_HEADER, text_length - first)
    if checksum(data) != text_checksum:
        return None
    return parse_text(data.rstrip(b"\0").decode("utf-8", "replace"))
