"""The budgets: what has to hold against each peer, and whether it did.

A budget on time is the peer's median divided by Twofold's; on size likewise, so that more is better
everywhere. Memory and start-up are limits of Twofold alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.results import Results

OWN = "twofold"
MEMORY_LIMIT = 400 << 20  # bytes; the 30 B per chunk on top are nothing at these sizes
START_LIMIT = 0.060  # s of processor time for --help


@dataclass(frozen=True, slots=True)
class Budget:
    """In a case's step the peer needs at least ``factor`` times what Twofold needs."""

    case: str
    step: str
    peer: str
    factor: float
    quantity: str = "wall"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A budget in words, what was asked, what was measured (None: not measured), and if it held."""

    peer: str
    sentence: str
    asked: str
    measured: str | None
    held: bool


def _budgets() -> Iterator[Budget]:
    for case, peer, step, factor in (
        ("small in memory", "restic", "first", 3),
        ("small in memory", "borg lz4", "first", 2),
        ("large in memory", "restic", "first", 3),
        ("large in memory", "borg lz4", "first", 2.5),
        *(("small in memory", peer, "unchanged", 6) for peer in ("restic", "borg lz4")),
        *(("small in memory", peer, "restore", 2.5) for peer in ("restic", "borg lz4")),
        *(("large in memory", peer, "restore", 1.6) for peer in ("restic", "borg lz4")),
    ):
        yield Budget(case, step, peer, factor)
    for case in ("small in memory", "large in memory"):
        for peer in ("rustic", "kopia zstd", "kopia"):
            for step in ("first", "unchanged", "restore"):
                yield Budget(case, step, peer, 1.5)
    for peer in ("restic", "borg lz4"):
        yield Budget("small in memory", "first", peer, 1, "stored")


def _on_disk(results: Results) -> Iterator[Budget]:
    """On a disk never slower, in whatever state its cache was measured."""
    for case in results.inputs:
        if " on disk" in case:
            for step in ("first", "unchanged", "restore"):
                for peer in ("restic", "borg lz4"):
                    yield Budget(case, step, peer, 1)


def ratio(
    results: Results, case: str, step: str, peer: str, quantity: str = "wall"
) -> float | None:
    """What the peer needs, in units of what Twofold needs; None when either was not measured."""
    own, other = (results.medians(case, name, step) for name in (OWN, peer))
    if own is None or other is None:
        return None
    return float(getattr(other, quantity)) / max(1e-9, float(getattr(own, quantity)))


def judge(results: Results) -> list[Verdict]:
    """Every budget on the cases of this run, with what was measured."""
    budgets = [*_budgets(), *_on_disk(results)]
    verdicts = [_against(results, each) for each in budgets if each.case in results.inputs]
    for case in results.inputs:
        peaks = [each.memory for each in results.steps if (each.case, each.program) == (case, OWN)]
        if peaks:
            verdicts.append(
                _limit(f"{case}: peak memory", max(peaks) / 2**20, MEMORY_LIMIT / 2**20)
            )
    if "start-up" in results.machine:
        seconds = float(results.machine["start-up"])
        verdicts.append(_limit("twofold --help, CPU", seconds * 1e3, START_LIMIT * 1e3, "ms"))
    return verdicts


def _against(results: Results, budget: Budget) -> Verdict:
    found = ratio(results, budget.case, budget.step, budget.peer, budget.quantity)
    kind = "" if budget.quantity == "wall" else f" ({budget.quantity})"
    return Verdict(
        budget.peer,
        f"{budget.case}: {budget.step}{kind} against {budget.peer}",
        f"≥ {budget.factor:g}×",
        None if found is None else f"{found:.2f}×",
        found is not None and found >= budget.factor,
    )


def _limit(sentence: str, found: float, limit: float, unit: str = "MiB") -> Verdict:
    return Verdict(OWN, sentence, f"≤ {limit:.0f} {unit}", f"{found:.0f} {unit}", found <= limit)
