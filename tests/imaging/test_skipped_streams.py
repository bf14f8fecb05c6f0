"""What a second image does not read: nothing that another program than the system may have changed.

All files were changed for the last time years ago, by the file system's word.
"""

import os
from pathlib import Path

import pytest

from tests.archiver.test_lost_packs import packs, remember, spoil
from tests.imaging.disks import MIB, make_ext4, run
from tests.imaging.world import ImageWorld
from twofold.format.names import Kind

SIZE = 16 * MIB


def volume(folder: Path, image: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    make_ext4(image, folder, SIZE)
    for name in files:
        for field in ("ctime", "mtime"):
            run("debugfs", "-w", "-R", f"sif /{name} {field} 20200101000000", image)
    return image


def restored(world: ImageWorld, to: Path, name: str) -> bytes:
    """A file of the newest image, by the word of debugfs."""
    world.restore_image(to)
    return run("debugfs", "-R", f"cat /{name}", to)


def test_another_volume_in_the_place_of_the_first(world: ImageWorld, tmp_path: Path) -> None:
    """Filled from folders at the same time, so that all inodes are alike."""
    one, two = b"1" * 2 * MIB, b"2" * 2 * MIB
    disk = volume(tmp_path / "one", tmp_path / "disk", {"file": one})
    world.image(disk)
    everything = world.image(disk)[0].root.bytes_read
    skipped = world.image(disk, skip_unchanged=True)[0].root.bytes_read
    assert everything - skipped == 2 * MIB, "it is unchanged, by all that can be known"
    other = volume(tmp_path / "two", tmp_path / "other", {"file": two})
    os.replace(other, disk)
    world.image(disk, skip_unchanged=True)
    assert restored(world, tmp_path / "back", "file") == two


def test_what_the_image_before_has_lost_is_read_again(world: ImageWorld, tmp_path: Path) -> None:
    """Unchanged as it is, known to be lost or not; and once it is whole again, it is skipped."""
    file = os.urandom(2 * MIB)
    disk = volume(tmp_path / "one", tmp_path / "disk", {"file": file})
    first = world.image(disk)[0]
    lost = spoil(packs(world, Kind.DATA_PACK))
    remember(world, lost)
    second = world.image(disk, skip_unchanged=True)[0]
    assert second.root.bytes_read == first.root.bytes_read
    assert restored(world, tmp_path / "back", "file") == file
    assert world.image(disk, skip_unchanged=True)[0].root.bytes_read < first.root.bytes_read
    spoil(packs(world, Kind.META_PACK))
    world.image(disk, skip_unchanged=True)
    assert restored(world, tmp_path / "back", "file") == file


@pytest.mark.parametrize("size", [1024, 65_536, 67_584])
def test_files_of_boot_loaders(world: ImageWorld, tmp_path: Path, size: int) -> None:
    """They write into the blocks, and the inode stays as it is."""
    before, after = b"# GRUB".ljust(size, b"#"), b"# GRUB next_entry=2\n".ljust(size, b"#")
    disk = volume(tmp_path / "files", tmp_path / "disk", {"grubenv": before})
    world.image(disk)
    data = disk.read_bytes()
    assert data.count(before) == 1
    disk.write_bytes(data.replace(before, after))
    world.image(disk, skip_unchanged=True)
    assert restored(world, tmp_path / "back", "grubenv") == after
