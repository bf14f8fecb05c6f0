"""What is put on disks: the same for the same seed, whole, and changed where it is said to be."""

from pathlib import Path

import pytest

from bench import images_files
from scripts.environment import ROOT


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """This checkout's own files instead of the system's."""
    monkeypatch.setattr(images_files, "ROOTS", (ROOT / "src", ROOT / "docs"))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_system_files_are_as_many_as_asked_and_none_is_large() -> None:
    chosen = images_files.system(200_000)
    sizes = [path.stat().st_size for path in chosen.values()]
    assert 0 <= sum(sizes) - 200_000 < 12_500
    assert max(sizes) <= 12_500
    assert chosen == images_files.system(200_000)
    assert all(name == f"system{path}" for name, path in chosen.items())


def test_users_have_their_own_files(tmp_path: Path) -> None:
    made = [
        images_files.user(number, 2_000_000, tmp_path / name)
        for number, name in ((1, "a"), (1, "b"), (2, "c"))
    ]
    first, again, other = (
        {name: path.read_bytes() for name, path in each.items()} for each in made
    )
    assert first == again
    assert not {*first.values()} & {*other.values()}
    assert 2_000_000 <= sum(map(len, first.values())) < 5_200_000
    kinds = {name.rpartition("/")[2].partition("_")[0] for name in first}
    assert kinds == {"letter", "IMG"}


def test_what_is_filled_in_is_whole_and_leaves_no_gaps(tmp_path: Path) -> None:
    items = images_files.system(200_000)
    images_files.fill(tmp_path, items, gaps=300_000, seed=1)
    assert contents(tmp_path) == {name: path.read_bytes() for name, path in items.items()}


def test_one_file_in_so_many_goes_where_it_is_compressed() -> None:
    items = images_files.system(300_000) | {"user-1/letter": Path("letter")}
    moved = images_files.pressed(items, every=10)
    assert [*moved.values()] == [*items.values()]
    apart = [name for name in moved if name.startswith(f"{images_files.PRESSED}/")]
    assert len(apart) == -(-(len(items) - 1) // 10)
    assert moved["user-1/letter"] == Path("letter")


def test_the_share_of_files_that_is_asked_for_changes(tmp_path: Path) -> None:
    items = images_files.system(400_000)
    images_files.fill(tmp_path, items, gaps=0, seed=1)
    before = contents(tmp_path)
    total = images_files.change(tmp_path, items, 0.1)
    after = contents(tmp_path)
    changed = [name for name in before if before[name] != after[name]]
    assert before.keys() == after.keys()
    assert len(changed) == len(items) // 10
    assert total == sum(len(after[name]) for name in changed)
