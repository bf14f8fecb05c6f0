"""The check command as plans and front ends use it."""

import os
from pathlib import Path

import pytest

from twofold.commands import backup, check
from twofold.errors import RepositoryNotFound, UsageError, WrongKey
from twofold.events import Event, Finding, Progress, Severity, ignore
from twofold.options import RepositoryAccess, Secret


@pytest.fixture
def backed_up(access: RepositoryAccess, tmp_path: Path) -> RepositoryAccess:
    """Two backups of a small folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(2):
        (folder / f"file{number}").write_bytes(os.urandom(5000))
        backup.run(backup.BackupOptions(access=access, paths=(os.fsencode(folder),)), ignore)
    return access


def packs(access: RepositoryAccess) -> list[Path]:
    return sorted(path for path in Path(access.location).glob("packs/*/*"))


def test_a_whole_repository_is_0(backed_up: RepositoryAccess) -> None:
    result = check.run(check.CheckOptions(access=backed_up), ignore)
    assert (result.exit_code, result.damage, result.findings, result.affected) == (0, 0, (), ())
    assert result.snapshots == 2 and result.packs == len(packs(backed_up)) > 0
    assert result.bytes_packs == sum(path.stat().st_size for path in packs(backed_up))
    assert result.blobs > 4 and result.pages > 2
    assert result.packs_read == result.bytes_read == 0
    assert result.location == backed_up.location


def test_an_empty_repository_is_whole(access: RepositoryAccess) -> None:
    for options in ({}, {"read_data": True}):
        result = check.run(check.CheckOptions(access=access, **options), ignore)
        assert result.exit_code == 0 and result.snapshots == result.packs == 0


def test_reading_data_counts_what_was_read(backed_up: RepositoryAccess) -> None:
    result = check.run(check.CheckOptions(access=backed_up, read_data=True), ignore)
    assert result.packs_read == result.packs and result.bytes_read == result.bytes_packs


def test_damage_is_5_and_every_finding_is_told_as_it_is_made(backed_up: RepositoryAccess) -> None:
    for path in packs(backed_up):
        path.unlink()
    told: list[Event] = []
    result = check.run(check.CheckOptions(access=backed_up), told.append)
    assert result.exit_code == 5
    assert tuple(event for event in told if isinstance(event, Finding)) == result.findings
    assert result.damage == sum(f.severity is Severity.DAMAGE for f in result.findings)
    assert {each.id for each in result.affected} and all(e.paths for e in result.affected)
    assert isinstance(told[-1], Progress | Finding)


def test_nothing_in_the_store_is_changed(backed_up: RepositoryAccess) -> None:
    def contents() -> dict[Path, bytes]:
        store = Path(backed_up.location)
        return {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    before = contents()
    check.run(check.CheckOptions(access=backed_up, read_data=True), ignore)
    assert contents() == before


@pytest.mark.parametrize("subset", [0.0, -1.0, 100.1])
def test_a_share_must_make_sense(access: RepositoryAccess, subset: float) -> None:
    with pytest.raises(UsageError):
        check.run(check.CheckOptions(access=access, read_data=True, subset=subset), ignore)
    with pytest.raises(UsageError):
        check.run(check.CheckOptions(access=access, subset=5.0), ignore)


def test_what_cannot_be_opened_cannot_be_checked(access: RepositoryAccess, tmp_path: Path) -> None:
    wrong = RepositoryAccess(access.location, lambda: Secret(b"not the right key at all"))
    with pytest.raises(WrongKey):
        check.run(check.CheckOptions(access=wrong), ignore)
    nowhere = RepositoryAccess(str(tmp_path / "nowhere"), lambda: Secret(b"x"))
    with pytest.raises(RepositoryNotFound):
        check.run(check.CheckOptions(access=nowhere), ignore)
