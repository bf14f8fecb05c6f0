"""Heads of chains: a store put back to an older state, or robbed of its newest, is noticed."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.repository.sample import Lab, Sample, back_up
from twofold.backend import LocalBackend, ObjectInfo
from twofold.commands import backup, snapshots
from twofold.commands.reading import read_snapshot
from twofold.commands.snapshots import SnapshotsOptions
from twofold.events import Event, Finding, Severity
from twofold.format import names
from twofold.format.records import Chain, Root, TreeRef
from twofold.repository import Heads, Snapshot
from twofold.repository.client_state import recall, remember, state_file
from twofold.view import parse_address

SOURCE, OTHER = b"s" * 16, b"o" * 16


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(tmp_path / "memory"))
    return tmp_path / "memory"


def made(
    sequence: int, *, source: bytes = SOURCE, partial: bool = False, forgotten: bool = False
) -> Snapshot:
    ident = bytes([sequence, *source[:1]]) * 8
    chain = Chain(source=source, sequence=sequence, digest=ident * 2)
    root = Root(tree=TreeRef(bytes(32)), chain=chain, partial=partial, host="pc", name="home")
    return Snapshot(ident, root, forgotten)


@pytest.fixture
def heads() -> Heads:
    found = Heads(b"r" * 16)
    found.note_head(made(3))
    return found


def again() -> Heads:
    return Heads(b"r" * 16)


def test_a_head_that_is_there_is_no_finding(heads: Heads) -> None:
    assert not heads.missing_heads([made(1), made(3)])
    assert not heads.missing_heads([made(3, forgotten=True)])


def test_a_newer_snapshot_of_the_source_is_fine(heads: Heads) -> None:
    assert not heads.missing_heads([made(4)])


@pytest.mark.parametrize(
    "there",
    [[], [made(1), made(2)], [made(4, source=OTHER)], [made(4, partial=True)]],
    ids=["nothing", "older", "other source", "only a partial one"],
)
def test_a_head_that_is_gone_is_damage(heads: Heads, there: list[Snapshot]) -> None:
    (finding,) = heads.missing_heads(there)
    assert finding.severity is Severity.DAMAGE
    assert "of pc named 'home'" in finding.message and "is gone" in finding.message
    assert str(state_file("heads", b"r" * 16)) in finding.remedy


def test_the_same_number_made_by_somebody_else_does_not_replace_it(heads: Heads) -> None:
    """After a store was put back, the next run makes the same number again: a fork."""
    other = made(3)
    root = msgspec.structs.replace(other.root, chain=Chain(source=SOURCE, sequence=3, digest=b"x"))
    assert heads.missing_heads([Snapshot(b"another snapshot", root)])
    assert heads.missing_heads([Snapshot(other.id, root)]), "same id, other contents"


def test_an_unreadable_head_is_not_gone(heads: Heads) -> None:
    assert not heads.missing_heads([], committed={made(3).id})


def test_the_next_own_backup_ends_the_warning(heads: Heads) -> None:
    heads.note_head(made(2))
    assert not again().missing_heads([made(2)])


def test_observing_remembers_what_grew_and_what_is_new(heads: Heads) -> None:
    heads.observe([made(2), made(4), made(1, source=OTHER), made(9, partial=True)])
    assert not again().missing_heads([made(4), made(1, source=OTHER)])
    gone = again().missing_heads([])
    assert [finding.severity for finding in gone] == [Severity.WARNING] * 2
    heads.observe([made(3)])
    assert again().missing_heads([made(3)]), "an older state is never taken for the newest"


def test_whoever_removes_snapshots_may_accept_that(heads: Heads) -> None:
    heads.observe([made(5, source=OTHER)])
    heads.accept([made(3)])
    assert not again().missing_heads([made(3)])
    assert again().missing_heads([]), "the head that was there is still remembered"


def test_two_runs_do_not_undo_each_others_memory(heads: Heads) -> None:
    slow = again()
    heads.note_head(made(1, source=OTHER))
    slow.note_head(made(4))
    assert len(again()) == 2


def test_the_memory_is_private_and_survives_damage(memory: Path, heads: Heads) -> None:
    file = state_file("heads", b"r" * 16)
    assert file.parent.parent == memory
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    for junk in (b"", b"\xc1", b"\x81" * 50_000, file.read_bytes()[:-1]):
        file.write_bytes(junk)
        assert len(again()) == 0
    assert not list(file.parent.glob(".*"))


def test_without_a_variable_the_state_folder_of_the_user_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TWOFOLD_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert state_file("heads", b"\x01") == tmp_path / "state" / "twofold" / "heads" / "01"


def test_a_memory_of_another_shape_counts_as_none() -> None:
    class Other(msgspec.Struct):
        heads: int

    remember("heads", b"r" * 16, Other(heads=1))
    assert recall("heads", b"r" * 16, Other) == Other(heads=1)
    assert len(again()) == 0


# --- through the commands ------------------------------------------------------------------


def findings(events: list[Event]) -> list[Finding]:
    return [event for event in events if isinstance(event, Finding)]


def put_back(sample: Sample, older: Path) -> None:
    shutil.rmtree(sample.store)
    shutil.copytree(older, sample.store)


def test_every_command_tells_that_an_older_state_was_put_back(lab: Lab, tmp_path: Path) -> None:
    sample = lab.sample
    shutil.copytree(sample.store, tmp_path / "older")
    newest = back_up(sample)
    put_back(sample, tmp_path / "older")
    assert sample.check().exit_code == 5
    told: list[Event] = []
    snapshots.run(SnapshotsOptions(access=sample.access), told.append)
    assert [finding.subject for finding in findings(told)] == [f"snapshot {newest.hex()[:8]}"]
    told.clear()
    paths = (str(sample.source).encode(),)
    backup.run(backup.BackupOptions(access=sample.access, paths=paths), told.append)
    assert len(findings(told)) == 1
    assert not sample.check().findings, "the new backup is the head now"


def test_that_nothing_can_be_remembered_is_told_with_the_place(lab: Lab, memory: Path) -> None:
    memory.write_bytes(b"a file where a folder should be")
    told: list[Event] = []
    paths = (str(lab.sample.source).encode(),)
    backup.run(backup.BackupOptions(access=lab.sample.access, paths=paths), told.append)
    found = [*findings(told), *lab.sample.check().findings]
    assert [finding.severity for finding in found] == [Severity.NOTE, Severity.NOTE]
    for finding in found:
        assert "Errno" not in finding.message
        assert f"({memory}" in finding.message


def test_reading_a_snapshot_tells_it_too(lab: Lab, tmp_path: Path) -> None:
    shutil.copytree(lab.sample.store, tmp_path / "older")
    back_up(lab.sample)
    put_back(lab.sample, tmp_path / "older")
    told: list[Event] = []
    with read_snapshot(lab.sample.access, parse_address("latest"), "test", told.append) as reading:
        assert reading.snapshot.id == lab.sample.snapshots[-1]
    assert [finding.severity for finding in findings(told)] == [Severity.DAMAGE]


def test_snapshots_are_listed_once_for_heads_and_addresses(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each list asks the store several times, and tells what cannot be read."""
    asked: list[str] = []
    real = LocalBackend.list

    def listing(store: LocalBackend, folder: str) -> Iterator[ObjectInfo]:
        asked.append(folder)
        return real(store, folder)

    with lab.sample.open() as repository:
        Heads(repository.id).observe(repository.snapshots())
    monkeypatch.setattr(LocalBackend, "list", listing)
    with read_snapshot(lab.sample.access, parse_address("latest"), "test", lambda _: None):
        pass
    assert asked.count(names.FORGOTTEN) == 1


def test_check_remembers_what_others_made(lab: Lab) -> None:
    sample = lab.sample
    assert not sample.check().findings
    ident = sample.snapshots[-1].hex()
    lab.path(f"sessions/committed/{ident}").unlink()
    lab.path(f"roots/{ident}").unlink()
    result = sample.check()
    assert [(f.severity, f.subject) for f in result.findings] == [
        (Severity.WARNING, f"snapshot {ident[:8]}")
    ]
    assert result.exit_code == 0 and result.warnings == 1


def test_a_computer_that_cannot_remember_still_backs_up(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(tmp_path / "file"))
    told: list[Event] = []
    paths = (str(lab.sample.source).encode(),)
    result = backup.run(backup.BackupOptions(access=lab.sample.access, paths=paths), told.append)
    assert result.exit_code == 0
    assert [finding.severity for finding in findings(told)] == [Severity.NOTE]
    assert [f.subject for f in lab.sample.check().findings] == ["this computer"]
