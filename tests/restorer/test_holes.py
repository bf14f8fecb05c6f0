"""Lists of holes, against sets of bytes."""

import random

from twofold.restorer.holes import common, without


def holes(rand: random.Random, size: int) -> list[tuple[int, int]]:
    """Sorted, apart from each other or not."""
    places = sorted(rand.sample(range(size), 2 * rand.randrange(5)))
    return [(start, end - start) for start, end in zip(places[::2], places[1::2], strict=True)]


def inside(parts: list[tuple[int, int]]) -> set[int]:
    return {byte for start, length in parts for byte in range(start, start + length)}


def test_what_is_a_hole_in_both_and_what_lies_in_none() -> None:
    rand = random.Random(7)
    for _ in range(300):
        one, other = holes(rand, 60), holes(rand, 60)
        both = list(common(one, other))
        assert inside(both) == inside(one) & inside(other)
        assert both == sorted(both)
        start, end = sorted((rand.randrange(60), rand.randrange(60)))
        rest = [(first, last - first) for first, last in without(start, end, both)]
        assert inside(rest) == set(range(start, end)) - inside(both)
