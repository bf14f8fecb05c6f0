"""Stamps: what changes them, and when there is none.

The time at which the superblock was last written is set by hand, so that nobody has to wait.
"""

import mmap
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disk.ext_damage import inode_offset, patched
from tests.disk.ext_volumes import may_mount, mounted, run
from twofold.disk import Role
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.ext import open_ext

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not mount")
_LATE = (0xF0000000).to_bytes(4, "little")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    image = tmp_path / "volume.img"
    image.write_bytes(bytes(8 << 20))
    run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^metadata_csum", image)
    with mounted(image, tmp_path / "mnt") as place:
        (place / "file").write_bytes(b"x" * 50_000)
        (place / "other").write_bytes(b"y" * 50_000)
    return image


def _stamps(data: bytes) -> dict[int, bytes]:
    streams = open_ext(MemoryBlocks(data)).streams()
    return {stream.owner: stream.stamp for stream in streams if stream.role is Role.FILE}


def _later(image: Path) -> dict[int, bytes]:
    """The stamps as if the volume had been unmounted long after the last change."""
    return _stamps(patched(image.read_bytes(), 1024 + 48, _LATE))


def _numbers(place: Path) -> tuple[int, int]:
    return (place / "file").stat().st_ino, (place / "other").stat().st_ino


def _write(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(7000)
        file.write(b"z")


def _write_and_hide(path: Path) -> None:
    times = path.stat()
    _write(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _map(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[9000] = 0x21


def _rewrite(path: Path) -> None:
    path.write_bytes(b"w" * 50_000)


@pytest.mark.parametrize("change", [_write, _write_and_hide, _map, _rewrite])
def test_every_change_of_content_changes_the_stamp(
    image: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    before = _later(image)
    with mounted(image, tmp_path / "mnt") as place:
        file, other = _numbers(place)
        change(place / "file")
        assert (place / "other").read_bytes() == b"y" * 50_000
    after = _later(image)
    assert before[file] != after[file] != b""
    assert before[other] == after[other] != b""


def test_stores_into_a_page_that_stays_mapped_are_seen_between_two_freezes(
    image: Path, tmp_path: Path
) -> None:
    with mounted(image, tmp_path / "mnt") as place:
        number, _ = _numbers(place)
        with (place / "file").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[9000] = 1
            first = _frozen(image, place)
            memory[9000] = 2
            second = _frozen(image, place)
            third = _frozen(image, place)
    assert first[number] != second[number] != b""
    assert second[number] == third[number]


def _frozen(image: Path, place: Path) -> dict[int, bytes]:
    run("fsfreeze", "-f", place)
    try:
        return _later(image)
    finally:
        subprocess.run(["fsfreeze", "-u", place], check=True)


def test_what_changed_shortly_before_the_end_has_no_stamp(image: Path) -> None:
    data = image.read_bytes()
    changed = max(
        facts.changed_ns or 0
        for facts in (open_ext(MemoryBlocks(data)).facts_of(number) for number in _stamps(data))
    )
    for seconds, expected in ((0, False), (1, False), (2, False), (3, True)):
        written = (changed // 10**9 + seconds).to_bytes(4, "little")
        stamps = _stamps(patched(data, 1024 + 48, written))
        assert all(stamps.values()) is expected or not expected
        assert any(stamps.values()) is expected or seconds == 2


def test_nothing_has_a_stamp_while_the_journal_waits(image: Path) -> None:
    data = patched(image.read_bytes(), 1024 + 48, _LATE)
    assert all(_stamps(data).values())
    waiting = patched(data, 1024 + 96, bytes([data[1024 + 96] | 4]))
    assert not any(_stamps(waiting).values())


_COUNT = {"change": 12, "modification": 16, "version": 36, "block map": 60, "generation": 100,
          "nanoseconds": 132, "nanoseconds of modification": 136, "high version": 152}  # fmt: skip
_DO_NOT = {"access": 8, "links": 26, "check sum": 124, "nanoseconds of access": 140}


def test_which_fields_of_an_inode_count(image: Path, tmp_path: Path) -> None:
    data = patched(image.read_bytes(), 1024 + 48, _LATE)
    place = inode_offset(data, "file", tmp_path)
    before = _stamps(data)
    for fields, same in ((_COUNT, False), (_DO_NOT, True)):
        for name, offset in fields.items():
            # Within the range of what the field may hold: earlier, or one block further.
            byte = data[place + offset] ^ 4
            after = _stamps(patched(data, place + offset, bytes([byte])))
            changed = {number for number in before if before[number] != after[number]}
            assert len(changed) == int(not same), name
            assert all(after.values())
