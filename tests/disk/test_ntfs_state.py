"""Clean or not: our word on $LogFile and hibernation files against ntfs-3g's.

Where we call a volume clean, ntfs-3g must agree: else its map would be believed though it must not.
The other way round we may be more careful.
"""

import itertools
import struct
from pathlib import Path

import pytest

from tests.disk import ntfs_volumes as volumes
from tests.disk.ntfs_logs import PAGE, WAITING, Restart, probed, where, write_log
from tests.disk.ntfs_patches import edit_attribute
from twofold.disk import Facts, Stream
from twofold.disk.blocks import FileBlocks
from twofold.disk.ntfs import open_ntfs

PAGES = {
    "emptied": None,
    "clean": Restart(),
    "clean, older": Restart(newest=900),
    "clean, newer": Restart(newest=1100),
    "clean by its flag": Restart(client=0),
    "clean by its clients": Restart(flags=0),
    "waiting": WAITING,
    "waiting, older": Restart(newest=900, client=0, flags=0),
    "waiting, newer": Restart(newest=1100, client=0, flags=0),
    "version 2": Restart(major=2),
    "torn": Restart(torn=True),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ntfs") / "volume.img"
    volumes.make(path, size=16 << 20, cluster=4096, label="L")
    return path


@pytest.fixture
def image(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "volume.img"
    copy.write_bytes(made.read_bytes())
    return copy


def facts(image: Path, *, frozen: bool = False) -> Facts:
    with image.open("rb") as file:
        return open_ntfs(FileBlocks(file), frozen=frozen).facts


def streams(image: Path, *, frozen: bool = False) -> dict[int, Stream]:
    with image.open("rb") as file:
        told = open_ntfs(FileBlocks(file), frozen=frozen).streams()
        return {stream.owner: stream for stream in told if not stream.name}


def test_the_log_is_where_ntfs_3g_looks(image: Path) -> None:
    place, size = where(image)
    assert image.read_bytes()[place : place + size] == b"\xff" * size
    assert probed(image) == 0
    write_log(image, WAITING, WAITING)
    assert probed(image) == 15


@pytest.mark.parametrize(("first", "second"), list(itertools.product(PAGES, PAGES)))
def test_nothing_is_clean_that_ntfs_3g_would_not_touch(
    image: Path, first: str, second: str
) -> None:
    write_log(image, PAGES[first], PAGES[second])
    found = facts(image)
    assert found.clean is (found.doubt == "")
    if found.clean:
        assert probed(image) == 0


@pytest.mark.parametrize(
    ("first", "second", "doubt"),
    [
        ("emptied", "emptied", ""),
        ("clean", "clean", ""),
        ("clean", "clean, older", ""),
        ("clean by its flag", "clean by its clients", ""),
        ("clean, newer", "waiting", ""),
        ("waiting", "clean, newer", ""),
        ("waiting", "waiting", "wait"),
        ("waiting, newer", "clean", "wait"),
        ("clean", "waiting, newer", "wait"),
        ("clean", "waiting", "wait"),
        ("waiting", "clean", "wait"),
        ("version 2", "version 2", "in use"),
        ("torn", "clean", "understood"),
        ("clean", "torn", "understood"),
        ("emptied", "clean", "understood"),
        ("clean", "emptied", "understood"),
    ],
)
def test_the_newer_page_counts_and_doubt_is_kept(
    image: Path, first: str, second: str, doubt: str
) -> None:
    write_log(image, PAGES[first], PAGES[second])
    found = facts(image).doubt
    assert (doubt in found) and (bool(doubt) is bool(found))


def test_a_log_that_is_cut_off_is_not_understood(image: Path) -> None:
    def cut(record: bytearray, at: int, length: int) -> None:
        record[at + 48 : at + 64] = struct.pack("<QQ", PAGE // 2, PAGE // 2)

    edit_attribute(image, 2, 0x80, cut)
    assert "understood" in facts(image).doubt


def test_a_volume_marked_for_checking_is_in_doubt_even_if_frozen(image: Path) -> None:
    def mark(record: bytearray, at: int, length: int) -> None:
        record[at + record[at + 20] + 10] |= 1

    edit_attribute(image, 3, 0x70, mark)
    assert "checking" in facts(image).doubt
    assert "checking" in facts(image, frozen=True).doubt


def hibernated(image: Path, magic: bytes) -> int:
    """A hibernation file as Windows makes it; the number of its record."""
    return volumes.sleeping(image, magic + b"memory" * 5000, b"pages" * 5000)


@pytest.mark.parametrize("magic", [b"HIBR", b"hibr", b"RSTR", b"WAKE", b"\0\0\0\0"])
def test_a_sleeping_windows_is_in_doubt(image: Path, magic: bytes) -> None:
    """A file that Windows woke up from proves nothing; of one half way ntfs-3g does not know."""
    number = hibernated(image, magic)
    assert (probed(image) == 14) is (magic.lower() == b"hibr")
    asleep = magic.lower() in (b"hibr", b"rstr")
    assert bool(facts(image).doubt) is asleep
    assert streams(image)[number].asleep is asleep
    assert streams(image)[number].discard is not asleep
    write_log(image, WAITING, WAITING)
    assert streams(image)[number].asleep is (magic != b"\0\0\0\0")
    assert not streams(image)[number].discard


def test_nothing_is_proven_of_a_volume_in_doubt(image: Path) -> None:
    """No stamps, and what a page file was may be another file's by now."""
    hibernated(image, b"WAKE")
    before = streams(image)
    assert all(s.stamp or s.discard for number, s in before.items() if number >= 64)
    assert sum(stream.discard for stream in before.values()) == 2
    write_log(image, WAITING, WAITING)
    after = streams(image)
    assert not any(stream.stamp or stream.discard for stream in after.values())
    assert [s.runs for s in after.values()] == [s.runs for s in before.values()]
    assert streams(image, frozen=True) == before
    assert (facts(image, frozen=True).doubt, facts(image, frozen=True).clean) == ("", False)
