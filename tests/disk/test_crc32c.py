"""CRC-32C against the vectors of RFC 3720 (appendix B.4), and in parts as in one go."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.disk.crc32c import crc32c, remainder, remainder_twin

VECTORS = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]


Remainder = Callable[[int, bytes], int]
both = pytest.mark.parametrize("remainder", [remainder, remainder_twin])


@pytest.mark.parametrize(("data", "checksum"), VECTORS)
def test_vectors(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_parts(one: bytes, other: bytes) -> None:
    assert crc32c(other, crc32c(one)) == crc32c(one + other)


@given(st.integers(0, 0xFFFFFFFF), st.binary(max_size=200), st.integers(0, 9000))
def test_the_extension_and_its_twin_give_the_same(seed: int, data: bytes, more: int) -> None:
    data += bytes(number * 7 % 251 for number in range(more))
    assert remainder(seed, data) == remainder_twin(seed, data)
    assert remainder(seed, memoryview(data)[1:]) == remainder_twin(seed, data[1:])


@both
def test_long_data_goes_by_words_to_the_same_end(remainder: Remainder) -> None:
    data = bytes(number * 7 % 251 for number in range(50_003))
    in_pieces = 0xFFFFFFFF
    for at in range(0, len(data), 1000):
        in_pieces = remainder(in_pieces, data[at : at + 1000])
    assert remainder(0xFFFFFFFF, data) == in_pieces
    assert crc32c(data) == in_pieces ^ 0xFFFFFFFF


@pytest.mark.parametrize(("data", "checksum"), VECTORS)
def test_vectors_without_the_extension(data: bytes, checksum: int) -> None:
    assert remainder_twin(0xFFFFFFFF, data) ^ 0xFFFFFFFF == checksum


@given(st.lists(st.tuples(st.binary(max_size=9), st.integers(0, 3000)), max_size=4))
def test_runs_of_zeros_are_what_they_are_byte_by_byte(pieces: list[tuple[bytes, int]]) -> None:
    data = b"".join(piece + bytes(zeros) for piece, zeros in pieces)
    in_pieces = 0x12345678
    for at in range(0, len(data), 100):
        in_pieces = remainder(in_pieces, data[at : at + 100])
    assert remainder(0x12345678, data) == in_pieces
    assert remainder_twin(0x12345678, data) == in_pieces
