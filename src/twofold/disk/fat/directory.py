"""Directories: slots of 32 bytes, each a short name with all that is known of the file.

Slots of long names stand before the slot they belong to. A first byte of 0 ends the directory,
0xE5 marks a removed file. (FAT specification 1.03, "FAT Directory Structure".)
"""

import struct
from collections.abc import Iterable, Iterator

from twofold.disk.clusters.chain import Allocation
from twofold.disk.clusters.notes import Notes
from twofold.disk.clusters.record import DIRECTORY, Record, usable
from twofold.disk.clusters.times import Moment
from twofold.disk.fat.names import LongName, decode_short
from twofold.errors import FormatError

_SLOT = struct.Struct("<11sBBBHHHHHHHI")
_REMOVED = 0xE5
_LABEL = 0x08
_LONG = 0x0F
_ATTRIBUTES = 0x3F
_DOTS = (b".          ", b"..         ")


def records(
    found: Iterable[tuple[int, bytes]], *, wide: bool, code_page: str, notes: Notes
) -> Iterator[Record]:
    """The files of a directory's slots; ``wide`` for cluster numbers of 32 bits.

    Files without a usable name are left out and told in the notes.
    """
    long = LongName()
    for number, slot in _used(found):
        if _is_long(slot):
            long.add(slot)
        elif _is_file(slot):
            record = decode(number, slot, long.take(slot[:11]), wide=wide, code_page=code_page)
            if record is None:
                notes.add(f"number {number} is left out: no file can have its name")
            else:
                yield record
        else:
            long.clear()
    long.clear()
    if long.orphaned:
        notes.add("there are long names that belong to no file")


def labels(found: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The volume labels of a root directory, eleven bytes each."""
    for _, slot in _used(found):
        if not _is_long(slot) and slot[0] != _REMOVED and slot[11] & _LABEL:
            yield slot[:11]


def begins_with_itself(slot: bytes, cluster: int, *, wide: bool) -> bool:
    """Whether the first slot of a directory is ``.`` and leads to the directory's own cluster."""
    high, low = struct.unpack_from("<H4xH", slot, 20)
    return slot[:11] == _DOTS[0] and (high << 16 if wide else 0) | low == cluster


def single(number: int, slot: bytes, *, wide: bool, code_page: str) -> Record:
    """The file of one slot, by its short name; FormatError when the slot is no file's."""
    if slot[0] in (0, _REMOVED) or _is_long(slot) or not _is_file(slot):
        raise FormatError(f"number {number} is no file")
    record = decode(number, slot, None, wide=wide, code_page=code_page)
    if record is None:
        raise FormatError(f"number {number} has a name that no file can have")
    return record


def decode(
    number: int, slot: bytes, long: bytes | None, *, wide: bool, code_page: str
) -> Record | None:
    """The file of a slot; None when no file can have its name."""
    (
        stored,
        attributes,
        case,
        hundredths,
        created_time,
        created_date,
        _,  # date of the last access
        high,
        time,
        date,
        low,
        size,
    ) = _SLOT.unpack(slot)
    short = decode_short(stored, code_page, case)
    if long is None and not usable(short):
        return None
    first = (high << 16 if wide else 0) | low
    is_directory = bool(attributes & DIRECTORY)
    plain = decode_short(stored, code_page).encode()
    return Record(
        number=number,
        name=short.encode() if long is None else long,
        attributes=attributes,
        main=Allocation(first, None if is_directory else size),
        valid=0 if is_directory else size,
        modified=Moment(date << 16 | time),
        created=Moment(created_date << 16 | created_time, hundredths),
        short_name=plain,
    )


def _used(found: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """The slots up to the end of the directory."""
    for number, slot in found:
        if slot[0] == 0:
            return
        yield number, slot


def _is_long(slot: bytes) -> bool:
    return slot[11] & _ATTRIBUTES == _LONG and slot[0] != _REMOVED


def _is_file(slot: bytes) -> bool:
    return slot[0] != _REMOVED and not slot[11] & _LABEL and slot[:11] not in _DOTS
