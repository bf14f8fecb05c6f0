"""Pinned cuts. They must never change: a repository is only deduplicated while they hold.

The same vectors are printed in docs/format/chunking.md, and this file checks that they are.
"""

from pathlib import Path

import pytest
from blake3 import blake3

from twofold.chunker import Chunker, ChunkerParams, cut_whole

KEY = bytes(range(16))
TINY = ChunkerParams(64, 256, 1024, 3)
PLAIN = ChunkerParams(16, 40, 100, 0)
# fmt: off
DEFAULT_ENDS = [
    947980, 2097902, 3055089, 4105801, 5092414, 6099359, 7341651, 8256574, 9167286, 10102556,
    11044840, 12134416, 12582912,
]
TINY_ENDS = [
    293, 588, 869, 1142, 1400, 1665, 1930, 2203, 2450, 2721, 2978, 3259, 3596, 3869, 4179, 4439,
    4807, 5106, 5438, 5705, 5979, 6272, 6542, 6847, 7106, 7378, 7676, 7935, 8192,
]
PLAIN_ENDS = [
    20, 70, 92, 192, 292, 351, 369, 386, 451, 491, 509, 588, 604, 641, 684, 702, 772, 796, 823,
    882, 908, 974, 1000,
]
TEXT_ENDS = [
    263, 526, 792, 1058, 1324, 1590, 1856, 2122, 2388, 2654, 2920, 3186, 3452, 3718, 3989, 4262,
    4535, 4808, 5081, 5354, 5627, 5900, 6173, 6446, 6719, 6992, 7265, 7538, 7690,
]
STREAM_PIECES = [  # zero runs negative
    293, 295, 281, 131, -65536, 367, 266, 1024, 256, 290, 247, 271, 257, 22, -70000,
]
# fmt: on


def material(size: int) -> bytes:
    """The bytes all vectors are made of: BLAKE3 output for a fixed text."""
    return blake3(b"twofold chunking").digest(length=size)


def stream() -> bytes:
    data = material(3000)
    parts = data[:1000], bytes(65536), data[1000:1700], bytes(1000), data[1700:], bytes(70000)
    return b"".join(parts)


def lines() -> bytes:
    return b"".join(b"line %d of a text that repeats itself\n" % number for number in range(200))


@pytest.mark.parametrize(
    ("params", "data", "ends"),
    [
        (ChunkerParams(), material(12 << 20), DEFAULT_ENDS),
        (TINY, material(8192), TINY_ENDS),
        (PLAIN, material(1000), PLAIN_ENDS),
        (TINY, lines(), TEXT_ENDS),
    ],
    ids=["default", "tiny", "plain", "text"],
)
def test_cuts_are_pinned(params: ChunkerParams, data: bytes, ends: list[int]) -> None:
    assert Chunker(KEY, params).cut(data, True) == ends


def test_stream_pieces_are_pinned() -> None:
    pieces = cut_whole(Chunker(KEY, TINY), stream())
    assert [p.length if p.data is not None else -p.length for p in pieces] == STREAM_PIECES


def test_thresholds_are_pinned() -> None:
    assert [(p.strict, p.loose) for p in (ChunkerParams(), TINY, PLAIN)] == [
        (602, 38568),
        (2097152, 134217728),
        (107374182, 107374182),
    ]


def test_vectors_are_in_the_specification() -> None:
    text = (Path(__file__).parents[2] / "docs/format/chunking.md").read_text("utf-8")
    digits = " ".join(text.replace(",", " ").split())
    for vector in (DEFAULT_ENDS, TINY_ENDS, PLAIN_ENDS, TEXT_ENDS, STREAM_PIECES):
        assert " ".join(map(str, vector)) in digits
