"""Conditions: times and sizes as people write them."""

import time

import pytest

from twofold.errors import UsageError
from twofold.format.pages import Node, NodeKind
from twofold.view.filters import Filter, parse_moment, parse_sizes

NOW = 1_800_000_000 * 10**9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("12h", 43200), ("3d", 259200), ("2w", 1209600)],
)
def test_ages(text: str, seconds: int) -> None:
    assert NOW - parse_moment(text, NOW) == seconds * 10**9


def test_days_and_times_are_those_of_this_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert parse_moment("2026-07-01", NOW) == 1782856800 * 10**9
        assert parse_moment("2026-01-01T12:30", NOW) == 1767267000 * 10**9
        assert parse_moment("2026-01-01T12:30:05+00:00", NOW) == 1767270605 * 10**9
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "yesterday", "3x", "2026-13-01", "-3d", "9999999d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError):
        parse_moment(text, NOW)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("+10K", (10240, None)),
        ("-1M", (None, 1 << 20)),
        ("1K..2K", (1024, 2048)),
        ("1K..", (1024, None)),
        ("..5", (None, 5)),
        ("1500", (1500, 1500)),
    ],
)
def test_sizes(text: str, sizes: tuple[int | None, int | None]) -> None:
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize("text", ["", "+", "large", "1..x", "--1"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError):
        parse_sizes(text)


def test_only_files_have_a_size() -> None:
    folder = Node(b"d", NodeKind.DIRECTORY, 0o755, 0, 5)
    file = Node(b"f", NodeKind.FILE, 0o644, 0, 5, 100)
    assert [Filter(most=100).takes(each) for each in (folder, file)] == [False, True]
    assert [Filter(least=101).takes(each) for each in (folder, file)] == [False, False]
    assert [Filter(newer_ns=5, older_ns=6).takes(each) for each in (folder, file)] == [True, True]
    assert not Filter(newer_ns=6).takes(file)
    assert not Filter(older_ns=5).takes(file)
    assert not Filter(kinds=frozenset({NodeKind.DIRECTORY})).takes(file)
