"""Opening and making stores by the words of a user."""

import os
from pathlib import Path

import pytest

from tests.fault.faulty import Kind, count, forked, install
from twofold.backend import create_backend, open_backend
from twofold.errors import (
    NeedsRights,
    NothingDone,
    RefusedUnsafe,
    RepositoryNotFound,
    StoreError,
    UsageError,
)


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "file://localhost{}", "FILE://{}/"])
def test_a_folder_may_be_named_as_path_or_address(tmp_path: Path, form: str) -> None:
    place = tmp_path / "my store"
    create_backend(str(place)).put("config", b"x")
    location = form.format(str(place).replace(" ", "%20") if "file" in form.lower() else place)
    with open_backend(location) as store:
        assert store.get("config") == b"x"
        assert store.location == location


@pytest.mark.parametrize("mark", ["config", "config.copy"])
def test_a_repository_is_known_by_its_config(tmp_path: Path, mark: str) -> None:
    for location in (tmp_path, tmp_path / "absent", __file__):
        with pytest.raises(RepositoryNotFound, match="no repository at"):
            open_backend(str(location))
    create_backend(str(tmp_path)).put(mark, b"x")
    assert open_backend(str(tmp_path)).size(mark) == 1
    with pytest.raises(RefusedUnsafe, match="a repository at"):
        create_backend(str(tmp_path))


@pytest.mark.parametrize(
    "location",
    [
        "",
        "a\0b",
        "s3://key:secret@bucket/x",
        "s3:bucket",
        "sftp:host:/x",
        "ssh://secret@host/x",
        "rclone:x",
        "https://secret@host/x",
        "file://secret/share",
        "file:///x?secret",
        "file://",
    ],
)
def test_other_places_are_refused_without_repeating_their_secrets(location: str) -> None:
    for use in (open_backend, create_backend):
        with pytest.raises(UsageError, match="supported are") as caught:
            use(location)
        assert "secret" not in caught.value.message


def test_a_folder_may_look_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:x").mkdir()
    create_backend("s3:x").put("config", b"x")
    create_backend("a:b/c:d").put("config", b"x")
    assert (tmp_path / "s3:x/config").exists()
    assert (tmp_path / "a:b/c:d/config").exists()


def test_new_folders_are_private(tmp_path: Path) -> None:
    create_backend(str(tmp_path / "a/b"))
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["letter.txt", "packs", ".bashrc", "Keys", "keys"])
def test_what_belongs_to_somebody_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "id_rsa").write_bytes(b"precious")
    with pytest.raises(RefusedUnsafe, match="not empty"):
        create_backend(str(tmp_path))
    assert (tmp_path / name / "id_rsa").read_bytes() == b"precious"


def test_what_a_new_drive_or_a_cut_short_attempt_holds_is_no_hindrance(tmp_path: Path) -> None:
    for name in ("lost+found", "$RECYCLE.BIN", "System Volume Information", "keys"):
        (tmp_path / name).mkdir()
    (tmp_path / "keys" / ("0f" * 16)).write_bytes(b"a slot")
    (tmp_path / f".00000000-{'0' * 32}.tmp").write_bytes(b"")
    create_backend(str(tmp_path)).put("config", b"x")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for location in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(StoreError, match=r"cannot make the store in .*file"):
            create_backend(str(location))
        with pytest.raises(RepositoryNotFound):
            open_backend(str(location))


def test_the_folder_is_durable_before_anything_is_in_it(tmp_path: Path) -> None:
    synced = count(lambda: create_backend(str(tmp_path / "a/b")), "sync_dir")
    assert synced == len((tmp_path / "a/b").parts) - 1  # every folder above


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="needs another user")
def test_rights_are_asked_for(tmp_path: Path) -> None:
    create_backend(str(tmp_path / "a")).put("config", b"x")

    def as_nobody() -> None:
        os.seteuid(65534)
        for use in (open_backend, create_backend):
            with pytest.raises(NeedsRights, match="cannot"):
                use(str(tmp_path / "a"))

    assert forked(as_nobody) == 0


def test_the_default_calls_can_be_replaced(tmp_path: Path) -> None:
    create_backend(str(tmp_path)).put("config", b"x")

    def child() -> None:
        install(Kind.FAIL, 1)
        with pytest.raises(StoreError):
            open_backend(str(tmp_path)).put("a", b"x")

    assert forked(child) == 0


def test_an_unplugged_drive_is_not_replaced_by_a_folder() -> None:
    """Below the places where drives are mounted only existing folders are taken."""
    for place in ("/media/no such drive here/backup", "/mnt/no such drive here/a/b"):
        with pytest.raises(NothingDone):
            create_backend(place)
        assert not Path(place).parent.exists()
