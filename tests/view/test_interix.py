"""Links and devices as ntfs-3g writes them; what it shows of hostile ones through a mount."""

import os
import random
import stat
import struct
from pathlib import Path

import pytest

from tests.disk import ntfs_volumes as volumes
from tests.disk.ext_volumes import may_mount
from tests.restorer.place import Place
from tests.view.images import image_of
from twofold.commands import cat
from twofold.disk import FileFacts, Kind
from twofold.disk.blocks import FileBlocks
from twofold.disk.ntfs import interix, open_ntfs
from twofold.errors import UsageError

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not make devices")

LINK, CHR, BLK = b"IntxLNK\1", b"IntxCHR\0", b"IntxBLK\0"
SYSTEM, HIDDEN, ARCHIVE = 0x4, 0x2, 0x20
Shown = tuple[int, bytes | None, tuple[int, int] | None]
"""Type, target, and number of a device."""


def text(name: str) -> bytes:
    return name.encode("utf-16-le", "surrogatepass")


def numbers(major: int, minor: int) -> bytes:
    return struct.pack("<QQ", major, minor)


MADE = {
    "link hidden": (LINK + text("x"), SYSTEM | HIDDEN),
    "link unmarked": (LINK + text("x"), ARCHIVE),
    "link to nothing": (LINK, SYSTEM),
    "link odd": (LINK + text("ab") + b"x", SYSTEM),
    "link with a zero": (LINK + text("a\0b"), SYSTEM),
    "link with a surrogate": (LINK + text("\ud800a"), SYSTEM),
    "link abroad": (LINK + text("/etc/passwd"), SYSTEM),
    "link upwards": (LINK + text("../../../.."), SYSTEM),
    "link of clusters": (LINK + text("n" * 1500), SYSTEM),
    "link longest": (LINK + text("/" * 4095), SYSTEM),
    "device": (CHR + numbers(1, 2), SYSTEM),
    "device hidden": (BLK + numbers(8, 1), SYSTEM | HIDDEN),
    "device unmarked": (BLK + numbers(8, 1), ARCHIVE),
    "device short": (CHR + numbers(1, 2)[:-1], SYSTEM),
    "device long": (CHR + numbers(1, 2) + b"x", SYSTEM),
    "another form": (b"IntxLNK\2" + text("x"), SYSTEM),
}


def fill(folder: Path) -> None:
    os.symlink("../ü/\U0001f389", folder / "made link")
    os.mknod(folder / "made chr", 0o640 | stat.S_IFCHR, os.makedev(5, 1))
    os.mknod(folder / "made blk", 0o660 | stat.S_IFBLK, os.makedev(259, 1048575))
    for name, (data, attributes) in MADE.items():
        (folder / name).write_bytes(data)
        marked = struct.pack(">I", attributes)
        os.setxattr(folder / name, "system.ntfs_attrib_be", marked)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("interix") / "volume.img"
    volumes.make(path, size=16 << 20, cluster=4096)
    with volumes.mounted(path) as folder:
        fill(folder)
    return path


def shown(path: Path) -> Shown:
    info = os.lstat(path)
    target = os.readlink(os.fsencode(path)) if path.is_symlink() else None
    is_device = stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode)
    number = (os.major(info.st_rdev), os.minor(info.st_rdev)) if is_device else None
    return stat.S_IFMT(info.st_mode), target, number


def told(facts: FileFacts) -> Shown:
    kinds = {Kind.FILE: stat.S_IFREG, Kind.LINK: stat.S_IFLNK}
    kind = stat.S_IFMT(facts.mode) if facts.mode is not None else kinds[facts.kind]
    number = facts.device
    return kind, facts.target, None if number is None else (os.major(number), os.minor(number))


def test_they_are_what_a_mount_shows(image: Path) -> None:
    with volumes.mounted(image, "ro") as folder:
        wanted = {each.name: shown(each) for each in folder.iterdir()}
    assert wanted["made link"][1] == "../ü/\U0001f389".encode()
    assert wanted["made blk"] == (stat.S_IFBLK, None, (259, 1048575))
    assert sum(kind == stat.S_IFLNK for kind, _, _ in wanted.values()) == 9
    with image.open("rb") as file:
        fs = open_ntfs(FileBlocks(file))
        entries = list(fs.entries(fs.root()))
        found = {entry.name.decode(): fs.facts_of(entry.file) for entry in entries}
        assert {name: told(facts) for name, facts in found.items()} == wanted
        assert {e.name: e.kind for e in entries} == {
            name.encode(): facts.kind for name, facts in found.items()
        }


@pytest.mark.parametrize("target", ["", "\0a", "n" * 4096, "ü" * 2048])
def test_what_no_link_can_hold_is_a_file(target: str) -> None:
    assert interix.parse(LINK + text(target)) is None


@pytest.mark.parametrize("major, minor", [(1 << 40, 2), (1 << 12, 0), (0, 1 << 20)])
def test_a_number_that_no_device_has_is_a_file(major: int, minor: int) -> None:
    assert interix.parse(CHR + numbers(major, minor)) is None


def test_nothing_that_it_is_given_is_wrong_for_it() -> None:
    rand = random.Random(1)
    for _ in range(20_000):
        start = rand.choice((LINK, CHR, BLK, b""))
        found = interix.parse(start + rand.randbytes(rand.randrange(40)))
        if found is not None and found.target is not None:
            assert found.target and b"\0" not in found.target


def test_they_are_listed_and_restored_as_such(place: Place, image: Path) -> None:
    """Links lead where they led, and nothing is taken from there."""
    image_of(place, image)
    result = place.restore("latest:p1:/", verify=True)
    assert (result.exit_code, place.warnings(), place.damage()) == (0, [], [])
    with volumes.mounted(image, "ro") as folder:
        wanted = {each.name: shown(each) for each in folder.iterdir()}
        files = [folder / name for name in wanted if wanted[name][0] == stat.S_IFREG]
        plain = {each.name: each.read_bytes() for each in files}
    assert {each.name: shown(each) for each in place.target.iterdir()} == wanted
    assert stat.S_IMODE(os.lstat(place.target / "made chr").st_mode) == 0o600
    assert {name: (place.target / name).read_bytes() for name in plain} == plain
    _, listed = place.listed("latest:p1:/", long=True)
    targets = {each.path[1:].decode(): each.target for each in listed if each.target}
    assert targets == {name: target for name, (_, target, _) in wanted.items() if target}
    for address in ("latest:p1:/link abroad", "latest:p1:/made blk"):
        asked = cat.CatOptions(access=place.access, address=address, write=lambda _: None)
        with pytest.raises(UsageError, match="is no file"):
            cat.run(asked, lambda _: None)
