"""Kill, fail and cut the power of real ``init`` and ``backup`` runs at every place there is."""

import errno
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archiver.world import World
from tests.fault.crash_states import explore
from tests.fault.faulty import Kind, count, forked, install
from tests.fault.oplog import Promising, RecordingCalls
from tests.fault.program import Case
from tests.fault.store_rules import store_rule
from twofold.backend import LocalBackend, create_backend, files, open_backend
from twofold.errors import NeedsRights, NoSpace, StoreError, TwofoldError
from twofold.format import names
from twofold.format.keyslot import ARGON2ID, SlotKind, SlotParameters
from twofold.repository import create_repository, open_repository

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TYPED = 77


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case.make(tmp_path_factory.mktemp("case"))


def init(place: Path) -> None:
    create_repository(create_backend(str(place)), b"a password").repository.close()


@pytest.fixture
def quick_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of key derivations would take minutes and prove nothing here."""
    cheap = SlotParameters(ARGON2ID, SlotKind.PASSWORD, 64, 1, 1)
    monkeypatch.setattr("twofold.repository.keys.PASSWORD_PARAMETERS", cheap)


@pytest.mark.usefixtures("quick_argon2")
@pytest.mark.parametrize("kind", [Kind.KILL_BEFORE, Kind.KILL_AFTER, Kind.TORN])
def test_init_killed_anywhere_can_be_run_again(memory_path: Path, kind: Kind) -> None:
    at, status = 0, -9
    while status == -9:
        at += 1
        place = memory_path / f"{at}"

        def action(place: Path = place, at: int = at) -> None:
            install(kind, at)
            init(place)

        status = forked(action)
        if not ((place / "config").exists() or (place / "config.copy").exists()):
            init(place)
        with open_repository(open_backend(str(place)), b"a password") as repository:
            assert repository.snapshots() == []
        shutil.rmtree(place)
    assert status == 0
    assert at > 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.KILL_BEFORE, Kind.KILL_AFTER, Kind.TORN])
def test_backup_killed_anywhere_loses_nothing_and_resumes(
    case: Case, memory_path: Path, kind: Kind
) -> None:
    for at in points(case, memory_path):
        world = case.copy(memory_path / f"{at}")

        def action(world: World = world, at: int = at) -> None:
            install(kind, at)
            case.backup(world)

        status = forked(action)
        assert status in (-9, 0), at
        case.judge(world, clean=False)
        case.backup(world)
        case.judge(world, clean=True)
        shutil.rmtree(world.base)


def points(case: Case, memory_path: Path) -> Iterator[int]:
    """1, 2, 3, … up to a few beyond the last call: threads make the number vary a little."""
    world = case.copy(memory_path / "counted")
    calls = count(lambda: case.backup(world))
    assert calls > 100
    return iter(range(1, calls + 5))


EXPECTED: dict[int, type[TwofoldError]] = {
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.EIO: StoreError,
    errno.EACCES: NeedsRights,
    errno.EROFS: NeedsRights,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.FAIL, Kind.FAIL_AFTER])
def test_an_error_anywhere_is_said_and_costs_nothing(
    case: Case, memory_path: Path, kind: Kind
) -> None:
    """The run ends by itself or with the error of that cause; both leave everything whole."""
    failed = 0
    codes = itertools.cycle(EXPECTED)
    for at, code in zip(points(case, memory_path), codes, strict=False):
        world = case.copy(memory_path / f"{at}")

        def action(world: World = world, at: int = at, code: int = code) -> None:
            install(kind, at, code)
            try:
                case.backup(world)
            except EXPECTED[code] as error:
                os._exit(TYPED if error.hint and "Errno" not in str(error) else 1)

        status = forked(action)
        assert status in (0, TYPED), (at, status)
        failed += status == TYPED
        case.judge(world, clean=False)
        case.backup(world)
        case.judge(world, clean=False)
        shutil.rmtree(world.base)
    assert failed > 20


@pytest.mark.slow
def test_no_power_cut_during_a_backup_harms_it(
    case: Case, memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = case.copy(memory_path / "world")
    calls = recorded_backup(case, world, monkeypatch)
    needs, states = what_is_needed(world), 0
    for seed in range(1_000):  # each takes other samples of torn and missing sectors
        report = explore(calls.log, store_rule(needs), start=calls.start, seed=seed)
        assert not report.violating, report
        states += report.states
        if states > 100_000:
            return
    pytest.fail(f"only {states} states")


def recorded_backup(case: Case, world: World, monkeypatch: pytest.MonkeyPatch) -> RecordingCalls:
    """A backup on a recording store; its log."""
    calls = RecordingCalls(world.base / "repo")
    monkeypatch.setattr(files, "DEFAULT_CALLS", calls)
    store = Promising(LocalBackend(world.base / "repo", calls), calls)
    monkeypatch.setattr(World, "open", lambda w: open_repository(store, w.key))
    case.backup(world)
    monkeypatch.undo()
    return calls


def what_is_needed(world: World) -> dict[str, list[str]]:
    """Committed session → its root, and every pack and index object there was at that time."""
    with world.open() as repository:
        everything = [
            info.name
            for folder in (names.PACKS, names.INDEX)
            for info in repository.backend.list(folder)
        ]
        whole = repository.snapshots()
        return {
            names.object_name(names.SESSIONS_COMMITTED, snapshot.id): [
                names.object_name(names.ROOTS, snapshot.id),
                *everything,
            ]
            for snapshot in whole[-1:]
        }
