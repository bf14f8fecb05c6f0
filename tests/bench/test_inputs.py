"""The made-up trees: the same bytes for the same seed, and a second state that is truly another."""

import hashlib
import random
from pathlib import Path

import pytest

from bench import inputs
from bench.contents import Text, edited
from bench.inputs import TREES

SCALE = 0.001


def fingerprint(root: Path) -> dict[str, str]:
    """Digest of every file by relative name."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_the_same_wherever_it_is_made(name: str, tmp_path: Path) -> None:
    one = inputs.ensure(TREES[name], tmp_path / "one", SCALE)
    two = inputs.ensure(TREES[name], tmp_path / "two", SCALE)
    assert fingerprint(one)
    assert fingerprint(one) == fingerprint(two)


def test_files_differ_from_one_another(tmp_path: Path) -> None:
    made = fingerprint(inputs.ensure(TREES["tiny"], tmp_path, SCALE))
    assert len(made) == len(set(made.values())) == 1000


def test_a_tree_is_kept_until_another_scale_is_wanted(tmp_path: Path) -> None:
    root = inputs.ensure(TREES["tiny"], tmp_path, SCALE)
    (root / "mark").touch()
    assert (inputs.ensure(TREES["tiny"], tmp_path, SCALE) / "mark").exists()
    assert not (inputs.ensure(TREES["tiny"], tmp_path, 2 * SCALE) / "mark").exists()


def test_the_second_state_lasts_as_long_as_its_block(tmp_path: Path) -> None:
    tree = TREES["large"]
    root = inputs.ensure(tree, tmp_path, SCALE)
    first = fingerprint(root)
    with inputs.second_state(tree, root):
        second = fingerprint(root)
    assert fingerprint(root) == first
    assert {name for name in first if first[name] != second[name]} == {"1.bin"}
    assert first.keys() == second.keys()


def test_a_tree_left_in_its_second_state_is_made_again(tmp_path: Path) -> None:
    tree = TREES["large"]
    root = inputs.ensure(tree, tmp_path, SCALE)
    first = fingerprint(root)
    (root / "1.bin").rename(tmp_path / "large.first")  # as by a run that was killed
    assert fingerprint(inputs.ensure(tree, tmp_path, SCALE)) == first
    assert not (tmp_path / "large.first").exists()


def test_one_edit_leaves_the_rest_in_place() -> None:
    data = random.Random(1).randbytes(100_000)
    for seed in range(50):
        after = edited(data, random.Random(seed), 1)
        same = next(at for at in range(len(data)) if data[at : at + 1] != after[at : at + 1])
        assert after != data
        assert abs(len(after) - len(data)) <= 64
        assert data[same + 64 :].endswith(after[same + 128 :])


def test_text_has_the_size_asked_for() -> None:
    text, rng = Text(1, 100), random.Random(1)
    for size in (0, 1, 19, 4096, 100_000):
        piece = text.piece(rng, size)
        assert len(piece) == size
        assert piece.isascii()
