"""Races: of all movers and deleters of one object exactly one wins; writers do not harm another."""

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.conformance.stores import Place
from tests.conformance.test_objects import data_of, listed
from tests.fault.faulty import forked
from twofold.errors import ObjectExists, ObjectNotFound

THREADS = 16
ROUNDS = 12


def wins(actions: Sequence[Callable[[], object]]) -> list[int]:
    """Start all actions at once; which of them won. The losers must lose properly."""
    gate = threading.Barrier(len(actions))
    won: list[int] = []
    wrong: list[BaseException] = []

    def attempt(n: int) -> None:
        gate.wait()
        try:
            actions[n]()
            won.append(n)
        except (ObjectNotFound, ObjectExists):
            pass
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    return won


def test_move(place: Place) -> None:
    store = place.open()
    store.put("sessions/open/1", b"abc")
    store.move("sessions/open/1", "sessions/committed/1")
    assert listed(place.open(), "") == {"sessions/committed/1": 3}
    with pytest.raises(ObjectNotFound):
        store.move("sessions/open/1", "sessions/committed/1")
    with pytest.raises(ObjectNotFound):
        store.move("sessions/open/1", "sessions/fenced/1")
    assert place.open().get("sessions/committed/1") == b"abc"


def test_move_replaces_nothing(place: Place) -> None:
    store = place.open()
    store.put("a/1", b"abc")
    store.put("b/1", b"abc")
    with pytest.raises(ObjectExists):
        store.move("a/1", "b/1")
    assert listed(place.open(), "") == {"a/1": 3, "b/1": 3}
    store.move("a/1", "a/2")
    assert listed(place.open(), "") == {"a/2": 3, "b/1": 3}


def test_one_mover_wins(place: Place) -> None:
    handles = [place.open() for _ in range(4)]
    for n in range(ROUNDS):
        handles[0].put(f"open/{n}", data_of(100 + n))
        # Half of them want the same target, as a writer and its own lost attempt would.
        actions = [
            partial(handles[k % 4].move, f"open/{n}", f"done/{n}-{k // 2 if k < 8 else k}")
            for k in range(THREADS)
        ]
        assert len(wins(actions)) == 1
        found = listed(place.open(), "")
        assert [
            name for name in found if name.startswith(f"done/{n}-")
        ] and f"open/{n}" not in found
    assert len(listed(place.open(), "")) == ROUNDS


def test_mover_against_deleter(place: Place) -> None:
    handles = [place.open() for _ in range(4)]
    for n in range(ROUNDS):
        name = f"open/{n}"
        handles[0].put(name, b"abc")
        actions: list[Callable[[], object]] = [
            partial(handles[0].move, name, f"committed/{n}"),
            partial(handles[1].move, name, f"fenced/{n}"),
            partial(handles[2].delete, name),
            partial(handles[3].delete, name),
        ]
        won = wins(actions)
        assert len(won) == 1
        found = listed(place.open(), "")
        assert (f"committed/{n}" in found) == (won == [0])
        assert (f"fenced/{n}" in found) == (won == [1])
        assert name not in found


def test_writers_of_one_name_with_the_same_bytes_all_succeed(place: Place) -> None:
    handles = [place.open() for _ in range(THREADS)]
    data = data_of(50_000)
    for n in range(ROUNDS):
        actions = [partial(handle.put, f"packs/{n}", data) for handle in handles]
        assert len(wins(actions)) == THREADS
        assert handles[0].get(f"packs/{n}") == data
    assert len(listed(place.open(), "")) == ROUNDS


def test_of_writers_of_one_name_with_different_bytes_one_wins(place: Place) -> None:
    store = place.open()
    for n in range(ROUNDS):
        actions = [partial(store.put, f"packs/{n}", b"%d" % k * 1000) for k in range(THREADS)]
        won = wins(actions)
        assert len(won) == 1
        assert place.open().get(f"packs/{n}") == b"%d" % won[0] * 1000


def test_writers_of_many_names_in_new_folders(place: Place) -> None:
    store = place.open()

    def write(k: int) -> None:
        for n in range(10):
            writer = store.create(f"packs/{n:02x}/{k}")
            writer.write(b"%d" % k * 500)
            writer.write(b"%d" % n)
            writer.finish()

    assert len(wins([partial(write, k) for k in range(8)])) == 8
    found = listed(place.open(), "packs")
    assert len(found) == 80
    assert store.get("packs/09/7") == b"7" * 500 + b"9"


def test_one_mover_among_processes(place: Place) -> None:
    if not place.processes or not hasattr(os, "fork"):
        pytest.skip("a store within one process")
    store = place.open()
    for n in range(60):
        store.put(f"open/{n}", b"x")
    go, ready = os.pipe()
    parents = [threading.Thread(target=_race, args=(place, go, n)) for n in range(4)]
    for thread in parents:
        thread.start()
    os.write(ready, b"go!!")
    for thread in parents:
        thread.join()
    os.close(go)
    os.close(ready)
    moved = listed(place.open(), "")
    reports = {name: place.open().get(name) for name in moved if name.startswith("report/")}
    assert sum(int(count) for count in reports.values()) == 60, reports
    assert len(reports) == 4
    assert len([name for name in moved if name.startswith("done/")]) == 60
    assert not [name for name in moved if name.startswith("open/")]


def _race(place: Place, go: int, process: int) -> None:
    """One child: moves whatever it can and reports how often it won."""

    def child() -> None:
        store = place.opener()
        os.read(go, 1)
        count = 0
        for n in range(60):
            try:
                store.move(f"open/{n}", f"done/{n}")
                count += 1
            except ObjectNotFound:
                continue
        store.put(f"report/{process}", b"%d" % count)

    assert forked(child) == 0
