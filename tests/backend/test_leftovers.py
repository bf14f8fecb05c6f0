"""Temporary files: those of dead writers go, those of living ones stay, without a clock."""

import errno
import os
import signal
from pathlib import Path

import pytest

from tests.fault.faulty import Fault, FaultyCalls, Kind, forked
from twofold.backend import LocalBackend
from twofold.backend.durable import temp_host
from twofold.backend.files import FileCalls
from twofold.errors import ObjectExists, StoreError

OTHER_HOST = ".00000000-" + "0" * 32 + ".tmp"


def temps(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if temp_host(path.name)]


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
