"""Disks made by the tools of their file systems and filled through mounts, as any disk is."""

import os
import shutil
import time
from pathlib import Path

from bench import images_files, inputs
from bench.contents import MIB
from bench.debian import call
from bench.images_disks import START, Disk, part_of
from bench.images_files import PRESSED, Items
from bench.images_mounts import empty_free_space, mounted, used_bytes
from bench.images_ranges import copy_range, sized

TAIL = MIB  # behind the main partition, for the second GPT
ROOM = 1.6  # size of the main partition, in bytes of files
LEAST = 64 * MIB  # on top of that
GAPS = 0.15  # of the files' bytes
SHARE = 0.01  # of the files: edited in the second state
SECTOR = 512
SETTLED = 4.0  # s from the last write to the unmount; the clock of superblocks has whole seconds
MILLION = 1_000_000
EFI = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
TYPES = {
    "ntfs": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    "ext4": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
}
COMPRESSED = (0x800).to_bytes(4, "big")  # the attribute of NTFS
PER_FILE = 16 << 10  # bytes of the main partition for each of many files


def computers(kind: str, folder: Path, size: int) -> Disk:
    """A disk with so many bytes of files, its second state, and another computer's disk."""
    folder.mkdir(parents=True, exist_ok=True)
    own = int(size * images_files.USER_PART)
    shared = images_files.system(size - own)
    one, two = (shared | images_files.user(number, own, folder / "made") for number in (1, 2))
    disk = _empty(folder, kind, size)
    disk.files = len(one)
    disk.own = sum(path.stat().st_size for name, path in two.items() if name not in shared)
    disk.used = _fill(disk, one, seed=1)
    _around(disk, disk.path)
    disk.changed = _change(disk, one)
    _around(disk, disk.second, frame=disk.path)
    _fill(disk, two, seed=2)
    _around(disk, disk.other)
    part_of(disk.path).unlink()
    shutil.rmtree(folder / "made")
    return disk


def pressed(folder: Path, size: int, compress: bool) -> Disk:
    """An NTFS disk whose folder of every tenth system file NTFS was told to compress, or not."""
    folder.mkdir(parents=True, exist_ok=True)
    items = images_files.pressed(images_files.system(size), every=10)
    disk = _empty(folder, "ntfs", size)
    disk.files = len(items)
    disk.used = _fill(disk, items, seed=1, compress=compress)
    _around(disk, disk.path)
    part_of(disk.path).unlink()
    if compress:
        apart = [path for name, path in items.items() if name.startswith(f"{PRESSED}/")]
        disk.pressed = sum(path.stat().st_size for path in apart)
    return disk


def many_files(kind: str, folder: Path, count: int) -> tuple[Disk, str]:
    """A disk with so many tiny files, and the path of one of them, whose copy is ``wanted``."""
    root = inputs.ensure(inputs.TREES["tiny"], folder, count / MILLION)
    items = {
        str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()
    }
    disk = _empty(folder, kind, int(len(items) * PER_FILE / ROOM))
    disk.files = len(items)
    with mounted(_format(disk), folder / "files", kind) as mount:
        shutil.copytree(root, mount / "tree", copy_function=shutil.copyfile)
        disk.used = used_bytes(mount)
    _around(disk, disk.path)
    part_of(disk.path).unlink()
    name = list(items)[len(items) * 2 // 3]
    shutil.copyfile(items[name], folder / "wanted")
    shutil.rmtree(root)
    return disk, f"tree/{name}"


def _empty(folder: Path, kind: str, size: int) -> Disk:
    return Disk(folder, kind, (int(size * ROOM) + LEAST) // MIB * MIB)


def _format(disk: Disk) -> Path:
    """The main partition as a file, with an empty file system."""
    part = part_of(disk.path)
    sized(part, disk.size)
    if disk.kind == "ntfs":
        words = ["mkntfs", "-q", "-Q", "-F", "-p", str(START // SECTOR), "-H", "255", "-S", "63"]
    else:
        words = ["mkfs.ext4", "-q", "-F"]
    call([*words, str(part)], disk.folder)
    return part


def _fill(disk: Disk, items: Items, seed: int, compress: bool = False) -> int:
    """Write the files into the main partition; the bytes in use then."""
    part = _format(disk)
    gaps = int(GAPS * (disk.size - LEAST) / ROOM)
    options = ["compression"] if compress else []
    with mounted(part, disk.folder / "files", disk.kind, *options) as folder:
        if compress:
            (folder / PRESSED).mkdir()
            os.setxattr(folder / PRESSED, "system.ntfs_attrib_be", COMPRESSED)
        images_files.fill(folder, items, gaps, seed)
        return _close(folder)


def _change(disk: Disk, items: Items) -> int:
    """Bring the main partition into its second state; the bytes of the files that changed."""
    with mounted(part_of(disk.path), disk.folder / "files", disk.kind) as folder:
        changed = images_files.change(folder, items, SHARE)
        _close(folder)
    return changed


def _close(folder: Path) -> int:
    """Leave a file system as one is that was in use for longer than a moment; bytes in use."""
    used = used_bytes(folder)
    empty_free_space(folder)
    os.sync()
    time.sleep(SETTLED)  # until then ext4 proves nothing about what was written last
    return used


def _around(disk: Disk, path: Path, frame: Path | None = None) -> None:
    """A disk around the main partition: a frame of its own, or the one of another disk."""
    part, total = part_of(disk.path), START + disk.size + TAIL
    call(["fallocate", "--dig-holes", str(part)], disk.folder)
    sized(path, total)
    if frame is None:
        _frame(disk, path)
    else:
        copy_range(frame, 0, START, path, 0)
        copy_range(frame, START + disk.size, TAIL, path, START + disk.size)
    copy_range(part, 0, disk.size, path, START)


def _frame(disk: Disk, path: Path) -> None:
    """The partition table and an EFI partition with a file."""
    table = disk.folder / "table"
    table.write_text(
        "label: gpt\n"
        f"start={MIB // SECTOR}, size={16 * MIB // SECTOR}, type={EFI}\n"
        f"start={START // SECTOR}, size={disk.size // SECTOR}, type={TYPES[disk.kind]}\n",
        "ascii",
    )
    call(["sh", "-c", 'exec sfdisk --quiet "$0" < "$1"', str(path), str(table)], disk.folder)
    words = ["mkfs.vfat", "-F", "16", "-s", "4", "--offset", str(MIB // SECTOR)]
    call([*words, str(path), str(16 * MIB >> 10)], disk.folder)
    call(["mcopy", "-i", f"{path}@@{MIB}", str(table), "::TABLE.TXT"], disk.folder)
    table.unlink()
