"""The results as a Markdown page: machine, programs, budgets, a table for each case, what lacks."""

from collections.abc import Iterator

from bench.budgets import OWN, Verdict, judge, ratio
from bench.results import STEPS, Medians, Results

INTRODUCTION = """\
# Benchmarks

Made by `python3 -m bench`; every figure comes from that one command. Times are medians over the
rounds in seconds of wall clock, with processor seconds (user and system, all threads) in brackets.
`×` is the program's time divided by Twofold's: above 1, Twofold is faster. Every program encrypts
(but `cp`) and asks its password slot at each start. *memory*: input, repository and restored files
are on a tmpfs. *disk*: on ext4, where a step ends when everything is on the disk; *cold*: it begins
with an empty page cache. Before each step one and a half times what it may write (two and a half
on the disk) was taken of memory and freed, so that nobody waits for memory that a virtual machine
has given back to its host, which took longer than most.
*stored* is the repository after the first backup, *edits* what a backup
after a hundred scattered edits added. Each restored tree was compared with its source, byte by byte
in the first round and by sample later. [Images of disks](image-benchmarks.md) have their own page;
[where the time goes](speed.md) says what rules the figures.
"""
SMOKE = """
**These are smoke sizes.** They prove that every program works and is verified. Fixed costs such as
start and key derivation rule them, so the ratios say nothing about real backups, and budgets, which
are for whole sizes, are not judged.
"""
WHOLE = 0.5  # the smallest scale at which budgets are judged


def render(results: Results) -> str:
    """The whole page."""
    whole = float(results.machine["scale"]) >= WHOLE
    parts = [INTRODUCTION, "" if whole else SMOKE, "\n".join(machine_lines(results))]
    if whole:
        parts.append("\n".join(budget_lines(judge(results))))
    parts += ["\n".join(_case(results, case)) for case in results.inputs]
    parts.append("\n".join(missing_lines(results)))
    return "\n".join(part.strip() + "\n" for part in parts if part.strip())


def machine_lines(results: Results) -> Iterator[str]:
    """The section on what was measured where."""
    yield "## Machine and programs\n"
    yield "| | |\n|---|---|"
    for key, value in results.machine.items():
        if key != "start-up":
            yield f"| {key} | {value} |"


def budget_lines(verdicts: list[Verdict]) -> Iterator[str]:
    """The section on budgets."""
    measured = [each for each in verdicts if each.measured is not None]
    missed = [each for each in measured if not each.held]
    yield f"## Budgets: {len(measured) - len(missed)} of {len(measured)} measured ones held\n"
    if measured:
        yield "| budget | asked | measured | |\n|---|---|---|---|"
    for each in measured:
        state = "held" if each.held else "**missed**"
        yield f"| {each.sentence} | {each.asked} | {each.measured} | {state} |"
    lacking = [each.peer for each in verdicts if each.measured is None]
    if lacking:
        peers = ", ".join(dict.fromkeys(lacking))
        yield f"\n{len(lacking)} more could not be judged, for want of figures of {peers}."


def _case(results: Results, case: str) -> Iterator[str]:
    files, size = results.inputs[case]
    yield f"## {case}: {files:,} files, {size / 1e9:.3f} GB\n"
    found = {step.step for step in results.steps if step.case == case}
    steps = [step for step in STEPS if step in found]
    sizes = ["stored MB", *(["edits MB"] if "changed" in found else []), "peak MiB", "rounds"]
    yield "| | " + " | ".join([*(f"{step} | ×" for step in steps), *sizes]) + " |"
    yield "|---|" + "---:|---:|" * len(steps) + "---:|" * len(sizes)
    for program in results.programs(case):
        yield _row(results, case, program, steps)


def _row(results: Results, case: str, program: str, steps: list[str]) -> str:
    cells = []
    for step in steps:
        found = results.medians(case, program, step)
        factor = None if program == OWN else ratio(results, case, step, program)
        cells += [_time(found), "" if factor is None else f"{factor:.2f}"]
    known = {step: found for step in STEPS if (found := results.medians(case, program, step))}
    cells.append(f"{known['first'].stored / 1e6:,.1f}")
    if "changed" in steps:
        cells.append(_edits(known))
    cells.append(f"{max(found.memory for found in known.values()) / 2**20:.0f}")
    cells.append(f"{min(found.rounds for found in known.values())}")
    name = f"**{program}**" if program == OWN else program
    return f"| {name} | " + " | ".join(cells) + " |"


def _edits(known: dict[str, Medians]) -> str:
    """What the backup after the edits added to the repository, in MB."""
    if "changed" not in known:
        return "–"
    return f"{(known['changed'].stored - known['unchanged'].stored) / 1e6:,.1f}"


def _time(found: Medians | None) -> str:
    return "–" if found is None else f"{found.wall:.2f} ({found.cpu:.2f})"


def missing_lines(results: Results) -> Iterator[str]:
    """The section on what could not be measured; nothing when there is none."""
    if not results.absent and not results.broken:
        return
    yield "## Not measured\n"
    for program, reason in results.absent.items():
        yield f"- {program} could not be had here: {reason}"
    for each in results.broken:
        yield f"- {each['program']}, {each['case']}: {each['reason']}"
