"""What may lie about in the folder of a store, and a folder that is not what it was."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault.faulty import Fault, FaultyCalls, Kind
from twofold.backend import LocalBackend
from twofold.errors import NeedsRights, ObjectNotFound, StoreError


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
