"""What images add and cost, against figures worked out by hand; the page that tells them."""

from pathlib import Path

import pytest

from bench import images_report, results
from bench.images_budgets import AFTER, PLAIN, added, judge
from bench.images_cases import FILES_FIRST, IMAGE_FIRST, PRESSED, on_disk, one_file, stored, times
from bench.results import Results, Step

MB = 1_000_000
CASE = stored("ntfs", FILES_FIRST)
TIMES = times("ntfs")


def keep(found: Results, case: str, program: str, walls: dict[str, float], held: int = 1) -> None:
    """One round of steps; the repository grows by ``held`` MB with each."""
    for number, (step, wall) in enumerate(walls.items(), 1):
        size = number * held * MB
        found.add(Step(case, program, step, 1, wall, wall / 2, 100 << 20, size))


@pytest.fixture
def found(tmp_path: Path) -> Results:
    """Every image adds 5 MB to 100 MB in use; ntfsclone takes 3 s where Twofold takes 2 s."""
    kept = Results(tmp_path / "records")
    kept.describe({"scale": "1"})
    for case in (CASE, stored("ntfs", IMAGE_FIRST), TIMES, one_file("ext4"), PRESSED):
        kept.open_case(case, 40_000, 100 * MB)
        kept.tell(case, "changed", 2.0 * MB)
        kept.tell(case, "own", 7.0 * MB)
        kept.tell(case, "pressed", 3.0 * MB)
    keep(kept, CASE, "twofold", dict.fromkeys(FILES_FIRST, 1), held=5)
    keep(kept, CASE, "restic", dict.fromkeys(FILES_FIRST, 1), held=50)
    keep(kept, stored("ntfs", IMAGE_FIRST), "twofold", dict.fromkeys(IMAGE_FIRST, 1), held=8)
    keep(kept, PRESSED, "twofold", dict.fromkeys(FILES_FIRST[:2], 1), held=9)
    own = {"first": 2, "unchanged": 1.5, "proven": 0.5, "restore": 2, "export": 1}
    keep(kept, TIMES, "twofold", own)
    keep(kept, TIMES, AFTER, {"files": 4, "first": 1})
    keep(kept, TIMES, "ntfsclone+zstd", {"first": 3, "restore": 1})
    keep(kept, TIMES, PLAIN, {"unchanged": 1.5, "restore": 1})
    keep(kept, one_file("ext4"), "twofold", {"first": 9, "open": 0.4, "one file": 1.5})
    kept.fail(TIMES, "borg lz4", "ended with code 1")
    return kept


def test_what_a_step_added(found: Results) -> None:
    assert added(found, CASE, "twofold", "image", "files") == 5 * MB
    assert added(found, CASE, "twofold", "image", "nothing") is None


def test_budgets_are_held_missed_or_not_measured(found: Results) -> None:
    told = {each.sentence: (each.asked, each.measured, each.held) for each in judge(found)}
    assert told == {
        "ntfs: an image adds to the backup of its files, of the bytes in use": (
            "≤ 6%",
            "5.0%",
            True,
        ),
        "ntfs: first image, against ntfsclone+zstd": ("≥ 1×", "1.50×", True),
        "ntfs: first image after the backup of its files, against ntfsclone+zstd": (
            "≥ 2×",
            "3.00×",
            True,
        ),
        "ntfs: unchanged image, proven, against the first image": ("≥ 5×", "4.00×", False),
        "ntfs: unchanged image, read in full, against a plain read": ("≥ 0.91×", "1.00×", True),
        "ntfs: disk restored, against a plain copy": ("≥ 0.7×", "0.50×", False),
        "ext4: one of 40,000 files out of an image, after opening": ("≤ 1 s", "1.10 s", False),
        "peak memory of any step": ("≤ 400 MiB", "100 MiB", True),
    }


def test_what_was_measured_on_a_disk_is_told_and_judged_by_itself(found: Results) -> None:
    case = on_disk("ext4")
    found.open_case(case, 40_000, 100 * MB)
    keep(found, case, "twofold", {"first": 4, "unchanged": 2, "proven": 0.5, "restore": 4})
    keep(found, case, PLAIN, {"unchanged": 1, "restore": 3})
    told = {each.sentence: each.measured for each in judge(found)}
    assert told["ext4 on a disk: unchanged image, proven, against the first image"] == "8.00×"
    assert told["ext4 on a disk: disk restored, against a plain copy"] == "0.75×"
    page = images_report.render(found)
    assert "## From and to a disk, ext4: 40,000 files, 0.100 GB in use" in page
    assert "| **twofold** | 4.00 (2.00) |  | 2.00 (1.00) |" in page


def test_a_budget_without_its_peer_is_not_judged(found: Results) -> None:
    found.steps = [each for each in found.steps if each.program != "ntfsclone+zstd"]
    lacking = [each for each in judge(found) if each.measured is None]
    assert [each.peer for each in lacking] == ["ntfsclone+zstd"] * 2
    assert not any(each.held for each in lacking)
    assert "2 more could not be judged, for want of figures of ntfsclone+zstd" in (
        images_report.render(found)
    )


def test_the_page_tells_sizes_times_misses_and_failures(found: Results) -> None:
    page = images_report.render(found)
    assert "| **twofold** | 5.0 | 5.0 | 5.0 | 5.0 | 5.0% | 20.0 |" in page
    assert "| restic | 50.0 | 50.0 | 50.0 | 50.0 | 50.0% | 200.0 |" in page
    assert "| **twofold** | 8.0 | 8.0 | 8.0% | 16.0 |" in page
    assert f"| {PRESSED} | 100.0 | 3.0 | 9.0 | 9.0% |" in page
    assert "one file\nin a hundred was edited, 2.0 MB of files" in page
    times_row = "| ntfsclone+zstd | 3.00 (1.50) | 1.50 | – |  | – |  | 1.00 (0.50) | 0.50 | – |  |"
    assert times_row in page
    assert "| ext4, many files | 40,000 | 9.00 (4.50) | 0.40 (0.20) | 1.50 (0.75) | 1.10 |" in page
    assert "plain copy | ≥ 0.7× | 0.50× | **missed** |" in page
    assert f"- borg lz4, {TIMES}: ended with code 1" in page
    assert "smoke" not in page


def test_records_read_back_give_the_same_page(found: Results, tmp_path: Path) -> None:
    again = results.read(tmp_path / "records")
    assert images_report.render(again) == images_report.render(found)


@pytest.mark.parametrize(
    ("before", "after", "busy"),
    [
        ("0.5/1.9/1.0", "3.9/2.0/1.0", False),
        ("0.3/0.9/4.5", "1.0/1.0/1.0", True),
        ("0.5/1.9/1.0", "4.1/1.0/1.0", True),
    ],
)
def test_a_busy_machine_is_told(found: Results, before: str, after: str, busy: bool) -> None:
    found.describe({"processor": "Some, 2 cores used", "load before": before, "load after": after})
    assert ("machine was busy" in images_report.render(found)) is busy


def test_small_scales_are_not_judged(found: Results) -> None:
    found.describe({"scale": "0.1"})
    page = images_report.render(found)
    assert "smoke sizes" in page
    assert "missed" not in page
