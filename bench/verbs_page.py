"""The page on verbs: a table for each tree, with a row for each verb."""

from collections.abc import Iterator

from bench.budgets import OWN
from bench.report import machine_lines, missing_lines
from bench.results import Medians, Results
from bench.verbs_words import NOTES

INTRODUCTION = """\
# Benchmarks of verbs

Made by `python3 -m bench.verbs`: what is done with a repository beside the backups and restores of
[the benchmarks](benchmarks.md). Ten backups of a tree that changes in between, everything on a
tmpfs. Medians over the rounds, programs in turn within each verb: seconds of wall clock, processor
seconds in brackets, MiB of memory at the peak. Every answer is looked at: lists have to name the
file, contents have to be those of the source. A figure in bold is below Twofold's. *Backup of
changes* is the median of the nine backups after the first: a hundredth of the small files has a
line more, some went, a folder is new; or one large file is edited at ten places.
"""


def page(found: Results) -> str:
    """The whole page in Markdown."""
    parts = [INTRODUCTION, "\n".join(machine_lines(found))]
    parts += ["\n".join(_case(found, case)) for case in found.inputs]
    parts += ["\n".join(_notes()), "\n".join(missing_lines(found))]
    return "\n".join(part.strip() + "\n" for part in parts if part.strip())


def _case(found: Results, case: str) -> Iterator[str]:
    files, size = found.inputs[case]
    programs = found.programs(case)
    yield f"## {case}: {files:,} files, {size / 1e9:.3f} GB\n"
    yield "| | " + " | ".join(programs) + " |"
    yield "|---|" + "---:|" * len(programs)
    for verb in dict.fromkeys(step.step for step in found.steps if step.case == case):
        own = found.medians(case, OWN, verb)
        cells = (_cell(found.medians(case, each, verb), own) for each in programs)
        yield f"| {verb} | " + " | ".join(cells) + " |"


def _cell(known: Medians | None, own: Medians | None) -> str:
    """Wall clock, processor, memory; what is less than Twofold's stands out."""
    if known is None:
        return "–"
    shown = [f"{known.wall:.2f}", f"({known.cpu:.2f})", f"{known.memory / 2**20:.0f}"]
    if own:
        less = (known.wall < own.wall, known.cpu < own.cpu, known.memory < own.memory)
        shown = [f"**{word}**" if low else word for word, low in zip(shown, less, strict=True)]
    return " ".join(shown)


def _notes() -> Iterator[str]:
    yield "## What is not quite the same\n"
    for verb, note in NOTES.items():
        yield f"- *{verb}*: {note}."
