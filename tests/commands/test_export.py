"""Disk-image files out of images: qemu-img finds them in order and equal to the raw disk."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.disk.containers.disks import make_disk, qemu_img
from tests.disk.ext_volumes import run
from tests.restorer.conftest import place, template
from tests.restorer.place import Place
from tests.view.images import image_of, partitioned
from twofold.commands import export
from twofold.disk import containers
from twofold.disk.containers import ImageKind
from twofold.disk.containers.limits import Limit
from twofold.errors import (
    DamageFound,
    RefusedUnsafe,
    SnapshotNotFound,
    TwofoldError,
    UsageError,
)
from twofold.events import Event, Notice, Phase, Progress, ignore

__all__ = ["place", "template"]

MIB = 1 << 20
QEMU = {"raw": "raw", "img": "raw", "vhd": "vpc", "vhdx": "vhdx", "qcow2": "qcow2", "vmdk": "vmdk"}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    tree = folder / "tree"
    tree.mkdir()
    for number in range(50):
        (tree / f"file {number}").write_bytes(os.urandom(300 * number))
    volume = folder / "volume"
    with volume.open("wb") as file:
        file.truncate(8 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, volume)
    other = make_disk(folder / "other", 70 * MIB, [(1000, 5000), (67 * MIB, 2 * MIB)])
    return partitioned(folder / "disk.img", volume, other)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where exports go."""
    made = tmp_path / "exports"
    made.mkdir()
    return made


def options(place: Place, file: Path, **more: object) -> export.ExportOptions:
    return export.ExportOptions(access=place.access, snapshot="latest", file=str(file), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", QEMU)
def test_an_export_is_the_disk(place: Place, disk: Path, folder: Path, ending: str) -> None:
    image_of(place, disk)
    out, told = folder / f"out.{ending}", list[Event]()
    result = export.run(options(place, out), told.append)
    kind = QEMU[ending]
    if kind in ("qcow2", "vhdx", "vmdk"):
        qemu_img("check", "-f", kind, out)
    qemu_img("compare", "-f", "raw", "-F", kind, disk, out)
    assert result.bytes_total == disk.stat().st_size
    assert result.bytes_held < 14 * MIB
    assert out.stat().st_blocks * 512 < 20 * MIB
    assert os.listdir(folder) == [out.name]  # no temporary file is left
    (phase,) = [each for each in told if isinstance(each, Phase)]
    done = [each.done_bytes for each in told if isinstance(each, Progress)]
    assert (phase.total_bytes, done[-1]) == (result.bytes_held, result.bytes_held)


def test_a_vmdk_says_what_it_is_called(place: Place, disk: Path, folder: Path) -> None:
    """Programs look for the disk under the name in the descriptor."""
    image_of(place, disk)
    out = folder / "my disk.vmdk"
    result = export.run(options(place, out), ignore)
    text = out.read_bytes()[512 : 21 * 512].rstrip(b"\0").decode()
    assert f'RW {disk.stat().st_size // 512} SPARSE "my disk.vmdk"\n' in text
    assert f"CID={int.from_bytes(result.snapshot[:4]) & 0x7FFFFFFF:08x}\n" in text


def test_large_sectors_are_told(place: Place, disk: Path, folder: Path) -> None:
    """Only a VHDX says of itself that the partition table counts in others than of 512 bytes."""
    image_of(place, disk, change_page=lambda page: replace(page, table_sector=4096))
    for ending, count in (("vhdx", 0), ("qcow2", 1), ("raw", 1)):
        told = list[Event]()
        export.run(options(place, folder / f"out.{ending}"), told.append)
        found = [each.text for each in told if isinstance(each, Notice)]
        assert sum("sectors of 4096 bytes" in text for text in found) == count


def test_one_partition_is_a_raw_file(place: Place, disk: Path, folder: Path) -> None:
    image_of(place, disk)
    out = folder / "part.raw"
    result = export.run(options(place, out, part=1), ignore)
    run("e2fsck", "-fn", out)
    with disk.open("rb") as file:
        file.seek(MIB)
        assert out.read_bytes() == file.read(8 * MIB)
    assert (result.part, result.bytes_total) == (1, 8 * MIB)


def test_nothing_is_replaced(place: Place, disk: Path, folder: Path) -> None:
    image_of(place, disk)
    out = folder / "out.raw"
    out.write_bytes(b"precious")
    with pytest.raises(RefusedUnsafe, match="there already"):
        export.run(options(place, out), ignore)
    out.unlink()
    out.symlink_to(folder / "nowhere")
    with pytest.raises(RefusedUnsafe):
        export.run(options(place, out), ignore)
    out.unlink()

    def meanwhile(_event: Event) -> None:
        out.write_bytes(b"precious")

    with pytest.raises(RefusedUnsafe):
        export.run(options(place, out), meanwhile)
    assert out.read_bytes() == b"precious"
    assert os.listdir(folder) == [out.name]


def test_the_repository_is_no_place_for_it(place: Place, disk: Path) -> None:
    image_of(place, disk)
    packs = Path(place.access.location) / "packs"
    before = sorted(os.listdir(packs))
    with pytest.raises(RefusedUnsafe, match="repository itself"):
        export.run(options(place, packs / "out.raw"), ignore)
    assert sorted(os.listdir(packs)) == before


def test_a_dry_run_writes_nothing(place: Place, disk: Path, folder: Path) -> None:
    image_of(place, disk)
    result = export.run(options(place, folder / "out.vhdx", dry_run=True), ignore)
    assert (result.bytes_written, result.bytes_total) == (0, disk.stat().st_size)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_disk_too_large_for_its_kind_is_refused_before_anything_is_written(
    place: Place, disk: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    image_of(place, disk)
    monkeypatch.setitem(containers._LIMITS, ImageKind.VHD, Limit(MIB, "a VHD holds less"))
    with pytest.raises(UsageError, match="a VHD holds less"):
        export.run(options(place, folder / "out.vhd", dry_run=dry_run), ignore)
    assert os.listdir(folder) == []


def test_words_that_make_no_sense(place: Place, disk: Path, folder: Path) -> None:
    image_of(place, disk)
    with pytest.raises(UsageError, match="kind of disk image"):
        export.run(options(place, folder / "out.zip"), ignore)
    with pytest.raises(UsageError, match="one partition is no disk"):
        export.run(options(place, folder / "out.vhd", part=1), ignore)
    with pytest.raises(SnapshotNotFound, match="no partition 7"):
        export.run(options(place, folder / "out.raw", part=7), ignore)
    with pytest.raises(UsageError, match=r"partition 1, and --part partition 2"):
        twice = options(place, folder / "out.raw", part=2)
        export.run(replace(twice, snapshot="latest:p1"), ignore)
    with pytest.raises(TwofoldError, match="No such file"):
        export.run(options(place, folder / "nowhere" / "out.raw"), ignore)
    assert os.listdir(folder) == []


def test_a_backup_of_files_is_no_disk(place: Place, folder: Path) -> None:
    place.backup()
    with pytest.raises(UsageError, match="files"):
        export.run(options(place, folder / "out.raw"), ignore)


def test_damage_leaves_no_file(place: Place, disk: Path, folder: Path) -> None:
    image_of(place, disk)
    for pack in (place.base / "repo" / "packs").rglob("*"):
        if pack.is_file() and pack.stat().st_size > MIB:
            with pack.open("r+b") as file:
                file.seek(pack.stat().st_size // 4)
                file.write(b"\xff" * (pack.stat().st_size // 4))
    with pytest.raises(DamageFound):
        export.run(options(place, folder / "out.raw"), ignore)
    assert os.listdir(folder) == []
