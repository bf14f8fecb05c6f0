"""Out of the repository as a file of every kind, through qemu-img into every other, and back in.

A disk with real file systems is imaged, exported, converted, imported and restored; qemu-img, file
systems of the kernel and ntfs-3g judge each step. Exports are mounted as they are: qemu-nbd serves
the disk in the file, nbdfuse (libnbd) shows what is served as a file, and the kernel takes that for
a disk; so nothing of ours is in between, and no module of the kernel is needed but FUSE.
"""

import hashlib
import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands.conftest import KEY, opened_with
from tests.disk import ntfs_volumes
from tests.disk.containers.disks import qemu_img
from tests.imaging.disks import (
    MIB,
    cut_out,
    gpt_disk,
    make_ext4,
    make_ntfs,
    mounted_loop,
    mounted_ntfs,
    run,
    starts,
    tree,
)
from tests.restorer.processes import needs_root
from twofold.commands import export, image, import_image, init, restore_disk
from twofold.events import ignore
from twofold.options import RepositoryAccess

EXPORTS = {"raw": "raw", "vhd": "vpc", "vhdx": "vhdx", "qcow2": "qcow2", "vmdk": "vmdk"}
"""Endings of names, and what qemu-img calls these kinds."""
CHECKED = {"vhdx", "qcow2", "vmdk"}
"""Kinds that qemu-img can check."""
CONVERTED = {  # name: what qemu-img is asked for
    "raw.raw": "-O raw",
    "v3.qcow2": "-O qcow2",
    "v2.qcow2": "-O qcow2 -o compat=0.10",
    "deflate.qcow2": "-c -O qcow2",
    "zstd.qcow2": "-c -O qcow2 -o compression_type=zstd",
    "sparse.vmdk": "-O vmdk -o subformat=monolithicSparse",
    "flat.vmdk": "-O vmdk -o subformat=monolithicFlat",
    "split.vmdk": "-O vmdk -o subformat=twoGbMaxExtentSparse",
    "splitflat.vmdk": "-O vmdk -o subformat=twoGbMaxExtentFlat",
    "stream.vmdk": "-O vmdk -o subformat=streamOptimized",
    "dynamic.vhdx": "-O vhdx -o subformat=dynamic",
    "fixed.vhdx": "-O vhdx -o subformat=fixed",
    "dynamic.vhd": "-O vpc -o subformat=dynamic,force_size=on",
    "fixed.vhd": "-O vpc -o subformat=fixed,force_size=on",
    "rounded.vhd": "-O vpc",  # to whole cylinders, so the disk grows
}
EXT4, NTFS, VFAT = 24 * MIB, 24 * MIB, 20 * MIB
SIZES = {"ext4": EXT4, "ntfs": NTFS, "vfat": VFAT}
SYSTEMS = {1: "ext4", 2: "ntfs", 3: "vfat"}
"""Partitions, and what is on them."""


@dataclass(frozen=True)
class World:
    """A disk, the files on it, and a repository that holds its image, exported to every kind."""

    access: RepositoryAccess
    disk: Path
    tree: Path
    exports: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    place = tmp_path_factory.mktemp("world")
    files = place / "tree"
    tree(files, files=40)
    (files / "large").unlink()
    (files / ("long " * 40)).rename(files / ("long " * 40).rstrip())  # FAT drops the last space
    make_ext4(place / "ext4", files, EXT4)
    make_ntfs(place / "ntfs", files, place / "mount", NTFS)
    disk = place / "disk"
    make_vfat(place / "vfat", files)
    gpt_disk(disk, [(place / "ext4", "8300"), (place / "ntfs", "0700"), (place / "vfat", "0700")])
    access = opened_with(place / "repository", KEY)
    init.run(init.InitOptions(access=access), ignore)
    image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)
    exports = place / "exports"
    exports.mkdir()
    for ending in EXPORTS:
        file = str(exports / f"disk.{ending}")
        export.run(export.ExportOptions(access=access, snapshot="latest", file=file), ignore)
    return World(access, disk, files, exports)


def imported_and_restored(world: World, file: Path, to: Path) -> Path:
    """The disk in a file, after it went into the repository and came back."""
    options = import_image.ImportOptions(access=world.access, paths=(os.fsencode(file),))
    result = import_image.run(options, ignore)
    (disk,) = result.disks
    assert (result.exit_code, disk.present) == (0, False)
    assert disk.bytes_stored < MIB // 2  # it is all there already
    assert disk.snapshot is not None
    back = restore_disk.RestoreDiskOptions(
        access=world.access, snapshot=disk.snapshot.hex(), target=os.fsencode(to)
    )
    assert restore_disk.run(back, ignore).exit_code == 0
    return to


@pytest.mark.parametrize("ending", EXPORTS)
def test_other_programs_find_the_disk_in_an_export(world: World, ending: str) -> None:
    file = world.exports / f"disk.{ending}"
    if EXPORTS[ending] in CHECKED:
        qemu_img("check", "-f", EXPORTS[ending], file)
    qemu_img("compare", "-f", "raw", "-F", EXPORTS[ending], world.disk, file)
    told = json.loads(qemu_img("info", "--output=json", "-f", EXPORTS[ending], file))
    assert told["virtual-size"] == world.disk.stat().st_size


@pytest.mark.parametrize("ending", EXPORTS)
def test_an_export_comes_back_in(world: World, ending: str, tmp_path: Path) -> None:
    back = imported_and_restored(world, world.exports / f"disk.{ending}", tmp_path / "back")
    run("cmp", world.disk, back)


def _cases() -> Iterator[object]:
    for ending in EXPORTS:
        for name in CONVERTED:
            marks = [] if ending == "vhdx" else [pytest.mark.slow]
            yield pytest.param(ending, name, marks=marks, id=f"{ending}-{name}")


@pytest.mark.parametrize(("ending", "name"), list(_cases()))
def test_a_converted_export_comes_back_in(
    world: World, ending: str, name: str, tmp_path: Path
) -> None:
    converted = tmp_path / name
    source = world.exports / f"disk.{ending}"
    qemu_img("convert", "-f", EXPORTS[ending], *CONVERTED[name].split(), source, converted)
    back = imported_and_restored(world, converted, tmp_path / "back")
    if name != "rounded.vhd":
        run("cmp", world.disk, back)
    else:
        assert back.stat().st_size > world.disk.stat().st_size
        qemu_img("compare", "-f", "raw", "-F", "raw", world.disk, back)


@pytest.mark.parametrize("ending", EXPORTS)
def test_file_systems_in_an_export_are_mounted(world: World, ending: str, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    source = world.exports / f"disk.{ending}"
    qemu_img("convert", "-f", EXPORTS[ending], "-O", "raw", source, raw)
    with mounted_loop(cut_out(raw, 1, EXT4, tmp_path / "ext4"), tmp_path / "m1") as folder:
        assert_same_files(world.tree, folder)
    with mounted_ntfs(cut_out(raw, 2, NTFS, tmp_path / "ntfs"), tmp_path / "m2") as folder:
        assert_same_files(world.tree, folder)


@needs_root
@pytest.mark.parametrize("ending", EXPORTS)
def test_an_export_is_mounted_through_other_programs(
    world: World, ending: str, tmp_path: Path
) -> None:
    wanted = sums(world.tree)
    assert len(wanted) > 40
    with served(world.exports / f"disk.{ending}", EXPORTS[ending], tmp_path / "nbd") as disk:
        assert disk.stat().st_size == world.disk.stat().st_size
        assert starts(disk) == starts(world.disk)
        for number, system in SYSTEMS.items():
            with opened_part(disk, number, tmp_path / system) as folder:
                assert sums(folder) == wanted, system


@needs_root
def test_a_changed_byte_in_an_export_is_noticed(world: World, tmp_path: Path) -> None:
    """The proof above can fail: one byte of one file, changed in a copy of the raw disk."""
    copy = tmp_path / "disk.raw"
    copy.write_bytes((world.exports / "disk.raw").read_bytes())
    victim = max((path for path in world.tree.rglob("*") if path.is_file()), key=_bytes_of_data)
    with copy.open("r+b") as file:
        place = file.read().find(victim.read_bytes()[4096:8192])
        file.seek(place)
        file.write(b"\0")
    with (
        served(copy, "raw", tmp_path / "nbd") as disk,
        opened_part(disk, 1, tmp_path / "mount") as folder,
    ):
        found, wanted = sums(folder), sums(world.tree)
    assert {path for path in wanted if found[path] != wanted[path]} == {
        os.fsencode(victim.relative_to(world.tree))
    }


def _bytes_of_data(path: Path) -> int:
    """Of noise, which lies in one place only."""
    return path.stat().st_size if path.name.startswith("file ") else 0


def make_vfat(image: Path, files: Path) -> None:
    """A FAT volume filled by mtools."""
    image.write_bytes(b"")
    os.truncate(image, VFAT)
    run("mkfs.vfat", "-F", "16", image)
    run("mcopy", "-s", "-Q", "-i", image, *sorted(files.iterdir()), "::/")


@contextmanager
def served(file: Path, kind: str, folder: Path) -> Iterator[Path]:
    """The disk in a file, as a file: by qemu-nbd over a socket, and nbdfuse at its other end."""
    folder.mkdir()
    qemu = ["qemu-nbd", "--read-only", f"--format={kind}", str(file)]
    words = ["nbdfuse", "--readonly", str(folder / "disk"), "--socket-activation", *qemu]
    told = folder.with_suffix(".pid")
    os.mkfifo(told)  # its number is written there when the file is
    daemon = subprocess.Popen([words[0], "--pidfile", str(told), *words[1:]])
    try:
        wait_for(told, daemon)
        yield folder / "disk"
    finally:
        run("umount", folder)
        assert daemon.wait() == 0


def wait_for(told: Path, daemon: subprocess.Popen[bytes]) -> None:
    """Until something is written into a pipe, or who should do that has ended."""
    ended, pipe = os.pidfd_open(daemon.pid), os.open(told, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ready, _, _ = select.select([ended, pipe], [], [])
        assert ended not in ready, "nbdfuse has given up"
        assert int(os.read(pipe, 100)) == daemon.pid
    finally:
        os.close(ended)
        os.close(pipe)


@contextmanager
def opened_part(disk: Path, number: int, folder: Path) -> Iterator[Path]:
    """The files on a partition, found where the table in the disk says it is.

    Through a loop device: the kernel's ext4, or ntfs-3g. Few kernels in virtual machines know FAT,
    so mtools take its files out.
    """
    folder.mkdir()
    system, start = SYSTEMS[number], starts(disk)[number - 1]
    if system == "vfat":
        run("mcopy", "-s", "-Q", "-i", f"{disk}@@{start}", "::/*", folder)
        yield folder
        return
    where = ["--offset", str(start), "--sizelimit", str(SIZES[system])]
    loop = run("losetup", "--find", "--show", "--read-only", *where, disk).decode().strip()
    try:
        ntfs = system == "ntfs"
        with ntfs_volumes.mounted(Path(loop), "ro", folder) if ntfs else mounted(loop, folder):
            yield folder
    finally:
        run("losetup", "--detach", loop)


@contextmanager
def mounted(loop: str, folder: Path) -> Iterator[Path]:
    """A file system of the kernel."""
    run("mount", "-o", "ro", loop, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


def sums(folder: Path) -> dict[bytes, str]:
    """SHA-256 of every file below a folder."""
    found = {}
    for place, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, os.fsencode(folder))] = hashlib.file_digest(
                    file, "sha256"
                ).hexdigest()
    return found


def assert_same_files(wanted: Path, folder: Path) -> None:
    """Names and contents; what the file system adds of its own is no difference."""
    words = ["diff", "-r", "--no-dereference", "-x", "lost+found", str(wanted), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
