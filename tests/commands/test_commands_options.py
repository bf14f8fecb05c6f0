"""Sizes and shares, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import UsageError
from twofold.options import parse_percent, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1500", 1500),
        ("7B", 7),
        ("64K", 64 << 10),
        ("64k", 64 << 10),
        ("1.5G", 3 << 29),
        ("10 MiB", 10 << 20),
        ("10 MB", 10_000_000),
        ("0.1K", 102),
        (" 2T ", 2 << 40),
        ("1P", 1 << 50),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "1.5.5", "1 X", "1e9", "ten", "1iB", "٣"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


@given(st.integers(0, 1 << 70))
def test_plain_numbers_are_exact(number: int) -> None:
    assert parse_size(str(number)) == number


@pytest.mark.parametrize(("text", "share"), [("5%", 5.0), ("2.5", 2.5), ("100 %", 100.0)])
def test_shares(text: str, share: float) -> None:
    assert parse_percent(text) == share


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-5%", "half", "5%%"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(UsageError, match="is not a share"):
        parse_percent(text)
