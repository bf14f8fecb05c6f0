"""A first backup of a tree that is there, by the programs named: processor time and repository.

    .venv/bin/python -m bench.one_tree /usr [--programs twofold,restic] [--rounds 1]

What is in the tree differs from computer to computer, so figures count only beside each other.
"""

import argparse
from pathlib import Path

from bench import install, measure
from bench.peers import PROGRAMS
from bench.places import remove
from bench.program import Program, World
from bench.sequence import size
from scripts.environment import ROOT, ready


def main() -> None:
    """One round after the other, every program in turn."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("root", type=Path)
    words.add_argument("--programs", default="twofold,restic")
    words.add_argument("--rounds", type=int, default=1)
    words.add_argument("--cache", type=Path, default=ROOT / ".bench" / "cache")
    words.add_argument("--folder", type=Path, default=Path("/dev/shm/twofold-one-tree"))
    given = words.parse_args()
    wanted = given.programs.split(",")
    for number in range(given.rounds):
        for each in PROGRAMS:
            if each.name in wanted:
                own = each.tool == "twofold"
                command = ready() if own else install.find(each.tool, given.cache.absolute())
                print(f"{number + 1} {first_backup(each(command), given.root, given.folder)}")


def first_backup(program: Program, root: Path, folder: Path) -> str:
    """Its cost, and what is in the repository after it, in words."""
    world = World(folder / "world", root)
    world.make()
    env = program.environment(world)
    for pipeline in program.init(world):
        measure.run(pipeline, env, world.folder)
    world.number = 1
    cost = measure.run(program.backup(world), env, world.folder)
    stored = size(world.repository)[1]
    remove(folder)
    return f"{program.name}: {cost.cpu:.2f} CPU s, {cost.wall:.2f} s, {stored / 1e6:.1f} MB"


if __name__ == "__main__":
    main()
