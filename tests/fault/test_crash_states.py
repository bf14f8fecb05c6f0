"""No power cut harms the store, and the enumerator that says so notices every missing barrier."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from tests.fault.crash_states import Check, Report, State, explore
from tests.fault.mutations import MUTATIONS, REAL
from tests.fault.oplog import (
    Create,
    Link,
    MakeDir,
    Op,
    Promise,
    RecordingCalls,
    Rename,
    SyncDir,
    SyncFile,
    Unlink,
    Write,
)
from tests.fault.scenario import Mutation, run
from tests.fault.store_rules import store_rule
from twofold.backend.local import LocalBackend

NAMED = {"ids": lambda mutation: mutation.why}
A, B = b"a" * 512, b"b" * 512


def found_after(log: Sequence[Op], start: int = 0) -> set[tuple[tuple[str, bytes], ...]]:
    """Everything that may be found after a crash anywhere from ``start`` on."""
    found: set[tuple[tuple[str, bytes], ...]] = set()

    def rule(_promises: Sequence[Promise]) -> Check:
        def check(state: State) -> Iterable[str]:
            found.add(tuple(sorted(state.objects().items())))
            return ()

        return check

    explore(log, rule, start=start)
    return found


def only(*contents: bytes, name: str = "d/x") -> set[tuple[tuple[str, bytes], ...]]:
    """States with one file of these contents, or none."""
    return {((name, data),) for data in contents} | {()}


SETTLED: list[Op] = [MakeDir("d"), SyncDir("")]


def test_unsynced_sectors_may_each_be_missing() -> None:
    log = [*SETTLED, Create("d/x", 1), Write(1, 0, A + B), SyncDir("d")]
    zeros = bytes(512)
    assert found_after(log) == only(b"", A, A + B, zeros + B, A + zeros, zeros + zeros)


def test_synced_data_is_whole_and_a_sector_is_never_split() -> None:
    log = [*SETTLED, Create("d/x", 1), SyncDir("d"), Write(1, 0, A[:100]), SyncFile(1)]
    log += [Write(1, 100, A[100:] + B[:10])]
    found = found_after(log, start=len(log))
    tail = (
        A[:100],
        A[:100] + bytes(422),
        A,
        A + bytes(10),
        A + B[:10],
        A[:100] + bytes(412) + B[:10],
    )
    assert found == only(*tail) - {()}


def test_names_of_a_folder_survive_in_order_and_folders_are_independent() -> None:
    log: list[Op] = [MakeDir("d"), MakeDir("e"), SyncDir("")]
    log += [Create("d/x", 1), Create("d/y", 2), Create("e/z", 3)]
    names = {tuple(name for name, _ in one) for one in found_after(log)}
    assert names == {
        (), ("d/x",), ("d/x", "d/y"), ("e/z",), ("d/x", "e/z"), ("d/x", "d/y", "e/z"),
    }  # fmt: skip


def test_what_lies_in_a_lost_folder_is_lost() -> None:
    log: list[Op] = [MakeDir("d"), Create("d/x", 1), SyncDir("d")]
    assert found_after(log) == only(b"")
    assert found_after([*log, SyncDir(""), Promise("put", "d/x")], start=5) == only(b"") - {()}


def test_renames_are_atomic_and_links_and_unlinks_are_not_together() -> None:
    log: list[Op] = [*SETTLED, Create("d/x", 1), SyncDir("d")]
    renamed = found_after([*log, Rename("d/x", "d/y", 1)], start=5)
    assert renamed == {(("d/x", b""),), (("d/y", b""),)}
    linked = found_after([*log, Link("d/y", 1), Unlink("d/x", 1)], start=5)
    assert linked == {(("d/x", b""),), (("d/x", b""), ("d/y", b"")), (("d/y", b""),)}


def test_what_was_there_at_the_start_is_durable(tmp_path: Path) -> None:
    LocalBackend(tmp_path).put("packs/00/1", A)
    calls = RecordingCalls(tmp_path)
    assert found_after(calls.log, start=calls.start) == {(("packs/00/1", A),)}


def crash_everywhere(
    tmp_path: Path, mutation: Mutation, seed: int, packs: int, per_cut: int, stop: float
) -> Report:
    """One run of the scenario, and all crashes during it."""
    calls, needs = run(tmp_path / f"{seed}", mutation, seed, packs)
    return explore(
        calls.log, store_rule(needs), start=calls.start, per_cut=per_cut, stop_after=stop
    )


@pytest.mark.parametrize("mutation", REAL, **NAMED)  # type: ignore[arg-type]
def test_no_crash_harms_the_store(tmp_path: Path, mutation: Mutation) -> None:
    for seed in (1, 2):
        report = crash_everywhere(tmp_path, mutation, seed, 5, 1000, stop=1)
        assert not report.violating, report
        assert report.states > 2000


@pytest.mark.parametrize("mutation", MUTATIONS, **NAMED)  # type: ignore[arg-type]
def test_a_missing_barrier_is_noticed(tmp_path: Path, mutation: Mutation) -> None:
    """Some need a certain order of the threads: then one of 60 orders must show it."""
    for seed in range(60):
        if crash_everywhere(tmp_path, mutation, seed, 4, 100, stop=1).violating:
            return
    pytest.fail(f"not noticed: {mutation.why}")


@pytest.mark.slow
@pytest.mark.parametrize("mutation", REAL, **NAMED)  # type: ignore[arg-type]
def test_a_hundred_thousand_crashes_do_no_harm(tmp_path: Path, mutation: Mutation) -> None:
    states, seconds, seed = 0, 0.0, 0
    while states < 200_000:
        seed += 1
        report = crash_everywhere(tmp_path, mutation, seed, 8, 20_000, stop=1)
        assert not report.violating, report
        states += report.states
        seconds += report.seconds
    assert states / seconds > 5_000  # some 40,000 a second on the machine it was written on
