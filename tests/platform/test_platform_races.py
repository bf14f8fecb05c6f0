"""Somebody swaps directories and files of the target for links while we write: nothing escapes.

The attacker is another process that exchanges two names atomically, as fast as it can. The same
attack on a writer that checks the path and then opens it must succeed, or the harness proves
nothing.
"""

import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.platform.oracles import exchange, find_names, stat_name
from twofold.platform import Attributes, TargetCache, current

pytestmark = pytest.mark.usefixtures("either_code")

FILE = Attributes(mode=stat.S_IFREG | 0o666, mtime_ns=0, uid=0, gid=0, xattrs=(), flags=0)
FOLDER = Attributes(mode=stat.S_IFDIR | 0o777, mtime_ns=0)

Seconds = pytest.mark.parametrize("seconds", [3, pytest.param(20, marks=pytest.mark.slow)])


@contextmanager
def swapping(*pairs: tuple[Path, Path]) -> Iterator[None]:
    """Another process exchanges the names of each pair all the time."""
    attacker = os.fork()
    if not attacker:
        try:
            while os.getppid() != 1:
                for left, right in pairs:
                    exchange(left, right)
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)


def attempts(seconds: float, action: Callable[[int], object]) -> tuple[int, int]:
    """How often an action succeeded, and failed with OSError, in a time."""
    done = failed = 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            action(done)
            done += 1
        except OSError:
            failed += 1
    return done, failed


@pytest.fixture
def arena(tmp_path: Path) -> Path:
    """in/a/b is the target; in/evil leads outside, where the same names exist."""
    for folder in ("in/a/b", "out/b"):
        (tmp_path / folder).mkdir(parents=True)
    os.symlink("../out", tmp_path / "in" / "evil")
    return tmp_path


def test_checked_paths_do_not_hold(arena: Path) -> None:
    """The control: what many programs do loses against this attacker."""
    inside = os.path.realpath(arena / "in")

    def write(number: int) -> None:
        path = arena / "in" / "a" / "b" / str(number)
        if os.path.realpath(path).startswith(inside):
            with path.open("wb"):
                pass

    with swapping((arena / "in/a", arena / "in/evil")):
        done = failed = 0
        for _ in range(20):  # seconds at most, until it has been shown
            more = attempts(1, write)
            done, failed = done + more[0], failed + more[1]
            if find_names(arena / "out" / "b"):
                break
    assert find_names(arena / "out" / "b")


@Seconds
def test_no_write_escapes_through_a_swapped_directory(
    arena: Path, seconds: int, record_property: Callable[[str, object], None]
) -> None:
    root = current().open_target(os.fsencode(arena / "in"), create=False)
    cache = TargetCache(root)

    def write(number: int) -> None:
        cache.forget([])
        folder = cache.get([b"a", b"b"])
        name = b"%d" % number
        match number % 4:
            case 0:
                folder.write_batch([name], [name], [FILE])
            case 1:
                file = folder.create_file(name)
                file.write_at(name, 0)
                file.finish(FILE)
            case 2:
                folder.make_symlink(name, b"x", Attributes(stat.S_IFLNK, 0))
            case _:
                folder.make_dir(name).close()

    with swapping((arena / "in/a", arena / "in/evil")):
        done, refused = attempts(seconds, write)
    cache.close()
    root.close()
    assert find_names(arena / "out") == [b"b"]
    assert find_names(arena / "out" / "b") == []
    assert done > 10
    assert refused > 10
    record_property("writes", done)
    record_property("refusals", refused)


@Seconds
def test_metadata_stays_off_what_a_swapped_link_leads_to(arena: Path, seconds: int) -> None:
    """The final names are swapped: a file for a link to a file, a folder for a link to one."""
    (arena / "out" / "victim").touch(0o600)
    (arena / "out" / "folder").mkdir(0o700)
    (arena / "in" / "file").touch()
    (arena / "in" / "folder").mkdir()
    os.symlink("../out/victim", arena / "in" / "to file")
    os.symlink("../out/folder", arena / "in" / "to folder")
    before = [stat_name(arena / "out", name) for name in (b"victim", b"folder")]

    def work(number: int) -> None:
        if number % 2:
            root.apply(b"file", FILE, directory=False)
        else:
            root.apply(b"folder", FOLDER, directory=True)
            root.open_dir(b"folder").close()

    with (
        closing(current().open_target(os.fsencode(arena / "in"), create=False)) as root,
        swapping(
            (arena / "in/file", arena / "in/to file"),
            (arena / "in/folder", arena / "in/to folder"),
        ),
    ):
        done, refused = attempts(seconds, work)
    assert [stat_name(arena / "out", name) for name in (b"victim", b"folder")] == before
    assert done > 10
    assert refused > 10


def test_replacing_under_attack_leaves_no_half_file(arena: Path) -> None:
    """The final name is a link, then not, then again: it ends as our file or the link, no third."""
    (arena / "out" / "victim").write_bytes(b"precious")
    (arena / "in" / "name").write_bytes(b"first")
    os.symlink("../out/victim", arena / "in" / "other")

    def write(number: int) -> None:
        root.write_batch([b"name"], [b"%d" % number], [FILE])

    with (
        closing(current().open_target(os.fsencode(arena / "in"), create=False)) as root,
        swapping((arena / "in/name", arena / "in/other")),
    ):
        done, _ = attempts(2, write)
    assert (arena / "out" / "victim").read_bytes() == b"precious"
    assert find_names(arena / "in") == [b"a", b"evil", b"name", b"other"]
    assert done > 10


def test_moving_into_a_swapped_directory(arena: Path) -> None:
    """A directory opened before the swap is still the one written to."""
    with closing(current().open_target(os.fsencode(arena / "in"), create=False)) as root:
        folder = root.open_dir(b"a")
        with swapping((arena / "in/a", arena / "in/evil")):
            done, failed = attempts(
                1, lambda number: folder.write_batch([b"%d" % number], [b""], [FILE])
            )
        folder.close()
    assert failed == 0
    assert find_names(arena / "out") == [b"b"]
    assert done > 10
