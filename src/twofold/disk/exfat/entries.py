"""Directory entries: slots of 32 bytes, primary ones with secondary ones after them.

    type byte: 80 in use, 40 secondary, 20 benign (may be passed over when unknown), the rest a code

A file is a set: 85 file, C0 stream extension, C1 pieces of the name, perhaps vendors' entries, all
under one checksum. Sets that fail it are left out.
(exFAT specification 6 "Directory Structure", 7 "Directory Entry Definitions".)
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from twofold.disk.clusters.chain import Allocation
from twofold.disk.clusters.heap import SLOT
from twofold.disk.clusters.record import Record, encode_name
from twofold.disk.clusters.times import Moment
from twofold.disk.exfat.checksums import set_checksum
from twofold.errors import FormatError

BITMAP, UPCASE, LABEL, FILE, GUID = 0x81, 0x82, 0x83, 0x85, 0xA0
_STREAM, _NAME, _VENDOR_CLUSTERS = 0xC0, 0xC1, 0xE1
_IN_USE, _SECONDARY, _BENIGN = 0x80, 0x40, 0x20
_FILE_ENTRY = struct.Struct("<BBHH2xIII5B7x")
_STREAM_ENTRY = struct.Struct("<BBxBH2xQ4xIQ")
_CLUSTERS = struct.Struct("<IQ")  # first cluster and length, at byte 20 wherever clusters belong
_POSSIBLE, _CONTIGUOUS = 1, 2
_FEWEST, _MOST = 2, 255
"""Secondary entries of a file; 18 is the most this version of the specification has itself."""

Set = tuple[int, list[bytes]]
"""Number of the primary slot, and all slots of the set."""


def sets(slots: Iterable[tuple[int, bytes]]) -> Iterator[Set]:
    """Primary entries in use, each with the secondary ones that stand after it."""
    current: Set | None = None
    for number, slot in slots:
        kind = slot[0]
        if current is not None and kind & (_IN_USE | _SECONDARY) == _IN_USE | _SECONDARY:
            if len(current[1]) <= _MOST:
                current[1].append(slot)
            continue
        if current is not None:
            yield current
        current = (number, [slot]) if kind & _IN_USE and not kind & _SECONDARY else None
        if kind == 0:
            return
    if current is not None:
        yield current


def is_known(kind: int) -> bool:
    """Whether a primary entry can be read or may be passed over."""
    return kind in (BITMAP, UPCASE, LABEL, FILE) or bool(kind & _BENIGN)


def clusters_of(slot: bytes) -> Allocation:
    """The clusters of the allocation bitmap, the up-case table or a vendor's entry."""
    first, size = _CLUSTERS.unpack_from(slot, 20)
    return Allocation(first, size, contiguous=bool(slot[0] & _SECONDARY and slot[1] & _CONTIGUOUS))


def guid_of(slots: Sequence[bytes]) -> str:
    """The volume's GUID, empty when its checksum fails."""
    slot = slots[0]
    if set_checksum(slot) != int.from_bytes(slot[2:4], "little"):
        return ""
    return str(UUID(bytes_le=slot[6:22]))


def label_of(slot: bytes) -> str:
    """The volume label, at most 11 units of UTF-16."""
    length = min(slot[1], 11)
    return slot[2 : 2 + 2 * length].decode("utf-16-le", "replace")


def file_of(number: int, slots: Sequence[bytes]) -> Record:
    """The file of a set; FormatError when it is damaged or has parts that must be known."""
    parts = _checked(slots)
    main, valid, length = _main(parts[1])
    name = encode_name(b"".join(slot[2:] for slot in parts[2:] if slot[0] == _NAME)[: 2 * length])
    if name is None or 15 * sum(slot[0] == _NAME for slot in parts[2:]) < length:
        raise FormatError("no file can have its name")
    _, _, _, attributes, created, modified, _, tens, modified_tens, zone, modified_zone, _ = (
        _FILE_ENTRY.unpack(parts[0])
    )
    return Record(
        number=number,
        name=name,
        attributes=attributes,
        main=main,
        valid=valid,
        modified=Moment(modified, modified_tens, modified_zone),
        created=Moment(created, tens, zone),
        further=tuple(_further(parts[2:])),
    )


def _checked(slots: Sequence[bytes]) -> Sequence[bytes]:
    """The slots of a file's set, no more; FormatError when it is not whole."""
    count = slots[0][1]
    parts = slots[: count + 1]
    if slots[0][0] != FILE or count < _FEWEST or len(parts) <= count:
        raise FormatError("an entry of a file is not whole")
    if set_checksum(b"".join(parts)) != int.from_bytes(slots[0][2:4], "little"):
        raise FormatError("the checksum of an entry is wrong")
    if parts[1][0] != _STREAM or parts[2][0] != _NAME:
        raise FormatError("an entry of a file lacks its parts")
    for slot in parts[2:]:
        if slot[0] != _NAME and not slot[0] & _BENIGN:
            raise FormatError(f"an entry has a part of the unknown type {slot[0]:02x}")
    return parts


def _main(slot: bytes) -> tuple[Allocation, int, int]:
    """Content, bytes of it ever written, and units of UTF-16 of the name."""
    _, flags, length, _, valid, first, size = _STREAM_ENTRY.unpack(slot)
    if valid > size:
        raise FormatError("more of a file is written than it has")
    if not flags & _POSSIBLE and (first or size):
        raise FormatError("a file has clusters where none are possible")
    return Allocation(first, size, contiguous=bool(flags & _CONTIGUOUS)), valid, length


def _further(slots: Iterable[bytes]) -> Iterator[tuple[bytes, Allocation]]:
    """Clusters named by parts that are not understood, each under its number in the set."""
    for index, slot in enumerate(slots, 2):
        if slot[0] != _NAME and slot[1] & _POSSIBLE:
            what = "vendor" if slot[0] == _VENDOR_CLUSTERS else f"type {slot[0]:02x}"
            guid = f" {UUID(bytes_le=slot[2:18])}" if slot[0] == _VENDOR_CLUSTERS else ""
            yield f"{what}{guid} {index}".encode(), clusters_of(slot)


def set_length(slot: bytes) -> int:
    """Bytes of the set of a file's primary entry."""
    return (slot[1] + 1) * SLOT
