"""The page of the image benchmark: machine, budgets, what is stored, times, what lacks."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from bench.budgets import OWN
from bench.images_budgets import added, judge
from bench.images_cases import (
    FILES_FIRST,
    IMAGE_FIRST,
    KINDS,
    ONE_FILE,
    OPEN,
    PLAIN,
    PRESSED,
    TIMES,
    on_disk,
    one_file,
    stored,
    times,
)
from bench.report import SMOKE, WHOLE, budget_lines, machine_lines, missing_lines
from bench.results import Medians, Results

INTRODUCTION = """\
# Image benchmarks

Made by `python3 -m bench.images`, which also makes the disks: GPT, an EFI partition, and a main
partition with NTFS (filled through ntfs-3g) or ext4 that holds programs and documentation of the
machine it runs on and a user's made-up files. What is free on it is zero, as on an SSD that was
trimmed: deleted files in it would burden those that copy every byte. Everything is on a tmpfs, but
for the tables *From and to a disk*: there the source, the repository and what is written back are
on one ext4 file system, and each step begins with an empty page cache and ends when all is on the
disk. Before each step one and a half times what is in use (two and a half on the disk) was
taken of memory and freed, so that nobody waits for memory that a virtual machine has given back to
its host. Times are medians in seconds of wall clock, with processor seconds in brackets; `×` is the
program's time divided by Twofold's. Every image under *Stored*, and every disk written back in the
first round of *Times*, was compared with its source: every byte, or every block in use where a
program leaves out the rest.

restic and borg take the disk as one large file and are told to read it again although the file is
the same. ntfsclone and partclone take the main partition alone and do not encrypt. partclone ends
at full seconds, as it waits for its own progress display, and does not bring back the last sector
of NTFS. *cat and cp* reads and copies a file of as many bytes as are in use.
"""
STORED = """\
*files*: the files of the mounted disk; *image*: of the disk; *edited*: of the disk after one file
in a hundred was edited, {changed:,.1f} MB of files; *other PC*: the image of another computer with
the same system and another user, who has {own:,.1f} MB of files that the first one has not. What
each added to the same repository, in MB.
"""
BUSY = """\
**The machine was busy with other work** (see the load below), so wall clocks tell more about that
than about the programs, and so do the budgets on them; processor seconds and sizes can be used.
"""
PRESSED_WORDS = """\
## Files that NTFS compresses

They are kept as they are on the disk, so they share nothing with the backup of the files. The same
files twice, on smaller disks: what Twofold's image added to the backup of them.

| | in use MB | compressed files MB | image MB | of what is in use |
|---|---:|---:|---:|---:|"""
HEADS = {"changed": "edited", "other": "other PC"}
TIME_HEADS = {"proven": "`--skip-unchanged`", "export": "to QCOW2"}


def render(results: Results) -> str:
    """The whole page."""
    whole = float(results.machine["scale"]) >= WHOLE
    parts = [INTRODUCTION, "" if whole else SMOKE, BUSY if _busy(results) else ""]
    parts.append("\n".join(machine_lines(results)))
    if whole:
        parts.append("\n".join(budget_lines(judge(results))))
    for kind in KINDS:
        parts.append("\n".join(_stored(results, kind)))
    parts.append("\n".join(_pressed(results)))
    for kind in KINDS:
        parts.append("\n".join(_times(results, times(kind), f"Times, {kind}")))
    for kind in KINDS:
        title = f"From and to a disk, {kind}"
        parts.append("\n".join(_times(results, on_disk(kind), title)))
    parts.append("\n".join(_one_file(results)))
    parts.append("\n".join(missing_lines(results)))
    return "\n".join(part.strip() + "\n" for part in parts if part.strip())


def _busy(results: Results) -> bool:
    """Whether others kept all cores busy before the run, or half of the load at its end."""
    cores = re.search(r"(\d+) cores? used", results.machine.get("processor", ""))
    before, after = (
        max(map(float, results.machine.get(f"load {when}", "0").split("/")))
        for when in ("before", "after")
    )
    return cores is not None and max(before, after / 2) > int(cores[1])


def _head(results: Results, title: str, case: str) -> str:
    files, used = results.inputs[case]
    return f"## {title}: {files:,} files, {used / 1e9:.3f} GB in use\n"


def _stored(results: Results, kind: str) -> Iterator[str]:
    case = stored(kind, FILES_FIRST)
    if case in results.inputs:
        yield _head(results, f"Stored, {kind}", case)
        changed, own = (results.facts[case, name] / 1e6 for name in ("changed", "own"))
        yield STORED.format(changed=changed, own=own)
        yield from _added(results, case, FILES_FIRST)
    case = stored(kind, IMAGE_FIRST)
    if case in results.inputs:
        yield "\nThe other way round:\n"
        yield from _added(results, case, IMAGE_FIRST)


def _added(results: Results, case: str, order: Sequence[str]) -> Iterator[str]:
    heads = " | ".join(HEADS.get(step, step) for step in order)
    yield f"| | {heads} | {order[1]}, of what is in use | all together |"
    yield "|---|" + "---:|" * (len(order) + 2)
    for program in results.programs(case):
        known = [results.medians(case, program, step) for step in order]
        first, last = known[0], known[-1]
        cells = [f"{first.stored / 1e6:,.1f}" if first else "–"]
        for before, step in pairwise(order):
            more = added(results, case, program, step, before)
            cells.append("–" if more is None else f"{more / 1e6:,.1f}")
        second = added(results, case, program, order[1], order[0])
        cells.append("–" if second is None else f"{second / results.inputs[case][1]:.1%}")
        cells.append(f"{last.stored / 1e6:,.1f}" if last else "–")
        yield _row(program, cells)


def _row(program: str, cells: Sequence[str]) -> str:
    name = f"**{program}**" if program.startswith(OWN) else program
    return f"| {name} | " + " | ".join(cells) + " |"


def _pressed(results: Results) -> Iterator[str]:
    cases = [case for case in (PLAIN, PRESSED) if case in results.inputs]
    if not cases:
        return
    yield PRESSED_WORDS
    for case in cases:
        extra, used = added(results, case, OWN, "image", "files"), results.inputs[case][1]
        cells = [f"{used / 1e6:,.1f}", f"{results.facts[case, 'pressed'] / 1e6:,.1f}"]
        cells += ["–", "–"] if extra is None else [f"{extra / 1e6:,.1f}", f"{extra / used:.1%}"]
        yield f"| {case} | " + " | ".join(cells) + " |"


def _times(results: Results, case: str, title: str) -> Iterator[str]:
    if case not in results.inputs:
        return
    yield _head(results, title, case)
    heads = " | ".join(f"{TIME_HEADS.get(step, step)} | ×" for step in TIMES)
    yield f"| | {heads} | stored MB | peak MiB | rounds |"
    yield "|---|" + "---:|---:|" * len(TIMES) + "---:|---:|---:|"
    for program in results.programs(case):
        known = {step: results.medians(case, program, step) for step in TIMES}
        cells = []
        for step, found in known.items():
            cells += [_time(found), _factor(found, results.medians(case, OWN, step), program)]
        there = [found for found in known.values() if found]
        cells.append(f"{known['first'].stored / 1e6:,.1f}" if known["first"] else "–")
        cells += [f"{max(e.memory for e in there) / 2**20:.0f}", f"{min(e.rounds for e in there)}"]
        yield _row(program, cells)


def _time(found: Medians | None) -> str:
    return "–" if found is None else f"{found.wall:.2f} ({found.cpu:.2f})"


def _factor(found: Medians | None, own: Medians | None, program: str) -> str:
    if found is None or own is None or program == OWN:
        return ""
    return f"{found.wall / max(1e-9, own.wall):.2f}"


def _one_file(results: Results) -> Iterator[str]:
    cases = [one_file(kind) for kind in KINDS if one_file(kind) in results.inputs]
    if not cases:
        return
    yield "## One file out of an image of many\n"
    yield "*open*: `twofold snapshots`; *one file*: `twofold cat`, compared with the file.\n"
    yield "| | files | first image | open | one file | after opening | peak MiB |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for case in cases:
        first, opened, one = (results.medians(case, OWN, s) for s in ("first", OPEN, ONE_FILE))
        after = f"{one.wall - opened.wall:.2f}" if one and opened else "–"
        peak = f"{one.memory / 2**20:.0f}" if one else "–"
        told = [_time(each) for each in (first, opened, one)]
        yield f"| {case} | {results.inputs[case][0]:,} | {' | '.join(told)} | {after} | {peak} |"
