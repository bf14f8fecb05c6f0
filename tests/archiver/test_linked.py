"""Files of several names: read under one of them, stored under all, kept in memory no longer."""

import os

import pytest

from tests.archiver.world import World, assert_same
from twofold.archiver.linked import Linked, LinkedFiles
from twofold.archiver.reading import FileJob
from twofold.platform import FLAG_FAR_TIME, Entry

DEVICE = 9
USUAL = {"inode": 7, "size": 100, "mtime_ns": 1, "ctime_ns": 2, "mode": 0o100644} | {
    "uid": 0,
    "gid": 0,
    "links": 3,
    "flags": 0,
}


def entry(name: bytes = b"one", /, **changed: int) -> Entry:
    """A file of three names."""
    return Entry(**{**USUAL, **changed}, name=name)


def test_each_file_is_read_once_and_every_name_holds_it(world: World) -> None:
    size = 0
    for number in range(40):
        folder = world.source / f"d{number % 4}"
        folder.mkdir(exist_ok=True)
        contents = b"%d " % number * (50 if number % 8 else 300_000)
        path = folder / f"f{number}"
        path.write_bytes(contents)
        if number % 3 == 0:
            os.setxattr(path, "user.number", b"%d" % number)
        size += len(contents)
        os.link(path, folder / f"beside {number}")
        other = world.source / f"d{(number + 1) % 4}"
        other.mkdir(exist_ok=True)
        os.link(path, other / f"far {number}")
    outcome = world.backup()
    assert outcome.complete
    assert_same(world, outcome.root)
    assert outcome.root.bytes_read == size


def test_a_file_is_known_until_its_last_name_is_met() -> None:
    files, job = LinkedFiles(), FileJob(100)
    files.note(DEVICE, entry(), Linked(job))
    for _ in range(2):
        found = files.take(DEVICE, entry(b"another name"))
        assert found is not None and found.job is job
    assert files.take(DEVICE, entry(b"a name too many")) is None
    assert files.find(DEVICE, entry()) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"inode": 8},
        {"size": 101},
        {"mtime_ns": 5},
        {"ctime_ns": 5},
        {"mode": 0o100600},
        {"uid": 1},
        {"gid": 1},
        {"links": 4},
        {"flags": FLAG_FAR_TIME},
    ],
)
def test_another_state_is_another_file(changed: dict[str, int]) -> None:
    files = LinkedFiles()
    files.note(DEVICE, entry(), Linked(FileJob()))
    assert files.find(DEVICE, entry(**changed)) is None
    assert files.find(DEVICE + 1, entry()) is None
    assert files.find(DEVICE, entry()) is not None


@pytest.mark.parametrize("which", [{"links": 1}, {"inode": 0}, {"mtime_ns": 1 << 63}])
def test_what_has_no_other_name_or_no_common_time_is_not_kept(which: dict[str, int]) -> None:
    files = LinkedFiles()
    files.note(DEVICE, entry(**which), Linked(FileJob()))
    assert files.find(DEVICE, entry(**which)) is None
