"""Debian packages unpacked beside the system: nothing is installed, nothing needs root.

apt keeps its lists and downloads in a folder of ours. The suite is either the system's own or
another one of the same mirror, which is how a current restic comes to an older Debian.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.measure import Broken

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def unpack(packages: Sequence[str], target: Path, suite: str = "") -> Path:
    """Download packages, without what they depend on, and unpack them; the folder they are in.

    Args:
        packages: their names.
        target: where to; made again from nothing.
        suite: a suite of Debian such as "trixie"; empty for what this system is set up for.

    Raises:
        Broken: apt is not there, or did not give one of them.
    """
    if not shutil.which("apt-get"):
        raise Broken("there is no apt-get here")
    shutil.rmtree(target, ignore_errors=True)
    state = target.with_name(f"{target.name}-apt")
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-qq", *_options(state, suite)]
    call([*apt, "update"], state)
    call([*apt, "download", *packages], state)
    for package in state.glob("*.deb"):
        call(["dpkg-deb", "--extract", str(package), str(target)], state)
    shutil.rmtree(state)
    return target


def call(words: Sequence[str], folder: Path, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed.

    Raises:
        Broken: it could not be started or did not end with code 0.
    """
    variables = {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            words, cwd=folder, env=variables, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise Broken(f"{words[0]}: {error.strerror}") from error
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in said if "error" in line.lower() or line.startswith("E:")]
        raise Broken(f"{Path(words[0]).name}: {' '.join([*errors, *said[-1:], 'it failed'][:1])}")
    return done.stdout


def _options(state: Path, suite: str) -> list[str]:
    options = {
        "Dir::State::Lists": f"{state}/lists",
        "Dir::Cache": f"{state}/cache",
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }
    if suite:
        sources = state / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {suite} main\n", "utf-8")
        options |= {"Dir::Etc::SourceList": str(sources), "Dir::Etc::SourceParts": "/dev/null"}
    return [word for key, value in options.items() if value for word in ("-o", f"{key}={value}")]


def _mirror() -> str:
    """The mirror that this system takes Debian's main archive from."""
    wanted = ["Created-By: Packages", "Component: main", "Label: Debian"]
    said = call(["apt-get", "indextargets", "--format", "$(SITE)", *wanted], Path("/"))
    if not said.strip():
        raise Broken("this system has no source of Debian packages")
    return said.split()[0]
