"""Listing ahead of the walk: finds what is the same, and never hides what is not."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archiver.world import World, assert_same
from twofold.archiver import RuleOptions, ahead
from twofold.format.records import Root, TreeRef
from twofold.graph import PageStore
from twofold.platform import DEEPEST, Seen
from twofold.platform.linux.source import LinuxSourceDir

Later = Callable[[], None]
Listed = list[Seen | None]


def broad(top: Path) -> None:
    """More subdirectories than a listing page holds, and some below those."""
    for number in range(700):
        folder = top / f"{number:03}"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"%d" % number)
        if number % 5 == 0:
            (folder / "below" / "deeper").mkdir(parents=True)
            (folder / "below" / "deeper" / "file").write_bytes(b"deep %d" % number)


def deep(top: Path) -> None:
    """Deeper than what is listed in one go."""
    folder = top
    for level in range(DEEPEST + 20):
        folder = folder / f"level {level}"
        (folder / "beside").mkdir(parents=True)
        (folder / "beside" / "file").write_bytes(b"%d" % level)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many directories were asked for at once, each time."""
    told: list[int] = []
    scan_tree = LinuxSourceDir.scan_tree

    def counted(self: LinuxSourceDir, names: tuple[bytes, ...], *rest: object) -> Listed:
        told.append(len(names))
        return scan_tree(self, names, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(LinuxSourceDir, "scan_tree", counted)
    return told


def tree_of(world: World, root: Root) -> TreeRef:
    """Where the nodes of the source are; the directories above it change by themselves."""
    tree = root.files_tree
    with world.open() as repository:
        pages = PageStore(repository.blob_reader(repository.load_index()))
        for name in world.source.parts[1:]:
            found = pages.find(tree, os.fsencode(name))
            assert found is not None
            assert found.node.ref is not None
            tree = found.node.ref
    return tree


@pytest.mark.parametrize("fill", [broad, deep])
def test_the_same_again_is_the_same_tree(
    world: World, later: Later, calls: list[int], fill: Callable[[Path], None]
) -> None:
    fill(world.source)
    later()
    first = world.backup()
    calls.clear()
    second = world.backup()
    assert tree_of(world, second.root) == tree_of(world, first.root)
    assert second.root.counts["unchanged"] == first.root.counts["stored"]
    assert second.root.counts["directories"] == first.root.counts["directories"]
    assert sum(calls) >= DEEPEST - len(world.source.parts)


def edit(rand: random.Random, folder: Path, name: str) -> None:
    """One change of the kinds that happen to directories."""
    path = folder / name
    change = rand.choice(["file", "gone", "link", "moved", "other", "times", "new"])
    if change == "file":
        (path / "file").write_bytes(b"changed")
    elif change == "new":
        (path / "made since" / "then").mkdir(parents=True)
        (path / "made since" / "then" / "file").write_bytes(b"new")
    elif change == "times":
        os.utime(path, ns=(0, 12345))
    elif change == "moved":
        path.rename(folder / f"{name} moved")
    else:
        shutil.rmtree(path)
        if change == "link":
            path.symlink_to("001")
        elif change == "other":
            path.mkdir()
            (path / "file").write_bytes(b"other")


@pytest.mark.parametrize("edits", [1, 5, 150])
def test_edits_are_found(world: World, later: Later, edits: int) -> None:
    rand = random.Random(edits)
    broad(world.source)
    later()
    world.backup()
    places = list(world.source.rglob("*[0-9]")) + list(world.source.rglob("deeper"))
    for path in rand.sample(places, edits):
        edit(rand, path.parent, path.name)
    later()
    assert_same(world, world.backup().root)


def test_a_directory_replaced_after_it_was_listed(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was listed ahead was of the old one, and proves nothing of the new one."""
    broad(world.source)
    later()
    world.backup()
    scan_tree = LinuxSourceDir.scan_tree
    place = world.source / "000"

    def replaced(self: LinuxSourceDir, *args: object) -> Listed:
        found = scan_tree(self, *args)  # type: ignore[arg-type]
        if not (place / "new").exists():
            place.rename(world.base / "elsewhere")
            (place / "below" / "deeper").mkdir(parents=True)
            (place / "new").write_bytes(b"new")
        return found

    monkeypatch.setattr(LinuxSourceDir, "scan_tree", replaced)
    stored = world.stored(world.backup().root)
    assert stored[b"000/new"][1] == b"new"
    assert b"000/below/deeper/file" not in stored


def test_names_that_look_like_marks(world: World, later: Later) -> None:
    rules = RuleOptions(if_present=(b".nobackup",), caches=True)
    broad(world.source)
    (world.source / "001" / "not.nobackup.at all").touch()
    later()
    first = world.backup(rules=rules)
    (world.source / "002" / ".nobackup").touch()
    later()
    root = world.backup(rules=rules).root
    assert root.counts["unchanged"] == first.root.counts["stored"] - 1
    assert b"001/file" in world.stored(root)
    assert b"002/file" not in world.stored(root)


@pytest.fixture
def mounted(world: World) -> Iterator[Path]:
    """A directory that is to be backed up, and then to be covered by another file system."""
    broad(world.source)
    place = world.source / "002"
    yield place
    subprocess.run(["umount", str(place)], check=False, capture_output=True)


def test_another_file_system_in_the_way(world: World, later: Later, mounted: Path) -> None:
    rules = RuleOptions(one_file_system=True)
    later()
    world.backup(rules=rules)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", str(mounted)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip(f"mount does not work here: {made.stderr.decode()}")
    stored = world.stored(world.backup(rules=rules).root)
    assert b"002" in stored
    assert b"002/file" not in stored
    assert b"001/file" in stored


def test_few_directories_need_no_thread(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(ahead, "Threads", never)
    for number in range(ahead.FIRST):
        (world.source / str(number)).mkdir()
    later()
    world.backup()
    assert_same(world, world.backup().root)
