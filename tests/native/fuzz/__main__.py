"""python -m tests.native.fuzz PART [--runs N] [--seed N] [--input FILE]

The input under test is kept in a file, because a sanitizer ends the process at once; ``--input``
runs the target on such a file alone.
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.native.fuzz.mutate import mutated

RUNS = 30_000  # when nobody says


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.native.fuzz")
    parser.add_argument("part")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input", type=Path)
    options = parser.parse_args()
    part = importlib.import_module(f"tests.native.fuzz.{options.part}")
    target: Callable[[bytes], None] = part.target
    if options.input:
        target(options.input.read_bytes())
        return
    folder = Path(__file__).parent / "corpus" / options.part
    corpus = [path.read_bytes() for path in sorted(folder.iterdir())]
    for data in corpus:
        target(data)
    _fuzz(target, corpus, options.runs, options.seed)
    say(f"{options.part}: {len(corpus)} inputs of the corpus, {options.runs} mutations passed")


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _fuzz(target: Callable[[bytes], None], corpus: list[bytes], runs: int, seed: int) -> None:
    with tempfile.NamedTemporaryFile(prefix="twofold-fuzz-", delete=False) as kept:
        say(f"the input under test is in {kept.name}")
        for run in range(runs):
            data = mutated(corpus, f"{seed}/{run}")
            os.pwrite(kept.fileno(), data, 0)
            os.ftruncate(kept.fileno(), len(data))
            target(data)
    os.unlink(kept.name)


if __name__ == "__main__":
    main()
