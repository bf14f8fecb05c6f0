"""What disks are in use for, as far as the system tells. Not run on Windows yet.

Volumes that are merely there do not forbid writing: the system makes one of every partition. Those
that cannot be locked do, for somebody has files open on them; and so do the disks that this
Windows starts from. ``devices`` locks and dismounts all others before anything is written.
"""

import os
import sys
import winreg

from twofold.platform.devices import DiskInfo, Mount
from twofold.platform.windows import inventory, storage, system, volumes

assert sys.platform == "win32"

_SHARE = system.SHARE_READ | system.SHARE_WRITE
_SHARING_VIOLATION = 32


def disks() -> list[DiskInfo]:
    """The whole disks of this machine."""
    return inventory.disks(volumes.volumes())


def needed_to_start() -> list[bytes]:
    """The disks of the Windows folder and of the partition that it was started from."""
    found = {part.number: None for device in _starting() for part in volumes.extents(device)}
    return [os.fsencode(inventory.drive_path(number)) for number in found]


def _starting() -> list[str]:
    """Devices of the volumes needed, that of Windows first."""
    drive = os.environ.get("SYSTEMDRIVE", "C:")
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\Setup") as key:
        system_partition = str(winreg.QueryValueEx(key, "SystemPartition")[0])
    return [f"\\\\.\\{drive}", f"\\\\?\\GLOBALROOT{system_partition}"]


def volumes_on(path: str) -> list[volumes.Volume]:
    """The volumes that a disk, partition or volume has something to do with; none for a file."""
    device = inventory.device_path(path)
    if device is None:
        return []
    number = inventory.drive_number(device)
    known = volumes.volumes()
    if number is not None:
        return inventory.touched(known, number, 0, 1 << 63)
    found = [inventory.touched(known, part.number, *part[1:]) for part in volumes.extents(device)]
    return list({volume.device: volume for group in found for volume in group}.values())


def mounts_of(path: bytes) -> list[Mount]:
    """The file systems in use on a device. OSError."""
    return [
        Mount(os.fsencode(volume.device), os.fsencode(point), volume.fs_type, volume.writable)
        for volume in volumes_on(os.fsdecode(path))
        for point in volume.points
    ]


def uses_of(path: bytes) -> list[str]:
    """Sentences why a device or file must not be written; empty when nothing is known. OSError."""
    text = os.fsdecode(path)
    device = inventory.device_path(text)
    if device is None:
        return _file_uses(text)
    touching = volumes_on(text)
    parts = {part for volume in touching for part in volume.extents}
    starting = {part for each in _starting() for part in volumes.extents(each)}
    found = [f"{text} holds the system that is running"] if parts & starting else []
    return found + [sentence for volume in touching for sentence in _volume_uses(volume)]


def _volume_uses(volume: volumes.Volume) -> list[str]:
    title = volume.points[0] if volume.points else volume.device
    try:
        handle = system.open_handle(volume.device, system.GENERIC_READ, _SHARE, follow=True)
    except OSError as error:
        return [f"{title} cannot be looked at: {error.strerror}"]
    try:
        system.control(handle, storage.LOCK_VOLUME, b"", 0)  # held until the handle is closed
    except OSError:
        return [f"{title} is in use: files on it are open"]
    finally:
        system.close(handle)
    return []


def _file_uses(text: str) -> list[str]:
    """Opened without sharing, a file in use (by a virtual machine, attached as a disk) refuses."""
    try:
        system.close(system.open_handle(text, system.GENERIC_WRITE, 0, follow=True))
    except PermissionError as error:
        if error.winerror == _SHARING_VIOLATION:
            return [f"{text} is in use by another program"]
        return [f"{text} is read-only"]
    return []
