"""Counterexamples as people read them: who did which step, and what that changed in the store."""

from collections.abc import Iterator

from .model import FINAL, MARKED, Row, Scenario, Store, Tomb, Verdict, members
from .rules import STEPS

SESSION_FOLDERS = ("", "sessions/open", "sessions/committed", "sessions/fenced")
MARK_FOLDERS = {MARKED: "forgotten/marked", FINAL: "forgotten/final"}
TOMB_FOLDERS = ("", "tombs/proposed", "tombs/final")

Names = dict[str, tuple[str, ...]]


def describe(verdict: Verdict, scenario: Scenario) -> str:
    """One line per step: actor, step, and its effect (or, without one, what it looked at)."""
    lines = []
    for step in verdict.trace:
        effect = ", ".join(_changes(step.before, step.after, scenario.names))
        lines.append(f"  {step.actor:<9}{step.step:<4} {effect or STEPS[step.step]}")
    return "\n".join([*lines, f"  => {verdict.bad}"])


def _changes(old: Store, new: Store, names: Names) -> Iterator[str]:
    for p in members(old.packs ^ new.packs):
        yield f"{'+' if new.packs >> p & 1 else '-'} packs/{names['packs'][p]}"
    yield from _written("index", old.indices, new.indices, names["index"])
    yield from _written("roots", old.roots, new.roots, names["sessions"])
    yield from _moved(SESSION_FOLDERS, old.sessions, new.sessions, names["sessions"])
    yield from _marks(old.marks, new.marks, names["sessions"])
    was, now = (tuple(tomb.state for tomb in store.tombs) for store in (old, new))
    named = tuple(_tomb(*pair, names) for pair in zip(names["tombs"], new.tombs, strict=True))
    yield from _moved(TOMB_FOLDERS, was, now, named)


def _tomb(name: str, tomb: Tomb, names: Names) -> str:
    targets = [names["packs"][p] for p in members(tomb.packs)]
    targets += [names["index"][i] for i in members(tomb.indices)]
    return f"{name}({' '.join(targets)})" if targets else name


def _written(folder: str, old: Row, new: Row, names: tuple[str, ...]) -> Iterator[str]:
    for i, (before, after) in enumerate(zip(old, new, strict=True)):
        if before != after:
            yield f"{'+' if after else '-'} {folder}/{names[i]}"


def _moved(folders: tuple[str, ...], old: Row, new: Row, names: tuple[str, ...]) -> Iterator[str]:
    for i, (before, after) in enumerate(zip(old, new, strict=True)):
        if before and after and before != after:
            yield f"{folders[before]}/{names[i]} -> {folders[after]}"
        elif before != after:
            yield f"{'+' if after else '-'} {folders[after or before]}/{names[i]}"


def _marks(old: Row, new: Row, names: tuple[str, ...]) -> Iterator[str]:
    for i, (before, after) in enumerate(zip(old, new, strict=True)):
        for bit, folder in MARK_FOLDERS.items():
            if (before ^ after) & bit:
                yield f"{'+' if after & bit else '-'} {folder}/{names[i]}"
