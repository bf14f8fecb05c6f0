"""Streams: what the pieces are depends on content alone, not on how it was delivered."""

import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.chunker import (
    ZERO_RUN,
    Chunker,
    ChunkerParams,
    Piece,
    StreamCutter,
    cut_whole,
    zero_runs,
)
from twofold.chunker.zeros import leading_zeros, trailing_zeros

TINY = ChunkerParams(64, 256, 1024, 3)
CHUNKER = Chunker(bytes(range(16)), TINY)

Plain = tuple[int, bytes | None]  # a piece whose memory is its own


def plain(pieces: list[Piece]) -> list[Plain]:
    return [(piece.length, None if piece.data is None else bytes(piece.data)) for piece in pieces]


def runs_of(data: bytes) -> list[tuple[int, int]]:
    """All maximal zero runs by regular expression."""
    spans = (run.span() for run in re.finditer(rb"\0+", data))
    return [(start, end) for start, end in spans if end - start >= ZERO_RUN]


def slow_pieces(data: bytes) -> list[Plain]:
    """The definition: zero runs taken out, the segments between them cut one by one."""
    result: list[Plain] = []
    at = 0
    for start, end in [*runs_of(data), (len(data), len(data))]:
        first = at
        for cut in CHUNKER.cut(data[at:start], True):
            result.append((at + cut - first, data[first : at + cut]))
            first = at + cut
        if start < end:
            result.append((end - start, None))
        at = end
    return result


ZERO_SIZES = [1, 15, 100, 32767, 32768, 50_000, 65535, 65536, 65537, 98_304, 131_071, 200_000]


# (seed, data bytes, zero bytes) in turn; small to print, unlike the stream itself
Recipe = list[tuple[int, int, int]]
recipes = st.lists(
    st.tuples(
        st.integers(0, 1 << 30),
        st.sampled_from([0, 1, 2, 63, 64, 300, 1024, 3000]),
        st.sampled_from([0, *ZERO_SIZES]),
    ),
    max_size=5,
)
randoms = st.integers(0, 1 << 30).map(random.Random)


def build(recipe: Recipe) -> bytes:
    return b"".join(random.Random(seed).randbytes(size) + bytes(n) for seed, size, n in recipe)


def holes_in(data: bytes, rng: random.Random) -> list[tuple[int, int]]:
    """Some parts of the zero runs, as a file system might report them: any place, any number."""
    holes = []
    for run_start, run_end in runs_of(data):
        if rng.random() < 0.6:
            start = rng.choice([run_start, rng.randint(run_start, run_end - ZERO_RUN)])
            end = rng.choice([run_end, rng.randint(start + ZERO_RUN, run_end)])
            middle = rng.randint(start + ZERO_RUN, end)
            holes += [part for part in ((start, middle), (middle, end)) if part[0] < part[1]]
    return holes


def deliver(
    data: bytes, capacity: int, reads: Iterator[int], holes: list[tuple[int, int]]
) -> list[Plain]:
    """Do as the engine does: one recycled buffer, rests moved to its front, holes not read."""
    cutter = StreamCutter(CHUNKER)
    buffer = bytearray(capacity)
    view = memoryview(buffer)
    result: list[Plain] = []
    at = fill = 0
    ahead = [*holes, (len(data), len(data))]
    while at < len(data) or fill:
        border, end = ahead[0]
        size = min(next(reads), capacity - fill, border - at)
        assert size > 0 or at == border
        view[fill : fill + size] = data[at : at + size]
        at += size
        fill += size
        final = at == len(data)
        hole = at == border and not final
        if fill or not hole:
            pieces, used = cutter.split(view[:fill], final=final, hole_follows=hole)
            result += plain(pieces)
            assert fill - used <= cutter.rest_limit
            assert used == fill or not (final or hole)
            view[: fill - used] = bytes(view[used:fill])
            fill -= used
            view[fill:] = b"\xaa" * (capacity - fill)
        if hole:
            cutter.hole(end - border)
            at = end
            ahead.pop(0)
    if not data or (holes and holes[-1][1] == len(data)):
        result += plain(cutter.finish())
    return result


@given(recipes)
@settings(max_examples=100, deadline=None)
def test_whole_streams_follow_the_definition(recipe: Recipe) -> None:
    data = build(recipe)
    pieces = plain(cut_whole(CHUNKER, data))
    assert pieces == slow_pieces(data)
    assert b"".join(bytes(n) if part is None else part for n, part in pieces) == data


@given(recipes, st.sampled_from([1, 1000, 65536, 1 << 20]), randoms)
@settings(max_examples=400, deadline=None)
def test_delivery_does_not_matter(recipe: Recipe, spare: int, rng: random.Random) -> None:
    data = build(recipe)
    capacity = StreamCutter(CHUNKER).rest_limit + spare
    reads = iter(lambda: rng.choice([1, 5000, 65535, 65536, 1 << 20]), 0)
    assert deliver(data, capacity, reads, holes_in(data, rng)) == slow_pieces(data)


@pytest.mark.parametrize("zeros", [ZERO_RUN - 1, ZERO_RUN, ZERO_RUN + 1])
@pytest.mark.parametrize("before", [0, 1, 777, 32767, 32768])
@pytest.mark.parametrize("after", [0, 1, 500])
def test_runs_at_every_border(zeros: int, before: int, after: int) -> None:
    data = b"\1" * before + bytes(zeros) + b"\2" * after
    assert zero_runs(data) == ([(before, before + zeros)] if zeros >= ZERO_RUN else [])
    for division in (before, before + 1, before + zeros - 1, before + zeros):
        cutter = StreamCutter(CHUNKER)
        first, used = cutter.split(data[:division])
        second, _ = cutter.split(data[used:], final=True)
        assert plain(first + second) == slow_pieces(data)


@given(recipes)
@settings(max_examples=100, deadline=None)
def test_zero_helpers(recipe: Recipe) -> None:
    data = build(recipe)
    assert zero_runs(data) == runs_of(data)
    assert leading_zeros(data) == len(data) - len(data.lstrip(b"\0"))
    assert trailing_zeros(data) == len(data) - len(data.rstrip(b"\0"))


def test_a_vast_hole_costs_nothing() -> None:
    cutter = StreamCutter(CHUNKER)
    assert cutter.split(b"data" + bytes(100), hole_follows=True)[0] == [
        Piece(4, memoryview(b"data"))
    ]
    cutter.hole(10 << 40)
    cutter.hole(4096)
    assert cutter.split(bytes(5000)) == ([], 5000)
    pieces, used = cutter.split(bytes(7) + b"end", final=True)
    assert (pieces, used) == ([Piece((10 << 40) + 9203, None), Piece(3, memoryview(b"end"))], 10)


def test_a_hole_may_be_all_there_is() -> None:
    cutter = StreamCutter(CHUNKER)
    cutter.hole(ZERO_RUN)
    assert cutter.finish() == [Piece(ZERO_RUN, None)]
    assert StreamCutter(CHUNKER).finish() == []


def test_small_data_is_one_piece() -> None:
    chunker = Chunker(bytes(16))
    assert cut_whole(chunker, b"") == []
    assert cut_whole(chunker, b"abc") == [Piece(3, memoryview(b"abc"))]
    assert cut_whole(chunker, bytes(ZERO_RUN - 1)) == [
        Piece(ZERO_RUN - 1, memoryview(bytes(65535)))
    ]
    assert cut_whole(chunker, bytes(ZERO_RUN)) == [Piece(ZERO_RUN, None)]
    middle = b"\1" + bytes(100_000) + b"\1"
    assert [piece.length for piece in cut_whole(chunker, middle)] == [1, 100_000, 1]
    half = random.Random(1).randbytes(512 * 1024)
    assert [piece.length for piece in cut_whole(chunker, half)] == [len(half)]


def test_pieces_are_slices_of_the_callers_buffer() -> None:
    buffer = bytearray(random.Random(1).randbytes(5000))
    pieces, _ = StreamCutter(CHUNKER).split(buffer, final=True)
    buffer[:] = bytes(5000)
    assert all(bytes(piece.data or b"") == bytes(piece.length) for piece in pieces)


def test_misuse_is_refused() -> None:
    for length in (0, -1, 1, ZERO_RUN - 1):
        with pytest.raises(ValueError, match="hole"):
            StreamCutter(CHUNKER).hole(length)
    cutter = StreamCutter(CHUNKER)
    cutter.split(b"rest")
    with pytest.raises(ValueError, match="hole"):
        cutter.hole(ZERO_RUN)
    with pytest.raises(ValueError, match="unconsumed"):
        cutter.finish()
    cutter.split(b"rest", hole_follows=True)
    with pytest.raises(ValueError, match="due"):
        cutter.split(b"x")
    with pytest.raises(ValueError, match="due"):
        cutter.finish()
    cutter.hole(ZERO_RUN)
    cutter.finish()
    with pytest.raises(ValueError, match="ended"):
        cutter.split(b"x")
    with pytest.raises(ValueError, match="hole"):
        cutter.hole(ZERO_RUN)
