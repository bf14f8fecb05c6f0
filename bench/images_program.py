"""What a program that images disks is to the benchmark: what it does, in which order."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Pipeline
from bench.program import Program, World


@dataclass(frozen=True, slots=True)
class Action:
    """One measured step.

    Attributes:
        step: its name.
        pipeline: the commands.
        landed: the disk that it writes, which is compared with the source.
        mounted: it needs the files of the disk.
    """

    step: str
    pipeline: Pipeline
    landed: Path | None = None
    mounted: bool = False


class Imager(Program):
    """A program that makes images of disks; ``scope`` is what its restore brings back."""

    scope = "disk"  # every byte; or "used": of the whole disk; or "part": of the main partition
    proof: tuple[str, ...] = ()  # what makes a stream of a partition, if not the tool of its kind

    def actions(self, world: World) -> Iterator[Action]:
        """What it does with the disk in one round."""
        world.number += 1
        yield Action("first", self.backup(world))
        yield Action("restore", self.restore(world), self.landed(world))

    def landed(self, world: World) -> Path:
        return world.restored / world.source.name
