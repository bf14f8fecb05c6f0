"""Images of disks against the programs that people use for them: what they add, what they cost.

python3 -m bench.images                everything; writes docs/image-benchmarks.md; needs root
python3 -m bench.images --scale 0.5    with half the files; printed, and written with --output
python3 -m bench.images --quick        a fiftieth of it in one round, printed only
python3 -m bench.images --report FILE  make the page again from the records of a run
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from bench import images_report, machine, places, results
from bench.images_fixed import FixedBlocks
from bench.images_installed import Programs
from bench.images_parts import PARTS, Parts
from bench.images_peers import PEERS
from bench.images_program import Imager
from bench.measure import Broken
from bench.results import Results
from bench.rounds import tell
from scripts.environment import ROOT, Trouble

QUICK = 0.02


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words ask for; 0 when everything that could be had worked."""
    options = _options(words)
    try:
        if options.report:
            print(images_report.render(results.read(options.report)))
            return 0
        found = _measure(options)
    except (Broken, Trouble) as reason:
        tell(f"bench.images: {reason}")
        return 1
    return int(bool(found.broken))


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    private = f"twofold-bench-images-{os.getuid()}"
    parser = argparse.ArgumentParser("python3 -m bench.images", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="a fiftieth of it in one round, printed only")
    add("--scale", type=float, default=1.0, help="size of the inputs, 1 is the whole")
    add("--rounds", type=int, default=3)
    add("--cache", type=Path, default=ROOT / ".bench" / "cache", help="where peers are kept")
    add("--memory", type=Path, default=Path("/dev/shm", private), help="a folder on a tmpfs")
    add("--disk", type=Path, default=ROOT / ".bench" / "disk", help="a folder, best on ext4")
    add("--only", default="", help=f"of {', '.join(PARTS)}; with commas")
    add("--programs", default="", help="leave out all programs but these; with commas")
    add("--twofold", type=Path, help="another command than the one of this checkout")
    add("--output", type=Path, help="the page; the records are written beside the cache")
    add("--report", type=Path, help="make the page from these records and print it")
    options = parser.parse_args(words)
    if options.quick:
        options.scale, options.rounds = options.scale * QUICK, 1
    return options


def _measure(options: argparse.Namespace) -> Results:
    """The whole run; the page is printed, and written if it is wanted."""
    if os.geteuid() != 0:
        raise Broken("disks are made through mounts, which needs root")
    options.cache.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    found = Results(options.cache / f"images-{stamp}.ndjson")
    names = [name.strip() for name in options.programs.split(",") if name]
    programs = Programs(options.cache.absolute(), options.twofold, found, names)
    everyone: list[type[Imager]] = [each for kinds in PEERS.values() for each in kinds]
    found.describe(machine.describe(programs.all([*everyone, FixedBlocks]), options.scale))
    place = places.memory(options.memory.absolute())
    parts = _parts(options)
    with places.disk(options.disk.absolute()) if "disk" in parts else nullcontext() as disk:
        work = Parts(place, options.scale, options.rounds, programs, found, disk)
        for part in parts:
            try:
                work.measure(part)
            except Broken as reason:
                found.fail(part, "the disks", str(reason))
                tell(f"{part}: {reason}")
    found.describe({"load after": "/".join(f"{each:.1f}" for each in os.getloadavg())})
    _publish(options, found)
    return found


def _parts(options: argparse.Namespace) -> Sequence[str]:
    """What is to be measured."""
    chosen = [part.strip() for part in options.only.split(",")] if options.only else PARTS
    for part in chosen:
        if part not in PARTS:
            raise Broken(f"there is no part '{part}', only {', '.join(PARTS)}")
    return chosen


def _publish(options: argparse.Namespace, found: Results) -> None:
    page = images_report.render(found)
    print(page)
    whole = options.scale == 1 and not options.only and not options.programs
    output = options.output or (ROOT / "docs" / "image-benchmarks.md" if whole else None)
    if output:
        output.write_text(page, "utf-8")
    tell(f"records: {found.path}")


if __name__ == "__main__":
    sys.exit(main())
