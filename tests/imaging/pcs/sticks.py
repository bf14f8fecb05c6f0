"""Sticks and cards: FAT of every width and exFAT, with a table or without."""

from pathlib import Path

from tests.disk import exfat_world
from tests.disk.exfat_world import ExfatWorld
from tests.disk.fat_world import FatWorld, Shape
from tests.imaging.pcs.disk import Disk, Volume, mbr, undivided

FAT = {
    "fat12": Shape(12, 4000, per_cluster=4),
    "fat16": Shape(16, 32768, per_cluster=4),
    "fat32": Shape(32, 69000 // 64 * 64, per_cluster=1),
    "fat32-full": Shape(32, 36864, full=True),
}
TYPES = {"fat12": "1", "fat16": "6", "fat32": "c", "fat32-full": "b"}


def fat(folder: Path, name: str, seed: int = 3) -> Volume:
    folder.mkdir(exist_ok=True)
    world = FatWorld(folder, FAT[name], seed)
    world.fill()
    return Volume("vfat", world.image, TYPES[name])


def exfat(folder: Path, mebibytes: int = 64, cluster: int = 32768) -> Volume:
    folder.mkdir(exist_ok=True)
    shape = exfat_world.Shape(mebibytes, cluster)
    return Volume("exfat", ExfatWorld(folder, shape).image, "7")


def card(folder: Path) -> Disk:
    """An exFAT behind an MBR, as cards are sold."""
    return mbr(folder / "disk.img", [exfat(folder / "exfat")])


def drawer(folder: Path) -> Disk:
    """All of FAT on one disk."""
    volumes = [fat(folder / name, name) for name in FAT]
    return mbr(folder / "disk.img", volumes[:1], volumes[1:])


def superfloppy(folder: Path, name: str) -> Disk:
    """A file system that is the whole stick."""
    place = folder / "stick"
    return undivided(exfat(place) if name == "exfat" else fat(place, name))
