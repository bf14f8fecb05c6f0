"""On what a run was made: date, processor, memory, kernel, load, versions, start-up cost."""

import os
import platform
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from bench import measure
from bench.places import remove
from bench.program import Program, World


def describe(programs: Iterable[Program], scale: float) -> dict[str, str]:
    """Facts by name; those of programs are version and settings."""
    words = Path("/proc/meminfo").read_text("ascii").split()
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    facts = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{_model()}, {len(os.sched_getaffinity(0))} cores used",
        "memory": f"{int(words[words.index('MemTotal:') + 1]) / 2**20:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load before": load,
        "scale": f"{scale:g}",
    }
    return facts | {each.name: f"{each.version()}; {each.settings}" for each in programs}


def start_up(twofold: Program, folder: Path) -> float:
    """Processor seconds of ``twofold --help``, the median of eleven."""
    world = World(folder / "start-up", folder)
    world.make()
    env = world.variables()
    costs = [measure.run([[twofold.command, "--help"]], env, world.folder) for _ in range(11)]
    remove(world.folder)
    return statistics.median(cost.cpu for cost in costs)


def _model() -> str:
    """The processor's name as the kernel tells it."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
