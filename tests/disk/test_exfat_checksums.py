"""The three checksums of exFAT against the specification's own way, one byte after the other."""

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from twofold.disk.exfat.checksums import boot_checksum, set_checksum, table_checksum

MOSTLY_ZEROS = st.lists(
    st.one_of(st.binary(max_size=20), st.integers(0, 300).map(bytes)), max_size=12
).map(b"".join)


def rotated(data: bytes, bits: int, left_out: Collection[int] = ()) -> int:
    """Figures 1 to 3: a one that is rotated out comes in at the top; then the byte is added."""
    total = 0
    for at, byte in enumerate(data):
        if at not in left_out:
            top = 1 << bits - 1 if total & 1 else 0
            total = (top + (total >> 1) + byte) % (1 << bits)
    return total


@given(MOSTLY_ZEROS)
def test_they_are_those_of_the_specification(data: bytes) -> None:
    assert table_checksum(data) == rotated(data, 32)
    assert boot_checksum(data) == rotated(data, 32, (106, 107, 112))
    assert set_checksum(data) == rotated(data, 16, (2, 3))


def test_zeros_only_rotate() -> None:
    assert table_checksum(b"\1" + bytes(31)) == 2
    assert table_checksum(b"\1" + bytes(32)) == 1
    assert set_checksum(b"\0\0\xff\xff" + b"\x80" + bytes(17)) == 0x40
