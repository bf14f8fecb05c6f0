"""Two backups at once into one repository both commit, and one set aside says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.archiver.world import World
from twofold.errors import Fenced
from twofold.format.names import SESSIONS_OPEN
from twofold.pipeline import Flow
from twofold.repository import fence, open_sessions

PASSWORD = "a password of this test"


def twofold(place: Path, *words: str) -> "subprocess.Popen[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "TWOFOLD_REPO": str(place / "repo"),
        "TWOFOLD_PASSWORD": PASSWORD,
    }
    command = [sys.executable, "-m", "twofold", *words]
    return subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE)


def finish(process: "subprocess.Popen[str]") -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def tree(top: Path, own: bytes) -> None:
    """Half of it is common to all trees, so the runs race for the same blobs."""
    top.mkdir()
    for i in range(300):
        (top / f"common {i}").write_bytes(b"common %d " % i * 500)
        (top / f"own {i}").write_bytes(own + b" %d " % i * 500)
    (top / "large").write_bytes(bytes(range(256)) * 20_000)


def test_two_backups_at_once_both_commit(tmp_path: Path) -> None:
    finish(twofold(tmp_path, "init", str(tmp_path / "repo")))
    for name in ("a", "b"):
        tree(tmp_path / name, name.encode())
    both = [twofold(tmp_path, "backup", str(tmp_path / name)) for name in ("a", "b")]
    for process in both:
        finish(process)
    finish(twofold(tmp_path, "check", "--read-data"))
    for address in ("latest", "latest~1"):
        finish(twofold(tmp_path, "restore", address, "--to", str(tmp_path / "out")))
    for name in ("a", "b"):
        found = sorted(Path(f"{tmp_path}/out{tmp_path}/{name}").iterdir())
        assert len(found) == 601
        for path in found:
            assert path.read_bytes() == (tmp_path / name / path.name).read_bytes()


def test_a_run_that_was_set_aside_fails_cleanly_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pruner that could not wait moves the session away in the middle of the run."""
    world = World.make(tmp_path / "world")
    (world.source / "file").write_bytes(b"contents")
    drain = Flow.drain

    def fenced_drain(flow: Flow) -> None:
        with world.open() as other:
            for ident in open_sessions(other.objects):
                assert fence(other.objects, ident)
        drain(flow)

    monkeypatch.setattr(Flow, "drain", fenced_drain)
    with pytest.raises(Fenced):
        world.backup()
    monkeypatch.undo()
    with world.open() as repository:
        assert repository.snapshots() == []
        assert not list(repository.backend.list(SESSIONS_OPEN))
    world.backup()
    with world.open() as repository:
        assert len(repository.snapshots()) == 1
