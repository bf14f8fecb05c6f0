"""Containers that are not understood are refused, and not taken for raw disks."""

import os
from pathlib import Path

import pytest

from tests.disk.containers.disks import make_disk, qemu_img
from twofold.commands import image
from twofold.errors import SourceDamaged
from twofold.events import ignore
from twofold.options import RepositoryAccess


@pytest.mark.parametrize("kind", ["vdi", "qed", "parallels"])
def test_they_are_refused(access: RepositoryAccess, tmp_path: Path, kind: str) -> None:
    raw = make_disk(tmp_path / "disk", 4 << 20, [(1000, 5000)])
    other = tmp_path / "other"
    qemu_img("convert", "-f", "raw", "-O", kind, raw, other)
    with pytest.raises(SourceDamaged, match="which cannot be read"):
        image.run(image.ImageOptions(access=access, disks=(os.fsencode(other),)), ignore)
