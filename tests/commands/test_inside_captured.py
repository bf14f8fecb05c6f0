"""Looking into images as ``twofold image`` makes them, not as the tests of the view make them."""

import os
from pathlib import Path

import pytest

from tests.disk import ext_volumes, ntfs_volumes
from tests.disk.containers.disks import qemu_img
from tests.disk.ext_volumes import Recipe
from tests.restorer.conftest import place, template
from tests.restorer.place import Place, rsync
from tests.view.images import partitioned
from tests.view.test_image_files import digests
from twofold.commands import export, image, restore_disk
from twofold.events import ignore

__all__ = ["place", "template"]

MIB = 1 << 20


@pytest.mark.slow
def test_files_and_disk_of_a_captured_image(place: Place, tmp_path: Path) -> None:
    ext = ext_volumes.make(Recipe("-t ext4 -b 1024"), tmp_path / "ext")
    ntfs = tmp_path / "ntfs.img"
    fillings: list[ntfs_volumes.Filling] = [
        ntfs_volumes.plain,
        ntfs_volumes.compressed,
        ntfs_volumes.deleted,
    ]
    ntfs_volumes.build(ntfs, fillings, size=32 * MIB, cluster=4096, seed=8)
    disk = partitioned(tmp_path / "disk.img", ext, ntfs)
    image.run(image.ImageOptions(access=place.access, disks=(os.fsencode(disk),)), ignore)

    place.restore("latest:p1:/")
    with ext_volumes.mounted(ext, tmp_path / "mnt", "loop,ro") as there:
        assert [line for line in rsync(there, place.target) if not line.endswith(" ./")] == []
    windows = tmp_path / "windows"
    place.restore("latest:p2:/", target=os.fsencode(windows))
    seen = ntfs_volumes.seen_through_mount(ntfs)
    assert digests(windows) == {path: each.digest for path, each in seen.items()}

    exported, restored = tmp_path / "disk.vhdx", tmp_path / "restored.img"
    wanted = export.ExportOptions(access=place.access, snapshot="latest", file=str(exported))
    export.run(wanted, ignore)
    options = restore_disk.RestoreDiskOptions(
        access=place.access, snapshot="latest", target=os.fsencode(restored)
    )
    restore_disk.run(options, ignore)
    qemu_img("compare", "-f", "raw", "-F", "vhdx", restored, exported)
