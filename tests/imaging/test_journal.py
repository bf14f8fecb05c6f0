"""What is remembered of a restore: how far it came, a few samples, and nothing where it cannot."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from twofold.events import Event, Notice, ignore
from twofold.imaging import Journal
from twofold.imaging.placing import Part, Span

REPOSITORY, SNAPSHOT = b"r" * 16, b"s" * 16


def journal(target: str = "a disk", part: int | None = None) -> Journal:
    return Journal(REPOSITORY, SNAPSHOT, part, target, ignore)


def test_goes_on_from_what_was_reached() -> None:
    first = journal()
    first.begin(fresh=True)
    first.reached(3, 40)
    again = journal()
    assert again.recorded is not None
    assert again.recorded.fresh
    assert [again.done(number, 100) for number in (1, 3, 4)] == [100, 40, 0]
    assert again.done(3, 30) == 30
    assert journal("another disk").recorded is None
    assert journal(part=2).recorded is None
    again.anew()
    assert journal().recorded is None


def test_samples_stay_few_and_from_all_over() -> None:
    kept = journal()
    kept.begin(fresh=False)
    for number in range(1000):
        kept.sample(Part(number.to_bytes(32, "big"), 10, (Span(number, 10),)))
    kept.reached(1, 1)
    recorded = journal().recorded
    assert recorded is not None
    places = [offset for offset, _, _ in recorded.samples]
    assert 4 < len(places) <= 16
    assert places[0] == 0
    assert all(later - place < 200 for place, later in pairwise([*places, 999]))


def test_a_restore_goes_on_without_a_place_to_remember(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(tmp_path / "file"))
    told: list[Event] = []
    deaf = Journal(REPOSITORY, SNAPSHOT, None, "a disk", told.append)
    deaf.begin(fresh=True)
    deaf.reached(1, 1)
    assert len(told) == 1
    assert isinstance(told[0], Notice)


def test_what_is_no_journal_counts_as_none() -> None:
    journal().begin(fresh=True)
    (file,) = Path(os.environ["TWOFOLD_STATE_DIR"], "restore-disk").iterdir()
    for data in (b"", b"\xc1", file.read_bytes()[:-3], os.urandom(200)):
        file.write_bytes(data)
        assert journal().recorded is None
