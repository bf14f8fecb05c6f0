"""The benchmark of verbs on the smallest inputs, and that answers which are wrong do not count."""

import sys
import tempfile
from pathlib import Path

import pytest

from bench import verbs
from bench.measure import Broken
from bench.peers import PROGRAMS, Twofold
from bench.places import Place
from bench.program import World
from bench.verbs_repository import Repository
from bench.verbs_tree import change, chosen
from bench.verbs_words import VERBS, places, words

OURS = Path(sys.executable).with_name("twofold")


def test_everything_asked_for_is_in_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verbs, "BACKUPS", 2)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="twofold-test-") as fast:
        given = f"--twofold={OURS} --memory={fast} --cache={tmp_path} --output={tmp_path}/page.md"
        chosen_ones = [
            "--rounds=1",
            "--only=small",
            "--programs=twofold",
            "--verbs=cat,restore a file",
        ]
        assert verbs.main([*given.split(), "--scale=0.001", *chosen_ones]) == 0
        assert not (Path(fast) / "verbs").exists()
    page = (tmp_path / "page.md").read_text("utf-8")
    assert page in capsys.readouterr().out
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")]
    assert rows[-3:] == ["| backup of changes", "| cat", "| restore a file"]
    assert "Not measured" not in page


@pytest.mark.parametrize("verb", ["cat", "find in one", "restore a file", "restore a folder"])
def test_an_answer_that_is_wrong_does_not_count(tmp_path: Path, verb: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "file").write_bytes(b"contents")
    world = World(tmp_path / "world", root)
    world.make()
    filled = places(world, *chosen(root), ("last", "before"))
    asked = Repository(Twofold(Path("true")), world, world.variables(), filled)
    with pytest.raises(Broken):
        asked.ask(verb, Place("memory", tmp_path))


def test_every_verb_of_every_program_has_its_words(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").touch()
    world = World(tmp_path / "world", root)
    filled = places(world, *chosen(root), ("last", "before"))
    for kind in PROGRAMS:
        for verb in VERBS.get(kind.tool, {}):
            (command,) = words(kind(Path("program")), verb, filled) or ()
            assert not any("{" in word for word in command)
    assert words(Twofold(Path("program")), "dance", filled) is None


def test_the_tree_changes_a_little_and_always_alike(tmp_path: Path) -> None:
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        for number in range(300):
            (root / f"{number:03}").write_bytes(b"%d" % number)
        change(root, 1)
    one, two = (
        {each.name: each.stat().st_size for each in tmp_path.glob(f"{name}/**/*")}
        for name in ("one", "two")
    )
    assert one == two
    gone = {f"{number:03}" for number in range(300)} - one.keys()
    assert gone == {"001"}
    assert {name for name, size in one.items() if size == len(b"101line 1\n")} == {"101", "201"}
