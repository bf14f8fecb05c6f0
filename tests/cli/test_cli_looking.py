"""find, versions and diff as people and programs get to see them."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from twofold.cli.render.quoting import shell_word

from .test_cli_json import obeys
from .world import COMMAND, Program

HOSTILE = b"it's\n\x1b[31m \xff.txt"


@pytest.fixture
def backups(twofold: Program, sample: Path) -> Path:
    """Three backups: a file changes, another one with a hostile name goes."""
    (sample / "notes.txt").write_text("first")
    with open(os.fsencode(sample) + b"/" + HOSTILE, "wb") as file:
        file.write(b"hostile")
    twofold("backup", "sample", code=0)
    (sample / "notes.txt").write_text("second version")
    (sample / "letter.txt").chmod(0o600)
    twofold("backup", "sample", code=0)
    os.unlink(os.fsencode(sample) + b"/" + HOSTILE)
    (sample / "new").mkdir()
    twofold("backup", "sample", code=0)
    return sample


def test_find_shows_each_version_once(twofold: Program, backups: Path) -> None:
    said = twofold("find", "NOTES.txt", "-i", code=0)
    first, second = said.out.splitlines()[:2]
    assert first.split()[0] == "14" and first.endswith(f":{backups}/notes.txt")
    assert second.split()[0] == "5" and second.endswith(f":{backups}/notes.txt")
    assert "2 found in 3 backups" in said.out
    every = twofold("find", "notes.txt", "--every", code=0).out
    assert "3 found in 3 backups" in every
    outcome = twofold("find", "*.txt", "--json", code=0)
    obeys(outcome)
    records = outcome.of("found")
    assert len(records) == 8
    assert {record["again"] for record in records} == {True, False}
    (hostile,) = {r["path_b64"] for r in records if "path_b64" in r}
    assert hostile


def test_what_find_shows_can_be_used(twofold: Program, backups: Path) -> None:
    for line in twofold("find", "*.txt", "--type", "f", "-q", code=0).out.splitlines():
        address = line.split("  ")[-1]
        if "\\x1b" not in address:
            assert twofold("cat", address, code=0).out


def test_find_with_conditions(twofold: Program, backups: Path) -> None:
    sizes = twofold("find", "*", "--size", "+10K", "--snapshot", "latest", "-q", code=0).out
    assert sizes.rstrip().endswith("/numbers") and sizes.count("\n") == 1
    assert twofold("find", "*", "--size=-4", "-q", code=0).out == ""
    old = twofold("find", "notes.txt", "--older", "1y", code=0)
    assert "nothing found in 3 backups" in old.out
    assert "'*notes.txt*'" in old.out
    assert twofold("find", "notes.txt", "--newer", "1d", "-q", code=0).out.count("\n") == 2
    folders = twofold("find", "*", "--type", "d", "--snapshot", f"latest:{backups}", "-q", code=0)
    assert [line.split(":")[-1] for line in folders.out.splitlines()] == [
        f"{backups}/",
        f"{backups}/new/",
        f"{backups}/sub/",
    ]
    for words in (["--newer", "soon"], ["--size", "much"], ["--size", "2K..1K"], ["--type", "x"]):
        obeys(twofold("find", "x", *words, "--json", code=2))
    assert twofold("find", code=2).out == ""


def test_versions_come_with_their_way_back(twofold: Program, backups: Path) -> None:
    said = twofold("versions", "sample/notes.txt", code=0).out
    lines = said.splitlines()
    assert lines[0].split()[:3] == ["2", "14", "B"]
    assert "in 2 backups, " in lines[0]
    assert lines[2].split()[:3] == ["1", "5", "B"]
    assert "2 versions, 2 contents in 3 of 3 backups" in said
    for line, content in ((lines[1], "second version"), (lines[3], "first")):
        program, *words = shlex.split(line)
        assert program == "twofold"
        twofold(*words[:-1], content.split()[0], code=0)
        assert (twofold.place / content.split()[0] / "notes.txt").read_text() == content
    outcome = twofold("versions", str(backups / "notes.txt"), "--json", code=0)
    obeys(outcome)
    assert [record["size"] for record in outcome.of("version")] == [5, 14]
    obeys(twofold("versions", str(backups), "--json", code=2))
    assert "'twofold find NAME'" in twofold("versions", "nothing", code=1).err


def test_versions_take_what_find_shows(twofold: Program, backups: Path) -> None:
    """Of all backups, whichever is named."""
    plain = twofold("versions", str(backups / "notes.txt"), code=0).out
    address = twofold("find", "notes.txt", "-q", code=0).out.splitlines()[0].split("  ")[-1]
    assert twofold("versions", address, code=0).out == plain
    assert twofold("versions", f"latest:{backups}/notes.txt", code=0).out == plain
    assert "no snapshot's id" in twofold("versions", f"ffffffff:{backups}/notes.txt", code=2).err
    assert "not an image" in twofold("versions", "latest:p1:/notes.txt", code=2).err
    assert "names no file" in twofold("versions", "latest:/", code=2).err


def test_the_way_back_of_a_hostile_name(twofold: Program, backups: Path) -> None:
    path = os.fsencode(backups) + b"/" + HOSTILE
    said = twofold("versions", path, code=0).out
    assert "gone in the next" in said
    assert "\x1b" not in said
    words = next(line for line in said.splitlines() if "restore" in line).split(" ", 5)[-1]
    command = f"{shlex.join(COMMAND)} {words.split('twofold ')[-1]} -q"
    env = {**twofold.env, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    subprocess.run(["bash", "-c", command], env=env, cwd=twofold.place, check=True)
    with open(os.fsencode(twofold.place) + b"/restored/" + HOSTILE, "rb") as file:
        assert file.read() == b"hostile"


def test_diff_is_told_in_lines(twofold: Program, backups: Path) -> None:
    said = twofold("diff", "latest~2", "latest", code=0).out
    lines = said.splitlines()
    marks = {line.split("/")[-1].split("  ")[0]: line[0] for line in lines if line[1:3] == "  "}
    assert marks.pop("letter.txt") == "m"
    assert marks.pop("notes.txt") == "M"
    assert {marks[name] for name in marks if name.startswith("it's")} == {"-"}
    assert "content (was 5 B)" in said
    assert "mode 644 -> 600" in said
    assert "1 added (0 B), 1 removed (7 B), 1 with another content, 0 of another type" in said
    assert "\x1b" not in said
    same = twofold("diff", "latest", "latest", code=0).out
    assert "no differences" in same
    outcome = twofold("diff", "latest~2", "latest", str(backups), "--json", code=0)
    obeys(outcome)
    assert (outcome.summary["added"], outcome.summary["contents"]) == (1, 1)
    changes = {record["change"] for record in outcome.of("difference")}
    assert changes == {"added", "removed", "content", "metadata"}
    obeys(twofold("diff", "latest", "latest:/nothing", "--json", code=1))


WORDS = [b"plain", b"two words", b"it's", b"$HOME `x` \\", b"\n\t\x1b\x7f", b"\xff\xc3", b"*"]
MORE_WORDS = ["ü 日".encode(), b"'\n'", b"\\\xff", "\u202e".encode(), b"-rf"]


@pytest.mark.parametrize("word", [*WORDS, *MORE_WORDS])
def test_words_for_a_shell(word: bytes) -> None:
    shown = shell_word(word)
    assert shown.isprintable()
    done = subprocess.run(
        ["bash", "-c", f"printf %s {shown.replace('-rf', './-rf')}"],
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == word.replace(b"-rf", b"./-rf")
