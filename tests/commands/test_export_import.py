"""Out of the repository as a file of every kind, through qemu-img into every other, and back in.

A disk with real file systems is imaged, exported, converted, imported and restored; qemu-img, file
systems of the kernel and ntfs-3g judge each step.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands.conftest import KEY, opened_with
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
    tree,
)
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
EXT4, NTFS = 24 * MIB, 24 * MIB


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
    make_ext4(place / "ext4", files, EXT4)
    make_ntfs(place / "ntfs", files, place / "mount", NTFS)
    disk = place / "disk"
    gpt_disk(disk, [(place / "ext4", "8300"), (place / "ntfs", "0700")])
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


@pytest.mark.parametrize("ending", EXPORTS)
def test_an_export_is_a_device_of_the_kernel(world: World, ending: str, tmp_path: Path) -> None:
    with attached(world.exports / f"disk.{ending}", EXPORTS[ending]) as device:
        start = str(MIB)
        with_offset = ["-o", f"ro,loop,offset={start},sizelimit={EXT4}"]
        run("mount", *with_offset, str(device), str(_made(tmp_path / "mount")))
        try:
            assert_same_files(world.tree, tmp_path / "mount")
        finally:
            run("umount", tmp_path / "mount")


@contextmanager
def attached(file: Path, kind: str) -> Iterator[Path]:
    """A network block device that is the disk in a file."""
    free = [each for each in Path("/sys/block").glob("nbd*") if not (each / "pid").exists()]
    if not free or os.geteuid():
        pytest.skip("needs root and a kernel with network block devices (modprobe nbd)")
    device = Path("/dev") / free[0].name
    run("qemu-nbd", "--read-only", f"--format={kind}", f"--connect={device}", file)
    try:
        yield device
    finally:
        run("qemu-nbd", f"--disconnect={device}")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def assert_same_files(wanted: Path, folder: Path) -> None:
    """Names and contents; what the file system adds of its own is no difference."""
    words = ["diff", "-r", "--no-dereference", "-x", "lost+found", str(wanted), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
