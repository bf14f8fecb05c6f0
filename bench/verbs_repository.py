"""One program with its backups, ready to be asked; and whether what it answers is right."""

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
        said = (self.world.folder / "output.log").read_bytes()
        file, folder = Path(self.filled["file"]), Path(self.filled["folder"])
        if verb in LISTS and file.name.encode() not in said:
            raise Broken(f"{verb} does not name {file.name}")
        if verb == "cat" and file.read_bytes() not in said:
            raise Broken("cat does not print the file")
        if verb == "restore a file":
            found = [each.read_bytes() for each in self.world.restored.rglob("*") if each.is_file()]
            if found != [file.read_bytes()]:
                raise Broken("the restored file is another one")
        if verb == "restore a folder":
            below = self.filled["bare_folder"] if self.program.tool == Borg.tool else ""
            wrong = verify.difference(folder, self.world.restored / below)
            if wrong:
                raise Broken(f"the restored folder is another one: {wrong}")
