"""What disks are in use for: real loop devices, and trees of hardware that is not here."""

import fcntl
import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.platform.loops import MIB, loop, mounted, new_image, run
from tests.platform.sysfs_tree import SysfsTree
from twofold.platform import Mount, current
from twofold.platform.linux.mountinfo import parse_mounts, parse_swaps
from twofold.platform.linux.sysfs import BlockTree
from twofold.platform.linux.uses import System, device_uses, starting_disks

PARTS = ((MIB, 16 * MIB), (17 * MIB, 16 * MIB))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return new_image(tmp_path / "disk image", 40 * MIB)


def uses_of(path: str | Path) -> list[str]:
    return current().uses_of(os.fsencode(path))


def test_nothing_speaks_against_a_free_device(image: Path) -> None:
    assert uses_of(image) == []
    with loop(image, partitions=PARTS) as device:
        for path in (device, f"{device}p1", f"{device}p2"):
            assert uses_of(path) == []
            assert current().mounts_of(path.encode()) == []


def test_mounts_are_seen_from_the_partition_the_disk_and_the_file(
    image: Path, tmp_path: Path
) -> None:
    place = tmp_path / "mounted here"
    with loop(image, partitions=PARTS) as device:
        run("mkfs.ext4", "-q", f"{device}p2")
        with mounted(f"{device}p2", place):
            source, kind = run("findmnt", "-n", "-o", "SOURCE,FSTYPE", place).split()
            want = [Mount(source.encode(), os.fsencode(place), kind, True)]
            sentence = f"{device}p2 is mounted at {place}"
            for path in (f"{device}p2", device):
                assert uses_of(path) == [sentence]
                assert current().mounts_of(path.encode()) == want
            assert uses_of(image) == [f"{image} is in use as the disk {device}", sentence]
            assert current().mounts_of(os.fsencode(image)) == want
            assert uses_of(f"{device}p1") == []
            run("mount", "-o", "remount,ro", place)
            assert [each.writable for each in current().mounts_of(device.encode())] == [False]
        assert uses_of(device) == []


def test_a_mounted_disk_forbids_writing_its_partitions(image: Path, tmp_path: Path) -> None:
    run("mkfs.ext4", "-q", "-F", image)
    with loop(image, partitions=PARTS) as device, mounted(device, tmp_path / "whole"):
        assert uses_of(f"{device}p1") == [f"{device} is mounted at {tmp_path / 'whole'}"]


def test_swap_space(image: Path) -> None:
    with loop(image, partitions=PARTS) as device:
        run("mkswap", "-q", f"{device}p1")
        begun = subprocess.run(["swapon", f"{device}p1"], capture_output=True, check=False)
        if begun.returncode:
            pytest.skip("swap space cannot be used here")
        try:
            assert uses_of(f"{device}p1") == [f"{device}p1 is in use as swap space"]
            assert uses_of(device) == [f"{device}p1 is in use as swap space"]
            assert uses_of(f"{device}p2") == []
        finally:
            run("swapoff", f"{device}p1")


def test_both_members_of_a_btrfs_are_in_use(tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    images = [new_image(tmp_path / name, 128 * MIB) for name in "ab"]
    with ExitStack() as stack:
        devices = [stack.enter_context(loop(each)) for each in images]
        run("mkfs.btrfs", "-q", "-f", *devices)
        run("btrfs", "device", "scan", *devices)
        stack.callback(subprocess.run, ["btrfs", "device", "scan", "--forget"], check=False)
        stack.enter_context(mounted(devices[0], place))
        for device in devices:
            assert uses_of(device) == [f"{device} is mounted at {place}"]


def test_somebody_elses_exclusive_use(image: Path) -> None:
    with loop(image) as device:
        fd = os.open(device, os.O_RDONLY | os.O_EXCL)
        try:
            assert uses_of(device) == [f"{device} is in use by the system or by another program"]
        finally:
            os.close(fd)
        assert uses_of(device) == []


def test_what_is_read_only(image: Path, as_root: None) -> None:
    with loop(image, "--read-only") as device:
        assert run("blockdev", "--getro", device) == "1"
        assert uses_of(device) == [f"{device} is read-only"]
    run("chattr", "+i", image)
    try:
        assert uses_of(image) == [f"{image} is read-only"]
    finally:
        run("chattr", "-i", image)


def test_locks_of_other_programs(image: Path) -> None:
    script = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX);"
        "print(flush=True); sys.stdin.read()"
    )
    words = ["python3", "-c", script, str(image)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert uses_of(image) == [f"{image} is locked by process {other.pid}"]
        assert other.stdin is not None
        other.stdin.close()
    assert uses_of(image) == []


def test_locks_of_virtual_machines(image: Path) -> None:
    with image.open("r+b") as file:  # QEMU locks single bytes for the open description
        asked = (fcntl.F_RDLCK).to_bytes(2, "little") + bytes(6)
        lock = asked + (100).to_bytes(8, "little") + (1).to_bytes(8, "little") + bytes(8)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
        assert uses_of(image) == [f"{image} is locked by another program"]


def test_what_is_being_written(image: Path) -> None:
    with image.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert uses_of(image) == [f"{image} is being written by another program"]
    assert uses_of(image) == []


def test_the_running_system() -> None:
    needed = current().needed_to_start()
    root = run("findmnt", "-n", "-o", "SOURCE", "/")
    if not root.startswith("/dev/"):
        pytest.skip("the root file system is on no device")
    told = run("lsblk", "-n", "-s", "-l", "-o", "PATH,TYPE", root)
    disks = [line.split()[0] for line in told.splitlines() if line.split()[1] == "disk"]
    assert set(map(str.encode, disks)) <= set(needed)
    assert f"{disks[0]} holds the system that is running" in uses_of(disks[0])


def test_disks_are_those_of_lsblk() -> None:
    told = run("lsblk", "-J", "-b", "-d", "-o", "PATH,TYPE,SIZE,LOG-SEC,RO")
    want = {
        each["path"]: (each["size"], each["log-sec"], each["ro"])
        for each in json.loads(told)["blockdevices"]
        if each["type"] == "disk" and each["size"] and "ram" not in each["path"]
    }
    found = {
        os.fsdecode(each.path): (each.size, each.sector_size, each.read_only)
        for each in current().disks()
    }
    assert found == want


# --- trees made by hand --------------------------------------------------------------------

SATA = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0"


def system(tree: SysfsTree, *mounts: tuple[str, str]) -> System:
    """The machine with file systems of (device number, mount point)."""
    lines = [
        f"{number} 1 {dev} / {point} rw,relatime shared:1 - ext4 /dev/x rw"
        for number, (dev, point) in enumerate(mounts, 30)
    ]
    return System(BlockTree(str(tree.root)), tuple(parse_mounts("\n".join(lines).encode())), ())


@pytest.fixture
def computer(tmp_path: Path) -> SysfsTree:
    """sda: EFI and /boot, LVM on an encrypted partition; sdb and sdc: RAID array."""
    tree = SysfsTree(tmp_path / "sys")
    tree.disk("sda", SATA, "8:0", 1000)
    for number, size in ((1, 100), (2, 200), (3, 600)):
        tree.partition("sda", f"sda{number}", number, f"8:{number}", number * 100, size)
    crypt = {"dm__name": "luks-1", "dm__uuid": "CRYPT-LUKS2-0-luks-1"}
    tree.disk("dm-0", "virtual", "253:0", 590, **crypt)
    tree.disk("dm-1", "virtual", "253:1", 500, dm__name="vg-root", dm__uuid="LVM-abc")
    tree.hold("dm-0", "sda3")
    tree.hold("dm-1", "dm-0")
    for at, name in enumerate(("sdb", "sdc"), 1):
        tree.disk(name, SATA.replace("ata1", f"ata{at + 1}"), f"8:{16 * at}", 2000)
        tree.partition(name, f"{name}1", 1, f"8:{16 * at + 1}", 1, 1900)
    tree.disk("md127", "virtual", "9:127", 1890, md__level="raid1")
    tree.partition("md127", "md127p1", 1, "259:5", 1, 1800)
    tree.hold("md127", "sdb1", "sdc1")
    return tree


RUNNING = (("253:1", "/"), ("8:2", "/boot"), ("8:1", "/boot/efi"), ("259:5", "/srv"))


def test_a_system_on_encrypted_lvm(computer: SysfsTree) -> None:
    now = system(computer, *RUNNING)
    assert starting_disks(now) == ["sda"]
    assert list(device_uses(now, "sda")) == [
        "/dev/sda holds the system that is running",
        "/dev/sda1 is mounted at /boot/efi",
        "/dev/sda2 is mounted at /boot",
        "/dev/sda3 is a part of the encrypted volume luks-1",
        "the encrypted volume luks-1 is a part of the LVM volume vg-root",
        "the LVM volume vg-root, which lies on /dev/sda, is mounted at /",
    ]


def test_an_unused_partition_of_the_running_disk_is_free(computer: SysfsTree) -> None:
    computer.partition("sda", "sda4", 4, "8:4", 900, 50)
    assert list(device_uses(system(computer, *RUNNING), "sda4")) == []


@pytest.mark.parametrize("name", ["sdb", "sdb1"])
def test_members_of_an_array(computer: SysfsTree, name: str) -> None:
    assert list(device_uses(system(computer, *RUNNING), name)) == [
        "/dev/sdb1 is a part of the RAID array /dev/md127",
        f"/dev/md127p1, which lies on /dev/{name}, is mounted at /srv",
    ]


def test_a_system_on_an_array_starts_from_both_disks(computer: SysfsTree) -> None:
    now = system(computer, ("259:5", "/"), ("8:1", "/boot/efi"))
    assert starting_disks(now) == ["sdb", "sdc", "sda"]
    assert "/dev/sdc holds the system that is running" in device_uses(now, "sdc")


def test_the_file_system_on_top_counts(computer: SysfsTree) -> None:
    now = system(computer, ("8:2", "/"), ("259:5", "/"))
    assert starting_disks(now) == ["sdb", "sdc"]


def test_partitions_of_a_disk_held_as_a_whole(computer: SysfsTree) -> None:
    computer.disk("dm-2", "virtual", "253:2", 2000, dm__name="mpatha", dm__uuid="mpath-3600")
    computer.hold("dm-2", "sdb")
    assert "/dev/sdb is a part of the multipath mpatha" in device_uses(system(computer), "sdb1")


def test_btrfs_on_two_disks_is_needed_to_start(computer: SysfsTree) -> None:
    computer.btrfs("e1c0", "sda3", "sdb1")
    assert starting_disks(system(computer, ("8:3", "/"))) == ["sda", "sdb"]


def test_mounts_with_odd_names_and_lines_that_are_none() -> None:
    table = (
        b"36 35 98:0 /a\\040b /mnt\\011x\\134y\\012z\r rw,noatime master:1 opt"
        b" - ext4 /dev/r\\040t ro\n"
        b"\nrubbish\n37 35 0:50 / /mnt rw - fuse.x  rw\n38 35 x - y\n"
    )
    first, second = parse_mounts(table)
    assert first == (b"36", os.makedev(98, 0), b"/mnt\tx\\y\nz\r", "ext4", b"/dev/r t", False)
    assert second == (b"37", os.makedev(0, 50), b"/mnt", "fuse.x", b"", True)


def test_swaps() -> None:
    table = (
        b"Filename\tType\tSize\tUsed\tPriority\n"
        b"/dev/sda2   partition\t8\t0\t-2\n/a\\040b  file 8 0 -3\n"
    )
    assert parse_swaps(table) == [b"/dev/sda2", b"/a b"]
    assert parse_swaps(b"") == []
