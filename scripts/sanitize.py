"""The C extension under AddressSanitizer and UndefinedBehaviorSanitizer.

    python -m scripts.sanitize                 the tests in TESTS
    python -m scripts.sanitize tests/chunker   these words go to pytest instead
    python -m scripts.sanitize --fuzz chunk --runs 1000000 --seed 7

The package is copied to a temporary folder with the extension compiled there, so the one in use
stays as it is. The interpreter itself is not instrumented: it gets the sanitizer's library
preloaded and plain ``malloc``, so that every buffer has guarded borders. Leaks are not looked for,
as the interpreter never frees everything. Needs gcc and Linux.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.environment import PYTHON, ROOT, Trouble, say

TESTS: dict[str, tuple[str, ...]] = {  # part of the extension, and the tests that exercise it
    "chunk": ("tests/chunker",),
    "parity": ("tests/parity",),
    "blake3": ("tests/seal/test_keyed_hashes.py",),
    "argon2": ("tests/repository/test_argon2id.py",),
    "index": ("tests/repository/test_blob_set.py",),
    "disk": ("tests/disk/test_native_streams.py",),
    "listing": ("tests/platform/test_platform_listing.py",),
    "files": (
        "tests/platform/test_platform_native.py",
        "tests/platform/test_platform_native_write.py",
        "tests/platform/test_platform_below.py",
    ),
}

ADDRESS_OPTIONS = (
    "allocator_may_return_null=1",  # as malloc does, so that MemoryError is seen
    "detect_leaks=0",
    "detect_stack_use_after_return=1",
)
FLAGS = (
    "-fPIC -O1 -g -std=c11 -fno-strict-aliasing -fno-omit-frame-pointer -Wall -Wextra "
    "-fsanitize=address,undefined -fno-sanitize-recover=all -DPy_LIMITED_API=0x030B0000"
).split()


def build(
    folder: Path, native: Path = ROOT / "src" / "native", objects: Path | None = None
) -> Path:
    """Copy the package into a folder and compile the C files of ``native`` into it.

    ``objects``: a folder where compiled files are kept; whoever builds again with one file changed
    waits for that one only. Returns the path of the extension. Raises CalledProcessError if a file
    does not compile.
    """
    only_python = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "src" / "twofold", folder / "twofold", ignore=only_python)
    extension = folder / "twofold" / "_native.abi3.so"
    headers = b"".join(path.read_bytes() for path in sorted(native.glob("*.h")))
    with tempfile.TemporaryDirectory() as passing:
        kept = objects or Path(passing)
        compiled = [_compiled(source, headers, kept) for source in sorted(native.glob("*.c"))]
        subprocess.run(["gcc", *FLAGS, "-shared", *compiled, "-o", str(extension)], check=True)
    return extension


def _compiled(source: Path, headers: bytes, kept: Path) -> str:
    """The object file of a C file, compiled unless it is kept from before."""
    content = hashlib.sha256(headers + source.read_bytes()).hexdigest()
    found = kept / f"{source.stem}-{content}.o"
    if not found.exists():
        include = f"-I{sysconfig.get_path('include')}"
        subprocess.run(["gcc", *FLAGS, include, "-c", str(source), "-o", str(found)], check=True)
    return str(found)


def run(folder: Path, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run the interpreter with these words on the package in ``folder``; output is kept."""
    return subprocess.run(
        [str(PYTHON), *words],
        cwd=ROOT,
        env={**os.environ, **_environment(folder)},
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def pytest_words(folder: Path, tests: Sequence[str]) -> list[str]:
    """Words for ``run`` that let pytest import the package from ``folder``."""
    return ["-m", "pytest", "-q", "-o", f"pythonpath=. {folder}", "-p", "no:cacheprovider", *tests]


def _environment(folder: Path) -> dict[str, str]:
    asked = ["gcc", "-print-file-name=libasan.so"]
    library = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    if not library.exists():
        raise Trouble("gcc has no AddressSanitizer; on Debian it is in the package libasan8")
    return {
        "ASAN_OPTIONS": ":".join(ADDRESS_OPTIONS),
        "LD_PRELOAD": str(library.resolve()),
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def main() -> int:
    """Build, run, print what was said; the exit code is that of what ran."""
    parser = argparse.ArgumentParser(prog="scripts.sanitize")
    parser.add_argument("--fuzz", metavar="PART", help="fuzz a part instead of running tests")
    parser.add_argument("--runs", default="0", help="as many as the part says when 0")
    parser.add_argument("--seed", default="0")
    options, tests = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("Compiling the extension with sanitizers ...")
        build(folder)
        if options.fuzz:
            runs = ["--runs", options.runs, "--seed", options.seed]
            words = ["-m", "tests.native.fuzz", options.fuzz, *runs]
        else:
            chosen = tests or [path for paths in TESTS.values() for path in paths]
            words = pytest_words(folder, chosen)
        done = run(folder, words)
    print(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
