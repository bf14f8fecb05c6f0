"""``twofold image`` and ``restore-disk``, as a user types them."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.disk import ntfs_volumes
from tests.disk.ntfs_logs import WAITING, write_log

from .terminal import Terminal
from .world import Program

MIB = 1 << 20


@pytest.fixture
def disk(twofold: Program, sample: Path) -> Path:
    """A disk without a table that holds an ext4 with the sample's files."""
    image = twofold.place / "disk"
    image.write_bytes(b"")
    os.truncate(image, 24 * MIB)
    words = ["mke2fs", "-q", "-b", "4096", "-t", "ext4", "-L", "letters", "-d"]
    subprocess.run([*words, str(sample), str(image)], check=True)
    return image


def test_there_and_back(twofold: Program, disk: Path) -> None:
    made = twofold("image", "disk", code=0)
    assert "disk, no partition table: 24.0 MiB" in made.out
    assert "ext4 letters" in made.out
    assert "█" in made.out
    assert "image" in twofold("snapshots", code=0).out
    back = twofold("restore-disk", "latest", "--to", "back", code=0)
    assert "differ" not in back.out + back.err
    compared = subprocess.run(["e2fsck", "-fn", "back"], cwd=twofold.place, check=False)
    assert compared.returncode == 0
    assert (twofold.place / "back").read_bytes() == disk.read_bytes()
    twofold("check", "--read-data", code=0)


def test_records(twofold: Program, disk: Path) -> None:
    made = twofold("image", "disk", "--json", code=0)
    (told,) = made.of("disk")
    assert (told["bytes_disk"], told["failed"]) == (24 * MIB, 0)
    summary = twofold("restore-disk", "latest", "--to", "back", "--json", code=0).summary
    assert (summary["written"], summary["wrong"], summary["damaged"]) == (True, 0, 0)


def test_a_windows_that_was_not_shut_down(twofold: Program) -> None:
    """What is kept and what it costs, before and after, for people and programs."""
    disk = twofold.place / "windows"
    ntfs_volumes.make(disk, size=16 * MIB, cluster=4096)
    sound = twofold("image", "windows", "--json", code=0)
    assert [told["bytes_kept_free"] for told in sound.of("disk")] == [0]
    assert not sound.of("notice")
    with disk.open("r+b") as file:
        file.seek(12 * MIB)
        file.write(b"saved last" * 6_000)  # 60,000 bytes
    write_log(disk, WAITING, WAITING)
    for words in (["--dry-run"], []):
        told = twofold("image", "windows", "--json", *words, code=0)
        (record,) = told.of("disk")
        assert record["bytes_kept_free"] == 64 << 10
        (notice,) = told.of("notice")
        assert "changes wait in its log" in str(notice["text"])
        assert "65,536 bytes" in str(notice["text"])
    made = twofold("image", "windows", code=0)
    assert "p1: changes wait in its log." in made.out
    assert "what counts as free is kept as well where it is not zero, up to 13." in made.out
    assert "64.0 KiB of that count as free: not all was shut down cleanly" in made.out
    files = twofold("restore", "latest:p1:/", "--to", "files", code=0)
    assert "changes wait in its log: its last changes may be missing" in files.out + files.err
    twofold("restore-disk", "latest", "--to", "back", code=0)
    assert (twofold.place / "back").read_bytes() == disk.read_bytes()


def test_nothing_is_overwritten_unasked(twofold: Program, disk: Path) -> None:
    twofold("image", "disk", code=0)
    other = twofold.place / "other"
    other.write_bytes(b"precious" * 8 * MIB)
    twofold("restore-disk", "latest", "--to", "other", code=17)
    twofold("restore-disk", "latest", "--to", "other", "--dry-run", code=0)
    assert other.read_bytes() == b"precious" * 8 * MIB
    twofold("restore-disk", "latest", "--to", "other", "--yes", code=0)
    assert other.read_bytes()[: 4 * MIB] != b"precious" * (MIB // 2)


def verified(disk: Path) -> str:
    """What sgdisk says of a partition table."""
    words = ["sgdisk", "-v", str(disk)]
    return subprocess.run(words, check=False, capture_output=True, text=True).stdout


def test_a_larger_target(twofold: Program, disk: Path) -> None:
    """What is said of the second partition table is so, and what is advised mends it."""
    subprocess.run(["sgdisk", "-n", "1:2048:+4M", str(disk)], check=True, capture_output=True)
    twofold("image", "disk", code=0)
    other = twofold.place / "other"
    other.write_bytes(bytes(40 * MIB))
    made = twofold("restore-disk", "latest", "--to", "other", "--yes", code=0)
    assert "the last 16.0 MiB of it stay unused" in made.out + made.err
    assert f"'sgdisk -e {other}' moves it" in made.out + made.err
    assert "secondary header's self-pointer" in verified(other)
    subprocess.run(["sgdisk", "-e", str(other)], check=True, capture_output=True)
    assert "No problems found" in verified(other)
    told = twofold("restore-disk", "latest:p1", "--to", "other", "--yes", "--restart", code=0)
    assert "sgdisk" not in told.out + told.err


def test_the_name_must_be_typed(twofold: Program, disk: Path) -> None:
    twofold("image", "disk", code=0)
    other = twofold.place / "other"
    other.write_bytes(b"precious" * 8 * MIB)
    for answer in ("", "y", "yes", "disk"):
        terminal = Terminal.start(twofold, "restore-disk", "latest", "--to", "other")
        terminal.answer("will be lost. Type 'other' to go on: ", answer)
        assert terminal.end() == 4
    assert other.read_bytes() == b"precious" * 8 * MIB
    terminal = Terminal.start(twofold, "restore-disk", "latest", "--to", "other")
    terminal.answer("Type 'other' to go on: ", "other")
    assert terminal.end() == 0
    assert other.read_bytes()[: 4 * MIB] != b"precious" * (MIB // 2)
    assert "before: " in terminal.text


def test_what_cannot_be(twofold: Program, disk: Path, sample: Path) -> None:
    twofold("image", "nothing", code=2)
    twofold("image", str(sample), code=2)
    twofold("backup", str(sample), code=0)
    twofold("restore-disk", "latest", "--to", "back", code=2)
    twofold("image", "disk", code=0)
    twofold("restore-disk", "latest:p7", "--to", "back", code=2)
    twofold("restore-disk", "latest:/x", "--to", "back", code=2)
    small = twofold.place / "small"
    small.write_bytes(bytes(MIB))
    twofold("restore-disk", "latest", "--to", "small", "--yes", code=17)
    assert not (twofold.place / "back").exists()


def test_what_is_lost_of_an_image(twofold: Program, sample: Path) -> None:
    """Files are numbers to check, and it says how their names are had."""
    (sample / "photo.jpg").write_bytes(os.urandom(40 * MIB))
    disk = twofold.place / "disk"
    disk.write_bytes(b"")
    os.truncate(disk, 64 * MIB)
    words = ["mke2fs", "-q", "-b", "4096", "-t", "ext4", "-d", str(sample), str(disk)]
    subprocess.run(words, check=True)
    twofold("image", "disk", code=0)
    number = subprocess.run(
        ["debugfs", "-R", "stat photo.jpg", str(disk)], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    packs = sorted((twofold.place / "repository/packs").rglob("*"), key=lambda p: p.stat().st_size)
    tail = packs[-1].stat().st_size // 3
    with packs[-1].open("r+b") as pack:  # more than parity mends, in one place
        pack.seek(tail)
        pack.write(bytes(3 * MIB))
    checked = twofold("check", "--read-data", code=5)
    told = checked.out + checked.err
    assert f"/p1/#{number}" in told
    assert "names each it cannot bring back" in told
    restored = twofold("restore", "latest:p1:/", "--to", "out", code=5)
    assert "photo.jpg" in restored.out + restored.err


def test_a_dry_run_stores_nothing(twofold: Program, disk: Path) -> None:
    assert "dry run" in twofold("image", "disk", "--dry-run", code=0).out
    assert "0 backups" in twofold("snapshots", code=0).out
