"""The schedule: every program does everything once per round, one after the other.

Rounds are the outer loop and the order turns with each, so that a disturbance touches everyone
alike. Before the first round each program works on a hundredth of the small files, not counted:
its code is then in memory, and one that does not work is known. Restored trees are compared byte
by byte in the first round and by sample later; who fails or brings back something else is out of
the case.
"""

import sys
import time
from collections.abc import Sequence as Series
from dataclasses import astuple, dataclass, field
from pathlib import Path

from bench import inputs
from bench.inputs import Tree
from bench.measure import Broken
from bench.places import Place, free_bytes, remove
from bench.program import Program
from bench.results import Results, Step
from bench.sequence import Sequence, size

SAMPLE = 50
ROOM = 2.5  # repository and restored tree, in sizes of the input


@dataclass(frozen=True, slots=True)
class Case:
    """One input at one place.

    Attributes:
        scale: of the input.
        programs: who takes part in every round.
        once: who takes part in the first one only.
    """

    tree: Tree
    place: Place
    scale: float
    programs: Series[str]
    once: Series[str] = ()

    @property
    def name(self) -> str:
        """Such as "small on disk (cold)"."""
        where = f"on {self.place.name}" if self.place.on_disk else f"in {self.place.name}"
        return f"{self.tree.name} {where}{' (cold)' if self.place.cold else ''}"


@dataclass
class Rounds:
    """The rounds of all cases, until they are done or the time is up."""

    programs: dict[str, Program]
    results: Results
    deadline: float  # of time.monotonic
    _out: set[tuple[str, str]] = field(default_factory=set)
    _took: dict[str, float] = field(default_factory=dict)  # s, the last round of each case

    def run(self, cases: Series[Case], rounds: int) -> None:
        """Measure. The first round is whole; later ones leave out cases that would end too late.

        Raises:
            Broken: there is not enough room for a case.
        """
        for place in {case.place.name: case.place for case in cases}.values():
            self._warm_up([case for case in cases if case.place == place])
        for number in range(1, rounds + 1):
            for case in cases:
                begun = time.monotonic()
                if number == 1 or begun + self._took[case.name] < self.deadline:
                    self._round(case, number)
                    self._took[case.name] = time.monotonic() - begun

    def _warm_up(self, cases: Series[Case]) -> None:
        place, tree = cases[0].place, inputs.TREES["small"]
        scale = max(case.scale for case in cases) / 100
        root = inputs.ensure(tree, place.folder / "warm-up", scale)
        names = dict.fromkeys(name for case in cases for name in (*case.programs, *case.once))
        for name in self._present(names):
            try:
                list(Sequence(tree, root, place, self.programs[name]).run())
            except Broken as broken:
                for case in cases:
                    self._fail(case, name, broken)
        remove(root.parent)

    def _present(self, names: Series[str] | dict[str, None]) -> list[str]:
        return [name for name in names if name in self.programs]

    def _round(self, case: Case, number: int) -> None:
        root = inputs.ensure(case.tree, case.place.folder / "inputs", case.scale)
        if number == 1:
            self._describe(case, root)
        wanted = self._present([*case.programs, *(case.once if number == 1 else ())])
        names = [name for name in wanted if (case.name, name) not in self._out]
        turn = (number - 1) % max(1, len(names))
        for name in [*names[turn:], *names[:turn]]:
            self._sequence(case, root, name, number)

    def _describe(self, case: Case, root: Path) -> None:
        files, total = size(root)
        if free_bytes(case.place) < ROOM * total:
            raise Broken(
                f"{case.name} needs {ROOM * total / 1e9:.1f} GB free in {case.place.folder}; "
                "a --scale below 1 needs less"
            )
        self.results.open_case(case.name, files, total)

    def _sequence(self, case: Case, root: Path, name: str, number: int) -> None:
        """One program's whole sequence; it is kept only when what was restored is right."""
        every = 1 if number == 1 else SAMPLE
        steps: list[Step] = []
        try:
            for done in Sequence(case.tree, root, case.place, self.programs[name], every).run():
                figures = (*astuple(done.cost), done.stored)
                steps.append(Step(case.name, name, done.step, number, *figures))
                tell(_sentence(steps[-1]))
        except Broken as broken:
            self._fail(case, name, broken)
        else:
            for step in steps:
                self.results.add(step)

    def _fail(self, case: Case, name: str, broken: Broken) -> None:
        self._out.add((case.name, name))
        self.results.fail(case.name, name, str(broken))
        tell(f"{case.name}: {name} is out: {broken}")


def _sentence(step: Step) -> str:
    return (
        f"{step.case}, round {step.round}: {step.program:17} {step.step:9} {step.wall:8.2f} s, "
        f"CPU {step.cpu:7.2f} s, {step.memory >> 20:5} MiB, stored {step.stored / 1e6:,.1f} MB"
    )


def tell(sentence: str) -> None:
    """Say on stderr, at once, what goes on."""
    print(sentence, file=sys.stderr, flush=True)
