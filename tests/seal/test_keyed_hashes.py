"""Ids of many pieces at once, against the library, on every kernel."""

import random
from array import array

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tests.twins import CODES, choose, kernels, needs_extension
from twofold.format.names import BlobKind
from twofold.native import EXTENSION
from twofold.seal import DedupKeys

KERNELS = kernels("BLAKE3_KERNELS")
KEY = bytes(range(32))
LENGTHS = st.one_of(
    st.sampled_from([0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3072, 65_535]),
    st.integers(0, 20_000),
)

pytestmark = pytest.mark.skipif(not KERNELS, reason="this processor has no kernel for BLAKE3")


def hashes(data: bytes, spans: "array[int]", kernel: str | None = None) -> bytes:
    assert EXTENSION is not None
    found: bytes = EXTENSION.keyed_hashes(KEY, data, spans, kernel)
    return found


@given(st.lists(st.tuples(LENGTHS, st.integers(0, 100)), max_size=40), st.integers(0, 1 << 30))
def test_every_piece_is_hashed_as_by_the_library(pieces: list[tuple[int, int]], seed: int) -> None:
    """Pieces of any length, at any address, with gaps and in any number."""
    spans = array("Q")
    for length, gap in pieces:
        begin = (spans[-1] if spans else 0) + gap
        spans.extend((begin, begin + length))
    data = random.Random(seed).randbytes(spans[-1] if spans else 0)
    each = [data[a:b] for a, b in zip(spans[::2], spans[1::2], strict=True)]
    expected = b"".join(blake3(piece, key=KEY).digest() for piece in each)
    for kernel in KERNELS:
        assert hashes(data, spans, kernel) == expected


def test_pieces_may_overlap_and_repeat() -> None:
    data = random.Random(1).randbytes(5000)
    spans = array("Q", [0, 5000, 1000, 3000, 1000, 3000, 5000, 5000])
    each = [data, data[1000:3000], data[1000:3000], b""]
    assert hashes(data, spans) == b"".join(blake3(piece, key=KEY).digest() for piece in each)


def test_trees_of_every_shape() -> None:
    """All numbers of chunks up to 40: what is left over goes up unjoined at each level."""
    data = random.Random(2).randbytes(40 * 1024)
    ends = [1024 * chunks - less for chunks in range(1, 41) for less in (0, 1)]
    spans = array("Q", [place for end in ends for place in (0, end)])
    expected = b"".join(blake3(data[:end], key=KEY).digest() for end in ends)
    for kernel in KERNELS:
        assert hashes(data, spans, kernel) == expected


@pytest.mark.parametrize("spans", [[0, 11], [5, 4], [1 << 63, 1 << 63], [0, 1 << 40]])
def test_pieces_beyond_the_buffer_are_refused(spans: list[int]) -> None:
    with pytest.raises(ValueError, match="not within the buffer"):
        hashes(bytes(10), array("Q", spans))


def test_strange_arguments_are_refused() -> None:
    assert EXTENSION is not None
    with pytest.raises(ValueError, match="no such kernel"):
        hashes(b"", array("Q"), "none")
    for key, spans in ((bytes(31), bytes(16)), (KEY, bytes(15))):
        with pytest.raises(ValueError, match="pairs"):
            EXTENSION.keyed_hashes(key, b"", spans)


@needs_extension
@pytest.mark.parametrize("size", [30_000, 300_000])  # of long pieces each is hashed by itself
def test_ids_are_the_same_in_both_codes(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    data = random.Random(3).randbytes(size)
    spans = array("Q", [0, 9000, 9000, 9001, 10_000, size])
    keys = DedupKeys(bytes(32))
    found = []
    for code in CODES:
        choose(monkeypatch, code, "twofold.seal")
        found.append(keys.ids_of(BlobKind.DATA, memoryview(data), spans))
    pairs = zip(spans[::2], spans[1::2], strict=True)
    one_by_one = b"".join(keys.blob_id(BlobKind.DATA, data[a:b]) for a, b in pairs)
    assert found == [one_by_one] * len(CODES)
