"""What is particular to the store in a folder: files, locks, leftovers, what lies about there."""

import errno
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault.faulty import Fault, FaultyCalls, Kind, forked
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
from twofold.errors import NeedsRights, ObjectExists, ObjectNotFound, StoreError

OTHER_HOST = ".00000000-" + "0" * 32 + ".tmp"


def temps(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if temp_host(path.name)]


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


# --- leftovers -------------------------------------------------------------------------------


def test_sweep_takes_the_files_of_the_dead_and_leaves_the_living(tmp_path: Path) -> None:
    living = LocalBackend(tmp_path)
    writer = living.create("packs/3f/1")
    writer.write(b"abc")

    def die() -> None:
        LocalBackend(tmp_path).create("packs/3f/2").write(b"half")
        LocalBackend(tmp_path).create("3").write(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    assert forked(die) == -signal.SIGKILL
    assert len(temps(tmp_path)) == 3
    store = LocalBackend(tmp_path)
    assert list(store.list("")) == []
    assert store.sweep() == 2
    assert store.sweep() == 0
    writer.write(b"def")
    writer.finish()
    assert store.get("packs/3f/1") == b"abcdef"
    assert not temps(tmp_path)


def test_sweep_leaves_the_files_of_a_living_process(tmp_path: Path) -> None:
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        LocalBackend(tmp_path).create("packs/3f/1").write(b"half")
        os.write(writable, b"!")
        signal.pause()
        os._exit(0)
    os.read(readable, 1)
    assert LocalBackend(tmp_path).sweep() == 0
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert LocalBackend(tmp_path).sweep() == 1
    os.close(readable)
    os.close(writable)


def test_sweep_leaves_other_hosts_unless_told(tmp_path: Path) -> None:
    (tmp_path / OTHER_HOST).write_bytes(b"x")
    (tmp_path / ".hidden").write_bytes(b"x")
    store = LocalBackend(tmp_path)
    assert store.sweep() == 0
    assert store.sweep(other_hosts=True) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]


class _SweptAtOnce(FileCalls):
    """Somebody sweeps between the creation of a file and its lock, as often as told."""

    def __init__(self, times: int) -> None:
        self.times = times

    def lock(self, fd: int) -> bool:
        if self.times > 0:
            self.times -= 1
            for path in temps(Path(os.readlink(f"/proc/self/fd/{fd}")).parent):
                path.unlink()
        return super().lock(fd)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="looks into /proc")
def test_a_writer_swept_before_it_has_its_lock_takes_another_file(tmp_path: Path) -> None:
    store = LocalBackend(tmp_path, _SweptAtOnce(3))
    store.put("a/1", b"x")
    assert store.get("a/1") == b"x"
    with pytest.raises(StoreError, match="vanish"):
        LocalBackend(tmp_path, _SweptAtOnce(99)).put("a/2", b"x")


class _NoLock(FileCalls):
    def lock(self, fd: int) -> bool:
        raise OSError(errno.ENOLCK, "no locks")


def test_without_locks_nothing_is_swept(tmp_path: Path) -> None:
    store = LocalBackend(tmp_path, _NoLock())
    writer = store.create("a")
    assert store.sweep(other_hosts=True) == 0
    writer.write(b"x")
    writer.finish()
    assert store.get("a") == b"x"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("counts in /proc")
    before = len(os.listdir("/proc/self/fd"))
    store = LocalBackend(tmp_path)
    store.put("a", b"x")
    store.put("a", b"x")
    with pytest.raises(ObjectExists):
        store.put("a", b"y")
    store.create("b").abort()
    store.create("c").write(b"unfinished")
    store.get("a")
    store.sweep()
    store.close()
    for at in range(1, 12):
        broken = LocalBackend(tmp_path, FaultyCalls(Fault(Kind.FAIL, at)))
        with pytest.raises(StoreError):
            broken.put(f"packs/{at}/1", b"x")
    assert len(os.listdir("/proc/self/fd")) == before


# --- what lies about in the folder -------------------------------------------------------------


def test_strange_files_are_no_objects(tmp_path: Path) -> None:
    store = LocalBackend(tmp_path)
    store.put("packs/3f/1", b"x")
    for name in (".DS_Store", "Thumbs.db", "packs/desktop file", "packs/3f/.nfs0001", "README"):
        (tmp_path / name).write_bytes(b"not ours")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "lost+found/1").write_bytes(b"not ours")
    os.symlink("nowhere", tmp_path / "packs/Dangling")
    assert [info.name for info in store.list("")] == ["packs/3f/1"]


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        lambda path: os.symlink("nowhere", path),
        lambda path: os.symlink(".", path),
    ],
    ids=["fifo", "dangling link", "loop"],
)
def test_what_cannot_be_listed_is_an_error_not_a_gap(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    store = LocalBackend(tmp_path)
    store.put("packs/3f/1", b"x")
    make(tmp_path / "packs/3f/2")
    with pytest.raises(StoreError):
        list(store.list("packs"))


def test_a_fifo_does_not_hang_a_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ObjectNotFound):
        LocalBackend(tmp_path).get("a")


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    (tmp_path / "other disk").mkdir()
    os.symlink("other disk", tmp_path / "packs")
    store = LocalBackend(tmp_path)
    store.put("packs/3f/1", b"x")
    assert [info.name for info in store.list("packs")] == ["packs/3f/1"]
    assert (tmp_path / "other disk/3f/1").read_bytes() == b"x"


def test_a_store_that_changes_the_case_of_names_is_refused(tmp_path: Path) -> None:
    store = LocalBackend(tmp_path)
    (tmp_path / "packs/3F").mkdir(parents=True)
    (tmp_path / "packs/3F/1").write_bytes(b"x")
    with pytest.raises(StoreError, match="case"):
        list(store.list("packs"))


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_unreadable_folder_is_an_error(tmp_path: Path, code: int, at: int) -> None:
    LocalBackend(tmp_path).put("packs/3f/1", b"x")
    store = LocalBackend(tmp_path, FaultyCalls(Fault(Kind.FAIL, at, code, "scan")))
    with pytest.raises(NeedsRights if code == errno.EACCES else StoreError, match="cannot list"):
        list(store.list(""))


# --- the place -----------------------------------------------------------------------------------


def test_a_drive_that_is_pulled_out_is_no_empty_store(tmp_path: Path) -> None:
    mounted, away = tmp_path / "drive", tmp_path / "away"
    mounted.mkdir()
    store = LocalBackend(mounted)
    store.put("config", b"x")
    store.put("packs/3f/1", b"x")
    mounted.rename(away)
    for stands_there in ("nothing", "the bare mount point"):
        if stands_there != "nothing":
            mounted.mkdir()
        writes: list[Callable[[], object]] = [
            lambda: list(store.list("packs")),
            lambda: store.get("packs/3f/1"),
            lambda: store.size("packs/3f/1"),
            lambda: store.delete("packs/3f/1"),
            lambda: store.move("packs/3f/1", "packs/3f/2"),
            lambda: store.put("packs/3f/2", b"x"),
            lambda: store.put("roots/2", b"x"),
        ]
        for write in writes:
            with pytest.raises(StoreError, match="no longer there") as caught:
                write()
            assert not isinstance(caught.value, ObjectNotFound)
    assert list(mounted.iterdir()) == []
    mounted.rmdir()
    away.rename(mounted)
    assert store.get("packs/3f/1") == b"x"


def test_the_working_directory_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    store = LocalBackend("store")
    monkeypatch.chdir("/")
    store.put("a", b"x")
    assert (tmp_path / "store/a").read_bytes() == b"x"
    assert store.location == "store"


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
