"""The steps to many directories: followed from the target on they lead to each of them in turn."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from twofold.platform import DEEPEST, ONLY_OPEN, Steps
from twofold.restorer.directory import Directory, way_through


def reached(steps: Steps) -> list[tuple[bytes, ...]]:
    """Where each step that is a goal leads; every step must go down by one at most."""
    way: list[bytes] = []
    goals = []
    for name, each in zip(steps.names, steps.depths, strict=True):
        depth = each & ~ONLY_OPEN
        assert 1 <= depth <= len(way) + 1
        way[depth - 1 :] = [name]
        if not each & ONLY_OPEN:
            goals.append(tuple(way))
    return goals


def tree(choices: list[int]) -> list[Directory]:
    """The target and directories, each in one made before it."""
    made = [Directory(b"", None)]
    for serial, choice in enumerate(choices, 1):
        made.append(made[choice % len(made)].child(b"%d" % serial, serial))
    return made


@given(choices=st.lists(st.integers(0, 100), min_size=1), order=st.randoms(use_true_random=False))
def test_every_directory_is_reached_in_any_order(choices: list[int], order: Random) -> None:
    directories = tree(choices)[1:] * 2
    order.shuffle(directories)
    steps = way_through(directories)
    assert reached(steps) == [directory.path for directory in directories]
    assert steps.goals == len(directories)


def test_it_ends_before_what_no_step_leads_to() -> None:
    top = Directory(b"", None)
    one = top.child(b"one", 1)
    deep = one
    for serial in range(2, DEEPEST + 1):
        deep = deep.child(b"d", serial)
    too_deep = deep.child(b"d", DEEPEST + 1)
    assert reached(way_through([one, deep, too_deep, one])) == [one.path, deep.path]
    assert reached(way_through([one, top, one])) == [one.path]
    assert way_through([]) == Steps((), b"")
