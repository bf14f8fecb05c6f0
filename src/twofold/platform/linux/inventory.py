"""The disks of this machine and what is known of each, from sysfs and the database of udev.

A disk is what is attached to some bus (it has a ``device`` in sysfs), or a RAID array. Loop
devices, memory disks, optical and floppy drives, and the boot areas of memory cards are none.
"""

import os
import re
import sys

from twofold.platform.devices import DiskInfo, Mount, PartitionInfo
from twofold.platform.linux import mountinfo, sysfs

assert sys.platform == "linux"

_NO_DISK = re.compile(r"sr\d+|fd\d+|mmcblk\d+(boot\d+|rpmb)|nvme\d+c\d+n\d+")
_ARRAY = re.compile(r"md\w+")
_ATTACHED = (  # what the path of a device in sysfs contains, the nearest bus first
    ("/usb", "usb"),
    ("/nvme", "nvme"),
    ("/mmc_host/", "mmc"),
    ("/virtio", "virtio"),
    ("/vbd-", "xen"),
    ("/session", "iscsi"),
    ("/rport-", "fc"),
    ("/end_device-", "sas"),
    ("/ata", "sata"),
    ("/host", "scsi"),
    ("/md", "raid"),
    ("/loop", "loop"),
)
_UDEV = "/run/udev/data"


def disks(
    tree: sysfs.BlockTree, mounts: dict[str, list[Mount]], udev: str = _UDEV
) -> list[DiskInfo]:
    """The whole disks; ``mounts`` are the file systems in use by the device that holds them."""
    names = [name for name in tree.names() if _is_disk(tree, name)]
    return [disk_info(tree, name, mounts, udev) for name in names]


def _is_disk(tree: sysfs.BlockTree, name: str) -> bool:
    if tree.has(name, "partition") or not tree.count(name, "size") or _NO_DISK.fullmatch(name):
        return False
    attached = tree.has(name, "device") or _ARRAY.fullmatch(name) is not None
    return attached and tree.count(name, "hidden") == 0


def disk_info(
    tree: sysfs.BlockTree, name: str, mounts: dict[str, list[Mount]], udev: str = _UDEV
) -> DiskInfo:
    """What is known of one device taken as a disk."""
    transport = _transport(tree, name)
    return DiskInfo(
        path=path_of(name),
        size=tree.bytes_in(name, "size"),
        sector_size=tree.count(name, "queue/logical_block_size"),
        model=_model(tree, name),
        serial=_serial(tree, name, udev),
        transport=transport,
        removable=_removable(tree, name, transport),
        read_only=tree.count(name, "ro") == 1,
        partitions=tuple(_partition(tree, each, mounts) for each in tree.partitions(name)),
        mount_points=mount_points(tree, name, mounts),
    )


def _partition(tree: sysfs.BlockTree, name: str, mounts: dict[str, list[Mount]]) -> PartitionInfo:
    return PartitionInfo(
        path=path_of(name),
        number=tree.count(name, "partition"),
        start=tree.bytes_in(name, "start"),
        size=tree.bytes_in(name, "size"),
        mount_points=mount_points(tree, name, mounts),
    )


def path_of(name: str) -> bytes:
    """The path of a device; the kernel writes ``!`` for the ``/`` in names such as cciss/c0d0."""
    return b"/dev/" + os.fsencode(name.replace("!", "/"))


def mount_points(
    tree: sysfs.BlockTree, name: str, mounts: dict[str, list[Mount]]
) -> tuple[bytes, ...]:
    """Where file systems on a device are seen, those on volumes made of it among them."""
    found = [mount.point for each in tree.above([name]) for mount in mounts.get(each, ())]
    return tuple(dict.fromkeys(found))


def _transport(tree: sysfs.BlockTree, name: str) -> str:
    place = tree.place(name)
    return next((word for mark, word in _ATTACHED if mark in place), "")


def _removable(tree: sysfs.BlockTree, name: str, transport: str) -> bool:
    """Drives on USB say that their medium is not removable; that they are is what counts."""
    card = transport == "mmc" and tree.text(name, "device/type") == "SD"
    return tree.count(name, "removable") == 1 or transport == "usb" or card


def _model(tree: sysfs.BlockTree, name: str) -> str:
    """Maker and model; ATA disks have only a model, cards a name, arrays a level."""
    maker = tree.text(name, "device/vendor")
    model = tree.text(name, "device/model") or tree.text(name, "device/name")
    if maker == "ATA" or maker.startswith("0x"):
        maker = ""
    return " ".join(f"{maker} {model}".split()) or tree.text(name, "md/level")


def _serial(tree: sysfs.BlockTree, name: str, udev: str) -> str:
    """From the device itself; from page 0x80 of a SCSI disk (SPC-4, 7.8.13); as udev found it."""
    page = tree.raw(name, "device/vpd_pg80")
    told = page[4 : 4 + int.from_bytes(page[2:4], "big")]
    return (
        tree.text(name, "serial")
        or tree.text(name, "device/serial")
        or told.decode("ascii", "replace").strip("\0 ")
        or _from_udev(tree, name, udev)
    )


def _from_udev(tree: sysfs.BlockTree, name: str, udev: str) -> str:
    wanted = b"E:ID_SERIAL_SHORT="
    for line in mountinfo.read_table(f"{udev}/b{tree.text(name, 'dev')}").splitlines():
        if line.startswith(wanted):
            return line[len(wanted) :].decode("utf-8", "replace").strip()
    return ""
