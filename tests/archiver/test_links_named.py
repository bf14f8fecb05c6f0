"""Sources that are links themselves: what they lead to is stored, or it is said that it is not."""

import os
from pathlib import Path

import pytest

from tests.archiver.world import World
from twofold.commands import backup
from twofold.events import Finding
from twofold.format.pages import NodeKind
from twofold.options import RepositoryAccess, Secret


@pytest.fixture
def moved(world: World) -> World:
    """A folder that was moved to another drive, as people do, and a link where it was."""
    (world.base / "drive/docs").mkdir(parents=True)
    (world.base / "drive/docs/letter").write_bytes(b"dear")
    (world.source / "Documents").symlink_to(world.base / "drive/docs")
    (world.source / "Music").mkdir()
    (world.source / "Music/tune").write_bytes(b"la")
    return world


def stored(world: World, *paths: str | Path, files_from: str | None = None) -> set[str]:
    """Files and links of a backup, by path below the base."""
    world.events = []
    options = backup.BackupOptions(
        access=RepositoryAccess(str(world.base / "repo"), lambda: Secret(world.key)),
        paths=tuple(map(os.fsencode, paths)),
        files_from=files_from,
    )
    result = backup.run(options, world.events.append)
    assert result.exit_code == 0
    with world.open() as repository:
        (root,) = (each.root for each in repository.snapshots() if each.id == result.snapshot)
    found = world.stored(root, world.base)
    return {
        os.fsdecode(path) for path, (node, _) in found.items() if node.kind != NodeKind.DIRECTORY
    }


LINK, LETTER, TUNE = "source/Documents", "drive/docs/letter", "source/Music/tune"


def told(world: World) -> list[str]:
    return [event.remedy for event in world.events if isinstance(event, Finding)]


def test_personal_folders(moved: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(moved.source))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    assert stored(moved) == {LINK, LETTER, TUNE}
    assert told(moved) == []


def test_with_a_slash_behind(moved: World) -> None:
    assert stored(moved, f"{moved.source}/Documents/") == {LINK, LETTER}
    assert told(moved) == []


def test_without_one_it_is_told(moved: World) -> None:
    link = moved.source / "Documents"
    assert stored(moved, link, moved.source / "Music") == {LINK, TUNE}
    assert told(moved) == [f"to back that up too, name '{moved.base}/drive/docs'"]
    assert stored(moved, link, moved.base / "drive") == {LINK, LETTER}
    assert told(moved) == []


def test_lists_name_links_as_links(moved: World, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{moved.source}/Documents\n{moved.source}/Music\n")
    assert stored(moved, files_from=str(tmp_path / "list")) == {LINK, TUNE}
    assert told(moved) == []


def test_links_to_files_and_to_nothing(moved: World) -> None:
    (moved.source / "one").symlink_to("Music/tune")
    (moved.source / "none").symlink_to("nowhere")
    links = {"source/one", "source/none"}
    assert stored(moved, *(moved.base / link for link in links)) == links
    assert told(moved) == [f"to back that up too, name '{moved.source}/Music/tune'"]
