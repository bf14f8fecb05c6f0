"""The programs that take part, each looked for once; who cannot be had is noted in the results."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypeVar

from bench import install
from bench.measure import Broken
from bench.peers import Twofold
from bench.program import Program
from bench.results import Results
from bench.rounds import tell
from scripts.environment import ready

Kind = TypeVar("Kind", bound=Program)


class Programs:
    """Makes programs of their types."""

    def __init__(
        self, cache: Path, own: Path | None, found: Results, wanted: Collection[str] = ()
    ) -> None:
        self._cache, self._own, self._found = cache, own, found
        self._wanted = wanted  # names; empty for all
        self._commands: dict[str, Path | None] = {}

    def get(self, kind: type[Kind]) -> Kind | None:
        """The program, or None when it is not wanted or cannot be had."""
        if self._wanted and kind.name not in self._wanted:
            return None
        if kind.tool not in self._commands:
            self._commands[kind.tool] = self._find(kind)
        command = self._commands[kind.tool]
        return kind(command) if command else None

    def all(self, kinds: Iterable[type[Kind]]) -> list[Kind]:
        """Those that can be had."""
        return [program for kind in kinds if (program := self.get(kind))]

    def _find(self, kind: type[Program]) -> Path | None:
        if kind.tool == Twofold.tool:
            return self._own.absolute() if self._own else ready()
        try:
            return install.find(kind.tool, self._cache)
        except Broken as reason:
            self._found.miss(kind.name, str(reason))
            tell(f"{kind.name} cannot be had: {reason}")
            return None
