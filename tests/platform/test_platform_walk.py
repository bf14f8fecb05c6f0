"""Walking with few handles: depth, moved directories, and caches that never lose their way."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.platform.oracles import run
from twofold.platform import Attributes, HandleStack, SourceDir, TargetCache, TargetDir, current

DEPTH = 5_000
NAME = b"\xff\n" * 127 + b"x"  # 255 bytes


def make_chain(folder: Path, depth: int, name: bytes) -> None:
    """Directories one in the other, made without any path."""
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def open_handles() -> int:
    """Descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SourceDir]:
    """The temporary directory as a source."""
    with closing(current().open_source(os.fsencode(tmp_path))) as opened:
        yield opened


@pytest.fixture
def target(tmp_path: Path) -> Iterator[TargetDir]:
    """The temporary directory as a target."""
    with closing(current().open_target(os.fsencode(tmp_path), create=False)) as opened:
        yield opened


WALK = f"""
import os, resource, sys
from twofold.platform import HandleStack, TargetCache, current, iterate

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
folder, name = os.fsencode(sys.argv[1]), {NAME!r}

target = current().open_target(folder, create=False)
cache = TargetCache(target)
path = []
for _ in range({DEPTH}):
    path.append(name)
    cache.get(path, create=True)
marks = 0
while path:  # as a restore does that sets the metadata of directories last
    marks += os.fsencode(str(len(path))) in cache.get(path).names() or 1
    path.pop()
cache.close()
target.close()

source = current().open_source(folder)
stack = HandleStack(source)
down = []
while True:
    names = [entry.name for entry in iterate(stack.top.scan())]
    down.append(stack.top.identity)
    if not names:
        break
    stack.push(names[0])
up = [stack.top.identity]
while stack.depth:
    up.append(stack.pop().identity)
stack.close()
source.close()
print(len(down) - 1, marks, down == up[::-1], len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.parametrize("where", ["tmpfs", pytest.param("deep_folder", marks=pytest.mark.slow)])
def test_depth_of_5000_with_64_descriptors(where: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(where)
    done = subprocess.run(
        [sys.executable, "-c", WALK, folder], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.split() == [str(DEPTH), str(DEPTH), "True", "4"]
    assert run("find", folder, "-mindepth", "1", "-type", "d", "-printf", "x") == b"x" * DEPTH


@pytest.mark.parametrize("limit", [2, 3, 8, 100])
def test_stack_keeps_to_its_limit_and_comes_back(
    source: SourceDir, tmp_path: Path, limit: int
) -> None:
    make_chain(tmp_path, 50, b"d")
    before = open_handles()
    stack = HandleStack(source, limit)
    identities = [stack.top.identity]
    for _ in range(50):
        identities.append(stack.push(b"d").identity)
        assert open_handles() - before < limit
    for turn in (20, 30, 50):  # up a bit, down again, up
        for _ in range(turn):
            identities.pop()
            assert stack.pop().identity == stack.top.identity == identities[-1]
            assert open_handles() - before < limit
        for _ in range(turn if turn < 50 else 0):
            identities.append(stack.push(b"d").identity)
    assert stack.depth == 0
    assert open_handles() == before
    with pytest.raises(IndexError):
        stack.pop()


def test_stack_closes_what_it_opened_and_leaves_the_root(source: SourceDir, tmp_path: Path) -> None:
    make_chain(tmp_path, 9, b"d")
    before = open_handles()
    stack = HandleStack(source, 4)
    for _ in range(9):
        stack.push(b"d")
    stack.close()
    assert open_handles() == before
    assert stack.top is source
    assert stack.push(b"d").scan()
    stack.close()


def test_failed_push_changes_nothing(source: SourceDir, tmp_path: Path) -> None:
    os.symlink("/", tmp_path / "link")
    stack = HandleStack(source)
    for name, kind in ((b"gone", FileNotFoundError), (b"link", OSError), (b"..", OSError)):
        with pytest.raises(kind):
            stack.push(name)
    assert stack.depth == 0
    assert stack.top is source


def test_moved_ancestor_is_found_by_name(source: SourceDir, tmp_path: Path) -> None:
    """A directory with our place in it is moved: its ``..`` is another, but names lead back."""
    make_chain(tmp_path, 20, b"d")
    (tmp_path / "other").mkdir()
    stack = HandleStack(source, 3)
    for _ in range(20):
        stack.push(b"d")
    (tmp_path / "d/d/d/d/d").rename(tmp_path / "other" / "d")
    for left in reversed(range(20)):
        assert stack.pop().identity == _identity(tmp_path, left)


def _identity(folder: Path, depth: int) -> tuple[int, int]:
    moved = 5
    parts = ["d"] * depth if depth < moved else ["other", *["d"] * (depth - moved + 1)]
    status = folder.joinpath(*parts).stat()
    return status.st_dev, status.st_ino


def test_lost_levels_fail_and_those_above_go_on(source: SourceDir, tmp_path: Path) -> None:
    """Two moves put a level out of reach both from below and from above."""
    make_chain(tmp_path, 20, b"d")
    (tmp_path / "other").mkdir()
    (tmp_path / "third").mkdir()
    before = open_handles()
    stack = HandleStack(source, 3)
    for _ in range(20):
        stack.push(b"d")
    (tmp_path / "d/d/d/d/d/d/d").rename(tmp_path / "other" / "d")  # level 7
    (tmp_path / "d/d/d/d").rename(tmp_path / "third" / "d")  # level 4; 5 and 6 went with it
    reached = []
    while stack.depth:
        try:
            stack.pop()
            reached.append(stack.depth)
        except OSError as error:
            assert error.errno == errno.ESTALE
            with pytest.raises(OSError, match="moved"):
                stack.push(b"d")
    assert reached == [*range(19, 6, -1), 3, 2, 1, 0]
    for _ in range(3):
        stack.push(b"d")
    assert open_handles() - before == 2
    stack.close()
    assert open_handles() == before


def test_limit_holds_after_everything_below_the_root_was_lost(
    source: SourceDir, tmp_path: Path
) -> None:
    for name in (b"d", b"e"):
        (tmp_path / os.fsdecode(name)).mkdir()
        make_chain(tmp_path / os.fsdecode(name), 10, b"d")
    before = open_handles()
    stack = HandleStack(source, 3)
    for _ in range(10):
        stack.push(b"d")
    (tmp_path / "d/d/d/d/d").rename(tmp_path / "away")
    (tmp_path / "d").rename(tmp_path / "also away")
    while stack.depth:
        with suppress(OSError):
            stack.pop()
    stack.push(b"e")
    for _ in range(9):
        stack.push(b"d")
        assert open_handles() - before < 3
    stack.close()


def test_another_directory_in_its_place_is_not_taken_for_it(
    source: SourceDir, tmp_path: Path
) -> None:
    make_chain(tmp_path, 10, b"d")
    stack = HandleStack(source, 2)
    for _ in range(10):
        stack.push(b"d")
    (tmp_path / "d/d/d/d/d").rename(tmp_path / "away")
    make_chain(tmp_path / "d/d/d/d", 10, b"d")  # looks the same from above
    reached = []
    while stack.depth:
        try:
            reached.append(stack.pop().identity[1])
        except OSError as error:
            assert error.errno == errno.ESTALE
    away = [(tmp_path / "away").joinpath(*["d"] * depth).stat().st_ino for depth in range(5)]
    above = [tmp_path.joinpath(*["d"] * depth).stat().st_ino for depth in range(5)]
    assert reached == [*away[::-1], *above[::-1]]


@pytest.mark.parametrize("kind", [HandleStack, TargetCache])
def test_limits_that_cannot_work(kind: type[HandleStack[TargetDir]], target: TargetDir) -> None:
    with pytest.raises(ValueError, match="needs"):
        kind(target, 1)


def test_cache_opens_from_the_nearest_and_keeps_to_its_limit(
    target: TargetDir, tmp_path: Path
) -> None:
    before = open_handles()
    cache = TargetCache(target, 8)
    paths = [
        [b"%d" % a, b"%d" % b, b"%d" % c] for a in range(3) for b in range(4) for c in range(5)
    ]
    for path in paths:
        made = cache.get(path, create=True)
        assert open_handles() - before <= 8
        assert made.identity[1] == tmp_path.joinpath(*map(os.fsdecode, path)).stat().st_ino
    for path in reversed(paths):
        want = tmp_path.joinpath(*map(os.fsdecode, path)).stat().st_ino
        assert cache.get(path).identity[1] == want
        assert cache.get(tuple(path)) is cache.get(path)
        assert open_handles() - before <= 8
    assert cache.get([]) is target
    with pytest.raises(FileNotFoundError):
        cache.get([b"0", b"nothing"])
    cache.close()
    assert open_handles() == before


def test_cache_refuses_links_and_hostile_names(target: TargetDir, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "link")
    (tmp_path / "file").touch()
    cache = TargetCache(target)
    for path in (
        [b"link"],
        [b"link", b"a"],
        [b".."],
        [b"real", b".."],
        [b"real/.."],
        [b""],
        [b"."],
    ):
        for create in (False, True):
            with pytest.raises(OSError):
                cache.get(path, create=create)
    with pytest.raises(NotADirectoryError):
        cache.get([b"file", b"below"], create=True)
    assert os.listdir(tmp_path / "real") == []
    cache.close()


def test_held_directories_stay_open(target: TargetDir) -> None:
    cache = TargetCache(target, 2)
    with cache.hold([b"a", b"b"], create=True) as held, cache.hold([b"a", b"b"]) as again:
        assert held is again
        for number in range(10):
            cache.get([b"%d" % number, b"x"], create=True)
        held.make_dir(b"c").close()
    for number in range(10):
        cache.get([b"%d" % number, b"x"])
    with pytest.raises(OSError):
        held.names()
    assert cache.get([b"a", b"b"]).names() == [b"c"]
    cache.close()


def test_what_was_used_last_stays_open(target: TargetDir) -> None:
    cache = TargetCache(target, 2)
    first = cache.get([b"a"], create=True)
    cache.get([b"b"], create=True)
    assert cache.get([b"a"]) is first
    cache.get([b"c"], create=True)
    assert cache.get([b"a"]) is first
    cache.close()


def test_forgotten_directories_are_opened_anew(target: TargetDir, tmp_path: Path) -> None:
    before = open_handles()
    cache = TargetCache(target)
    deep = [b"a", b"b", b"c"]
    first = cache.get(deep, create=True).identity
    cache.forget([b"a"])
    assert open_handles() == before
    (tmp_path / "a").rename(tmp_path / "old")
    assert cache.get(deep, create=True).identity != first
    cache.forget([b"never", b"seen"])
    cache.close()
    assert open_handles() == before


def test_cache_serves_threads(target: TargetDir, tmp_path: Path) -> None:
    cache = TargetCache(target, 4)
    wanted = Attributes(mode=0o100600, mtime_ns=0)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(100):
                path = [b"%d" % (turn % 7), b"%d" % number, b"x"]
                with cache.hold(path, create=True) as folder:
                    folder.write_batch([b"%d" % turn], [b"%d" % number], [wanted])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.close()
    assert failures == []
    found = run("find", ".", "-type", "f", "-printf", r"%P\0", cwd=tmp_path).split(b"\0")[:-1]
    assert sorted(found) == sorted(
        b"%d/%d/x/%d" % (turn % 7, number, turn) for number in range(8) for turn in range(100)
    )


def test_walkers_are_typed_for_both_sides(source: SourceDir, target: TargetDir) -> None:
    """Read by mypy more than by pytest: the stack returns what it was given."""
    down: SourceDir = HandleStack(source).top
    also: TargetDir = HandleStack(target).top
    assert down.identity == also.identity
