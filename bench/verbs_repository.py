"""One program with its backups, ready to be asked; and whether what it answers is right."""

import filecmp
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import measure, verbs_words, verify
from bench.measure import Broken
from bench.peers import Borg
from bench.places import Place, remove
from bench.program import Program, World
from bench.sequence import size

CHANGED_BYTES = 64 << 20  # more than programs write for what changed
PIECE = 1 << 16
LISTS = ("ls of all", "ls of a folder", "find in one", "find in all", "versions")


@dataclass
class Repository:
    """One program with its backups, ready to be asked."""

    program: Program
    world: World
    env: Mapping[str, str]
    filled: dict[str, str] = field(default_factory=dict)

    def back_up(self, place: Place) -> measure.Cost:
        """Make one more backup; what it costs.

        Raises:
            Broken: the program failed.
        """
        self.world.number += 1
        place.before(CHANGED_BYTES)
        return measure.run(self.program.backup(self.world), self.env, self.world.folder)

    def ask(self, verb: str, place: Place) -> measure.Cost | None:
        """What a verb costs; None when the program has none.

        Raises:
            Broken: it failed, or its answer is wrong.
        """
        pipeline = verbs_words.words(self.program, verb, self.filled)
        if pipeline is None:
            return None
        remove(self.world.restored)
        self.world.restored.mkdir()
        place.before(size(Path(self.filled["folder"]))[1])
        cost = measure.run(pipeline, self.env, self.world.folder)
        self._prove(verb)
        return cost

    def _prove(self, verb: str) -> None:
        """Piece by piece, for what this process holds at its peak is inherited by those it starts.

        Raises:
            Broken: the answer is wrong.
        """
        log, file = self.world.folder / "output.log", Path(self.filled["file"])
        if verb in LISTS:
            with open(log, "rb") as said:
                if not any(file.name.encode() in line for line in said):
                    raise Broken(f"{verb} does not name {file.name}")
        if verb == "cat" and not _begins_or_ends_with(log, file):
            raise Broken("cat does not print the file")
        if verb == "restore a file":
            found = [each for each in self.world.restored.rglob("*") if each.is_file()]
            if len(found) != 1 or not filecmp.cmp(found[0], file, shallow=False):
                raise Broken("the restored file is another one")
        if verb == "restore a folder":
            below = self.filled["bare_folder"] if self.program.tool == Borg.tool else ""
            wrong = verify.difference(Path(self.filled["folder"]), self.world.restored / below)
            if wrong:
                raise Broken(f"the restored folder is another one: {wrong}")


def _begins_or_ends_with(log: Path, file: Path) -> bool:
    """Whether contents were printed, before or after words of the program."""
    spare = log.stat().st_size - file.stat().st_size
    return spare >= 0 and any(_is_at(log, start, file) for start in (0, spare))


def _is_at(log: Path, start: int, file: Path) -> bool:
    with open(log, "rb") as said, open(file, "rb") as wanted:
        said.seek(start)
        while piece := wanted.read(PIECE):
            if said.read(len(piece)) != piece:
                return False
    return True
