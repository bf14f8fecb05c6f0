"""A repository is never part of what is backed up into it, whichever way leads there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.archiver.world import World
from twofold.commands import backup
from twofold.events import Event, Notice
from twofold.options import RepositoryAccess, Secret
from twofold.platform.linux.source import LinuxSourceDir


def backed_up(world: World, *paths: Path, location: str = "") -> set[str]:
    """What a backup with the usual command holds, by path below the base."""
    world.events = []
    options = backup.BackupOptions(
        access=RepositoryAccess(location or str(world.base / "repo"), lambda: Secret(world.key)),
        paths=tuple(map(os.fsencode, paths)),
    )
    result = backup.run(options, world.events.append)
    assert result.exit_code == 0
    with world.open() as repository:
        (root,) = (each.root for each in repository.snapshots() if each.id == result.snapshot)
    return set(map(os.fsdecode, world.stored(root, world.base)))


def notices(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


@pytest.fixture
def beside(world: World) -> World:
    """With something of the user's where the repository is, and in it."""
    (world.source / "file").write_bytes(b"x")
    (world.base / "repo/photos").mkdir()
    (world.base / "repo/photos/one").write_bytes(b"y")
    return world


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("part", [".", "keys"])
def test_behind_another_mount(beside: World, part: str) -> None:
    again = beside.source / "again"
    again.mkdir()
    subprocess.run(["mount", "--bind", beside.base / "repo" / part, again], check=True)
    try:
        assert backed_up(beside, beside.source) == {"source", "source/file"}
        assert backed_up(beside, beside.source) == {"source", "source/file"}
        assert notices(beside.events) == []
    finally:
        subprocess.run(["umount", again], check=True)


def test_by_its_identity_alone(beside: World) -> None:
    """As where no path tells: what leads to it may be spelt in any way."""
    outcome = beside.backup(beside.base, own_folder=os.fsencode(beside.base / "repo"))
    assert set(beside.stored(outcome.root, beside.base)) == {b"source", b"source/file"}
    assert outcome.root.counts["excluded:repository"] == 1


def test_behind_another_file_system(beside: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an overlay or a network drive, where nothing has the identity that it has itself."""
    shutil.copytree(beside.base / "repo", beside.source / "copy")

    def strange(self: LinuxSourceDir) -> tuple[int, int]:
        return -1, self._identity[1]

    monkeypatch.setattr(LinuxSourceDir, "identity", property(strange))
    outcome = beside.backup(beside.base)
    stored = set(beside.stored(outcome.root, beside.base))
    assert not any(path.startswith(b"repo") for path in stored)
    assert stored >= {b"source/file", b"source/copy/config"}
    assert outcome.root.counts["excluded:repository"] == 1


def test_under_an_address(beside: World) -> None:
    address = f"file://{beside.base}/%72epo"
    assert backed_up(beside, beside.base, location=address) == {"source", "source/file"}


def test_named_itself(beside: World) -> None:
    place = beside.base / "repo"
    assert backed_up(beside, beside.source, place) == {"source", "source/file"}
    assert f"'{place}' is the repository itself, which is not backed up" in notices(beside.events)
    assert backed_up(beside, beside.source, place / "keys") == {"source", "source/file", "repo"}
    assert len(notices(beside.events)) == 1


def test_what_lies_in_the_same_folder_is_the_users(beside: World) -> None:
    stored = backed_up(beside, beside.base / "repo/photos")
    assert stored == {"repo", "repo/photos", "repo/photos/one"}
    assert notices(beside.events) == []
