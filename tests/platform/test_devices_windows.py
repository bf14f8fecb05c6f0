"""What Windows answers about disks, parsed on any system.

The oracle for the layouts is ctypes, which lays structures out as a C compiler does from the
declarations in winioctl.h; control codes are compared with their documented values.
"""

import ctypes

import pytest

from twofold.platform.windows import storage
from twofold.platform.windows.storage import Described, Placed

U8, U16, U32, I64, U64 = (
    ctypes.c_uint8,
    ctypes.c_uint16,
    ctypes.c_uint32,
    ctypes.c_int64,
    ctypes.c_uint64,
)


class Descriptor(ctypes.Structure):
    """STORAGE_DEVICE_DESCRIPTOR."""

    _fields_ = [
        ("version", U32),
        ("size", U32),
        ("device_type", U8),
        ("modifier", U8),
        ("removable", U8),
        ("queueing", U8),
        ("vendor", U32),
        ("product", U32),
        ("revision", U32),
        ("serial", U32),
        ("bus", U32),
        ("raw_length", U32),
        ("raw", U8 * 1),
    ]


class Geometry(ctypes.Structure):
    """DISK_GEOMETRY_EX."""

    _fields_ = [
        ("cylinders", I64),
        ("media", U32),
        ("tracks", U32),
        ("sectors", U32),
        ("sector_bytes", U32),
        ("size", I64),
        ("data", U8 * 1),
    ]


class GptPart(ctypes.Structure):
    """PARTITION_INFORMATION_GPT."""

    _fields_ = [("type", U8 * 16), ("id", U8 * 16), ("attributes", U64), ("name", U16 * 36)]


class MbrPart(ctypes.Structure):
    """PARTITION_INFORMATION_MBR."""

    _fields_ = [
        ("type", U8),
        ("boot", U8),
        ("recognised", U8),
        ("hidden", U32),
        ("id", U8 * 16),
    ]


class Kind(ctypes.Union):
    """The union of both."""

    _fields_ = [("mbr", MbrPart), ("gpt", GptPart)]


class Part(ctypes.Structure):
    """PARTITION_INFORMATION_EX."""

    _fields_ = [
        ("style", U32),
        ("start", I64),
        ("length", I64),
        ("number", U32),
        ("rewrite", U8),
        ("service", U8),
        ("kind", Kind),
    ]


class GptDisk(ctypes.Structure):
    """DRIVE_LAYOUT_INFORMATION_GPT."""

    _fields_ = [("id", U8 * 16), ("first", I64), ("usable", I64), ("most", U32)]


class Layout(ctypes.Structure):
    """DRIVE_LAYOUT_INFORMATION_EX with four entries."""

    _fields_ = [("style", U32), ("count", U32), ("disk", GptDisk), ("parts", Part * 4)]


class Extent(ctypes.Structure):
    """DISK_EXTENT."""

    _fields_ = [("disk", U32), ("start", I64), ("length", I64)]


class Extents(ctypes.Structure):
    """VOLUME_DISK_EXTENTS with two extents."""

    _fields_ = [("count", U32), ("extents", Extent * 2)]


class Range(ctypes.Structure):
    """DEVICE_DATA_SET_RANGE."""

    _fields_ = [("start", I64), ("length", U64)]


class Trim(ctypes.Structure):
    """DEVICE_MANAGE_DATA_SET_ATTRIBUTES, and one range at the next multiple of 8."""

    _fields_ = [
        ("size", U32),
        ("action", U32),
        ("flags", U32),
        ("block_at", U32),
        ("block_length", U32),
        ("ranges_at", U32),
        ("ranges_length", U32),
        ("range", Range),
    ]


@pytest.mark.parametrize(
    ("code", "documented"),
    [
        (storage.IS_WRITABLE, 0x00070024),
        (storage.GET_LAYOUT, 0x00070050),
        (storage.GET_LENGTH, 0x0007405C),
        (storage.GET_GEOMETRY, 0x000700A0),
        (storage.UPDATE_PROPERTIES, 0x00070140),
        (storage.QUERY_PROPERTY, 0x002D1400),
        (storage.MANAGE_RANGES, 0x002D9404),
        (storage.GET_EXTENTS, 0x00560000),
        (storage.LOCK_VOLUME, 0x00090018),
        (storage.DISMOUNT_VOLUME, 0x00090020),
        (storage.ALLOW_EXTENDED, 0x00090083),
        (storage.SET_ZERO, 0x000980C8),
    ],
)
def test_control_codes(code: int, documented: int) -> None:
    assert code == documented


def test_descriptors_with_their_strings() -> None:
    head = Descriptor(vendor=40, product=48, serial=60, bus=17, removable=1)
    raw = bytes(head)[:40] + b"Maker  \0Fast  SSD \0\0 S4X1 \0"
    assert storage.parse_descriptor(raw) == Described("Maker Fast SSD", "S4X1", "nvme", True)
    assert storage.parse_descriptor(bytes(Descriptor(bus=7))) == Described("", "", "usb", True)
    assert storage.parse_descriptor(bytes(Descriptor(bus=99))) == Described("", "", "", False)
    assert storage.parse_descriptor(b"\xff" * 20) == Described("", "", "", False)
    assert storage.parse_descriptor(bytes(Descriptor(product=5000))).model == ""


def test_geometry() -> None:
    raw = bytes(Geometry(cylinders=7, media=12, sector_bytes=4096, size=10**12))
    assert storage.parse_geometry(raw) == (4096, 10**12)


def test_layouts_of_gpt() -> None:
    layout = Layout(style=1, count=3)
    for at, number in enumerate((1, 2, 7)):
        part = Part(style=1, start=at << 40, length=at + 5, number=number)
        part.kind.gpt.type[15] = 1
        layout.parts[at] = part
    layout.parts[1].kind.gpt.type[15] = 0  # not in use
    want = [Placed(1, 0, 5), Placed(7, 2 << 40, 7)]
    assert list(storage.parse_layout(bytes(layout))) == want
    assert list(storage.parse_layout(bytes(layout)[: 48 + 144])) == want[:1]
    assert list(storage.parse_layout(b"\xff" * 47)) == []


def test_layouts_of_mbr() -> None:
    layout = Layout(style=0, count=4)
    for at, kind in enumerate((0x07, 0x0F, 0, 0x83)):
        part = Part(style=0, start=512 * at, length=99, number=at + 1)
        part.kind.mbr.type = kind
        layout.parts[at] = part
    found = list(storage.parse_layout(bytes(layout)))
    assert found == [Placed(1, 0, 99), Placed(4, 1536, 99)]


def test_extents() -> None:
    extents = Extents(count=2)
    extents.extents[0] = Extent(disk=1, start=1 << 40, length=5)
    extents.extents[1] = Extent(disk=3, start=7, length=1 << 41)
    want = [Placed(1, 1 << 40, 5), Placed(3, 7, 1 << 41)]
    assert storage.parse_extents(bytes(extents)) == want
    assert storage.parse_extents(bytes(extents)[:40]) == want[:1]
    assert storage.parse_extents(b"") == []


def test_requests() -> None:
    asked = Trim.from_buffer_copy(storage.trim(1 << 40, 4096))
    assert (asked.range.start, asked.range.length) == (1 << 40, 4096)
    assert (asked.size, asked.action) == (Trim.range.offset - 4, 1)
    assert (asked.ranges_at, asked.ranges_length) == (Trim.range.offset, ctypes.sizeof(Range))
    assert len(storage.trim(0, 0)) == ctypes.sizeof(Trim)


@pytest.mark.parametrize(
    ("path", "frozen"),
    [
        (r"\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy12", True),
        (r"\\?\globalroot\device\harddiskvolumeshadowcopy3" + "\\", True),
        (r"\\.\HarddiskVolumeShadowCopy1", True),
        (r"\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy", False),
        (r"\\?\GLOBALROOT\Device\HarddiskVolume12", False),
        (r"\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy1\Users", False),
        (r"\\.\PhysicalDrive0", False),
        ("C:", False),
    ],
)
def test_only_a_shadow_copy_is_one(path: str, frozen: bool) -> None:
    assert storage.is_shadow_copy(path) is frozen
