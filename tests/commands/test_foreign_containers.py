"""Containers that are not understood are refused, and not taken for raw disks."""

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disk.containers.disks import make_disk, qemu_img
from twofold.commands import image
from twofold.commands.disk_image import opened
from twofold.errors import SourceDamaged
from twofold.events import Event, Notice, ignore
from twofold.options import RepositoryAccess


@pytest.mark.parametrize("kind", ["vdi", "qed", "parallels"])
def test_they_are_refused(access: RepositoryAccess, tmp_path: Path, kind: str) -> None:
    raw = make_disk(tmp_path / "disk", 4 << 20, [(1000, 5000)])
    other = tmp_path / "other"
    qemu_img("convert", "-f", "raw", "-O", kind, raw, other)
    with pytest.raises(SourceDamaged, match="which cannot be read"):
        image.run(image.ImageOptions(access=access, disks=(os.fsencode(other),)), ignore)


@pytest.mark.parametrize(
    ("magic", "words"),
    [
        (b"COWD\1\0\0\0", "disk of ESX,"),
        (b"\xbe\xba\xfe\xca\0\0\0\0", "SEsparse"),
        (b"Bochs Virtual HD Image\0", "Bochs"),
    ],
)
def test_they_are_no_cut_files(
    access: RepositoryAccess, tmp_path: Path, magic: bytes, words: str
) -> None:
    """Also where their name is that of another kind: that one is not said to be cut short."""
    disk = tmp_path / "disk.vmdk"
    disk.write_bytes(magic.ljust(4096, b"\0"))
    with pytest.raises(SourceDamaged, match=words):
        image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)


@pytest.mark.parametrize(
    ("words", "name", "hint"),
    [
        (["gzip"], "packed by gzip", "unpack"),
        (["xz"], "packed by xz", "unpack"),
        (["zstd", "-q"], "packed by zstd", "unpack"),
    ],
)
def test_packed_disks_are_no_disks(
    access: RepositoryAccess, tmp_path: Path, words: list[str], name: str, hint: str
) -> None:
    raw = make_disk(tmp_path / "disk", 4 << 20, [(1000, 5000)])
    packed = tmp_path / "packed"
    with packed.open("wb") as out:
        subprocess.run([*words, "-c", raw], check=True, stdout=out)
    with pytest.raises(SourceDamaged, match=name) as caught:
        image.run(image.ImageOptions(access=access, disks=(os.fsencode(packed),)), ignore)
    assert hint in caught.value.hint


def test_a_disk_in_more_files_than_may_be_open(access: RepositoryAccess, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    parts = range(300)
    for number in parts:
        (tmp_path / f"{number}.vmdk").write_bytes(number.to_bytes(2, "little") * 256)
    lines = [f'RW 1 FLAT "{number}.vmdk" 0\n' for number in parts]
    disk = tmp_path / "disk.vmdk"
    disk.write_text("# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\n" + "".join(lines))
    resource.setrlimit(resource.RLIMIT_NOFILE, (250, hard))
    try:
        with opened(os.fsencode(disk), ignore) as reader:
            backwards = [reader.read(number * 512, 512) for number in reversed(parts)]
            assert backwards == [number.to_bytes(2, "little") * 256 for number in reversed(parts)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Path.unlink, "disk-flat.vmdk': No such file"),
        (lambda flat: os.truncate(flat, 1 << 20), "shorter than its descriptor says"),
    ],
    ids=["gone", "cut"],
)
def test_what_is_wrong_with_a_further_file_is_told(
    access: RepositoryAccess, tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    raw = make_disk(tmp_path / "raw", 4 << 20, [(1000, 5000)])
    disk = tmp_path / "disk.vmdk"
    qemu_img("convert", "-O", "vmdk", "-o", "subformat=monolithicFlat", raw, disk)
    change(tmp_path / "disk-flat.vmdk")
    with pytest.raises(SourceDamaged, match=words):
        image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)


def test_a_link_to_elsewhere_is_not_followed(access: RepositoryAccess, tmp_path: Path) -> None:
    """A folder from anybody would have files of ours read. Within it a link does no harm."""
    folder = tmp_path / "folder"
    folder.mkdir()
    raw = make_disk(tmp_path / "raw", 4 << 20, [(1000, 5000)])
    disk, flat = folder / "disk.vmdk", folder / "disk-flat.vmdk"
    qemu_img("convert", "-O", "vmdk", "-o", "subformat=monolithicFlat", raw, disk)
    flat.rename(folder / "other")
    flat.symlink_to("other")
    (tmp_path / "linked").symlink_to(folder)
    options = image.ImageOptions(access=access, disks=(os.fsencode(tmp_path / "linked/disk.vmdk"),))
    assert image.run(options, ignore).disks[0].bytes_disk == 4 << 20
    flat.unlink()
    flat.symlink_to(raw)
    with pytest.raises(SourceDamaged, match="leads out of its folder"):
        image.run(options, ignore)


def test_where_a_file_ends_too_early_is_told(access: RepositoryAccess, tmp_path: Path) -> None:
    raw = make_disk(tmp_path / "raw", 4 << 20, [(1000, 5000), (3 << 20, 9000)])
    disk = tmp_path / "disk.vmdk"
    qemu_img("convert", "-O", "vmdk", raw, disk)
    os.truncate(disk, disk.stat().st_size - 1)
    with pytest.raises(SourceDamaged, match=f"it ends at byte {disk.stat().st_size:,}, where"):
        image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)


def test_a_file_that_is_marked_as_corrupt_is_read_and_told(
    access: RepositoryAccess, tmp_path: Path
) -> None:
    raw = make_disk(tmp_path / "raw", 4 << 20, [(1000, 5000)])
    disk = tmp_path / "disk.qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, disk)
    with disk.open("r+b") as file:
        file.seek(79)  # the last of the incompatible features
        file.write(b"\2")
    events: list[Event] = []
    image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), events.append)
    assert Notice(f"{disk}: the image is marked as corrupt by QEMU") in events
