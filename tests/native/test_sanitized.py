"""The extension touches no memory but its own, and does nothing that C leaves undefined.

What exercises it is listed in ``scripts.sanitize.TESTS`` and in ``tests/native/fuzz``; here both
run with sanitizers compiled in, and a planted fault shows that they would tell.
"""

import shutil
import sys
from pathlib import Path

import pytest

from scripts.environment import ROOT
from scripts.sanitize import TESTS, build, pytest_words, run
from tests.native.fuzz import __file__ as fuzz_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="gcc's sanitizers are used on Linux"),
]
NATIVE = ROOT / "src" / "native"
FUZZED = sorted(path.name for path in (Path(fuzz_file).parent / "corpus").iterdir())
PLANTS = {  # a kind of fault: file, what is there, and what is put there instead
    "AddressSanitizer: ": (
        "chunk_kernels.c",
        "kernel->scan(cipher, windows, whole, threshold)",
        "kernel->scan(cipher, windows, whole + STEP, threshold)",
    ),
    "runtime error: left shift": (
        "chunk_portable.c",
        "(uint32_t)bytes[3] << 24",
        "bytes[3] << 24",
    ),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sanitized")
    extension = build(folder)
    asked = run(folder, ["-c", "from twofold.native import EXTENSION as e; print(e.__file__)"])
    assert asked.stdout.strip() == str(extension), asked.stdout
    return folder


@pytest.mark.parametrize("part", TESTS)
def test_tests_pass_with_sanitizers(package: Path, part: str) -> None:
    words = [*pytest_words(package, TESTS[part]), "-m", "not slow"]
    done = run(package, words)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.parametrize("part", FUZZED)
def test_fuzzing_finds_nothing(package: Path, part: str) -> None:
    done = run(package, ["-m", "tests.native.fuzz", part])
    assert done.returncode == 0, done.stdout
    assert "100000 mutations passed" in done.stdout


@pytest.mark.parametrize("fault", PLANTS)
def test_a_planted_fault_is_told(tmp_path: Path, fault: str) -> None:
    name, right, wrong = PLANTS[fault]
    native = tmp_path / "native"
    shutil.copytree(NATIVE, native)
    text = (native / name).read_text("utf-8")
    assert right in text
    (native / name).write_text(text.replace(right, wrong), "utf-8")
    build(tmp_path / "package", native)
    done = run(tmp_path / "package", ["-m", "tests.native.fuzz", "chunk", "--runs", "100"])
    assert done.returncode != 0
    assert fault in done.stdout
