"""One program at work on one disk, in a world of its own that is removed at the end."""

from collections.abc import Iterator
from contextlib import nullcontext

from bench import measure
from bench.images_disks import Disk
from bench.images_program import Imager
from bench.images_verify import Verifier
from bench.measure import Pipeline
from bench.places import Place, remove
from bench.program import Program, World
from bench.results import Step
from bench.sequence import size


class Work:
    """A repository of one program, and the steps that are measured in it."""

    def __init__(
        self,
        disk: Disk,
        program: Program,
        case: str,
        number: int = 1,
        place: Place | None = None,
    ) -> None:
        """``place``: where the disk is, if something is to be done around each step there."""
        self._disk, self._program = disk, program
        self._case, self._number = case, number
        self._place = place or Place("memory", disk.folder)
        self.world = World(disk.folder / "world", disk.path)

    def __enter__(self) -> "Work":
        self.world.make()
        for pipeline in self._program.init(self.world):
            self.run(pipeline)
        return self

    def __exit__(self, *_: object) -> None:
        remove(self.world.folder)

    def run(self, pipeline: Pipeline) -> measure.Cost:
        """Run it; what it cost."""
        variables = self._program.environment(self.world)
        self._place.before(self._disk.used)
        return measure.run(pipeline, variables, self.world.folder, self._place.after)

    def step(self, name: str, pipeline: Pipeline) -> Step:
        """Run it; what it cost, and what the repository holds then."""
        cost = self.run(pipeline)
        stored = size(self.world.repository)[1]
        return Step(
            self._case,
            self._program.name,
            name,
            self._number,
            cost.wall,
            cost.cpu,
            cost.memory,
            stored,
        )

    def clear(self) -> None:
        """Remove what was written back."""
        remove(self.world.restored)
        self.world.restored.mkdir()


def steps(work: Work, disk: Disk, program: Imager, verifier: Verifier | None) -> Iterator[Step]:
    """All that a program does in one round, compared with the source when there is a verifier.

    Raises:
        Broken: a step failed, or what came back is not the source.
    """
    for action in program.actions(work.world):
        with disk.mounted() if action.mounted else nullcontext():
            yield work.step(action.step, action.pipeline)
        if action.landed and verifier:
            verifier.prove(disk.path, action.landed, program)
        work.clear()
