"""Everything that is done with a repository beside backing up and restoring whole trees.

    python3 -m bench.verbs            small files and large ones; writes docs/verb-benchmarks.md
    python3 -m bench.verbs --quick    a hundredth of it in one round, printed only

Each program makes ten backups of a tree that changes in between. Then every verb is asked of every
program in turn, as often as there are rounds; all repositories are there at the same time. A file
or folder that comes back is compared with the source, and a list has to hold what was looked for.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

from bench import inputs, install, machine, measure, places, verbs_words
from bench.measure import Broken, Cost
from bench.peers import Borg, Kopia, Restic, Rustic, Twofold
from bench.places import Place, remove
from bench.program import Program, World
from bench.results import Results, Step
from bench.rounds import tell
from bench.sequence import size
from bench.verbs_page import page
from bench.verbs_repository import Repository
from bench.verbs_tree import change, chosen
from scripts.environment import ROOT, Trouble, ready

BACKUPS = 10
TREES = {"small": 1.0, "large": 0.125}  # by scale: all repositories have to be in memory at once
PROGRAMS = (Twofold, Restic, Borg, Rustic, Kopia)
CHANGES = "backup of changes"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the page and write it; 0 when everything worked."""
    options = _options(words)
    options.cache.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    found = Results(options.cache / f"verbs-{stamp}.ndjson")
    try:
        programs = list(_programs(options, found))
        found.describe(machine.describe(programs, options.scale))
        place = places.memory(options.memory.absolute())
        for name in options.only.split(","):
            _case(found, name, programs, place, options)
    except (Broken, Trouble) as reason:
        tell(f"bench.verbs: {reason}")
        return 1
    text = page(found)
    print(text)
    output = options.output or (
        ROOT / "docs" / "verb-benchmarks.md" if options.scale == 1 else None
    )
    if output:
        output.write_text(text, "utf-8")
    tell(f"records: {found.path}")
    return int(bool(found.broken))


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python3 -m bench.verbs", description=__doc__)
    add = parser.add_argument
    private = Path("/dev/shm", f"twofold-bench-{os.getuid()}")
    add("--quick", action="store_true", help="a hundredth of it in one round, printed only")
    add("--scale", type=float, default=1.0)
    add("--rounds", type=int, default=3)
    add("--only", default=",".join(TREES), help="trees, with commas")
    add("--verbs", default="", help="leave out all verbs but these; with commas")
    add("--programs", default="", help="leave out all programs but these; with commas")
    add("--twofold", type=Path, help="another command than this checkout's")
    add("--cache", type=Path, default=ROOT / ".bench" / "cache", help="where peers are kept")
    add("--memory", type=Path, default=private, help="a folder on a tmpfs")
    add("--output", type=Path, help="the page")
    options = parser.parse_args(words)
    if options.quick:
        options.scale, options.rounds = options.scale / 100, 1
    return options


def _programs(options: argparse.Namespace, found: Results) -> Iterator[Program]:
    """Every program that is wanted and can be had; the others are noted."""
    for kind in PROGRAMS:
        if options.programs and kind.tool not in options.programs.split(","):
            continue
        try:
            yield kind(_command(kind.tool, options))
        except Broken as reason:
            found.miss(kind.name, str(reason))


def _command(tool: str, options: argparse.Namespace) -> Path:
    if tool == Twofold.tool:
        return options.twofold.absolute() if options.twofold else ready()
    return install.find(tool, options.cache.absolute())


def _case(
    found: Results, name: str, programs: list[Program], place: Place, options: argparse.Namespace
) -> None:
    """One tree: its backups, then the verbs."""
    folder = place.folder / "verbs"
    remove(folder)
    try:
        root = inputs.ensure(inputs.TREES[name], folder, TREES[name] * options.scale)
        found.open_case(name, *size(root))
        made = list(_backups(found, root, folder, programs, place))
        wanted = options.verbs.split(",") if options.verbs else list(verbs_words.VERBS["twofold"])
        for number in range(options.rounds):
            for verb in wanted:
                for repository in made[number % len(made) :] + made[: number % len(made)]:
                    _measure(found, (name, verb, number + 1), repository, place)
    finally:
        remove(folder)


def _backups(
    found: Results, root: Path, folder: Path, programs: list[Program], place: Place
) -> Iterator[Repository]:
    """The repositories of all programs, each with a backup of every state of the tree."""
    made = []
    for program in programs:
        world = World(folder / program.tool, root)
        world.make()
        made.append(Repository(program, world, program.environment(world)))
        for pipeline in program.init(world):
            measure.run(pipeline, made[-1].env, world.folder)
    for number in range(BACKUPS):
        change(root, number)
        for each in made:
            cost = each.back_up(place)
            if number:
                _keep(found, (root.name, CHANGES, number), each, cost)
    for each in made:
        known = verbs_words.ids(each.program, each.world, each.env)
        each.filled = verbs_words.places(each.world, *chosen(root), known)
        yield each


def _measure(found: Results, what: tuple[str, str, int], asked: Repository, place: Place) -> None:
    case, verb, _ = what
    try:
        cost = asked.ask(verb, place)
    except Broken as reason:
        found.fail(case, asked.program.name, f"{verb}: {reason}")
        tell(f"{case}: {asked.program.name}, {verb}: {reason}")
        return
    if cost:
        _keep(found, what, asked, cost)


def _keep(found: Results, what: tuple[str, str, int], asked: Repository, cost: Cost) -> None:
    case, verb, number = what
    figures = (*astuple(cost), 0)
    step = Step(case, asked.program.name, verb, number, *figures)
    found.add(step)
    tell(
        f"{step.case}, round {step.round}: {step.program:9} {step.step:17} {step.wall:8.2f} s, "
        f"CPU {step.cpu:7.2f} s, {step.memory >> 20:5} MiB"
    )


if __name__ == "__main__":
    sys.exit(main())
