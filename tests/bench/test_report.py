"""Medians, ratios and verdicts against figures worked out by hand; the page that tells them."""

from pathlib import Path

import pytest

from bench import report, results
from bench.budgets import judge, ratio
from bench.results import Results, Step

CASE = "small in memory"


def step(program: str, name: str, number: int, wall: float, stored: int = 1_000_000) -> Step:
    return Step(CASE, program, name, number, wall, wall / 2, 50 << 20, stored)


@pytest.fixture
def found(tmp_path: Path) -> Results:
    """Three rounds of a first backup: medians 2 s for Twofold, 5 s for restic, 6 s for borg."""
    kept = Results(tmp_path / "records")
    kept.describe({"scale": "1", "start-up": "0.07"})
    kept.open_case(CASE, 130_000, 1_200_000_000)
    for number, wall in enumerate((2.0, 9.0, 1.0), 1):
        kept.add(step("twofold", "first", number, wall))
        kept.add(step("restic", "first", number, wall + 3, 900_000))
        kept.add(step("borg lz4", "first", number, 3 * wall))
    kept.miss("kopia", "its site https://example.org/x said no")
    kept.fail(CASE, "rustic", "ended with code 1")
    return kept


def test_the_median_round_counts(found: Results) -> None:
    medians = found.medians(CASE, "twofold", "first")
    assert medians is not None
    assert (medians.rounds, medians.wall, medians.cpu) == (3, 2.0, 1.0)
    assert ratio(found, CASE, "first", "restic") == 2.5
    assert ratio(found, CASE, "restore", "restic") is None


def test_budgets_are_held_missed_or_not_measured(found: Results) -> None:
    verdicts = {each.sentence: each for each in judge(found)}
    restic = verdicts[f"{CASE}: first against restic"]
    assert (restic.asked, restic.measured, restic.held) == ("≥ 3×", "2.50×", False)
    assert verdicts[f"{CASE}: first against borg lz4"].held
    assert not verdicts[f"{CASE}: first (stored) against restic"].held
    assert verdicts[f"{CASE}: first (stored) against borg lz4"].held
    assert verdicts[f"{CASE}: restore against restic"].measured is None
    assert not verdicts["twofold --help, CPU"].held
    assert verdicts[f"{CASE}: peak memory"].measured == "50 MiB"


def test_the_page_tells_misses_absences_and_failures(found: Results) -> None:
    page = report.render(found)
    assert f"| {CASE}: first against restic | ≥ 3× | 2.50× | **missed** |" in page
    assert "- kopia could not be had here: its site its source said no" in page
    assert f"- rustic, {CASE}: ended with code 1" in page
    assert "| **twofold** | 2.00 (1.00) |  | 1.0 | 50 | 3 |" in page
    assert "smoke" not in page


def test_records_read_back_give_the_same_page(found: Results, tmp_path: Path) -> None:
    assert report.render(results.read(tmp_path / "records")) == report.render(found)


def test_small_scales_are_called_what_they_are(found: Results) -> None:
    found.describe({"scale": "0.01"})
    page = report.render(found)
    assert "smoke sizes" in page
    assert "missed" not in page
