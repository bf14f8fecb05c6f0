"""What imaging costs: every program does everything once per round, in an order that turns.

What is written back is compared with the source in the first round. One file out of an image of
many is fetched by Twofold alone; what opening the repository costs is measured beside it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.images_disks import Disk
from bench.images_peers import TwofoldImage
from bench.images_program import Action, Imager
from bench.images_verify import Verifier
from bench.images_work import Work, steps
from bench.measure import Broken
from bench.places import Place
from bench.program import World
from bench.results import Results, Step
from bench.rounds import tell


class OneFile(TwofoldImage):
    """Twofold, taking one file out of an image; it is compared with what it should be."""

    def __init__(self, command: Path, name: str, wanted: Path) -> None:
        super().__init__(command)
        self._name, self._wanted = name, wanted

    def actions(self, world: World) -> Iterator[Action]:
        yield Action("first", self.backup(world))
        yield Action("open", [[self.command, "snapshots"]])
        cat = [self.command, "cat", f"latest:p2:/{self._name}"]
        yield Action("one file", [cat, ["cmp", "-", str(self._wanted)]])


def rounds(
    disk: Disk,
    case: str,
    programs: Sequence[Imager],
    found: Results,
    count: int,
    place: Place | None = None,
) -> None:
    """Measure; who fails or brings back something else is out."""
    verifier = Verifier(disk)
    out: set[str] = set()
    for number in range(1, count + 1):
        present = [each for each in programs if each.name not in out]
        turn = (number - 1) % max(1, len(present))
        for program in [*present[turn:], *present[:turn]]:
            with Work(disk, program, case, number, place) as work:
                made = steps(work, disk, program, verifier if number == 1 else None)
                if not keep(made, found, case, program.name):
                    out.add(program.name)


def keep(made: Iterator[Step], found: Results, case: str, program: str) -> bool:
    """Keep the steps when all of them were right; whether they were."""
    kept: list[Step] = []
    try:
        for step in made:
            kept.append(step)
            tell(_sentence(step))
    except Broken as broken:
        found.fail(case, program, str(broken))
        tell(f"{case}: {program} is out: {broken}")
        return False
    for step in kept:
        found.add(step)
    return True


def _sentence(step: Step) -> str:
    return (
        f"{step.case}, round {step.round}: {step.program:19} {step.step:9} {step.wall:7.2f} s, "
        f"CPU {step.cpu:7.2f} s, {step.memory >> 20:5} MiB, stored {step.stored / 1e6:,.1f} MB"
    )
