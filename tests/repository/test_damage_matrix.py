"""Every cell of the damage matrix: check finds it, nothing crashes, what can be read is read."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.repository.damages import (
    CELLS,
    COVERED,
    DAMAGES,
    DOES_NOT_OPEN,
    FOUND,
    NOTHING_OPENS,
    OTHERWISE,
    find_target,
)
from tests.repository.sample import Blob, Lab, Sample, needed, proofs, unreadable
from twofold.commands.check import AffectedSnapshot
from twofold.errors import ObjectDamaged, WrongKey
from twofold.events import Severity
from twofold.repository import Heads

REFUSALS = {NOTHING_OPENS: ObjectDamaged, DOES_NOT_OPEN: WrongKey}
Needed = dict[Blob, list[tuple[bytes, bytes]]]


@pytest.fixture(scope="session")
def baseline(_lab: Lab) -> Needed:
    with _lab.sample.open() as repository:
        return needed(repository)


@pytest.fixture(scope="session")
def listings(_lab: Lab) -> Needed:
    with _lab.sample.open() as repository:
        return proofs(repository)


@pytest.fixture(autouse=True)
def _remembered(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This computer made the newest snapshot and remembers it."""
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(tmp_path / "memory"))
    with sample.open() as repository:
        newest = next(s for s in repository.snapshots() if s.id == sample.snapshots[-1])
        Heads(repository.id).note_head(newest)


@pytest.mark.parametrize(("kind", "damage"), CELLS, ids=[f"{k}-{d}" for k, d in CELLS])
def test_cell(
    kind: str, damage: str, lab: Lab, foreign_lab: Lab, baseline: Needed, listings: Needed
) -> None:
    target = find_target(kind, lab, foreign_lab)
    DAMAGES[damage](target)
    refusal = REFUSALS.get(OTHERWISE.get((kind, damage), ""))
    if refusal is not None:
        with pytest.raises(refusal):
            lab.sample.check()
        return
    result = lab.sample.check(read_data=True)
    damage_found = [f for f in result.findings if f.severity is Severity.DAMAGE]
    if OTHERWISE.get((kind, damage), FOUND) == FOUND:
        assert result.exit_code == 5
        said = " ".join(f"{f.subject} {f.message} {f.remedy}" for f in damage_found)
        assert target.ident in said or target.name in said or "in no index" in said, said
    else:
        assert result.exit_code == 0, damage_found
    missed, unproven = _lost(lab, baseline), _lost(lab, listings)
    if (kind, damage) in COVERED:
        assert not missed | unproven
    _judge_loss(missed, result.affected)
    affected = {each.id for each in result.affected}
    assert affected == {ident for ident, _ in missed | unproven}
    assert {each.id for each in result.affected if each.listings} == {i for i, _ in unproven}


def _lost(lab: Lab, users: Needed) -> set[tuple[bytes, bytes]]:
    """Who misses something, of the snapshots that are there."""
    with lab.sample.open() as repository:
        there = {snapshot.id for snapshot in repository.snapshots(partial=True)}
        lost = unreadable(repository, users)
    return {one for blob in lost for one in users[blob] if one[0] in there}


def _judge_loss(missed: set[tuple[bytes, bytes]], affected: Sequence[AffectedSnapshot]) -> None:
    """What cannot be read is exactly what check named."""
    named = {(each.id, path) for each in affected for path in each.paths}
    whole = {each.id for each in affected if not each.more}
    for ident, path in missed:
        assert any(_covers(name, path) for where, name in named if where == ident) or (
            not path or ident not in whole
        )
    for ident, name in named:
        assert any(_covers(name, path) for where, path in missed if where == ident)


def _covers(name: bytes, path: bytes) -> bool:
    """Whether a name in the report stands for a path: itself, or a folder above it."""
    return path == name or (name.endswith(b"/") and (path + b"/").startswith(name))


def test_an_undamaged_sample_has_no_findings(sample: Sample) -> None:
    assert not sample.check(read_data=True).findings
