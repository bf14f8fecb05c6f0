"""How Twofold's cost grows: with the number of files, and with the cores that it may use.

    python3 -m bench.scaling              10,000, 100,000 and 1,000,000 tiny files; small files on
                                          one core and on all; writes docs/scaling.md
    python3 -m bench.scaling --quick      a hundredth of it, printed only

One round each, in memory. The cost of an index of many chunks, which takes no files to measure, is
appended from ``bench.index_scale`` when that is there.
"""

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import inputs, machine, places
from bench.measure import Broken, Pipeline
from bench.peers import Twofold
from bench.places import Place, remove
from bench.program import World
from bench.results import STEPS, Results, Step
from bench.rounds import tell
from bench.sequence import Sequence as Work
from bench.sequence import size
from scripts.environment import ROOT, Trouble, ready

MILLION = 1_000_000
COUNTS = (10_000, 100_000, MILLION)
INTRODUCTION = """\
# Scaling

Made by `python3 -m bench.scaling` in one round, with input, repository and restored files on a
tmpfs. Seconds of wall clock, processor seconds in brackets, and each step's peak memory in MiB.
"""
INDEX_PAGE = "bench.index_scale"  # its page() gives a section in Markdown


class Pinned(Twofold):
    """Twofold on the first so many cores."""

    def __init__(self, command: Path, cores: int) -> None:
        super().__init__(command)
        chosen = sorted(os.sched_getaffinity(0))[:cores]
        self._pin = ["taskset", "--cpu-list", ",".join(map(str, chosen))]

    def backup(self, world: World) -> Pipeline:
        return [[*self._pin, *words] for words in super().backup(world)]

    def restore(self, world: World) -> Pipeline:
        return [[*self._pin, *words] for words in super().restore(world)]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the page and write it; 0 when everything worked."""
    parser = argparse.ArgumentParser("python3 -m bench.scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of it, printed only")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--twofold", type=Path, help="another command than this checkout's")
    private = Path("/dev/shm", f"twofold-bench-{os.getuid()}")
    parser.add_argument("--memory", type=Path, default=private, help="a folder on a tmpfs")
    options = parser.parse_args(words)
    scale = options.scale * (0.01 if options.quick else 1)
    try:
        command = options.twofold.absolute() if options.twofold else ready()
        text = page(command, places.memory(options.memory.absolute()), scale)
    except (Broken, Trouble) as reason:
        tell(f"bench.scaling: {reason}")
        return 1
    print(text)
    if scale == 1:
        (ROOT / "docs" / "scaling.md").write_text(text, "utf-8")
    return 0


def page(command: Path, place: Place, scale: float) -> str:
    """The whole page in Markdown.

    Raises:
        Broken: a step failed or brought back something else than was backed up.
    """
    found = Results()
    found.describe(machine.describe([Twofold(command)], scale))
    by_files = [_files(found, command, place, round(count * scale)) for count in COUNTS]
    by_cores = list(_cores(found, command, place, scale))
    facts = [f"| {key} | {value} |" for key, value in found.machine.items()]
    parts = [
        INTRODUCTION,
        "\n".join(["| | |\n|---|---|", *facts, ""]),
        "\n".join(["## Tiny files\n", *_table(found, by_files)]),
        "\n".join(["## Cores, with the small files\n", *_table(found, by_cores)]),
        *_index(scale),
    ]
    return "\n".join(parts)


def _files(found: Results, command: Path, place: Place, count: int) -> str:
    """Measure a tree of this many tiny files; the name of its case."""
    tree = inputs.TREES["tiny"]
    root = inputs.ensure(tree, place.folder / f"tiny-{count}", count / MILLION)
    case = f"{size(root)[0]:,} files"
    _work(found, case, Work(tree, root, place, Twofold(command)))
    remove(root.parent)
    return case


def _cores(found: Results, command: Path, place: Place, scale: float) -> Iterator[str]:
    """Measure the small files with a growing number of cores; the names of the cases."""
    tree, cores = inputs.TREES["small"], len(os.sched_getaffinity(0))
    root = inputs.ensure(tree, place.folder / "inputs", scale)
    for count in sorted({1, 2, cores} & set(range(1, cores + 1))):
        case = f"{count} {'core' if count == 1 else 'cores'}"
        _work(found, case, Work(tree, root, place, Pinned(command, count)))
        yield case
    remove(root.parent)


def _work(found: Results, case: str, work: Work) -> None:
    for done in work.run():
        cost = done.cost
        step = Step(case, "twofold", done.step, 1, cost.wall, cost.cpu, cost.memory, done.stored)
        found.add(step)
        tell(f"{case}: {done.step:9} {cost.wall:8.2f} s, CPU {cost.cpu:7.2f} s")


def _table(found: Results, cases: Sequence[str]) -> Iterator[str]:
    steps = [step for step in STEPS if step != "changed"]
    yield "| | " + " | ".join(f"{step} | MiB" for step in steps) + " | stored MB |"
    yield "|---|" + "---:|---:|" * len(steps) + "---:|"
    for case in cases:
        costs = {each.step: each for each in found.steps if each.case == case}
        cells = [
            f"{costs[step].wall:.2f} ({costs[step].cpu:.2f}) | {costs[step].memory >> 20}"
            for step in steps
        ]
        yield f"| {case} | " + " | ".join(cells) + f" | {costs['first'].stored / 1e6:,.1f} |"
    yield ""


def _index(scale: float) -> Iterator[str]:
    """The section on the index, when what measures it is there."""
    if importlib.util.find_spec(INDEX_PAGE):
        yield str(importlib.import_module(INDEX_PAGE).page(scale))


if __name__ == "__main__":
    sys.exit(main())
