"""Patterns mean what git says that they mean."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from twofold.errors import UsageError
from twofold.gitignore import GitIgnore, lines_of

NAMES = (
    "a",
    "b",
    "ab",
    "a.c",
    "foo",
    "[a]",
    "a b",
    "a ",
    "#x",
    "!x",
    "\\a",
    "a*",
    "-",
    "]",
    "a\nb",
    "x\n",
    "A",
    "1",
    "\t",
    os.fsdecode(b"\xff"),
)
PARTS = [
    *"a b c * ? ** / / [ab] [!a] [^a] [a-c] []a] [[:alpha:]] [[:nope:]] [z-a] [a [a- \\a".split(),
    *"\\* . foo x # ! - []-] [--z] [\\]] [[:space:]x] [[:] [[:a] [!z-a] A [a&&b] ab".split(),
    *"[/] [!/] *** /**/ **/ /**".split(),
    "\\ ",
    " ",
    "\t",
]


def pattern(rand: random.Random) -> str:
    """A line that may be a pattern."""
    begin = rand.choice(["", "", "", "!", "/", "\\", "#", " "])
    middle = "".join(rand.choices(PARTS, k=rand.randrange(1, 5)))
    return begin + middle + rand.choice(["", "", "/", " ", "\\ ", "  "])


def tree(top: Path, rand: random.Random) -> dict[str, bool]:
    """Files and folders of strange names: path to whether it is a folder."""
    found: dict[str, bool] = {}
    waiting = [""]
    while waiting:
        above = waiting.pop()
        depth = above.count("/")
        for name in NAMES if depth < 2 else NAMES[:9]:
            path, folder = above + name, depth < 2 and rand.random() < 0.4
            found[path] = folder
            if folder:
                (top / path).mkdir()
                waiting.append(path + "/")
            else:
                (top / path).touch()
    return found


def ignored_by_git(top: Path, lines: list[str], paths: dict[str, bool]) -> set[str]:
    """What git leaves out with these patterns."""
    (top / ".git/info/exclude").write_bytes(os.fsencode("\n".join(lines) + "\n"))
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    words = ["git", "-C", os.fspath(top), "check-ignore", "-z", "--stdin", "--no-index"]
    done = subprocess.run(words, input=asked, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {os.fsdecode(path) for path in done.stdout.split(b"\0") if path}


def ignored_by_us(lines: list[str], paths: dict[str, bool]) -> set[str]:
    """The same, from the top down: what lies in a folder that is left out is never asked for."""
    patterns = GitIgnore(lines)
    out: set[str] = set()
    for path, folder in sorted(paths.items()):
        above = path.rpartition("/")[0]
        if above in out or patterns.decides(path, folder=folder) is not None:
            out.add(path)
    return out


def test_whatever_is_written_means_what_it_means_to_git(tmp_path: Path) -> None:
    rand = random.Random(5)
    subprocess.run(["git", "init", "-q", os.fspath(tmp_path)], check=True)
    paths = tree(tmp_path, rand)
    compared = matched = 0
    for _ in range(150):
        lines = [pattern(rand) for _ in range(rand.randrange(1, 4))]
        try:
            ours = ignored_by_us(lines, paths)
        except UsageError:
            continue  # git passes over what makes no sense, we say so
        assert ours == ignored_by_git(tmp_path, lines, paths), lines
        compared, matched = compared + 1, matched + bool(ours)
    assert compared > 120
    assert matched > 30


@pytest.mark.parametrize("line", ["a\\", "/x/\\", "!\\", "[a\\"])
def test_a_backslash_before_nothing_is_told(line: str) -> None:
    with pytest.raises(UsageError, match="backslash"):
        GitIgnore([line])


def test_which_line_decides() -> None:
    patterns = GitIgnore(["# a comment", "*.log", "", "!keep.log", "tmp/"])
    assert patterns.decides("home/a.log", folder=False) == 1
    assert patterns.decides("home/keep.log", folder=False) is None
    assert patterns.decides("home/tmp", folder=False) is None
    assert patterns.decides("home/tmp", folder=True) == 4


def test_lines_of_a_file_from_windows() -> None:
    assert lines_of("\ufeff*.tmp\r\na\x0cb\r\n") == ["*.tmp", "a\x0cb", ""]
