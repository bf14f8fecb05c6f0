"""The extension touches no memory but its own, and does nothing that C leaves undefined.

What exercises it is listed in ``scripts.sanitize.TESTS`` and in ``tests/native/fuzz``; here both
run with sanitizers compiled in, and a planted fault shows that they would tell.
"""

import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts.environment import ROOT
from scripts.sanitize import TESTS, build, pytest_words, run
from tests.native.fuzz import __file__ as fuzz_file
from tests.native.fuzz.__main__ import RUNS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="gcc's sanitizers are used on Linux"),
]
NATIVE = ROOT / "src" / "native"
FUZZED = sorted(path.name for path in (Path(fuzz_file).parent / "corpus").iterdir())
ADDRESS, BEHAVIOUR = "AddressSanitizer: ", "runtime error: left shift"


class Plant(NamedTuple):
    """A fault: the part whose fuzzing must tell it, how, and what is put in the place of what."""

    part: str
    told: str
    file: str
    right: str
    wrong: str


PLANTS = (
    Plant(
        "chunk",
        ADDRESS,
        "chunk_kernels.c",
        "kernel->scan(cipher, windows, whole, threshold)",
        "kernel->scan(cipher, windows, whole + STEP, threshold)",
    ),
    Plant("chunk", BEHAVIOUR, "chunk_portable.c", "(uint32_t)bytes[3] << 24", "bytes[3] << 24"),
    Plant("zeros", ADDRESS, "chunk_zeros.c", "size - at >= step", "size - at >= step / 2"),
    Plant("parity", ADDRESS, "parity.c", "size % SHARD);", "SHARD);"),
    Plant("digests", ADDRESS, "blake3.c", "(i < here ? i : here - 1)", "i"),
    Plant("hashes", ADDRESS, "blake3.c", "|| end > size ||", "||"),
    Plant("hashes", "AssertionError", "blake3.c", "left < BLOCK ? left : BLOCK", "BLOCK"),
    Plant("table", "AssertionError", "index_table.c", "ids.len / ID);", "ids.len / ID - 1);"),
    Plant("index", ADDRESS, "index.c", "number >= self->frame_count", "number == UINT32_MAX"),
    Plant("index", ADDRESS, "index.c", "position >= self->blob_count", "position == SIZE_MAX"),
    Plant("index", ADDRESS, "index_table.c", "number >= columns->frame_count || ", ""),
    Plant("table", ADDRESS, "index_table.c", "view->len == ID", "view->len >= 0"),
    Plant("streams", ADDRESS, "disk_ntfs.c", "place > limit || limit - place < 8", "0"),
    Plant("streams", "AssertionError", "disk_ntfs.c", "|| needed > total", ""),
    Plant("streams", "insufficient space", "disk_ext.c", "extents > MOST_EXTENTS", "extents > 99"),
    Plant("streams", ADDRESS, "disk_claim.c", "*units <= volume->units &&", ""),
    Plant("streams", "AssertionError", "disk_claim.c", "if (bits[unit >> 3])", "if (0)"),
    Plant("argon2", "AssertionError", "argon2.c", "area += index - 1;", "area += index;"),
    Plant("argon2", ADDRESS, "argon2.c", "size >= (Py_ssize_t)lanes * 2 * SLICES * block &&", ""),
    Plant("listing", ADDRESS, "listing.c", "> size - at - RECORD ||", "> size - at ||"),
    Plant("listing", "AssertionError", "listing.c", "!is_above(name, before) ||", ""),
    Plant("files", "AssertionError", "files_results.c", "return held == value", "return 1"),
    Plant("files", "AssertionError", "files_read.c", "size + 1 - done}", "size + 65 - done}"),
    Plant("files", ADDRESS, "files_write.c", "9 + 2 * RANDOM + 5 + 1", "9 + 2 * RANDOM + 5"),
    Plant("files", ADDRESS, "files_read.c", "entries && !make_tuples(&makers)", "0"),
)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, objects: Path) -> Path:
    folder = tmp_path_factory.mktemp("sanitized")
    extension = build(folder, objects=objects)
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
    assert f"{RUNS} mutations passed" in done.stdout


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.part} {plant.wrong}")
def test_a_planted_fault_is_told(tmp_path: Path, objects: Path, plant: Plant) -> None:
    native = tmp_path / "native"
    shutil.copytree(NATIVE, native)
    text = (native / plant.file).read_text("utf-8")
    assert plant.right in text
    (native / plant.file).write_text(text.replace(plant.right, plant.wrong), "utf-8")
    build(tmp_path / "package", native, objects)
    done = run(tmp_path / "package", ["-m", "tests.native.fuzz", plant.part, "--runs", "2000"])
    assert done.returncode != 0
    assert re.search(plant.told, done.stdout)
