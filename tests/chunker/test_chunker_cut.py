"""Cutting one segment: against a byte-by-byte reference, at the borders, and after edits."""

import random
from functools import cache
from itertools import pairwise
from threading import Thread

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.chunker import Chunker, ChunkerParams, cut
from twofold.errors import FormatError, UsageError

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
TINY = ChunkerParams(64, 256, 1024, 3)


def slow_value(key: bytes, window: bytes) -> int:
    """v of a window of 16 bytes, as the specification words it."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return int.from_bytes(encryptor.update(window)[:4], "little")


def slow_cut(key: bytes, params: ChunkerParams, data: bytes) -> list[int]:
    """End offsets of all chunks of a segment, one byte at a time."""
    strict = 2**32 // (params.normal * 2**params.normalization)
    loose = 2**32 // (params.normal // 2**params.normalization)
    ends = []
    start = 0
    for i in range(len(data)):
        length = i + 1 - start
        hit = False
        if params.minimum <= length < params.normal:
            hit = slow_value(key, data[i - 15 : i + 1]) < strict
        elif params.normal <= length < params.maximum:
            hit = slow_value(key, data[i - 15 : i + 1]) < loose
        if hit or length == params.maximum or i + 1 == len(data):
            ends.append(i + 1)
            start = i + 1
    return ends


def test_reference_follows_the_published_cipher_example() -> None:
    """FIPS 197 appendix C.1 encrypts this block to 69c4e0d8..."""
    assert slow_value(KEY, bytes(range(0, 256, 17))) == 0xD8E0C469


@st.composite
def parameters(draw: st.DrawFn) -> ChunkerParams:
    minimum = draw(st.integers(16, 200))
    normal = minimum + draw(st.integers(1, 300))
    maximum = normal + draw(st.integers(1, 1000))
    strongest = next(n for n in range(6, -1, -1) if normal >> n >= 2)
    return ChunkerParams(minimum, normal, maximum, draw(st.integers(0, strongest)))


@st.composite
def contents(draw: st.DrawFn, largest: int = 4000) -> bytes:
    """Random bytes, single repeated bytes and short periods, in any order."""
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        size = draw(st.integers(0, largest // 4))
        seed = random.Random(draw(st.integers(0, 1 << 30)))
        period = draw(st.sampled_from([1, 3, 50, size + 1]))
        parts.append((seed.randbytes(period) * (size // period + 1))[:size])
    return b"".join(parts)


@given(st.binary(min_size=16, max_size=16), parameters(), contents())
@settings(max_examples=60, deadline=None)
def test_cuts_equal_the_reference(key: bytes, params: ChunkerParams, data: bytes) -> None:
    assert Chunker(key, params).cut(data, True) == slow_cut(key, params, data)


@given(parameters(), contents(), st.data())
@settings(max_examples=60, deadline=None)
def test_cuts_of_a_prefix_are_final(
    params: ChunkerParams, data: bytes, draw: st.DataObject
) -> None:
    """Without ``final`` exactly those chunks are reported that no further byte can change."""
    chunker = Chunker(KEY, params)
    known = draw.draw(st.integers(0, len(data)))
    settled = [end for end in chunker.cut(data + b"x", True) if end <= known]
    assert chunker.cut(data[:known], False) == settled


@given(parameters(), contents(20_000))
@settings(max_examples=60, deadline=None)
def test_chunk_sizes_stay_in_bounds(params: ChunkerParams, data: bytes) -> None:
    ends = Chunker(KEY, params).cut(data, True)
    sizes = [b - a for a, b in pairwise([0, *ends])]
    assert sum(sizes) == len(data)
    assert all(0 < size <= params.maximum for size in sizes)
    assert all(size >= params.minimum for size in sizes[:-1])


@pytest.mark.parametrize("params", [TINY, ChunkerParams(16, 40, 100, 0), ChunkerParams()])
def test_threshold_is_exclusive(params: ChunkerParams) -> None:
    """A crafted window with v = T - 1 at the first position allowed cuts, one with v = T not."""
    decryptor = Cipher(algorithms.AES(KEY), modes.ECB()).decryptor()
    filler = bytes(range(1, 256)) * (params.minimum // 255 + 1)
    for value, expected in ((params.strict - 1, True), (params.strict, False)):
        window = decryptor.update(value.to_bytes(4, "little") + bytes(12))
        data = filler[: params.minimum - 16] + window
        assert Chunker(KEY, params).cut(data, False) == ([params.minimum] if expected else [])


def test_window_borders_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first hit is found wherever scanning is divided into windows."""
    data = random.Random(5).randbytes(60_000)
    wanted = slow_cut(KEY, TINY, data)
    for window in (16, 48, 4096):
        monkeypatch.setattr(cut, "_WINDOW", window)
        assert Chunker(KEY, TINY).cut(data, True) == wanted


def test_default_sizes_on_random_data() -> None:
    data = random.Random(1).randbytes(48 << 20)
    ends = Chunker(KEY).cut(data, True)
    assert 900 * 1024 < len(data) / len(ends) < 1100 * 1024


def test_key_changes_cuts() -> None:
    data = random.Random(2).randbytes(20_000)
    first = set(Chunker(KEY, TINY).cut(data, True))
    other = set(Chunker(bytes(16), TINY).cut(data, True))
    assert len(first & other) < len(first) / 5


@pytest.mark.parametrize("kind", ["insert", "delete", "change"])
def test_an_edit_changes_few_chunks(kind: str) -> None:
    """Cuts find back to the old ones soon after an edit, whatever its place."""
    rng = random.Random(3)
    data = rng.randbytes(100_000)
    before = _chunks(data)
    fresh = []
    for _ in range(40):
        at = rng.randrange(len(data))
        size = rng.randrange(1, 64)
        new = b"" if kind == "delete" else rng.randbytes(size)
        old = 0 if kind == "insert" else size
        fresh.append(len(_chunks(data[:at] + new + data[at + old :]) - before))
    assert max(fresh) <= 25
    assert sum(fresh) / len(fresh) < 5


def _chunks(data: bytes) -> set[bytes]:
    ends = Chunker(KEY, TINY).cut(data, True)
    return {data[a:b] for a, b in pairwise([0, *ends])}


def test_empty_and_short_data() -> None:
    chunker = Chunker(KEY, TINY)
    assert chunker.cut(b"", True) == chunker.cut(b"", False) == chunker.cut(b"x" * 63, False) == []
    assert chunker.cut(b"x", True) == [1]
    assert chunker.cut(bytearray(b"x" * 64), True) == [64]
    assert chunker.cut(memoryview(b"ax" * 64)[::1], True) == [128]


def test_the_largest_chunk_needs_no_byte_after_it() -> None:
    """Zeros are never cut under this key, so only the maximum ends these chunks."""
    chunker = Chunker(KEY, TINY)
    assert chunker.cut(bytes(1023), False) == []
    assert chunker.cut(bytes(1024), False) == [1024]
    assert chunker.cut(bytes(2 * 1024 + 1), True) == [1024, 2048, 2049]


def test_threads_may_share_a_chunker() -> None:
    data = random.Random(4).randbytes(4 << 20)
    chunker = Chunker(KEY, ChunkerParams(4096, 8192, 65536, 3))
    wanted = chunker.cut(data, True)
    results: list[list[int]] = []
    threads = [Thread(target=lambda: results.append(chunker.cut(data, True))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [wanted] * 4


@pytest.mark.parametrize(
    "values",
    [
        (15, 40, 100, 0),
        (16, 16, 100, 0),
        (16, 40, 40, 0),
        (16, 40, 1 << 40, 0),
        (16, 40, 100, -1),
        (16, 40, 100, 5),
        (16, 17, 18, 4),
        (-1, 0, 1, 0),
    ],
)
def test_impossible_parameters_are_refused(values: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError):
        ChunkerParams(*values)
    with pytest.raises(FormatError):
        ChunkerParams.from_stored(*values)


def test_keys_of_other_sizes_are_refused() -> None:
    for size in (0, 15, 24, 32):
        with pytest.raises(UsageError):
            Chunker(bytes(size))


@cache
def slow_default_cut(size: int) -> list[int]:
    return slow_cut(KEY, ChunkerParams(), random.Random(6).randbytes(size))


@pytest.mark.slow
def test_default_parameters_equal_the_reference() -> None:
    data = random.Random(6).randbytes(4 << 20)
    assert Chunker(KEY, ChunkerParams()).cut(data, True) == slow_default_cut(len(data))
