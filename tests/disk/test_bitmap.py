"""Filling and clearing bits against the obvious way."""

from hypothesis import given
from hypothesis import strategies as st

from twofold.disk import bitmap

_BITS = 100


@given(
    st.binary(min_size=13, max_size=13),
    st.integers(0, _BITS),
    st.integers(-2, _BITS),
    st.booleans(),
)
def test_fill_is_bit_by_bit(data: bytes, first: int, count: int, used: bool) -> None:
    count = min(count, _BITS - first)
    expected = int.from_bytes(data, "little")
    for bit in range(first, first + count):
        expected = expected | 1 << bit if used else expected & ~(1 << bit)
    bits = bytearray(data)
    bitmap.fill(bits, first, count, used=used)
    assert int.from_bytes(bits, "little") == expected


@given(st.integers(1, 200))
def test_full_and_cut_keep_to_the_number_of_units(units: int) -> None:
    assert int.from_bytes(bitmap.full(units), "little") == (1 << units) - 1
    assert len(bitmap.full(units)) == -(-units // 8)
