"""The virtual environment beside the checkout: made once, renewed when what it is made of changes.

Ladder: ``venv`` with its own pip; else an empty ``venv`` filled by the system's pip through
``--python``; else uv; else a sentence that says what to install. A stamp inside ``.venv`` holds a
hash over the project file, the native sources and the Python version, so a later start only
reads a few small files.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "twofold-stamp"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
TWOFOLD = BIN / ("twofold.exe" if os.name == "nt" else "twofold")

NO_PIP = (
    "this Python has neither pip nor ensurepip, and there is no uv; "
    "on Debian or Ubuntu run: sudo apt-get install python3-venv"
)


class Trouble(Exception):
    """An expected problem, told in one sentence."""


def say(sentence: str) -> None:
    """Tell what goes on, on stderr, at once."""
    print(sentence, file=sys.stderr, flush=True)


def ready(extra: str = "") -> Path:
    """Make sure the environment exists and is current; the path of the twofold command."""
    wanted = f"{_fingerprint()} {extra}".strip()
    if not _current(wanted):
        started = time.monotonic()
        say("Making .venv and installing Twofold into it (only the first time) ...")
        _make()
        _install(extra)
        _write_stamp(f"{_fingerprint()} {extra}".strip())
        say(f"Installed in {time.monotonic() - started:.0f} s.")
    return TWOFOLD


def hand_over(words: Sequence[str]) -> int:
    """Run the twofold command with these words, in place of this process where possible."""
    command = [str(ready()), *words]
    if os.name != "nt":
        os.execv(command[0], command)
    return subprocess.call(command)


def _fingerprint() -> str:
    """A hash over everything the environment is made of."""
    digest = hashlib.sha256(_venv_version().encode())
    sources = sorted((ROOT / "src").rglob("*.[ch]"))
    for path in (ROOT / "pyproject.toml", ROOT / "setup.py", *sources):
        digest.update(str(path).encode())
        if path.exists():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _venv_version() -> str:
    """The Python version that ``.venv`` was made with, as its own config says."""
    try:
        lines = (VENV / "pyvenv.cfg").read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("version")), "")


def _current(wanted: str) -> bool:
    """Whether the stamp covers what is wanted (an installed extra covers its absence)."""
    try:
        have = STAMP.read_text("utf-8")
    except OSError:
        return False
    return PYTHON.exists() and TWOFOLD.exists() and have.startswith(wanted)


def _write_stamp(text: str) -> None:
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(text, "utf-8")
    fresh.replace(STAMP)


def _make() -> None:
    """Make ``.venv``, keeping a usable one."""
    if _works(PYTHON, "import sys; sys.exit(sys.version_info < (3, 11))"):
        return
    uv = shutil.which("uv")
    attempts = [
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)],
        *([[uv, "venv", "--clear", "--python", sys.executable, str(VENV)]] if uv else []),
    ]
    if not importlib.util.find_spec("ensurepip"):
        del attempts[0]
    outcomes = []
    for attempt in attempts:
        outcomes.append(_quiet(attempt))
        if outcomes[-1].returncode == 0:
            return
    if not importlib.util.find_spec("venv"):
        raise Trouble(NO_PIP)
    raise Trouble(f"cannot make {VENV}: {_last_words(outcomes[-1])}")


def _install(extra: str) -> None:
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    outcome = _quiet([*_installer(), "--quiet", "--editable", target])
    if outcome.returncode:
        raise Trouble(f"installing the libraries failed: {_last_words(outcome)}")


def _installer() -> list[str]:
    """The command that installs into ``.venv``: its pip, the system's pip, or uv."""
    if _works(PYTHON, "import pip"):
        return [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    outer = [sys.executable, "-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check"]
    if _quiet([*outer, "--version"]).returncode == 0:
        return [*outer, "install", "--no-input"]
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", str(PYTHON)]
    raise Trouble(NO_PIP)


def _works(python: Path, statement: str) -> bool:
    return python.exists() and _quiet([str(python), "-c", statement]).returncode == 0


def _quiet(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it says; one that cannot start has failed."""
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _last_words(outcome: subprocess.CompletedProcess[str]) -> str:
    """What says most in a failed command's output: its first error and its deepest cause."""
    lines = [line.strip() for line in (outcome.stderr + outcome.stdout).splitlines()]
    errors = [line for line in lines if line.lower().startswith("error: ") and " " in line[7:]]
    causes = [line for line in lines if line.lower().startswith(("cause", "caused by"))]
    said = [*errors[:1], *causes[-1:]] or [line for line in lines if line][-1:]
    return ", ".join(said) or f"it ended with code {outcome.returncode}"
