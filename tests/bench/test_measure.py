"""What commands cost, what makes them count as broken, and what makes two trees differ."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import measure, verify
from bench.measure import Broken
from scripts.environment import ROOT

ENV = dict(os.environ)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def memory_of(code: str, folder: Path) -> int:
    """Measured from a small process, as benchmarks do it: that of the starter counts as well."""
    measuring = (
        "import pathlib, sys; from bench import measure\n"
        f"command = [sys.executable, '-c', {code!r}]\n"
        f"print(measure.run([command], {ENV!r}, pathlib.Path({str(folder)!r})).memory)"
    )
    done = subprocess.run(python(measuring), cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_memory_that_a_command_touched_is_seen(tmp_path: Path) -> None:
    assert 200 << 20 < memory_of("b'x' * (200 << 20)", tmp_path) < 300 << 20


def test_memory_of_copies_that_a_command_makes_of_itself_is_added(tmp_path: Path) -> None:
    own = "import os, time; mine = b'x' * (100 << 20)\n"
    copy = "if os.fork() == 0:\n more = b'y' * (150 << 20)\n"
    burn = " while time.process_time() < 0.6: pass\n os._exit(0)\n"
    memory = memory_of(own + copy + burn + "os.wait()", tmp_path)
    assert 350 << 20 < memory < 450 << 20  # what both have counts twice


def test_processor_time_of_a_grandchild_counts(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    assert measure.run([python(outer)], ENV, tmp_path).cpu >= 0.3


def test_the_parts_of_a_pipeline_read_from_each_other(tmp_path: Path) -> None:
    out = tmp_path / "out"
    double = "import sys; sys.stdout.write(sys.stdin.read() * 2)"
    last = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    measure.run([python("print('ab', end='')"), python(double), python(last)], ENV, tmp_path)
    assert out.read_text("utf-8") == "abab"


def test_what_settles_is_called_once_after_the_end(tmp_path: Path) -> None:
    seen: list[bool] = []
    made = tmp_path / "made"
    command = python(f"open({str(made)!r}, 'w').close()")
    measure.run([command], ENV, tmp_path, lambda: seen.append(made.exists()))
    assert seen == [True]


@pytest.mark.parametrize("position", [0, 1])
def test_a_failure_anywhere_in_a_pipeline_is_told(position: int, tmp_path: Path) -> None:
    pipeline = [python("import sys; sys.stdin.read()")] * 2
    pipeline[position] = python("import sys; sys.exit('out of cheese')")
    with pytest.raises(Broken, match="ended with code 1: out of cheese"):
        measure.run(pipeline, ENV, tmp_path)


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="cannot be started"):
        measure.run([[str(tmp_path / "nothing")]], ENV, tmp_path)


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """Two trees that are the same."""
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "folder").mkdir(parents=True)
    (one / "folder" / "file").write_text("contents", "utf-8")
    (one / "link").symlink_to("folder")
    shutil.copytree(one, two, symlinks=True)
    return one, two


def test_equal_trees_have_no_difference(trees: tuple[Path, Path]) -> None:
    assert verify.difference(*trees) == ""


def test_bytes_that_differ_are_found(trees: tuple[Path, Path]) -> None:
    file = trees[1] / "folder" / "file"
    times = file.stat()
    file.write_text("CONTENTS", "utf-8")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert verify.difference(*trees) == f"other bytes: {file}"
    assert verify.difference(*trees, every=50) == f"other bytes: {file}"


def test_everything_else_that_differs_is_found(trees: tuple[Path, Path]) -> None:
    file, link = trees[1] / "folder" / "file", trees[1] / "link"
    os.utime(file, ns=(0, 1))
    assert verify.difference(*trees) == f"other time: {file}"
    file.chmod(0o600)
    assert verify.difference(*trees) == f"other kind or permissions: {file}"
    link.unlink()
    link.symlink_to("elsewhere")
    assert verify.difference(*trees).startswith("other target")
    link.unlink()
    assert verify.difference(*trees) == f"missing: {link}"


def test_what_should_not_be_there_is_found(trees: tuple[Path, Path]) -> None:
    (trees[1] / "folder" / "more").touch()
    assert verify.difference(*trees) == f"missing: {trees[0] / 'folder' / 'more'}"


def test_a_restore_that_made_nothing_is_found(tmp_path: Path) -> None:
    assert verify.difference(tmp_path, tmp_path / "gone") == f"missing: {tmp_path / 'gone'}"
