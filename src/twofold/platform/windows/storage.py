"""Numbers of control codes and the answers of disk drivers, parsed. Pure.

A control code is made of a device type, the access it asks for, a function and a method of passing
buffers (winioctl.h, CTL_CODE). Layouts are those of winioctl.h, naturally aligned:

    STORAGE_DEVICE_DESCRIPTOR    10 removable, 12 vendor, 16 product, 24 serial (offsets of ASCII
                                 strings, 0 for none), 28 bus type
    DISK_GEOMETRY_EX             20 bytes per sector, 24 disk size
    DRIVE_LAYOUT_INFORMATION_EX  0 style, 4 count, 48 entries of 144 bytes: 8 start, 16 length,
                                 24 number, 32 type
    VOLUME_DISK_EXTENTS          0 count, 8 extents of 24 bytes: 0 disk, 8 start, 16 length
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

_SHADOW_COPY = re.compile(
    r"\\\\[.?]\\(?:GLOBALROOT\\Device\\)?HarddiskVolumeShadowCopy\d+\\?", re.IGNORECASE
)


def is_shadow_copy(path: str) -> bool:
    """Whether a path stands for a shadow copy, as ``vssadmin list shadows`` names them.

    Before one is made, file systems get IOCTL_VOLSNAP_FLUSH_AND_HOLD_WRITES: they bring what is on
    the disk up to date and hold back all changes until the copy exists.
    """
    return _SHADOW_COPY.fullmatch(path) is not None


def control_code(device: int, function: int, method: int = 0, access: int = 0) -> int:
    """CTL_CODE."""
    return device << 16 | access << 14 | function << 2 | method


_DISK, _FILE_SYSTEM, _STORAGE, _VOLUME = 0x07, 0x09, 0x2D, 0x56

IS_WRITABLE = control_code(_DISK, 0x09)  # IOCTL_DISK_IS_WRITABLE
GET_LAYOUT = control_code(_DISK, 0x14)  # IOCTL_DISK_GET_DRIVE_LAYOUT_EX
GET_LENGTH = control_code(_DISK, 0x17, access=1)  # IOCTL_DISK_GET_LENGTH_INFO
GET_GEOMETRY = control_code(_DISK, 0x28)  # IOCTL_DISK_GET_DRIVE_GEOMETRY_EX
UPDATE_PROPERTIES = control_code(_DISK, 0x50)  # IOCTL_DISK_UPDATE_PROPERTIES
QUERY_PROPERTY = control_code(_STORAGE, 0x500)  # IOCTL_STORAGE_QUERY_PROPERTY
MANAGE_RANGES = control_code(_STORAGE, 0x501, access=2)  # ..._MANAGE_DATA_SET_ATTRIBUTES
GET_EXTENTS = control_code(_VOLUME, 0)  # IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS
LOCK_VOLUME = control_code(_FILE_SYSTEM, 6)  # FSCTL_LOCK_VOLUME
DISMOUNT_VOLUME = control_code(_FILE_SYSTEM, 8)  # FSCTL_DISMOUNT_VOLUME
ALLOW_EXTENDED = control_code(_FILE_SYSTEM, 32, method=3)  # FSCTL_ALLOW_EXTENDED_DASD_IO
SET_ZERO = control_code(_FILE_SYSTEM, 50, access=2)  # FSCTL_SET_ZERO_DATA

DEVICE_QUERY = struct.pack("<II4x", 0, 0)
"""STORAGE_PROPERTY_QUERY for the device, as a standard query."""

LENGTH = struct.Struct("<q")
ZERO_RANGE = struct.Struct("<qq")  # FILE_ZERO_DATA_INFORMATION: offset, end

_TRIM = struct.Struct("<7I4xqQ")  # DEVICE_MANAGE_DATA_SET_ATTRIBUTES and one range
_TRIM_ACTION = 1
_DESCRIPTOR = struct.Struct("<10x?xIIIII")
_ENTRY = struct.Struct("<I4xqqI4x16s")
_ENTRIES_AT, _ENTRY_SIZE = 48, 144
_EXTENT = struct.Struct("<I4xqq")
_EXTENTS_AT = 8
_MBR_STYLE, _GPT_STYLE = 0, 1
_EXTENDED = (0x05, 0x0F)
_BUSES = {
    1: "scsi",
    2: "ide",
    3: "ide",
    6: "fc",
    7: "usb",
    8: "raid",
    9: "iscsi",
    10: "sas",
    11: "sata",
    12: "mmc",
    13: "mmc",
    14: "virtual",
    15: "virtual",
    16: "spaces",
    17: "nvme",
}  # STORAGE_BUS_TYPE


class Described(NamedTuple):
    """What a drive says of itself."""

    model: str
    serial: str
    transport: str
    removable: bool


class Placed(NamedTuple):
    """A part of a disk: number (of a partition, or of the disk for a volume), start, bytes."""

    number: int
    start: int
    length: int


def parse_descriptor(data: bytes) -> Described:
    """A STORAGE_DEVICE_DESCRIPTOR with its strings; what is cut off is empty."""
    if len(data) < _DESCRIPTOR.size:
        return Described("", "", "", False)
    removable, vendor, product, _, serial, bus = _DESCRIPTOR.unpack_from(data)
    model = " ".join(f"{_string(data, vendor)} {_string(data, product)}".split())
    transport = _BUSES.get(bus, "")
    return Described(model, _string(data, serial), transport, removable or transport == "usb")


def _string(data: bytes, at: int) -> str:
    raw = data[at:].partition(b"\0")[0] if at else b""
    return raw.decode("ascii", "replace").strip()


def parse_geometry(data: bytes) -> tuple[int, int]:
    """(Bytes per sector, bytes of the disk) of a DISK_GEOMETRY_EX."""
    sector, size = struct.unpack_from("<Iq", data, 20)
    return int(sector), int(size)


def parse_layout(data: bytes) -> Iterator[Placed]:
    """The partitions of a DRIVE_LAYOUT_INFORMATION_EX, empty and extended ones left out."""
    if len(data) < _ENTRIES_AT:
        return
    count = int.from_bytes(data[4:8], "little")
    for at in range(_ENTRIES_AT, len(data) - _ENTRY.size + 1, _ENTRY_SIZE)[:count]:
        style, start, length, number, kind = _ENTRY.unpack_from(data, at)
        used = any(kind) if style == _GPT_STYLE else kind[0] not in (0, *_EXTENDED)
        if used and style in (_MBR_STYLE, _GPT_STYLE):
            yield Placed(number, start, length)


def parse_extents(data: bytes) -> list[Placed]:
    """Where a volume lies, from VOLUME_DISK_EXTENTS."""
    count = int.from_bytes(data[:4], "little")
    ends = range(_EXTENTS_AT, len(data) - _EXTENT.size + 1, _EXTENT.size)[:count]
    return [Placed(*_EXTENT.unpack_from(data, at)) for at in ends]


def trim(offset: int, length: int) -> bytes:
    """The request to forget a range."""
    size, ranges_at, ranges_length = 28, 32, 16
    return _TRIM.pack(size, _TRIM_ACTION, 0, 0, 0, ranges_at, ranges_length, offset, length)
