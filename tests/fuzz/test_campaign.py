"""The long runs: resumed where they stopped, crashes told once, and an honest report."""

import json
from pathlib import Path

import pytest

from scripts import fuzz, fuzz_report
from tests.fuzz import targets as registry
from tests.fuzz.targets import CodecTarget


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and report in a folder of their own; small blocks."""
    monkeypatch.setattr(fuzz, "STATE", tmp_path / "state")
    monkeypatch.setattr(fuzz, "BLOCK", 40)
    monkeypatch.setattr(fuzz_report, "ROOT", tmp_path)
    monkeypatch.setattr(fuzz_report, "REPORT", tmp_path / "fuzzing.md")
    return tmp_path


def record(state: Path, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((state / "state" / f"{name}.json").read_text())
    return found


def test_runs_go_on_where_they_stopped(state: Path) -> None:
    words = ["reparse", "ext acl", "--processes", "2", "--runs"]
    assert fuzz.main([*words, "100"]) == 0
    first = record(state, "ext-acl")
    assert first["runs"] == 100
    assert fuzz.main([*words, "130"]) == 0
    assert record(state, "ext-acl")["runs"] == 130
    assert record(state, "reparse")["runs"] == 130
    assert fuzz.main([*words, "90"]) == 0
    assert record(state, "ext-acl")["runs"] == 130
    text = (state / "fuzzing.md").read_text()
    assert "| ext acl | 130 |" in text and "260 runs" in text and "**0 crashes**" in text


def test_targets_take_turns_until_the_time_is_over(state: Path) -> None:
    names = ["reparse", "ext acl", "lznt1"]
    words = [*names, "--processes", "2", "--runs", "150", "--minutes"]
    assert fuzz.main([*words, "1e-9"]) == 0
    assert not (state / "state" / "reparse.json").exists()
    assert fuzz.main([*words, "60"]) == 0
    assert [record(state, name.replace(" ", "-"))["runs"] for name in names] == [150] * 3


def test_crashes_are_told_once_and_fail(
    state: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def careless(data: bytes) -> None:
        assert len(data) < 3, data

    planted = {"planted": CodecTarget("planted", careless, [b"abc"], 1)}
    monkeypatch.setattr(registry, "targets", lambda: planted)
    assert fuzz.main(["--processes", "2", "--runs", "200"]) == 1
    assert len(record(state, "planted")["crashes"]) == 1  # type: ignore[arg-type]
    assert "assert len(data) < 3" in capfd.readouterr().err
    assert "**1 crashes**" in (state / "fuzzing.md").read_text()


def test_what_stands_before_the_report_is_kept(state: Path) -> None:
    (state / "fuzzing.md").write_text(f"# Title\n\nwords\n\n{fuzz_report.MARK}\nstale words\n")
    assert fuzz.main(["--report"]) == 0
    text = (state / "fuzzing.md").read_text()
    assert text.startswith("# Title\n\nwords\n") and "stale" not in text


def test_unknown_targets_are_refused(state: Path) -> None:
    with pytest.raises(SystemExit, match="no target nonsense"):
        fuzz.main(["nonsense"])
