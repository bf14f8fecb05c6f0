"""What is told of disks, from trees of hardware that is not here; loop devices against lsblk."""

import json
from pathlib import Path

import pytest

from tests.platform.loops import MIB, loop, mounted, new_image, run
from tests.platform.sysfs_tree import SysfsTree
from twofold.platform import Mount
from twofold.platform.linux.inventory import disk_info, disks
from twofold.platform.linux.sysfs import BlockTree
from twofold.platform.linux.uses import read_system

HOST = "host0/target0:0:0/0:0:0:0"


@pytest.fixture
def tree(tmp_path: Path) -> SysfsTree:
    return SysfsTree(tmp_path / "sys")


def test_loop_devices_are_described_as_lsblk_does(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", 40 * MIB)
    with loop(image, "-b", "4096", partitions=((MIB, 16 * MIB), (20 * MIB, 8 * MIB))) as device:
        run("mkfs.ext4", "-q", f"{device}p2")
        with mounted(f"{device}p2", tmp_path / "here"):
            told = run(
                "lsblk", "-J", "-b", "-o", "NAME,PATH,SIZE,START,LOG-SEC,RM,RO,MOUNTPOINT", device
            )
            now = read_system()
            found = disk_info(now.tree, device.removeprefix("/dev/"), now.mounts())
    (want,) = json.loads(told)["blockdevices"]
    assert (found.path.decode(), found.size) == (want["path"], want["size"])
    assert (found.sector_size, found.removable) == (want["log-sec"], want["rm"])
    assert found.read_only == want["ro"]
    assert [
        (each.path.decode(), each.start // 512, each.size, [b.decode() for b in each.mount_points])
        for each in found.partitions
    ] == [
        (each["path"], each["start"], each["size"], [each["mountpoint"]] * bool(each["mountpoint"]))
        for each in sorted(want["children"], key=lambda child: child["start"])
    ]
    assert found.mount_points == (str(tmp_path / "here").encode(),)


@pytest.mark.parametrize(
    ("name", "bus", "attributes", "want"),  # model, serial, transport, removable
    [
        (
            "nvme0n1",
            "pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1",
            {"device__model": "Fast SSD 1TB     ", "device__serial": "S4X1     "},
            ("Fast SSD 1TB", "S4X1", "nvme", False),
        ),
        (
            "sda",
            f"pci0000:00/0000:00:17.0/ata1/{HOST}",
            {
                "device__vendor": "ATA     ",
                "device__model": "Spinning  2TB",
                "device__vpd_pg80": "\0\x80\0\x08  WX12  rest",
            },
            ("Spinning 2TB", "WX12", "sata", False),
        ),
        (
            "sdb",
            f"pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/{HOST}",
            {"device__vendor": "Maker   ", "device__model": "Stick", "removable": "0"},
            ("Maker Stick", "FROM-UDEV", "usb", True),
        ),
        (
            "mmcblk0",
            "platform/soc/mmc_host/mmc0/mmc0:0001",
            {"device__name": "SC64G", "device__type": "SD", "device__serial": "0x1234"},
            ("SC64G", "0x1234", "mmc", True),
        ),
        (
            "mmcblk1",
            "platform/soc/mmc_host/mmc1/mmc1:0001",
            {"device__name": "EMMC", "device__type": "MMC"},
            ("EMMC", "FROM-UDEV", "mmc", False),
        ),
        (
            "vda",
            "pci0000:00/0000:00:02.0/virtio1",
            {"device__vendor": "0x1af4", "serial": "abc"},
            ("", "abc", "virtio", False),
        ),
        ("md0", "virtual", {"md__level": "raid5"}, ("raid5", "FROM-UDEV", "raid", False)),
        (
            "sdc",
            f"pci0000:00/0000:02:00.0/host4/port-4:0/end_device-4:0/target4:0:0/{HOST}",
            {"removable": "1"},
            ("", "FROM-UDEV", "sas", True),
        ),
    ],
)
def test_what_is_told_of_hardware(
    tree: SysfsTree,
    name: str,
    bus: str,
    attributes: dict[str, str],
    want: tuple[str, str, str, bool],
) -> None:
    tree.disk(name, bus, "8:0", 1000, **attributes)
    udev = tree.root.parent / "udev"
    udev.mkdir()
    (udev / "b8:0").write_text(
        "S:disk/by-id/x\nE:ID_SERIAL=Long_FROM\nE:ID_SERIAL_SHORT=FROM-UDEV\n"
    )
    (found,) = disks(BlockTree(str(tree.root)), {}, str(udev))
    assert (found.model, found.serial, found.transport, found.removable) == want
    assert (found.path, found.size) == (f"/dev/{name}".encode(), 1000 * MIB)
    assert (found.sector_size, found.read_only) == (512, False)


def test_what_is_no_disk(tree: SysfsTree, tmp_path: Path) -> None:
    tree.disk("cciss!c0d0", "pci0000:00/cciss0", "104:0", 10, queue__logical_block_size="4096")
    tree.disk("sda", f"pci0000:00/ata1/{HOST}", "8:0", 0)  # a card reader without a card
    tree.disk("sr0", f"pci0000:00/ata2/{HOST}", "11:0", 700)
    tree.disk("nvme0c1n1", "pci0000:00/nvme/nvme0", "259:9", 10)
    tree.disk("nvme9n1", "pci0000:00/nvme/nvme9", "259:8", 10, hidden="1")
    tree.disk("mmcblk0boot0", "platform/mmc_host/mmc0", "179:8", 4)
    for number, name in enumerate(("loop0", "zram0", "ram0", "dm-0")):
        tree.disk(name, "virtual", f"7:{number}", 10)
    (found,) = disks(BlockTree(str(tree.root)), {}, str(tmp_path))
    assert (found.path, found.sector_size) == (b"/dev/cciss/c0d0", 4096)


def test_partitions_by_number_with_all_that_lies_on_them(tree: SysfsTree, tmp_path: Path) -> None:
    tree.disk("nvme0n1", "pci0000:00/nvme/nvme0/nvme0n1", "259:0", 1000)
    for number, start, size in ((10, 500, 100), (2, 300, 200), (1, 1, 299)):
        tree.partition("nvme0n1", f"nvme0n1p{number}", number, f"259:{number}", start, size)
    tree.disk("dm-0", "virtual", "253:0", 90, dm__name="vg-home")
    tree.hold("dm-0", "nvme0n1p10")
    mounts = {
        "dm-0": [Mount(b"/dev/dm-0", b"/home", "xfs", True)],
        "nvme0n1p1": [Mount(b"/dev/nvme0n1p1", point, "vfat", True) for point in (b"/efi", b"/b")],
    }
    (found,) = disks(BlockTree(str(tree.root)), mounts, str(tmp_path))
    assert [(each.number, each.path, each.start, each.size) for each in found.partitions] == [
        (1, b"/dev/nvme0n1p1", 1 * MIB, 299 * MIB),
        (2, b"/dev/nvme0n1p2", 300 * MIB, 200 * MIB),
        (10, b"/dev/nvme0n1p10", 500 * MIB, 100 * MIB),
    ]
    assert [each.mount_points for each in found.partitions] == [(b"/efi", b"/b"), (), (b"/home",)]
    assert set(found.mount_points) == {b"/efi", b"/b", b"/home"}
