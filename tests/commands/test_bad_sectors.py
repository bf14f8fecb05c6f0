"""Bad sectors where an image looks first: tables, boot sectors and maps do not stop it."""

import errno
import os
import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.imaging.disks import MIB, gpt_disk, make_ext4, starts
from twofold.commands import image, restore_disk
from twofold.errors import SourceDamaged
from twofold.events import Emit, Event, SourceWarning, ignore
from twofold.options import RepositoryAccess

SECTOR = 512
GPT_HEADER = 1
EXT_SUPERBLOCK = 2  # of the partition
EXT_GROUPS = 8


class BadSectors:
    """A disk of which some sectors cannot be read."""

    sector_size = SECTOR

    def __init__(self, disk: Path, bad: set[int]) -> None:
        self.path = os.fsencode(disk)
        self._data = disk.read_bytes()
        self._bad = bad
        self.size = len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        end = -(-(offset + length) // SECTOR)
        if not self._bad.isdisjoint(range(offset // SECTOR, end)):
            raise OSError(errno.EIO, "Input/output error")
        return self._data[offset : offset + length]

    def wanted(self) -> bytes:
        """What an image of it holds."""
        data = bytearray(self._data)
        for sector in self._bad:
            data[sector * SECTOR : (sector + 1) * SECTOR] = bytes(SECTOR)
        return bytes(data)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(5):
        (tree / f"{number}").write_bytes(os.urandom(60_000))
    make_ext4(tmp_path / "root", tree, 8 * MIB)
    gpt_disk(tmp_path / "disk", [(tmp_path / "root", "8300")])
    return tmp_path / "disk"


def imaged(
    access: RepositoryAccess,
    disk: BadSectors,
    monkeypatch: pytest.MonkeyPatch,
    emit: Emit = ignore,
) -> image.ImageResult:
    monkeypatch.setattr(image, "opened", lambda *_: nullcontext(disk))
    return image.run(image.ImageOptions(access=access, disks=(disk.path,), exact=True), emit)


def sectors_of(event: Event) -> range:
    """The sectors that a warning is about."""
    if not isinstance(event, SourceWarning):
        return range(0)
    found = re.match(r"([0-9]+) bytes at ([0-9]+) cannot be read", event.reason)
    assert found is not None
    first = int(found[2]) // SECTOR
    return range(first, first + int(found[1]) // SECTOR)


def of_partition(disk: Path, sector: int) -> int:
    return starts(disk)[0] // SECTOR + sector


@pytest.mark.parametrize("where", ["mbr", "gpt", "end", "superblock", "groups", "tables"])
def test_an_image_is_made_around_them(
    access: RepositoryAccess,
    disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    last = disk.stat().st_size // SECTOR - 1
    bad = {
        "mbr": {0},
        "gpt": {GPT_HEADER},
        "end": {last, last - 1},
        "superblock": {of_partition(disk, EXT_SUPERBLOCK)},
        "groups": {of_partition(disk, EXT_GROUPS)},
        "tables": {0, GPT_HEADER, last},
    }[where]
    source = BadSectors(disk, bad)
    events: list[Event] = []
    result = imaged(access, source, monkeypatch, events.append)
    told = [sector for event in events for sector in sectors_of(event)]
    assert (result.exit_code, sorted(told)) == (3, sorted(bad))
    restore_disk.run(
        restore_disk.RestoreDiskOptions(
            access=access, snapshot="latest", target=os.fsencode(tmp_path / "out")
        ),
        ignore,
    )
    assert (tmp_path / "out").read_bytes() == source.wanted()


def test_a_disk_that_gives_nothing_is_no_image(
    access: RepositoryAccess, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = BadSectors(disk, set(range(disk.stat().st_size // SECTOR)))
    with pytest.raises(SourceDamaged, match="cannot be read"):
        imaged(access, silent, monkeypatch)
