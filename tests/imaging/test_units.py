"""Sets of units against sets of numbers."""

import tracemalloc
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from twofold.imaging.units import UnitSet

COUNT = 2000
RUN = st.tuples(st.integers(0, COUNT - 1), st.integers(1, 1500)).map(
    lambda run: (run[0], min(run[1], COUNT - run[0]))
)


@given(st.lists(RUN, max_size=8), RUN, st.sets(st.integers(0, COUNT - 1), max_size=5))
def test_like_sets(runs: list[tuple[int, int]], probe: tuple[int, int], out: set[int]) -> None:
    units, numbers = UnitSet(COUNT), set[int]()
    for first, count in runs:
        units.add(first, count)
        numbers.update(range(first, first + count))
    for unit in out:
        units.discard(unit)
    numbers -= out
    found = list(units.runs())
    assert [n for first, count in found for n in range(first, first + count)] == sorted(numbers)
    assert all(a + n < b for (a, n), (b, _) in pairwise(found))
    asked = set(range(probe[0], sum(probe)))
    assert units.meets(*probe) == bool(asked & numbers)
    assert units.holds(*probe) == (asked <= numbers)
    assert len(units) == len(numbers)
    other = UnitSet(COUNT)
    other.add(*probe)
    assert len(units.without(other)) == len(numbers - asked)
    units.include(other)
    assert len(units) == len(numbers | asked)


def test_sets_of_a_large_disk_take_no_more_than_themselves() -> None:
    """Of 16 MiB each, as for a terabyte in units of 8 KiB; and they are more than one piece."""
    size = 16 << 20
    one, other = UnitSet(size * 8, bytearray(b"\x0f" * size)), UnitSet(size * 8)
    other.add(size * 4, size * 4)
    tracemalloc.start()
    try:
        left = one.without(other)
        other.include(one)
        counts = len(left), len(other), len(one)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * size
    finally:
        tracemalloc.stop()
    assert counts == (size * 2, size * 6, size * 4)
