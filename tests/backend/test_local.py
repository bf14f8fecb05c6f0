"""How the store in a folder writes: the recipe step by step, rights, and what it looks at."""

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from tests.fault.oplog import (
    Create,
    MakeDir,
    Promise,
    Promising,
    RecordingCalls,
    Rename,
    SyncDir,
    SyncFile,
    Write,
)
from twofold.backend import LocalBackend
from twofold.backend.durable import temp_host
from twofold.backend.files import FileCalls
from twofold.backend.local_writer import PIECE
from twofold.errors import StoreError


def shape(calls: RecordingCalls) -> list[tuple[str, str]]:
    """The log as (operation, folder or name), temporary names as ``temp``."""
    found = []
    for op in calls.log[calls.start :]:
        match op:
            case MakeDir(path) | SyncDir(path):
                found.append((type(op).__name__, path))
            case Create(path):
                found.append(("Create", "temp" if temp_host(path.rpartition("/")[2]) else path))
            case Rename(_, target):
                found.append(("Rename", target))
            case Promise(deed, name, _, kept):
                found.append((deed, "kept" if kept else name))
            case Write() | SyncFile():
                found.append((type(op).__name__, ""))
    return found


def test_the_recipe_step_by_step(tmp_path: Path) -> None:
    calls = RecordingCalls(tmp_path)
    store = Promising(LocalBackend(tmp_path, calls), calls)
    store.put("packs/3f/1", b"x")
    store.put("packs/3f/2", b"y")
    assert shape(calls) == [
        ("put", "packs/3f/1"),
        ("MakeDir", "packs"),
        ("MakeDir", "packs/3f"),
        ("Create", "temp"),
        ("Write", ""),
        ("SyncFile", ""),
        ("Rename", "packs/3f/1"),
        ("SyncDir", "packs/3f"),
        ("SyncDir", "packs"),
        ("SyncDir", ""),
        ("put", "kept"),
        ("put", "packs/3f/2"),
        ("Create", "temp"),
        ("Write", ""),
        ("SyncFile", ""),
        ("Rename", "packs/3f/2"),
        ("SyncDir", "packs/3f"),
        ("put", "kept"),
    ]


def test_a_move_settles_its_target_before_and_after(tmp_path: Path) -> None:
    LocalBackend(tmp_path).put("open/1", b"x")
    calls = RecordingCalls(tmp_path)
    store = Promising(LocalBackend(tmp_path, calls), calls)
    store.move("open/1", "done/1")
    store.delete("done/1")
    assert shape(calls) == [
        ("move", "open/1"),
        ("MakeDir", "done"),
        ("SyncDir", "done"),
        ("SyncDir", ""),
        ("Rename", "done/1"),
        ("SyncDir", "done"),
        ("SyncDir", "open"),
        ("move", "kept"),
        ("delete", "done/1"),
        ("SyncDir", "done"),
        ("delete", "kept"),
    ]


def test_folders_of_other_processes_are_synced_once_for_all(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / f"packs/{n:02x}").mkdir(parents=True)
    calls = RecordingCalls(tmp_path)
    store = LocalBackend(tmp_path, calls)
    for n in range(20):
        store.put(f"packs/{n:02x}/1", b"x")
    synced = [op.path for op in calls.log[calls.start :] if isinstance(op, SyncDir)]
    assert (synced.count("packs"), synced.count("")) == (1, 1)


class _Writebacks(FileCalls):
    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        self.ranges.append((offset, length))
        super().start_writeback(fd, offset, length)


def test_writeback_begins_early(tmp_path: Path) -> None:
    calls = _Writebacks()
    LocalBackend(tmp_path, calls).put("a", bytes(3 * PIECE + 5))
    writer = LocalBackend(tmp_path, calls).create("b")
    for _ in range(10):
        writer.write(bytes(PIECE // 4 + 1))
    writer.finish()
    assert calls.ranges == [(n * PIECE, PIECE) for n in range(3)] + [
        (0, PIECE + 4),
        (PIECE + 4, PIECE + 4),
    ]


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        LocalBackend(tmp_path).put("packs/3f/1", b"x")
    finally:
        os.umask(old)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    assert modes == {"packs": 0o700, "3f": 0o700, "1": 0o600}


def test_a_full_size_pack_is_written_at_the_speed_of_the_disk(tmp_path: Path) -> None:
    """No more than a rough guard: nothing in the writer copies a pack several times over."""
    data = memoryview(os.urandom(32 << 20))
    store = LocalBackend(tmp_path, _NoSync())
    started = time.perf_counter()
    store.put("packs/3f/1", data)
    assert time.perf_counter() - started < 2.0


class _NoSync(FileCalls):
    def sync_file(self, fd: int) -> None:
        del fd

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        del fd, offset, length


def test_a_finished_writer_is_closed(tmp_path: Path) -> None:
    writer = LocalBackend(tmp_path).create("a")
    writer.finish()
    for again in (writer.finish, lambda: writer.write(b"more")):
        with pytest.raises(StoreError, match="finished"):
            again()
    assert (tmp_path / "a").read_bytes() == b""


class _Shrinks(FileCalls):
    """A disk that loses the end of what was written."""

    def sync_file(self, fd: int) -> None:
        super().sync_file(fd)
        os.ftruncate(fd, os.fstat(fd).st_size - 1)


class _NoDirSync(FileCalls):
    damage = False

    def sync_dir(self, path: str) -> bool:
        if self.damage:
            for one in Path(path).glob("[0-9]"):
                one.write_bytes(b"?" * one.stat().st_size)
        raise OSError(errno.EINVAL, "not for directories")


def test_what_was_written_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="length"):
        LocalBackend(tmp_path, _Shrinks()).put("a/1", b"abc")
    assert list(LocalBackend(tmp_path).list("")) == []
    calls = _NoDirSync()
    LocalBackend(tmp_path, calls).put("b/2", b"abc")
    calls.damage = True
    with pytest.raises(StoreError, match="reads back differently"):
        LocalBackend(tmp_path, calls).put("c/3", b"abc")
