"""Disks of PCs with Linux, and one with every kind of ext file system."""

import os
import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.disk import ext_volumes
from tests.disk.ext_volumes import Recipe
from tests.disk.fat_world import run as mtools
from tests.disk.test_lvm import lvm
from tests.disk.used_blocks import populate
from tests.imaging.disks import MIB, make_ext4, run, tree
from tests.imaging.pcs.disk import Disk, Volume, gpt, mbr
from tests.imaging.pcs.windows import ESP

LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
SWAP = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"
LVM = "E6D6D379-F507-44C2-A23C-238F2A3DF928"
GUID = "6F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F{}"

EXT = [
    Recipe("-t ext4 -b 4096 -O 64bit,metadata_csum", 48),
    Recipe("-t ext4 -b 4096 -O meta_bg,^resize_inode,64bit -g 1024", 32),
    Recipe("-t ext4 -b 4096 -O bigalloc -C 16384", 48),
    Recipe("-t ext4 -b 1024 -O inline_data -I 256", 24),
    Recipe("-t ext4 -b 2048 -O ^flex_bg,sparse_super2,^resize_inode -g 2048", 32),
    Recipe("-t ext4 -b 1024 -O ^64bit,^metadata_csum,uninit_bg", 24),
    Recipe("-t ext4 -b 4096 -O ^has_journal,^extent,^64bit", 32),
    Recipe("-t ext2 -b 1024", 24),
    Recipe("-t ext2 -b 4096 -O ^filetype,^dir_index -I 128", 24),
    Recipe("-t ext3 -b 1024", 24),
    Recipe("-t ext3 -b 4096", 32),
]


def desktop(folder: Path) -> Disk:
    """GPT: ESP, root, swap."""
    volumes = [
        Volume("vfat", esp(folder), ESP, "EFI", GUID.format(1)),
        Volume("ext", ext(folder, Recipe("-t ext4 -b 4096", 96, 5)), LINUX, "root"),
        Volume("swap", swap(folder, 24), SWAP, "swap"),
    ]
    return gpt(folder / "disk.img", volumes, GUID.format(0))


def old(folder: Path) -> Disk:
    """MBR: /boot, and root, swap, home as logical partitions."""
    primary = [Volume("ext", ext(folder, Recipe("-t ext2 -b 1024", 24, 1)), "83")]
    logical = [
        Volume("ext", ext(folder, Recipe("-t ext3 -b 4096", 48, 2)), "83"),
        Volume("swap", swap(folder, 16), "82"),
        Volume("ext", ext(folder, Recipe("-t ext4 -b 4096", 48, 3)), "83"),
    ]
    return mbr(folder / "disk.img", primary, logical)


def every_ext(folder: Path) -> Disk:
    """GPT with one partition for each kind."""
    volumes = [Volume("ext", ext(folder, recipe), LINUX) for recipe in EXT]
    return gpt(folder / "disk.img", volumes, GUID.format(2))


def others(folder: Path) -> Disk:
    """GPT with XFS and btrfs."""
    volumes = [
        Volume("xfs", xfs(folder), LINUX, "data"),
        Volume("btrfs", btrfs(folder), LINUX, "home"),
    ]
    return gpt(folder / "disk.img", volumes, GUID.format(3))


def in_groups(folder: Path) -> Disk:
    """GPT: /boot, and a physical volume whose logical volume is an ext4 in two pieces."""
    volumes = [
        Volume("ext", ext(folder, Recipe("-t ext4 -b 1024", 24, 8)), LINUX, "boot"),
        Volume("lvm", physical_volume(folder), LVM, "pv"),
    ]
    return gpt(folder / "disk.img", volumes, GUID.format(4))


def fedora(folder: Path) -> Disk:
    """GPT: ESP, /boot, and a volume group with the root, in two pieces, and swap."""
    boot, root = folder / "boot.img", folder / "root.img"
    for image, files, mebibytes, seed in ((boot, 30, 48, 1), (root, 300, 160, 2)):
        source = folder / f"source-{seed}"
        source.mkdir()
        tree(source, seed, files)
        make_ext4(image, source, mebibytes * MIB)
        make_old(image, source)
        run("rm", "-r", source)
    clean_swap = blank(folder / "clean.img", 16)
    run("mkswap", clean_swap)
    volumes = [
        Volume("vfat", esp(folder), ESP, "EFI", GUID.format(5)),
        Volume("ext", boot, LINUX, "boot", GUID.format(6)),
        Volume("lvm", volume_group(folder, root, clean_swap), LVM, "pv", GUID.format(7)),
    ]
    return gpt(folder / "disk.img", volumes, GUID.format(8))


def make_old(image: Path, source: Path) -> None:
    """Files that have not changed for years: what was written just now proves nothing."""
    words = [
        f'sif "/{path.relative_to(source)}" ctime 20200101000000'
        for path in source.rglob("*")
        if path.is_file()
    ]
    commands = source.with_suffix(".debugfs")
    commands.write_text("\n".join(words))
    run("debugfs", "-w", "-f", commands, image)


def esp(folder: Path) -> Path:
    tree, image = folder / "esp", folder / "esp.img"
    (tree / "EFI/debian").mkdir(parents=True)
    (tree / "EFI/debian/grubx64.efi").write_bytes(random.Random(1).randbytes(900_000))
    (tree / "EFI/debian/grub.cfg").write_text("search.fs_uuid\n" * 9)
    mtools(*"mkfs.fat -F 32 -s 1 -n EFI -C".split(), image, str(36 << 10))
    mtools("mcopy", "-s", "-Q", "-i", image, tree / "EFI", "::/")
    return image


def ext(folder: Path, recipe: Recipe) -> Path:
    """Made, used and fragmented; a kind of each may be there once."""
    place = folder / f"ext-{recipe}"
    place.mkdir(parents=True)
    image = ext_volumes.make(recipe, place)
    run("rm", "-r", place / "tree")
    return image


def swap(folder: Path, mebibytes: int) -> Path:
    """With pages in it, as it is left when the computer is switched off."""
    image = blank(folder / "swap.img", mebibytes)
    with image.open("r+b") as file:
        file.seek(MIB)
        file.write(random.Random(2).randbytes(3 * MIB))
    run("mkswap", "-L", "swap", image)
    return image


def xfs(folder: Path) -> Path:
    image = blank(folder / "xfs.img", 320)
    run("mkfs.xfs", "-q", "-f", "-L", "data", image)
    return used(image, folder, 4)


def btrfs(folder: Path) -> Path:
    image = blank(folder / "btrfs.img", 256)
    run("mkfs.btrfs", "-q", "-f", "-L", "home", image)
    return used(image, folder, 5)


def blank(image: Path, mebibytes: int) -> Path:
    image.write_bytes(b"")
    os.truncate(image, mebibytes * MIB)
    return image


def used(image: Path, folder: Path, seed: int) -> Path:
    """Filled through a mount, with holes, links, attributes and reserved room."""
    rng = random.Random(seed)
    with ext_volumes.mounted(image, folder / "mnt") as place:
        populate(place, rng)
        (place / "tree").mkdir()
        ext_volumes.fill(place / "tree", rng)
        ext_volumes._reserve(place, rng)
    return image


def physical_volume(folder: Path) -> Path:
    """A small group with an ext4 that was used and fragmented."""
    recipe = Recipe("-t ext4 -b 4096", 32, 9)
    (folder / "in-lv").mkdir()
    return volume_group(folder, ext_volumes.make(recipe, folder / "in-lv"), swap(folder, 8))


def volume_group(folder: Path, root: Path, swapped: Path) -> Path:
    """Two logical volumes side by side, the first of them grown later, and what is in them."""
    sizes = [image.stat().st_size // MIB for image in (root, swapped)]
    image = blank(folder / "pv.img", sum(sizes) + 32)
    with attached(image) as loop:
        lvm(f"pvcreate -y -ff {loop}", loop)
        lvm(f"vgcreate -s 1M pcvg {loop}", loop)
        lvm(f"lvcreate -an -Zn -Wn -y -l {sizes[0] - 12} -n root pcvg {loop}", loop)
        lvm(f"lvcreate -an -Zn -Wn -y -l {sizes[1]} -n swap pcvg {loop}", loop)
        lvm(f"lvextend -l +12 pcvg/root {loop}", loop)
    for name, source in (("root", root), ("swap", swapped)):
        write_pieces(image, logical_volume(image, name), source)
    return image


def logical_volume(image: Path, name: str = "root") -> list[tuple[int, int]]:
    """Where the tools say that the pieces of a logical volume are."""
    with attached(image) as loop:
        told = lvm(f"lvs --noheadings --segments -o seg_pe_ranges pcvg/{name}", loop)
        start = int(lvm(f"pvs --noheadings --units b --nosuffix -o pe_start {loop}", loop))
    ranges = re.findall(r":(\d+)-(\d+)", told)
    return [(start + int(a) * MIB, (int(b) - int(a) + 1) * MIB) for a, b in ranges]


def write_pieces(image: Path, pieces: list[tuple[int, int]], source: Path) -> None:
    """Lay a file out over pieces of another one."""
    with image.open("r+b") as target, source.open("rb") as data:
        for start, size in pieces:
            target.seek(start)
            target.write(data.read(size))


def read_pieces(image: Path, pieces: list[tuple[int, int]], target: Path) -> Path:
    """Put pieces of a file together in another one."""
    with image.open("rb") as source, target.open("wb") as data:
        for start, size in pieces:
            source.seek(start)
            data.write(source.read(size))
    return target


@contextmanager
def attached(image: Path) -> Iterator[str]:
    os.sync()
    loop = run("losetup", "-f", "--show", image).decode().strip()
    try:
        yield loop
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)
