"""python -m tests.fuzz.guided TARGET RUNS SEED FOLDER: coverage-guided runs by atheris.

libFuzzer keeps what it finds in the folder. It ends the process at the first crash, which the
caller sees by the exit code; the input lies in the folder as ``crash-…``.
"""

import resource
import sys
from pathlib import Path

import atheris  # an optional tool; see scripts/fuzz.py

with atheris.instrument_imports(include=["twofold"]):
    from tests.fuzz.loop import SECONDS
    from tests.fuzz.targets import targets

MEMORY = 2048  # MiB of the whole process, libFuzzer's own included


def main() -> None:
    """Run libFuzzer on one target."""
    name, runs, seed, folder = sys.argv[1:]
    target = targets()[name]
    corpus = Path(folder) / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(data)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    words = [
        sys.argv[0],
        f"-runs={runs}",
        f"-seed={seed}",
        f"-timeout={SECONDS}",
        f"-rss_limit_mb={MEMORY}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        str(corpus),
    ]
    atheris.Setup(words, target.feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
