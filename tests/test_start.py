"""What a newcomer types first: it starts anywhere, explains itself, and its proof can fail."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import demo, environment, sample

ROOT = Path(__file__).resolve().parent.parent


def test_old_pythons_can_read_start_py() -> None:
    """Python 2.7 must get as far as the sentence that says it is too old."""
    text = (ROOT / "start.py").read_bytes().decode("ascii")
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, newer)
        assert not isinstance(node, ast.arg) or node.annotation is None
        assert not isinstance(node, ast.FunctionDef) or node.returns is None


def test_a_current_environment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STAMP", "PYTHON", "TWOFOLD"):
        monkeypatch.setattr(environment, name, tmp_path / name)
        (tmp_path / name).write_text("abc test", "utf-8")
    assert environment._current("abc")
    assert environment._current("abc test")
    assert not environment._current("abd")
    (tmp_path / "TWOFOLD").unlink()
    assert not environment._current("abc")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("x\nERROR: no such index\nnote: y\n", "ERROR: no such index"),
        ("error: no build\n cause: a\n cause: bad peer\n", "error: no build, cause: bad peer"),
        ("first\nlast\n\n", "last"),
        ("", "it ended with code 7"),
    ],
)  # fmt: skip
def test_a_failure_is_told_in_one_line(said: str, told: str) -> None:
    outcome = subprocess.CompletedProcess(["pip"], 7, "", said)
    assert environment._last_words(outcome) == told


def test_the_proof_sees_every_kind_of_difference(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for name in ("bytes", "gone", "mode", "same", "time"):
        one.joinpath(name).parent.mkdir(exist_ok=True)
        one.joinpath(name).write_text("abc", "utf-8")
    os.symlink("same", one / "link")
    shutil.copytree(one, two, symlinks=True)
    assert demo.differences(demo.record(one), demo.record(two)) == []
    status = (two / "bytes").stat()
    (two / "bytes").write_text("abd", "utf-8")
    os.utime(two / "bytes", ns=(status.st_atime_ns, status.st_mtime_ns))
    (two / "gone").rename(two / "new")
    (two / "mode").chmod(0o600)
    os.utime(two / "time", ns=(0, 0))
    status = (two / "link").lstat()
    (two / "link").unlink()
    os.symlink("time", two / "link")
    os.utime(two / "link", ns=(0, status.st_mtime_ns), follow_symlinks=False)
    assert demo.differences(demo.record(one), demo.record(two)) == [
        "different digest: bytes",
        "different digest: link",
        "different mode: mode",
        "different mtime_ns: time",
        "missing: gone",
        "unexpected: new",
    ]


@pytest.mark.slow
def test_the_sample_is_always_the_same(tmp_path: Path) -> None:
    records = []
    for name in ("one", "two"):
        sample.make(tmp_path / name)
        changes = sample.change(tmp_path / name)
        found = demo.record(tmp_path / name)
        records.append((changes, {path: item.digest for path, item in found.items()}))
    assert records[0] == records[1]
    assert 3000 < len(records[0][1]) < 10_000


@pytest.mark.slow
def test_a_fresh_machine_needs_one_command(tmp_path: Path) -> None:
    """A bare copy of the checkout, no home, nothing of ours in the environment."""
    clone = tmp_path / "checkout"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "*.so", "build")
    shutil.copytree(ROOT, clone, ignore=left_out, symlinks=True)
    kept = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP")
    env = {name: text for name, text in os.environ.items() if name in kept or "PIP_" in name}
    outcome = subprocess.run(
        [getattr(sys, "_base_executable", sys.executable), "start.py"],
        cwd=clone,
        env={**env, "HOME": str(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("files identical") == 2
    assert "came back as it was" in outcome.stdout
