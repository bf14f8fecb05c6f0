"""Patterns, against what bash and find(1) take them to mean."""

import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from twofold.cli.render.words import printable
from twofold.errors import UsageError
from twofold.view.patterns import Patterns, has_magic

NAMES = (
    "a",
    "ab",
    "b.txt",
    "B.TXT",
    ".hidden",
    "[x]",
    "a*b",
    "ü",
    "né",
    "new\nline",
    "\udcff",
    "-",
)


def fill(top: Path) -> None:
    """Folders in folders, all with the same odd names."""
    rand = random.Random(3)
    (top / "a/ab").mkdir(parents=True)
    folders = [top, top / "a", top / "a/ab"]
    for _ in range(30):
        folder = rand.choice(folders) / rand.choice(NAMES)
        folder.mkdir(exist_ok=True)
        folders.append(folder)
    for folder in folders:
        for name in rand.sample(NAMES, 5):
            if not (folder / name).exists():
                (folder / name).touch()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("tree")
    fill(top)
    return top


def everything(top: Path) -> Iterator[tuple[bytes, ...]]:
    for path in top.rglob("*"):
        yield tuple(os.fsencode(path.relative_to(top)).split(b"/"))


def ours(top: Path, *patterns: bytes, fold: bool = False) -> set[bytes]:
    compiled = Patterns(patterns, fold=fold)
    return {b"/".join(path) for path in everything(top) if compiled.follow(path).hit}


def bash(top: Path, pattern: bytes, options: str = "") -> set[bytes]:
    """What bash makes of a pattern below a folder; folders that match themselves are not meant."""
    script = f"shopt -s globstar dotglob nullglob {options}; IFS=; printf '%s\\0' $1"
    done = subprocess.run(
        ["bash", "-c", script, "bash", pattern],
        cwd=top,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    return {path for path in done.stdout.split(b"\0") if path and not path.endswith(b"/")}


PATHS = ["*", "a/*", "**/b.txt", "a/**", "a/**/*", "**/a/**/b.txt", "*/*/[ab]*", "**/?", "**"]
MORE_PATHS = ["**/[!a-z]*", "**/*\n*", "**/*.txt", ".*", "**/[[]x]", "**/a/b.txt"]


@pytest.mark.parametrize("pattern", [*PATHS, *MORE_PATHS])
def test_whole_paths_as_bash_has_them(tree: Path, pattern: str) -> None:
    expected = bash(tree, pattern.encode())
    assert expected
    assert ours(tree, b"/" + pattern.encode()) == expected


@pytest.mark.parametrize(
    "pattern", ["*.txt", "ab", "?", "[[]x]", "a[*]b", ".*", "n?", "*\n*", "nothing"]
)
def test_names_as_find_has_them(tree: Path, pattern: str) -> None:
    done = subprocess.run(
        ["find", ".", "-mindepth", "1", "-name", pattern, "-print0"],
        cwd=tree,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    expected = {path[2:] for path in done.stdout.split(b"\0") if path}
    assert ours(tree, pattern.encode()) == expected


def test_bytes_that_are_no_characters(tree: Path) -> None:
    expected = {b"/".join(path) for path in everything(tree) if path[-1] == b"\xff"}
    assert expected
    assert ours(tree, b"\xff") == ours(tree, b"[\xff]") == expected
    assert expected < ours(tree, b"?")


SPELLED = [b"caf\xe9", b"\xff\xfe", b"a\tb", b"x\x1b[1m", "a\u202eb".encode(), "\x85".encode()]
SPELLED += ["\U000e0001".encode(), b"*\x01?", b"\xed\xa0\x80"]


@pytest.mark.parametrize("name", SPELLED)
def test_names_as_they_are_shown(name: bytes) -> None:
    shown = printable(name).encode()
    assert b"\\" in shown
    literal = re.sub(rb"[*?[]", rb"[\g<0>]", shown)
    for pattern in (literal, b"/x/" + literal, b"x/" + literal, literal + b"*", b"**/" + literal):
        assert Patterns([pattern]).follow((b"x", name)).hit, pattern
        assert Patterns([pattern]).follow((b"x", shown)).hit, pattern  # a name that is just so
        assert not Patterns([pattern]).follow((b"x", b"y" + name)).hit, pattern
    assert Patterns([literal.upper().replace(b"\\X", b"\\x")], fold=True).follow((shown,)).hit


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        (rb"a\x2a", [b"a*", rb"a\x2a"], [b"ab", b"a**", b"a"]),
        (rb"\x5bx]*", [b"[x]", b"[x]y"], [b"x", b"xy"]),
        (rb"[\xe9a]", [b"\xe9", "\u00e9".encode(), b"a"], [b"b"]),
        (rb"[!\xe9]x", [b"ax"], [b"\xe9"]),
        (rb"?\x07", [b"a\x07", "\u00e9\x07".encode()], [b"\x07"]),
        (rb"a\xg1", [rb"a\xg1"], [b"a"]),
    ],
)
def test_what_an_escape_spells_stands_for_itself(
    pattern: bytes, hits: list[bytes], misses: list[bytes]
) -> None:
    found = Patterns([pattern])
    assert [name for name in hits if not found.follow((name,)).hit] == []
    assert [name for name in misses if found.follow((name,)).hit] == []


def test_the_end_of_a_path(tree: Path) -> None:
    assert ours(tree, b"a/b.txt") == bash(tree, b"**/a/b.txt")
    assert ours(tree, b"a/*.txt", b"ab") == bash(tree, b"**/a/*.txt") | bash(tree, b"**/ab")


def test_capitals_make_no_difference_on_wish(tree: Path) -> None:
    assert ours(tree, b"B.txt") == set()
    assert ours(tree, b"B.txt", fold=True) == bash(tree, b"**/b.txt") | bash(tree, b"**/B.TXT")
    assert ours(tree, b"/**/b.TX?", fold=True) == bash(tree, b"**/b.tx?", "nocaseglob")
    assert ours(tree, "NÉ".encode(), fold=True) == ours(tree, "né".encode())


def test_paths_of_windows() -> None:
    pattern = Patterns([rb"c:\Users\*\notes.txt"])
    assert pattern.follow((b"C", b"Users", b"u", b"notes.txt")).hit
    assert not pattern.follow((b"D", b"Users", b"u", b"notes.txt")).hit


def test_where_nothing_can_match_nobody_goes() -> None:
    pattern = Patterns([b"/home/*/docs/**"])
    assert pattern.follow((b"home", b"u")).state
    assert not pattern.follow((b"etc",)).state
    assert not pattern.follow((b"home", b"u", b"music")).state
    assert pattern.follow((b"home", b"u", b"docs", b"a", b"b")).hit


@pytest.mark.parametrize("pattern", [b"", b"/", b"./.", b"a/../b"])
def test_what_is_no_pattern(pattern: bytes) -> None:
    with pytest.raises(UsageError):
        Patterns([pattern])


def test_a_hard_pattern_takes_no_time() -> None:
    """Many stars are what makes a simple matcher try everything."""
    pattern = Patterns([b"*a" * 60 + b"b", b"/".join([b"**", b"*a*"] * 15) + b"/x"])
    began = time.process_time()
    assert not pattern.follow([b"a" * 255] * 100).hit
    assert time.process_time() - began < 20


def test_magic() -> None:
    assert [has_magic(each) for each in (b"a", b"a*", b"?", b"[a", b"a]")] == [
        False,
        True,
        True,
        True,
        False,
    ]
