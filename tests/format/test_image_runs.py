"""Runs of images: every list comes back; what cannot be one is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import FormatError
from twofold.format.image import iterate_runs, pack_runs

UNITS = 1 << 44
RUN = st.tuples(st.integers(0, UNITS - 1), st.integers(1, 1 << 40)).map(
    lambda run: (run[0], min(run[1], UNITS - run[0]))
)
HOLE = st.tuples(st.just(-1), st.integers(1, 1 << 40))


@given(st.lists(RUN | HOLE, max_size=20))
def test_runs_round_trip(runs: list[tuple[int, int]]) -> None:
    assert list(iterate_runs(pack_runs(runs), UNITS)) == runs


def test_runs_as_the_document_says() -> None:
    runs = [(10, 3), (13, 1), (-1, 64), (4, 2)]
    assert pack_runs(runs) == bytes([6, 20, 2, 0, 0x81, 1, 4, 19])


HOSTILE = {
    "cut short": b"\x06",
    "a number without an end": b"\x80" * 11,
    "nothing long": b"\x00\x00",
    "before the volume": b"\x02\x01",
    "behind the volume": b"\x02\x14",
    "a hole longer than anything": b"\xff" * 9 + b"\x01",
}


@pytest.mark.parametrize("packed", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_runs_are_refused(packed: bytes) -> None:
    with pytest.raises(FormatError):
        list(iterate_runs(packed, 10))


@given(st.binary(max_size=40))
def test_any_bytes_are_runs_inside_or_refused(packed: bytes) -> None:
    try:
        runs = list(iterate_runs(packed, 1000))
    except FormatError:
        return
    assert all(first == -1 or 0 <= first < first + count <= 1000 for first, count in runs)
