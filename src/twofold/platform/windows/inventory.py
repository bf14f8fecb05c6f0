"""The disks of this machine and what is known of each. Not run on Windows yet.

Disks are numbered; numbers of disks taken away stay free, so some are tried beyond the last.
"""

import os
import re
import sys

from twofold.platform.devices import DiskInfo, PartitionInfo
from twofold.platform.windows import storage, system, volumes

assert sys.platform == "win32"

_MOST_DISKS = 64
_DRIVE = re.compile(r"\\\\[.?]\\PhysicalDrive(\d+)", re.IGNORECASE)
_PARTITION = re.compile(r"\\\\[.?]\\GLOBALROOT\\Device\\Harddisk(\d+)\\Partition(\d+)", re.I)
_LETTER = re.compile(r"(?:\\\\[.?]\\)?([A-Za-z]:)\\?")


def drive_path(number: int) -> str:
    """The path of a disk."""
    return f"\\\\.\\PhysicalDrive{number}"


def partition_path(disk: int, number: int) -> str:
    """The path of a partition."""
    return f"\\\\?\\GLOBALROOT\\Device\\Harddisk{disk}\\Partition{number}"


def drive_number(path: str) -> int | None:
    """The number of the disk that a path stands for."""
    found = _DRIVE.fullmatch(path)
    return int(found[1]) if found else None


def device_path(path: str) -> str | None:
    """The path by which to open what stands for a disk, partition or volume; else None."""
    if _DRIVE.fullmatch(path) or _PARTITION.fullmatch(path):
        return path
    if found := _LETTER.fullmatch(path):
        return f"\\\\.\\{found[1]}"
    volume = path.lower().startswith("\\\\?\\volume{") or storage.is_shadow_copy(path)
    return path.rstrip("\\") if volume else None


def disks(all_volumes: list[volumes.Volume]) -> list[DiskInfo]:
    """The disks that can be looked at."""
    found = [_look(number, all_volumes) for number in range(_MOST_DISKS)]
    return [each for each in found if each is not None]


def _look(number: int, all_volumes: list[volumes.Volume]) -> DiskInfo | None:
    try:
        handle = system.open_handle(drive_path(number), 0, follow=True)
    except OSError:
        return None
    try:
        return _describe(handle, number, all_volumes)
    except OSError:
        return None  # a drive without a medium
    finally:
        system.close(handle)


def _describe(handle: int, number: int, all_volumes: list[volumes.Volume]) -> DiskInfo:
    sector, size = storage.parse_geometry(system.control(handle, storage.GET_GEOMETRY, b"", 256))
    raw = system.control(handle, storage.QUERY_PROPERTY, storage.DEVICE_QUERY, 4096)
    told = storage.parse_descriptor(raw)
    parts = storage.parse_layout(system.control(handle, storage.GET_LAYOUT, b"", 1 << 16))
    return DiskInfo(
        path=os.fsencode(drive_path(number)),
        size=size,
        sector_size=sector,
        model=told.model,
        serial=told.serial,
        transport=told.transport,
        removable=told.removable,
        read_only=not _writable(handle),
        partitions=tuple(_partition(number, part, all_volumes) for part in parts),
        mount_points=_points(number, 0, size, all_volumes),
    )


def _writable(handle: int) -> bool:
    try:
        system.control(handle, storage.IS_WRITABLE, b"", 0)
    except OSError:
        return False
    return True


def _partition(disk: int, part: storage.Placed, all_volumes: list[volumes.Volume]) -> PartitionInfo:
    path = os.fsencode(partition_path(disk, part.number))
    points = _points(disk, part.start, part.length, all_volumes)
    return PartitionInfo(path, part.number, part.start, part.length, points)


def _points(
    disk: int, start: int, length: int, all_volumes: list[volumes.Volume]
) -> tuple[bytes, ...]:
    touching = touched(all_volumes, disk, start, length)
    return tuple(os.fsencode(point) for volume in touching for point in volume.points)


def touched(
    all_volumes: list[volumes.Volume], disk: int, start: int, length: int
) -> list[volumes.Volume]:
    """The volumes that lie at least in part within a range of a disk."""
    return [
        volume
        for volume in all_volumes
        if any(
            each.number == disk and each.start < start + length and start < each.start + each.length
            for each in volume.extents
        )
    ]
