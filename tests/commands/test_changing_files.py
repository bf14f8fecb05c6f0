"""Disk-image files that change while they are imaged: it is told, and nothing else is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disk.containers.disks import make_disk, qemu_img
from twofold.commands import image
from twofold.events import Event, Notice, Progress
from twofold.options import RepositoryAccess

SIZE = 4 << 20


def write(file: Path) -> None:
    """As a virtual machine does that is running."""
    with open(file, "r+b") as disk:
        disk.seek(SIZE // 2)
        disk.write(b"x")
    later = file.stat().st_mtime_ns + 10**9
    os.utime(file, ns=(later, later))


def grow(file: Path) -> None:
    os.truncate(file, SIZE + 4096)


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    other.replace(file)


def remove(file: Path) -> None:
    file.unlink()


def told(access: RepositoryAccess, disk: Path, change: Callable[[], None]) -> list[str]:
    """Which files are said to have changed, when this happens as soon as reading begins."""
    waiting = [change]
    found: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, Progress) and waiting:
            waiting.pop()()
        if isinstance(event, Notice) and "was changed" in event.text:
            found.append(event.text.split(" was changed")[0])

    assert image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), emit).disks
    assert not waiting
    return found


@pytest.mark.parametrize("change", [write, grow, replace, remove])
def test_a_change_is_told(
    access: RepositoryAccess, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    raw = make_disk(tmp_path / "disk.raw", SIZE, [(1000, 5000)])
    assert told(access, raw, lambda: change(raw)) == [str(raw)]


def test_a_change_of_a_further_file_is_told(access: RepositoryAccess, tmp_path: Path) -> None:
    """A VMDK whose data is in a file beside it."""
    raw = make_disk(tmp_path / "disk.raw", SIZE, [(1000, 5000)])
    disk = tmp_path / "disk.vmdk"
    qemu_img("convert", "-O", "vmdk", "-o", "subformat=monolithicFlat", raw, disk)
    flat = tmp_path / "disk-flat.vmdk"
    assert told(access, disk, lambda: write(flat)) == [str(flat)]


def test_one_that_stays_as_it_is_says_nothing(access: RepositoryAccess, tmp_path: Path) -> None:
    raw = make_disk(tmp_path / "disk.raw", SIZE, [(1000, 5000)])
    assert told(access, raw, lambda: None) == []
