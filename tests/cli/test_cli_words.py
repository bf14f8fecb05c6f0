"""Numbers and names as people read them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.cli.render import words


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain name.txt", "plain name.txt"),
        ("naïve 日本語 🙂.txt".encode(), "naïve 日本語 🙂.txt"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"title\x1b]0;owned\x07", "title\\x1b]0;owned\\x07"),
        (b"two\nlines\r", "two\\x0alines\\x0d"),
        ("c1 \u009b31m".encode(), "c1 \\x9b31m"),
        ("\u202egpj.exe".encode(), "\\u202egpj.exe"),
        ("line\u2028end".encode(), "line\\u2028end"),
        (b"latin \xe9", "latin \\xe9"),
        ("\U000e0041".encode(), "\\U000e0041"),
        ("👩\u200d🚀".encode(), "👩\u200d🚀"),
        (b"", ""),
    ],
)
def test_names_are_spelled_out(raw: bytes, shown: str) -> None:
    assert words.printable(raw) == shown


@given(st.binary() | st.text())
def test_nothing_printable_commands_a_terminal(name: bytes | str) -> None:
    shown = words.printable(name)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set(shown) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
    )
    shown.encode()


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (10 * 1024, "10.0 KiB"),
        (999 * 1024, "999 KiB"),
        (1023 * 1024, "1.00 MiB"),
        (int(4.2 * 2**30), "4.20 GiB"),
        (312 * 2**20, "312 MiB"),
        (5000 * 2**50, "5,000 PiB"),
        (-2048, "-2.00 KiB"),
    ],
)
def test_sizes(number: int, shown: str) -> None:
    assert words.size(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (192, "3 min 12 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (100000, "1 d 3 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert words.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (1, "about 10 s"),
        (42, "about 40 s"),
        (50, "about 1 min"),
        (700, "about 12 min"),
        (3600, "about 1 h"),
        (5400, "about 1 ½ h"),
        (100000, "about 28 h"),
    ],
)
def test_estimates_are_as_precise_as_they_deserve(seconds: float, shown: str) -> None:
    assert words.about(seconds) == shown


def test_counts_have_nouns() -> None:
    assert words.things(1, "file") == "1 file"
    assert words.things(12345, "entry", "entries") == "12,345 entries"


def test_times_past() -> None:
    assert words.ago(30) == "just now"
    assert words.ago(3599) == "59 minutes ago"
    assert words.ago(86400) == "1 day ago"
    assert words.ago(-30) == "just now"
    assert words.ago(-3600).startswith("at a time to come")


@pytest.mark.parametrize(
    ("time_ns", "shown"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_793_528_430_500_000_000, "2026-11-01T10:20:30.5Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (10**30, "9999-12-31T23:59:59Z"),
        (-(10**30), "0001-01-01T00:00:00Z"),
    ],
)
def test_utc_times(time_ns: int, shown: str) -> None:
    assert words.utc_time(time_ns) == shown


def test_columns_align_by_what_the_eye_sees() -> None:
    lines = words.columns([("name", "n"), ("日本", "1"), ("a\x1b", "22")], right=[1])
    assert lines == ["name    n", "日本    1", "a\\x1b  22"]
