"""Files that are passed over because they are the same: nothing is told otherwise for that.

The oracle is the same comparison with every file looked into.
"""

import os
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.commands.looking import differences, make_ext4, take_image
from tests.disk import ntfs_volumes
from tests.disk.ext_volumes import may_mount, mounted
from tests.imaging.disks import MIB, run
from tests.restorer.place import Place
from twofold.commands.diff import DiffEntry
from twofold.view import changes
from twofold.view.inside import ImageTree
from twofold.view.twins import Twins

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not mount")

NOTE = b"a note that stands in a block of its own"
SMALL = b"in record"


def fill(top: Path) -> None:
    rand = random.Random(3)
    for number in range(60):
        folder = top / f"{number % 6}"
        folder.mkdir(exist_ok=True)
        size = rand.choice((0, 30, 600, 5000, 70_000))
        (folder / f"{number}").write_bytes(rand.randbytes(size))
    (top / "large").write_bytes(rand.randbytes(2 * MIB))
    (top / "small").write_bytes(SMALL)
    (top / "noted").write_bytes(b"noted")
    os.setxattr(top / "noted", "user.note", NOTE * 20)
    (top / "link").symlink_to("large")
    os.link(top / "small", top / "0" / "second name")


def poke(disk: Path, before: bytes, after: bytes) -> None:
    """Change what is on the disk, and nothing that would tell of it."""
    data = disk.read_bytes()
    assert before in data and len(before) == len(after)
    disk.write_bytes(data.replace(before, after))


def change(top: Path) -> None:
    (top / "0" / "new").write_bytes(b"new")
    (top / "1" / "1").unlink()
    (top / "2" / "2").chmod(0o600)
    os.utime(top / "3" / "3", (5, 5))
    (top / "4" / "4").write_bytes(b"another")
    (top / "5").rename(top / "renamed")


def on_ext4(disk: Path) -> AbstractContextManager[Path]:
    return mounted(disk, disk.with_suffix(".mnt"))


@contextmanager
def on_ntfs(disk: Path) -> Iterator[Path]:
    with ntfs_volumes.mounted(disk, "streams_interface=xattr") as folder:
        yield folder


def made(kind: str, tmp_path: Path) -> Path:
    disk = tmp_path / "disk"
    if kind == "ext4":
        (tmp_path / "none").mkdir()
        make_ext4(disk, tmp_path / "none", 24)
    else:
        ntfs_volumes.make(disk, size=24 << 20, cluster=4096)
    with MOUNTS[kind](disk) as top:
        fill(top)
    return disk


MOUNTS = {"ext4": on_ext4, "ntfs": on_ntfs}
kinds = pytest.mark.parametrize("kind", MOUNTS)


def told(place: Place) -> tuple[list[DiffEntry], int, int]:
    result, entries = differences(place, "latest~1:p1:/", "latest:p1:/")
    return entries, result.unchanged, result.damaged


def compared(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[bytes, str]:
    """What differs, which is the same if no file is passed over."""
    quick = told(place)
    with monkeypatch.context() as patched:
        patched.setattr(changes, "twins_of", lambda *_: None)
        assert told(place) == quick
    return {entry.path: entry.change for entry in quick[0]}


@kinds
def test_changes_are_told(
    kind: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = made(kind, tmp_path)
    take_image(place, disk)
    with MOUNTS[kind](disk) as top:
        change(top)
    take_image(place, disk)
    found = compared(place, monkeypatch)
    wanted = {b"/0/new": "added", b"/1/1": "removed", b"/3/3": "metadata", b"/4/4": "content"}
    assert wanted.items() <= found.items()
    assert found[b"/renamed"] == "added" and found[b"/5"] == "removed"


@kinds
def test_changes_that_nothing_tells_of_are_told(
    kind: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In contents, in a record, and in attributes outside of it, with all times as they were."""
    disk = made(kind, tmp_path)
    take_image(place, disk)
    with MOUNTS[kind](disk) as top:
        start = (top / "large").read_bytes()[:64]
    poke(disk, start, bytes(64))
    poke(disk, SMALL, SMALL.upper())
    poke(disk, NOTE, NOTE.upper())
    take_image(place, disk)
    found = compared(place, monkeypatch)
    assert found == {
        b"/large": "content",
        b"/small": "content",
        b"/0/second name": "content",
        b"/noted": "metadata",
    }


@kinds
def test_what_is_the_same_is_not_looked_into(
    kind: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = made(kind, tmp_path)
    take_image(place, disk)
    with MOUNTS[kind](disk) as top:
        (top / "0" / "new").write_bytes(b"new")
    take_image(place, disk)
    looked: list[bytes] = []
    owned = ImageTree._owned

    def noticed(tree: ImageTree, name: bytes, number: int) -> object:
        looked.append(name)
        return owned(tree, name, number)

    monkeypatch.setattr(ImageTree, "_owned", noticed)
    entries, unchanged, _ = told(place)
    assert [entry.path for entry in entries if entry.change == "added"] == [b"/0/new"]
    assert unchanged > 65
    plain = {b"%d" % number for number in range(6, 60)} | {b"large", b"small"}
    assert plain.isdisjoint(looked)
    assert {b"link", b"noted", b"new"} <= set(looked)


Spoil = Callable[[Path], None]


def spoil_ext4(disk: Path) -> None:
    run("debugfs", "-w", "-R", "set_inode_field /large mode 0", disk)


def spoil_ntfs(disk: Path) -> None:
    data = bytearray(disk.read_bytes())
    at = data.find(SMALL) & ~1023
    assert data[at : at + 4] == b"FILE"
    struct.pack_into("<I", data, at + 56 + 4, 0xFFFFFF)  # the length of its first attribute
    disk.write_bytes(data)


@pytest.mark.parametrize(("kind", "spoil"), [("ext4", spoil_ext4), ("ntfs", spoil_ntfs)])
def test_what_is_damaged_alike_in_both_is_damage(
    kind: str, spoil: Spoil, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = made(kind, tmp_path)
    spoil(disk)
    take_image(place, disk)
    poke(disk, NOTE, NOTE.upper())
    take_image(place, disk)
    compared(place, monkeypatch)
    assert told(place)[2] > 0


def test_two_kinds_have_no_twins(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Twins] = []

    def names(self: Twins, *_: int) -> frozenset[bytes]:
        asked.append(self)
        return frozenset()

    monkeypatch.setattr(Twins, "names", names)
    for kind in MOUNTS:
        (tmp_path / kind).mkdir()
        take_image(place, made(kind, tmp_path / kind))
    told(place)
    assert not asked
    differences(place, "latest:p1:/", "latest:p1:/")
    assert asked
