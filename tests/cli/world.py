"""A world of its own for the program under test: home, settings, a repository, a password.

``Program`` runs the real command as a process; nothing of the person who runs the tests reaches it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twofold.options import RepositoryAccess, Secret

PASSWORD = "correct horse — battery"
KEY_FILE = bytes(range(32))

Record = dict[str, Any]


@dataclass
class Outcome:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[Record]:
        """stdout as records; fails unless every line is one."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> Record:
        """The last record."""
        return self.records[-1]

    def of(self, kind: str) -> list[Record]:
        """All records of one type."""
        return [record for record in self.records if record["type"] == kind]


@dataclass
class Program:
    """The twofold command in a world below ``place``."""

    place: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = (
            "PATH",
            "LANG",
            "LC_ALL",
            "SYSTEMROOT",
            "TEMP",
            "PYTHONPATH",
            "COVERAGE_PROCESS_START",
        )
        self.env = {name: os.environ[name] for name in kept if name in os.environ} | {
            "HOME": str(self.place),
            "TZ": "UTC",
            "PYTHONFAULTHANDLER": "1",
            **{f"XDG_{kind}_HOME": str(self.place / kind.lower()) for kind in XDG},
            **self.env,
        }

    def __call__(
        self,
        *words: str | bytes,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        code: int | None = None,
    ) -> Outcome:
        """Run to the end; ``code`` is the exit code expected."""
        done = subprocess.run(
            [*COMMAND, *words],
            env={**self.env, **(env or {})},
            cwd=self.place,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )
        outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert code is None or outcome.code == code, outcome
        return outcome

    def start(self, *words: str, **settings: Any) -> "subprocess.Popen[bytes]":
        """Start without waiting."""
        command: Sequence[str] = [*COMMAND, *words]
        return subprocess.Popen(command, env=self.env, cwd=self.place, **settings)


XDG = ("CACHE", "CONFIG", "DATA", "STATE")
COMMAND = [sys.executable, "-m", "twofold"]


def key_file_access(location: Path | str) -> RepositoryAccess:
    """Open with ``KEY_FILE``: no time is spent on stretching a password."""
    return RepositoryAccess(str(location), lambda: Secret(KEY_FILE, is_key_file=True))
