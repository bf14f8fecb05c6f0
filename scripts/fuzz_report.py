"""docs/fuzzing.md: what was run when, on what, and what came of it."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.environment import ROOT, say

REPORT = ROOT / "docs" / "fuzzing.md"
MARK = "<!-- written by scripts/fuzz.py from here on -->"


def write_report(records: list[dict[str, Any]]) -> None:
    """Replace what stands behind the mark."""
    done = [record for record in records if record["runs"] or record["guided_runs"]]
    head = REPORT.read_text("utf-8").split(MARK)[0] if REPORT.exists() else "# Fuzzing\n\n"
    REPORT.write_text(head + MARK + "\n\n" + "\n".join(_lines(done)) + "\n", "utf-8")
    say(f"{REPORT.relative_to(ROOT)}: {len(done)} targets")


def _lines(records: list[dict[str, Any]]) -> Iterable[str]:
    runs = sum(record["runs"] for record in records)
    guided = sum(record["guided_runs"] for record in records)
    seconds = sum(record["seconds"] + record["guided_seconds"] for record in records)
    crashes = sum(len(record["crashes"]) for record in records)
    dates = sorted({record["date"] for record in records})
    yield f"Last run {dates[-1] if dates else 'never'}: {runs:,} runs with our own mutations and"
    yield f"{guided:,} by coverage on {len(records)} targets, {seconds:,.0f} s of processors"
    yield f"(guided runs: elapsed), **{crashes} crashes** open. Some are of earlier commits."
    yield ""
    yield f"{_versions()}."
    yield ""
    yield "| target | runs | refused | s | guided runs | features | inputs kept | crashes | date |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|---|"
    for record in records:
        share = f"{record['refused'] / record['runs']:.0%}" if record["runs"] else "–"
        spent = record["seconds"] + record["guided_seconds"]
        yield (
            f"| {record['target']} | {record['runs']:,} | {share} | {spent:,.0f} "
            f"| {record['guided_runs']:,} | {record['coverage'] or '–'} "
            f"| {record['corpus'] or _stored(record['target'])} | {len(record['crashes'])} "
            f"| {record['date']} |"
        )


def _stored(name: str) -> int:
    folder = ROOT / "tests" / "fuzz" / "corpus" / name.replace(" ", "-")
    return len(list(folder.iterdir())) if folder.exists() else 1


def _versions() -> str:
    words = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    try:
        atheris = f", atheris {importlib.metadata.version('atheris')}"
    except importlib.metadata.PackageNotFoundError:
        atheris = ""
    python = f"Python {platform.python_version()}"
    return f"Twofold at {commit.strip() or 'an unknown commit'}, {python}{atheris}, {_processor()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
