"""What is read ahead is what would have been read; errors come where the bytes would have."""

import os
from collections.abc import Iterator

import pytest

from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers import Extent
from twofold.errors import FormatError
from twofold.parallel import Threads
from twofold.view import ReadAhead

DATA = os.urandom(40 << 20)


def test_pieces_come_in_order_with_their_bytes() -> None:
    pieces = [Extent(at, at % 7 + (1 << 17)) for at in range(0, len(DATA) - (1 << 18), 1 << 18)]
    with Threads(2, "test") as threads:
        ahead = ReadAhead(MemoryBlocks(DATA), threads)
        seen = []
        for piece in ahead.pieces(iter(pieces)):
            seen.append(piece)
            assert ahead.read(*piece) == DATA[piece.offset : piece.end]
            assert ahead.read(*piece) == DATA[piece.offset : piece.end]
        assert seen == pieces
        assert ahead.read(3, 5) == DATA[3:8]


def test_memory_is_bounded() -> None:
    """However many pieces there are, only a few batches of them are read ahead."""
    taken = 0

    def many() -> Iterator[Extent]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield Extent(number % 30 << 20, 1 << 20)

    with Threads(2, "test") as threads:
        pieces = ReadAhead(MemoryBlocks(DATA), threads).pieces(many())
        assert next(pieces) == Extent(0, 1 << 20)
        assert taken < 60


def test_an_error_is_raised_in_its_place() -> None:
    beyond = [Extent(0, 1 << 20), Extent(len(DATA), 1)]
    with Threads(2, "test") as threads:
        ahead = ReadAhead(MemoryBlocks(DATA), threads)
        with pytest.raises(FormatError):
            list(ahead.pieces(iter(beyond)))
