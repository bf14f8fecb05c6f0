"""What one program does with one input: init, back up, again, after edits, restore; each verified.

The program starts from nothing in a world of its own, which is removed at the end. Only what the
documented commands do is measured; making the repository and comparing trees are not.
"""

import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench import measure, verify
from bench.inputs import Tree, second_state
from bench.measure import Broken, Cost, Pipeline
from bench.places import Place, remove
from bench.program import Program, World


@dataclass(frozen=True, slots=True)
class Done:
    """One step, what it cost, and the bytes in the repository after it."""

    step: str
    cost: Cost
    stored: int


@dataclass
class Sequence:
    """One program at work on one input at one place."""

    tree: Tree
    root: Path
    place: Place
    program: Program
    every: int = 1  # of how many restored files one is compared byte by byte

    def __post_init__(self) -> None:
        self.world = World(self.place.folder / "world", self.root)
        self.env = self.program.environment(self.world)
        self._bytes = size(self.root)[1]

    def run(self) -> Iterator[Done]:
        """Do everything, one measured step at a time.

        Raises:
            Broken: a command failed, or what was restored is not what was backed up.
        """
        self.world.make()
        try:
            for pipeline in self.program.init(self.world):
                measure.run(pipeline, self.env, self.world.folder)
            yield from self._backups()
        finally:
            remove(self.world.folder)

    def _backups(self) -> Iterator[Done]:
        again = self.program.proves_unchanged
        yield self._backup("first")
        if again:
            yield self._backup("unchanged")
        edits = self.tree.has_second and again
        with second_state(self.tree, self.root) if edits else nullcontext():
            if edits:
                yield self._backup("changed")
            yield self._restore()

    def _backup(self, step: str) -> Done:
        self.world.number += 1
        return self._step(step, self.program.backup(self.world))

    def _restore(self) -> Done:
        done = self._step("restore", self.program.restore(self.world))
        wrong = verify.difference(self.root, self.program.landed(self.world), self.every)
        if wrong:
            raise Broken(f"what was restored is not what was backed up: {wrong}")
        return done

    def _step(self, step: str, pipeline: Pipeline) -> Done:
        self.place.before(self._bytes)
        cost = measure.run(pipeline, self.env, self.world.folder, self.place.after)
        return Done(step, cost, size(self.world.repository)[1])


def size(root: Path) -> tuple[int, int]:
    """Files below a folder and the sum of their sizes in bytes."""
    said = subprocess.run(
        ["find", str(root), "-type", "f", "-printf", "%s\n"], capture_output=True, check=True
    )
    sizes = said.stdout.split()
    return len(sizes), sum(map(int, sizes))
