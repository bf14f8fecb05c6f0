"""What a backup program is to the benchmark: what it can be told to do, in a world of its own.

Home, caches, settings and temporary files of a program lie beside its repository, on the same kind
of storage, and nothing is left from the round before.
"""

import abc
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Pipeline
from bench.places import remove


@dataclass(slots=True)
class World:
    """The folder in which one program keeps everything during one round.

    Attributes:
        folder: everything is below it.
        source: the tree to back up, absolute.
        number: of the newest backup, counted from 1.
    """

    folder: Path
    source: Path
    number: int = 0

    @property
    def repository(self) -> Path:
        """Where the program's repository is."""
        return self.folder / "repository"

    @property
    def restored(self) -> Path:
        """The folder to restore into."""
        return self.folder / "restored"

    def make(self) -> None:
        """Make the folders that programs expect to be there, and nothing else."""
        remove(self.folder)
        for name in ("home", "tmp", "restored"):
            (self.folder / name).mkdir(parents=True)

    def variables(self) -> dict[str, str]:
        """An environment in which every program writes inside this world only."""
        home = self.folder / "home"
        folders = {
            f"XDG_{kind}_HOME": str(home / kind.lower())
            for kind in ("CACHE", "CONFIG", "DATA", "STATE")
        }
        kept = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        return {**kept, "HOME": str(home), "TMPDIR": str(self.folder / "tmp"), **folders}


class Program(abc.ABC):
    """One program with its settings; ``tool`` is what has to be installed for it."""

    name = ""
    tool = ""
    settings = ""
    asks_version: tuple[str, ...] = ("--version",)
    proves_unchanged = True  # a second backup reads only what changed

    def __init__(self, command: Path) -> None:
        self.command = str(command)

    def environment(self, world: World) -> dict[str, str]:
        """The variables to run it with."""
        return world.variables()

    @abc.abstractmethod
    def init(self, world: World) -> list[Pipeline]:
        """What makes an empty repository; its cost is not counted."""

    @abc.abstractmethod
    def backup(self, world: World) -> Pipeline:
        """What backs up the source."""

    @abc.abstractmethod
    def restore(self, world: World) -> Pipeline:
        """What brings the newest backup back into an empty folder."""

    def landed(self, world: World) -> Path:
        """Where the source's contents are after a restore."""
        return world.restored

    def version(self) -> str:
        """The first line of what it says about its version."""
        said = subprocess.run(
            [self.command, *self.asks_version], capture_output=True, text=True, check=False
        )
        lines = (said.stdout + said.stderr).strip().splitlines()
        return " ".join(lines[0].split()) if lines else "unknown"
