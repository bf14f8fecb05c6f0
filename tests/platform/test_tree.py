"""Many directories listed in one go: the extension and its twin against listing each by itself."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.platform.trees import NAMES, fresh, once_per_folder, without_extension
from tests.twins import needs_extension
from twofold.platform import DEEPEST, ONLY_OPEN, Seen
from twofold.platform.linux import mounts
from twofold.platform.linux.source import LinuxSourceDir

PLENTY = 1 << 30
Tree = dict[bytes, "Tree"]
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.just({}), lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12
)


def build(folder: bytes, tree: Tree) -> None:
    for name, below in tree.items():
        os.mkdir(folder + b"/" + name)
        build(folder + b"/" + name, below)
        with open(folder + b"/" + name + b"/content of it", "ab") as file:
            file.write(name)


def steps(tree: Tree, depth: int = 1) -> Iterator[tuple[bytes, int]]:
    for name, below in tree.items():
        yield name, depth
        yield from steps(below, depth + 1)


def scanned(
    folder: Path, names: Sequence[bytes], depths: Sequence[int], limit: int = PLENTY
) -> list[Seen | None]:
    root = LinuxSourceDir.open(os.fsencode(folder))
    try:
        return root.scan_tree(tuple(names), bytes(depths), limit)
    finally:
        root.close()


def alone(folder: Path, way: Sequence[bytes]) -> Seen | None:
    """The same of one directory, by the calls for one directory."""
    here = LinuxSourceDir.open(os.fsencode(folder))
    above = here.identity
    for name in way:
        above = here.identity
        try:
            below = here.open_dir(name)
        except OSError:
            return None
        finally:
            here.close()
        here = below
    seen = Seen(above, here.identity, here.scan())
    here.close()
    return seen


def ways(names: Sequence[bytes], depths: Sequence[int]) -> Iterator[list[bytes]]:
    way: list[bytes] = []
    for name, depth in zip(names, depths, strict=True):
        way = [*way[: (depth & ~ONLY_OPEN) - 1], name]
        yield way


@needs_extension
@once_per_folder
@given(tree=TREES, data=st.data())
def test_random_trees_some_of_it_gone(tmpfs: Path, tree: Tree, data: st.DataObject) -> None:
    with fresh(tmpfs) as folder:
        build(os.fsencode(folder), tree)
        told = list(steps(tree))
        names = [name for name, _ in told]
        depths = [depth | (ONLY_OPEN if data.draw(st.booleans()) else 0) for _, depth in told]
        found = scanned(folder, names, depths)
        for way, depth, seen in zip(ways(names, depths), depths, found, strict=True):
            assert seen == (None if depth & ONLY_OPEN else alone(folder, way))
        with without_extension():
            assert scanned(folder, names, depths) == found


@pytest.fixture(params=["extension", "twin"])
def either(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "extension":
        yield
    else:
        with without_extension():
            yield


@pytest.mark.usefixtures("either")
def test_links_files_and_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    top = tmp_path / "top"
    (top / "real" / "below").mkdir(parents=True)
    (top / "link").symlink_to("../outside")
    (top / "file").touch()
    os.mkfifo(top / "fifo")
    names = [b"fifo", b"below", b"file", b"gone", b"below", b"link", b"real", b"below"]
    found = scanned(top, names, [1, 2, 1, 1, 2, 1, 1, 2])
    assert [seen is not None for seen in found] == [False] * 6 + [True] * 2


@pytest.mark.usefixtures("either")
def test_nothing_more_once_there_is_enough(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / ("x" * 100)).touch()
    found = scanned(tmp_path, [b"a", b"b", b"c"], [1, 1, 1], 157)
    assert [seen is not None for seen in found] == [True, True, False]


@pytest.mark.usefixtures("either")
def test_as_deep_as_may_be(tmp_path: Path) -> None:
    way = [b"d"] * DEEPEST
    os.makedirs(os.path.join(os.fsencode(tmp_path), *way))
    found = scanned(tmp_path, way, range(1, DEEPEST + 1))
    assert all(found)
    assert found[-1] == alone(tmp_path, way)
    with pytest.raises(ValueError, match="no tree"):
        scanned(tmp_path, [*way, b"d"], range(1, DEEPEST + 2))


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize(
    ("names", "depths"),
    [
        ([b""], [1]),
        ([b".."], [1]),
        ([b"."], [1]),
        ([b"a/b"], [1]),
        ([b"a\0b"], [1]),
        ([b"a"], [0]),
        ([b"a"], [2]),
        ([b"a", b"b"], [1, 3]),
        ([b"a"], [ONLY_OPEN]),
        ([b"a"], []),
    ],
)
def test_what_is_no_tree(tmp_path: Path, names: list[bytes], depths: list[int]) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match=r"no tree|needs its depth"):
        scanned(tmp_path, names, depths)
    with pytest.raises(ValueError, match="limit"):
        scanned(tmp_path, [], [], 0)
    assert len(os.listdir("/proc/self/fd")) == open_before


@needs_extension
def test_a_closed_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    root = LinuxSourceDir(os.open(tmp_path, os.O_RDONLY), mounts.Mounts())
    root.close()
    assert root.scan_tree((b"a",), b"\1", PLENTY) == [None]
