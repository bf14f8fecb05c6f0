"""The file calls themselves, those of other systems played."""

import ctypes
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from twofold.backend import LocalBackend, files
from twofold.backend.files import Entry, FileCalls
from twofold.backend.names import is_name


def two_files(folder: Path) -> tuple[str, str]:
    (folder / "a").write_bytes(b"a")
    (folder / "b").write_bytes(b"b")
    return str(folder / "a"), str(folder / "b")


@pytest.mark.parametrize("way", ["rename_new", "link"])
def test_an_existing_target_is_refused(tmp_path: Path, way: str) -> None:
    source, target = two_files(tmp_path)
    with pytest.raises(FileExistsError):
        getattr(FileCalls(), way)(source, target)
    assert Path(target).read_bytes() == b"b"
    os.unlink(target)
    getattr(FileCalls(), way)(source, target)
    assert Path(target).read_bytes() == b"a"
    with pytest.raises(FileNotFoundError):
        getattr(FileCalls(), way)(str(tmp_path / "absent"), str(tmp_path / "c"))


def test_a_library_without_the_call_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_renameat2", lambda: None)
    source, target = two_files(tmp_path)
    with pytest.raises(OSError, match="not implemented") as caught:
        FileCalls().rename_new(source, target)
    assert caught.value.errno == errno.ENOSYS
    store = LocalBackend(tmp_path)
    store.put("packs/1", b"x")
    store.move("packs/1", "packs/2")
    assert store.get("packs/2") == b"x"


class Busy(OSError):
    """As Windows says that somebody has the file open."""

    winerror = 32


def test_a_file_that_is_busy_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    left = [3]

    def busy(real: Callable[..., None]) -> Callable[..., None]:
        def call(*paths: str) -> None:
            left[0] -= 1
            if left[0] >= 0:
                raise Busy(errno.EACCES, "in use")
            real(*paths)

        return call

    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(os, "unlink", busy(os.unlink))
    path = tmp_path / "a"
    path.write_bytes(b"")
    FileCalls().unlink(str(path))
    assert not path.exists()
    assert waits == [0.01, 0.02, 0.05]
    left[0] = 99
    with pytest.raises(Busy):
        FileCalls().unlink(str(path))
    assert sum(waits[3:]) < 2


def test_the_windows_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, int]] = []
    answers = [1, 0]

    def move(source: str, target: str, flags: int) -> int:
        calls.append((source, target, flags))
        return answers.pop(0)

    monkeypatch.setattr(files, "_move_file_ex", lambda: move)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 183, raising=False)
    monkeypatch.setattr(ctypes, "FormatError", lambda _code: "exists", raising=False)
    FileCalls().rename_new("a", "b")
    with pytest.raises(OSError, match="exists"):
        FileCalls().rename_new("a", "b")
    assert calls == [("a", "b", 8)] * 2  # write-through, and no leave to replace


def test_systems_with_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pread, no fadvise, no flock, no directory sync: everything still works."""
    for name in ("_pread", "_fadvise", "_flock"):
        monkeypatch.setattr(files, name, None)
    monkeypatch.setattr(files, "_DIRECTORY", 0)
    monkeypatch.setattr(FileCalls, "renames_open_files", False)
    store = LocalBackend(tmp_path)
    data = bytes(range(256)) * 40_000
    store.put("packs/3f/1", data)
    store.put("packs/3f/1", data)
    assert store.get("packs/3f/1", 1000, 5000) == data[1000:6000]
    writer = store.create("packs/3f/2")
    writer.write(b"x")
    writer.abort()
    store.create("packs/3f/3").write(b"left behind")
    assert store.sweep() == 1  # nothing but an open file stands against it on Windows
    assert [info.name for info in store.list("")] == ["packs/3f/1"]


def test_scan(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "folder").mkdir()
    os.symlink("file", tmp_path / "link")
    os.symlink("absent", tmp_path / "dangling")
    assert sorted(FileCalls().scan(str(tmp_path))) == [
        Entry("dangling", False, False, 0),
        Entry("file", False, True, 3),
        Entry("folder", True, False, 0),
        Entry("link", False, True, 3),
    ]


def test_a_file_removed_while_the_folder_is_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"")
    real = files._entry

    def racing(found: "os.DirEntry[str]") -> Entry | None:
        if found.name == "b":
            os.unlink(found.path)
        return real(found)

    monkeypatch.setattr(files, "_entry", racing)
    assert sorted(entry.name for entry in FileCalls().scan(str(tmp_path))) == ["a", "c"]


def test_names_mean_the_same_everywhere() -> None:
    assert all(map(is_name, ["a", "packs/3f/" + "3f" * 16, "config.copy", "a-b_c/0.1", "console"]))
    assert not any(map(is_name, ["a/aux", "lpt9", "nul.txt", "a" * 256, "a/-/..", "\u0131"]))
