"""One command: fetch the peers, make the inputs, measure everything in turn, write the page.

python3 -m bench                 everything, about 25 minutes; writes docs/benchmarks.md
python3 -m bench --quick         a hundredth of it in one round, printed only
python3 -m bench --peers-only    fetch the peers and stop
python3 -m bench --report FILE   make the page again from the records of a run
python3 -m bench.scaling         cost by number of files and of threads; writes docs/scaling.md
python3 -m bench.images          images of disks; writes docs/image-benchmarks.md
python3 -m bench.verbs           what else is done with a repository; writes docs/verb-benchmarks.md
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import install, machine, places, report, results
from bench.inputs import TREES
from bench.measure import Broken
from bench.peers import PROGRAMS, Twofold
from bench.places import Place, remove
from bench.program import Program
from bench.results import Results
from bench.rounds import Case, Rounds, tell
from scripts.environment import ROOT, Trouble, ready

QUICK = 0.01
DISK_PART = 0.25  # of the inputs, on the disk: enough to be ruled by it, and in time
VARIANTS = ("kopia", "borg zstd")  # other settings of programs that are there; one round
BASELINES = ("cp -a", "tar+zstd+openssl")
TO_DISK = ("twofold", "restic", "borg lz4")


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words ask for; 0 when everything that could be had worked."""
    options = _options(words)
    try:
        if options.report:
            print(report.render(results.read(options.report)))
            return 0
        found = _measure(options)
    except (Broken, Trouble) as reason:
        tell(f"bench: {reason}")
        return 1
    return int(bool(found.broken))


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    private = f"twofold-bench-{os.getuid()}"
    parser = argparse.ArgumentParser("python3 -m bench", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="a hundredth of it in one round, printed only")
    add("--scale", type=float, default=1.0, help="size of the inputs, 1 is the whole")
    add("--rounds", type=int, default=3)
    add("--minutes", type=float, default=24, help="leave out later rounds that would take longer")
    add("--cache", type=Path, default=ROOT / ".bench" / "cache", help="where peers are kept")
    add("--memory", type=Path, default=Path("/dev/shm", private), help="a folder on a tmpfs")
    add("--disk", type=Path, default=ROOT / ".bench" / "disk", help="a folder, best on ext4")
    add("--only", default="", help="cases, by the beginning of their name; with commas")
    add("--programs", default="", help="leave out all programs but these; with commas")
    add("--twofold", type=Path, help="another command than the one of this checkout")
    add("--output", type=Path, help="the page; the records are written beside the cache")
    add("--peers-only", action="store_true", help="fetch the peers and stop")
    add("--report", type=Path, help="make the page from these records and print it")
    options = parser.parse_args(words)
    if options.quick:
        options.scale, options.rounds = options.scale * QUICK, 1
    return options


def _measure(options: argparse.Namespace) -> Results:
    """The whole run; the page is printed, and written if it is wanted."""
    options.cache.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    found = Results(options.cache / f"records-{stamp}.ndjson")
    programs = _programs(options, found)
    if options.peers_only:
        return found
    found.describe(machine.describe(programs.values(), options.scale))
    with ExitStack() as stack:
        cases = _cases(options, stack)
        if Twofold.name in programs and cases:
            folder = cases[0].place.folder
            seconds = machine.start_up(programs[Twofold.name], folder)
            found.describe({"start-up": f"{seconds:.4f}"})
        deadline = time.monotonic() + 60 * options.minutes
        Rounds(programs, found, deadline).run(cases, options.rounds)
        for case in cases:
            remove(case.place.folder / "inputs")
    _publish(options, found)
    return found


def _programs(options: argparse.Namespace, found: Results) -> dict[str, Program]:
    """Every program that is wanted and can be had; the others are noted."""
    wanted = [each for each in PROGRAMS if _chosen(each.name, options.programs, whole=True)]
    commands: dict[str, Path | Broken] = {}
    programs = {}
    for each in wanted:
        if each.tool not in commands:
            commands[each.tool] = _command(each.tool, options)
        command = commands[each.tool]
        if isinstance(command, Broken):
            found.miss(each.name, str(command))
            tell(f"{each.name} cannot be had: {command}")
        else:
            programs[each.name] = each(command)
    return programs


def _command(tool: str, options: argparse.Namespace) -> Path | Broken:
    if tool == Twofold.tool:
        return options.twofold.absolute() if options.twofold else ready()
    try:
        return install.find(tool, options.cache.absolute())
    except Broken as reason:
        return reason


def _cases(options: argparse.Namespace, stack: ExitStack) -> list[Case]:
    """The cases that are wanted; the disk is made ready only when one of them needs it."""
    chosen = [name for name in CASES if _chosen(name, options.only)]
    opened: dict[str, Place] = {}
    if any(name.endswith("memory") for name in chosen):
        opened["memory"] = places.memory(options.memory.absolute())
    if any(name.endswith("disk") for name in chosen):
        opened["disk"] = stack.enter_context(places.disk(options.disk.absolute()))
    return list(_made(chosen, opened, options.scale))


def _made(chosen: Sequence[str], opened: dict[str, Place], scale: float) -> Iterator[Case]:
    for name in chosen:
        tree, _, place = name.split()
        names, once = CASES[name]
        part = DISK_PART if place == "disk" else 1
        yield Case(TREES[tree], opened[place], scale * part, names, once)


PEERS = ("twofold", "restic", "borg lz4", "rustic", "kopia zstd")
CASES: dict[str, tuple[Sequence[str], Sequence[str]]] = {  # who takes part always, and who once
    "small in memory": (PEERS, (*VARIANTS, *BASELINES)),
    "large in memory": (PEERS, ("kopia", *BASELINES)),
    "mixed in memory": (PEERS, (*VARIANTS, *BASELINES)),
    "small on disk": (TO_DISK, ("cp -a",)),
    "large on disk": (TO_DISK, ("cp -a",)),
}


def _chosen(name: str, wanted: str, whole: bool = False) -> bool:
    words = [word.strip() for word in wanted.split(",") if word.strip()]
    return not words or any(name == word or (not whole and name.startswith(word)) for word in words)


def _publish(options: argparse.Namespace, found: Results) -> None:
    page = report.render(found)
    print(page)
    output = options.output or (None if options.scale < 1 else ROOT / "docs" / "benchmarks.md")
    if output:
        output.write_text(page, "utf-8")
    tell(f"records: {found.path}")


if __name__ == "__main__":
    sys.exit(main())
