"""Files and metadata for many directories in one go: what is done that way is as each by itself."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.platform.injected import injected
from tests.platform.oracles import find_names, run
from tests.platform.test_platform_native_write import FILES, USUAL, WANTED, look
from tests.platform.trees import NAMES, REGULAR, fresh, once_per_folder, without_extension
from tests.twins import needs_extension
from twofold.platform import (
    DEEPEST,
    ONLY_OPEN,
    Attributes,
    Steps,
    TargetDir,
    current,
    is_temporary,
)

pytestmark = needs_extension

Files = dict[bytes, tuple[bytes, Attributes]]
FOLDER = Attributes(stat.S_IFDIR | 0o755, 10**18, 0, 0, ())


@dataclass
class Folder:
    """One directory that is made: ``goal`` or only on the way, and what is wanted of it."""

    below: dict[bytes, "Folder"]
    goal: bool
    files: Files
    wanted: Attributes


TREES: st.SearchStrategy[dict[bytes, Folder]] = st.recursive(
    st.just({}),
    lambda below: st.dictionaries(
        NAMES, st.builds(Folder, below, st.booleans(), FILES, WANTED), max_size=3
    ),
    max_leaves=8,
)


def build(above: bytes, tree: dict[bytes, Folder]) -> None:
    for name, folder in tree.items():
        os.mkdir(above + b"/" + name)
        build(above + b"/" + name, folder.below)


def told(tree: dict[bytes, Folder], *way: bytes) -> Iterator[tuple[tuple[bytes, ...], Folder]]:
    for name, folder in tree.items():
        yield (*way, name), folder
        yield from told(folder.below, *way, name)


def steps_of(tree: dict[bytes, Folder]) -> Steps:
    every = list(told(tree))
    depths = [len(way) | (0 if folder.goal else ONLY_OPEN) for way, folder in every]
    return Steps(tuple(way[-1] for way, _ in every), bytes(depths))


def root_of(folder: Path) -> Any:
    return closing(current().open_target(os.fsencode(folder), create=False))


def go(root: TargetDir, way: Sequence[bytes]) -> TargetDir:
    here = root
    for name in way:
        above, here = here, here.open_dir(name)
        if above is not root:
            above.close()
    return here


def everything(top: Path) -> list[object]:
    return [look(Path(os.fsdecode(path))) for path in folders(top)]


def folders(top: Path) -> list[bytes]:
    return sorted(path for path, _, _ in os.walk(os.fsencode(top)))


def give_times(top: Path) -> None:
    """One time for all directories, whenever they were made or written to."""
    for path in folders(top):
        os.utime(path, (1, 1))


def write_at_once(root: TargetDir, steps: Steps, each: Sequence[Files]) -> int:
    flat = [(name, *rest) for files in each for name, rest in files.items()]
    return root.write_below(
        steps,
        [len(files) for files in each],
        [name for name, _, _ in flat],
        [data for _, data, _ in flat],
        [wanted for _, _, wanted in flat],
    )


def write_alone(root: TargetDir, way: Sequence[bytes], files: Files) -> None:
    with closing(go(root, way)) as here:
        here.write_batch(
            list(files), [data for data, _ in files.values()], [want for _, want in files.values()]
        )


def apply_alone(root: TargetDir, way: Sequence[bytes], wanted: Attributes) -> list[str]:
    with closing(go(root, way)) as here:
        return here.apply_self(wanted)


@once_per_folder
@given(tree=TREES)
def test_files_are_the_same_both_ways(ext4: Path, tree: dict[bytes, Folder]) -> None:
    goals = [(way, folder.files) for way, folder in told(tree) if folder.goal]
    with fresh(ext4) as one, fresh(ext4) as two:
        for top in (one, two):
            build(os.fsencode(top), tree)
        with root_of(one) as root:
            left = write_at_once(root, steps_of(tree), [files for _, files in goals])
            for way, files in goals:
                here = dict(list(files.items())[left:])
                left = max(0, left - len(files))
                write_alone(root, way, here)
        with without_extension(), root_of(two) as root:
            for way, files in goals:
                write_alone(root, way, files)
        give_times(one)
        give_times(two)
        assert everything(one) == everything(two)


@once_per_folder
@given(tree=TREES)
@example(tree={b"d": Folder({}, True, {}, Attributes(0, -(2**31 - 1) * 10**9 - 1))})
def test_directories_get_the_same_both_ways(ext4: Path, tree: dict[bytes, Folder]) -> None:
    goals = [(way, folder.wanted) for way, folder in told(tree) if folder.goal]
    with fresh(ext4) as one, fresh(ext4) as two:
        for top in (one, two):
            build(os.fsencode(top), tree)
            give_times(top)
        with root_of(one) as root:
            done = root.apply_below(steps_of(tree), [wanted for _, wanted in goals])
            for way, wanted in goals[done:]:  # beginning with one that the file system cannot hold
                apply_alone(root, way, wanted)
        with without_extension(), root_of(two) as root:
            assert root.apply_below(steps_of(tree), [wanted for _, wanted in goals]) == 0
            losses = [apply_alone(root, way, wanted) for way, wanted in goals]
        assert not any(losses[:done])
        assert everything(one) == everything(two)


def three(top: Path) -> tuple[Steps, list[Files]]:
    """a/b, a, c with two usual files each; the steps come back to ``a``."""
    (top / "a" / "b").mkdir(parents=True)
    (top / "c").mkdir()
    depths = bytes([1 | ONLY_OPEN, 2, 1, 1])
    usual: Files = {b"x": (b"1", USUAL), b"y": (b"22", USUAL)}
    return Steps((b"a", b"b", b"a", b"c"), depths), [usual] * 3


WRITTEN = [b"a", b"a/b", b"a/b/x", b"a/b/y", b"a/x", b"a/y", b"c", b"c/x", b"c/y"]


def names_below(top: Path) -> list[bytes]:
    start = len(os.fsencode(top)) + 1
    return sorted(
        os.path.join(path, name)[start:]
        for path, below, files in os.walk(os.fsencode(top))
        for name in below + files
    )


def test_usual_ones_are_all_done(ext4: Path, as_root: None) -> None:
    steps, each = three(ext4)
    assert steps.goals == 3
    with root_of(ext4) as root:
        assert write_at_once(root, steps, each) == 6
        assert names_below(ext4) == WRITTEN
        assert root.apply_below(steps, [FOLDER] * 3) == 3
    for name in ("a/b", "a", "c"):
        status = (ext4 / name).stat()
        assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (10**18, 0o755)


@pytest.mark.parametrize(
    "unusual",
    [
        Attributes(REGULAR | 0o4755, 10**18, 0, 0, ()),
        Attributes(REGULAR | 0o644, 10**18, 0, 0, (), 0x40),
    ],
)
def test_files_end_at_the_first_that_is_not_usual(
    ext4: Path, as_root: None, unusual: Attributes
) -> None:
    steps, each = three(ext4)
    each[1] = {b"x": (b"1", USUAL), b"y": (b"22", unusual)}
    with root_of(ext4) as root:
        assert write_at_once(root, steps, each) == 3
    assert names_below(ext4) == [b"a", b"a/b", b"a/b/x", b"a/b/y", b"a/x", b"c"]


@pytest.mark.parametrize("way", ["link", "gone", "file", "list"])
def test_files_end_where_a_directory_is_not_usual(ext4: Path, as_root: None, way: str) -> None:
    steps, each = three(ext4)
    if way == "list":
        run("setfacl", "-d", "-m", "u:1234:rwx", ext4 / "c")
    else:
        (ext4 / "c").rmdir()
    if way == "link":
        (ext4 / "c").symlink_to("a/b")
    elif way == "file":
        (ext4 / "c").write_bytes(b"")
    with root_of(ext4) as root:
        assert write_at_once(root, steps, each) == 4
        assert root.apply_below(steps, [FOLDER] * 3) == 2
    assert names_below(ext4) == (WRITTEN[:6] if way == "gone" else WRITTEN[:7])


@pytest.mark.parametrize(
    "unusual",
    [
        Attributes(stat.S_IFDIR | 0o2755, 0, 0, 0, ()),
        Attributes(stat.S_IFDIR | 0o755, 0, 0, 0, (), 0x40),
        Attributes(stat.S_IFDIR | 0o755, 0, 0, 0, [(b"user.a", b"1")]),
        Attributes(stat.S_IFDIR | 0o755, 0, 2**32, 0, ()),
    ],
)
def test_directories_end_at_the_first_that_is_not_usual(
    ext4: Path, as_root: None, unusual: Attributes
) -> None:
    steps, _ = three(ext4)
    with root_of(ext4) as root:
        assert root.apply_below(steps, [FOLDER, unusual, FOLDER]) == 1
    assert (ext4 / "c").stat().st_mtime_ns != 10**18


@pytest.mark.parametrize("held", ["attribute", "flag"])
def test_directories_that_hold_what_must_go_are_left(ext4: Path, as_root: None, held: str) -> None:
    steps, _ = three(ext4)
    if held == "flag":
        run("chattr", "+a", ext4 / "c")
    else:
        os.setxattr(ext4 / "c", "user.old", b"1")
    with root_of(ext4) as root:
        assert root.apply_below(steps, [FOLDER] * 3) == 2
    if held == "flag":
        run("chattr", "-a", ext4 / "c")


def test_parts_that_do_not_go_together(ext4: Path) -> None:
    steps, each = three(ext4)
    deep = Steps((b"a",) * (DEEPEST + 1), bytes(range(1, DEEPEST + 2)))
    jump = Steps((b"a", b"b"), bytes([1, 3]))
    wrong = Steps((b"..",), bytes([1]))
    with root_of(ext4) as root:
        for bad in (deep, jump, wrong, Steps((b"a",), b"")):
            with pytest.raises(ValueError):
                write_at_once(root, bad, each)
            with pytest.raises(ValueError):
                root.apply_below(bad, [FOLDER])
        with pytest.raises(ValueError):
            write_at_once(root, steps, each[:2])
        with pytest.raises(ValueError):
            root.write_below(steps, [2, 2, 1], [b"n"] * 6, [b""] * 6, [USUAL] * 6)


CALLS = ["openat", "pwrite64", "fchown", "fchmod", "utimensat", "close", "?renameat,?renameat2"]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_leaves_nothing_half_there(ext4: Path, as_root: None, call: str) -> None:
    steps, each = three(ext4)

    def write() -> str:
        with root_of(ext4) as root:
            return repr(write_at_once(root, steps, each))

    write()  # whatever is imported on the way is there from now on
    for path in ext4.rglob("[xy]"):
        path.unlink()
    done = int(injected(call, "error=EIO:when=5", write))
    assert done < 6
    files = [b"a/b/x", b"a/b/y", b"a/x", b"a/y", b"c/x", b"c/y"]
    assert [name for name in names_below(ext4) if name in files] == files[:done]
    assert not any(is_temporary(os.path.basename(name)) for name in names_below(ext4))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("step", [3, 4, 5])
def test_killed_what_has_its_name_is_whole(ext4: Path, as_root: None, call: str, step: int) -> None:
    steps, each = three(ext4)

    def write() -> str:
        with root_of(ext4) as root:
            return repr(write_at_once(root, steps, each))

    injected(call, f"signal=SIGKILL:when={step}", write)
    for folder in ("a/b", "a", "c"):
        for name in find_names(ext4 / folder):
            path = ext4 / folder / os.fsdecode(name)
            if path.is_file() and not is_temporary(name):
                assert path.read_bytes() == {b"x": b"1", b"y": b"22"}[name]
                assert stat.S_IMODE(path.stat().st_mode) == 0o1640
