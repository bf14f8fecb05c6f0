"""What was measured, one JSON record a line, written as it happens: a run cut short loses nothing.

machine   once per run: date, processor, kernel, versions, scale
case      files and bytes of an input
fact      a figure more about an input
step      one measured step of one program in one round
broken    a program that did not do its work, and why; it is not measured any further there
absent    a program that could not be had, and why
"""

import json
import re
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

STEPS = ("first", "unchanged", "changed", "restore")


@dataclass(frozen=True, slots=True)
class Step:
    """One measured step: seconds, seconds, bytes; ``stored`` is the repository's size after it."""

    case: str
    program: str
    step: str
    round: int
    wall: float
    cpu: float
    memory: int
    stored: int


@dataclass(frozen=True, slots=True)
class Medians:
    """One program's step in one case, over the rounds."""

    rounds: int
    wall: float
    cpu: float
    memory: float
    stored: float
    lowest: float
    highest: float


@dataclass
class Results:
    """All records of one run, in memory and in a file."""

    path: Path | None = None
    machine: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[int, int]] = field(default_factory=dict)
    facts: dict[tuple[str, str], float] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    broken: list[dict[str, str]] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Keep one measurement."""
        self.steps.append(step)
        self._write({"type": "step", **asdict(step)})

    def describe(self, machine: dict[str, str]) -> None:
        """Say on what this run was made."""
        self.machine |= machine
        self._write({"type": "machine", **machine})

    def open_case(self, case: str, files: int, size: int) -> None:
        """Say what a case's input is: files, and bytes in all."""
        self.inputs[case] = files, size
        self._write({"type": "case", "case": case, "files": files, "bytes": size})

    def tell(self, case: str, name: str, value: float) -> None:
        """Say a figure more about a case's input."""
        self.facts[case, name] = value
        self._write({"type": "fact", "case": case, "name": name, "value": value})

    def fail(self, case: str, program: str, reason: str) -> None:
        """Note that a program did not do its work."""
        self.broken.append({"case": case, "program": program, "reason": reason})
        self._write({"type": "broken", **self.broken[-1]})

    def miss(self, program: str, reason: str) -> None:
        """Note that a program could not be had."""
        self.absent[program] = re.sub(r"\w+://\S+", "its source", reason)
        self._write({"type": "absent", "program": program, "reason": self.absent[program]})

    def _write(self, record: dict[str, object]) -> None:
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def programs(self, case: str) -> list[str]:
        """The programs measured in a case, in the order of their first step."""
        return list(dict.fromkeys(step.program for step in self.steps if step.case == case))

    def medians(self, case: str, program: str, step: str) -> Medians | None:
        """The medians over the rounds; None when the step was not measured."""
        found = [
            each
            for each in self.steps
            if (each.case, each.program, each.step) == (case, program, step)
        ]
        return _medians(found) if found else None


def _medians(found: list[Step]) -> Medians:
    walls = [each.wall for each in found]
    return Medians(
        len(found),
        statistics.median(walls),
        statistics.median(each.cpu for each in found),
        statistics.median(each.memory for each in found),
        statistics.median(each.stored for each in found),
        min(walls),
        max(walls),
    )


def read(path: Path) -> Results:
    """The results that a run wrote into a file.

    Raises:
        ValueError: the file holds something else.
    """
    results = Results()
    for line in path.read_text("utf-8").splitlines():
        _keep(results, json.loads(line))
    return results


def _keep(results: Results, record: dict[str, Any]) -> None:
    match record.pop("type"):
        case "machine":
            results.machine |= record
        case "case":
            results.inputs[record["case"]] = record["files"], record["bytes"]
        case "fact":
            results.facts[record["case"], record["name"]] = record["value"]
        case "step":
            results.steps.append(Step(**record))
        case "broken":
            results.broken.append(record)
        case "absent":
            results.absent[record["program"]] = record["reason"]
        case kind:
            raise ValueError(f"a record of unknown type {kind}")
