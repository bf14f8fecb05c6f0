"""Run a check in a process of its own and tell what it took."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.conftest import KEY
from tests.memory import peak_mib
from twofold.commands import check
from twofold.errors import TwofoldError
from twofold.events import ignore
from twofold.options import RepositoryAccess, Secret

SECONDS = 60


@dataclass(frozen=True)
class Cost:
    """What came of it: exit code, findings, peak memory in MiB, seconds."""

    exit_code: int
    words: str
    rss: float
    seconds: float


def run_check(store: Path) -> Cost:
    """Check with all data, in a new process."""
    words = [sys.executable, "-m", "tests.hostile.bounded", str(store)]
    root = Path(__file__).parents[2]
    env = {
        "PYTHONPATH": f"{root}:{root / 'src'}",
        "TWOFOLD_STATE_DIR": str(store) + ".state",
        "TWOFOLD_CACHE_DIR": str(store) + ".cache",
    }
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=SECONDS, env=env, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr
    return Cost(*json.loads(done.stdout))


def _main(store: str) -> None:
    access = RepositoryAccess(store, lambda: Secret(KEY, is_key_file=True))
    start = time.monotonic()
    try:
        result = check.run(check.CheckOptions(access=access, read_data=True), ignore)
        code, words = result.exit_code, " ".join(f.message for f in result.findings)
    except TwofoldError as error:
        code, words = error.exit_code, error.message
    seconds = time.monotonic() - start
    sys.stdout.write(json.dumps([code, words, float(peak_mib()), seconds]))


if __name__ == "__main__":
    _main(sys.argv[1])
