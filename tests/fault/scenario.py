"""A small backup made of real store operations, and the same with one barrier taken out.

``run`` does what a backup does: session, packs and index from several threads, then the root, then
the commit (moving the session); then a tombstone is deleted. The threads take turns at every
call, in an order given by a seed, so each run of a seed makes the same log. A ``Mutation`` says
which barrier to leave out; the crash-state enumerator must notice every one of them.
"""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fault.oplog import Promising, RecordingCalls
from twofold.backend.local import LocalBackend

SESSION = "sessions/open/5e"
COMMITTED = "sessions/committed/5e"
INDEX = "index/1d"
ROOT = "roots/00"
TOMB = "tombs/ff"
PHASES = (("packs",), ("index",), ("root",), ("commit",))


@dataclass(frozen=True)
class Mutation:
    """A store or a use of it with a barrier missing."""

    why: str
    calls: type[RecordingCalls] = RecordingCalls
    store: type[LocalBackend] = LocalBackend
    phases: Sequence[Sequence[str]] = PHASES
    """Steps done one phase after the other, those of one phase at the same time."""
    processes: int = 2


class Turns:
    """Lets threads run one at a time, handing over at every call in a seeded order."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._batons: dict[int, threading.Semaphore] = {}
        self._errors: list[BaseException] = []

    def hand_over(self) -> None:
        """Called by the running thread: somebody, perhaps itself, goes on."""
        mine = self._batons.get(threading.get_ident())
        if mine is not None:
            self._choose()
            mine.acquire()

    def _choose(self) -> None:
        if self._batons:
            self._random.choice(list(self._batons.values())).release()

    def run(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run all jobs to their ends; the first error is raised."""
        threads = []
        for job in jobs:
            ready = threading.Event()
            thread = threading.Thread(target=self._run_one, args=(job, ready))
            thread.start()
            ready.wait()  # registered one after the other, so that the order is always the same
            threads.append(thread)
        self._choose()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _run_one(self, job: Callable[[], None], ready: threading.Event) -> None:
        mine = threading.Semaphore(0)
        self._batons[threading.get_ident()] = mine
        ready.set()
        mine.acquire()
        try:
            job()
        except BaseException as error:
            self._errors.append(error)
        finally:
            del self._batons[threading.get_ident()]
            self._choose()


def body(name: str, size: int) -> bytes:
    """Bytes of an object: no zeros, every sector different, ends not on a sector border."""
    return random.Random(name).randbytes(size).replace(b"\0", b"\1")


def run(
    root: Path, mutation: Mutation, seed: int = 1, packs: int = 4
) -> tuple[RecordingCalls, dict[str, list[str]]]:
    """Make the log; also what the committed session relies on."""
    root.mkdir(parents=True, exist_ok=True)
    old = LocalBackend(root)
    old.put("config", body("config", 700))
    old.put(TOMB, body(TOMB, 1500))
    calls = mutation.calls(root)
    # Each handle stands for a process: what one made, the other must not take for durable.
    stores = [Promising(mutation.store(root, calls), calls) for _ in range(mutation.processes)]
    turns = Turns(seed)
    calls.turn = turns.hand_over
    names = [f"packs/{n // 2:02x}/{n:04x}" for n in range(packs)]
    jobs = {
        "packs": [_writer(stores[n % len(stores)], name) for n, name in enumerate(names)],
        "index": [lambda: stores[0].put(INDEX, body(INDEX, 900))],
        "root": [lambda: stores[0].put(ROOT, body(ROOT, 600))],
        "commit": [lambda: stores[0].move(SESSION, COMMITTED)],
    }
    stores[0].put(SESSION, body(SESSION, 300))
    for together in mutation.phases:
        turns.run([job for step in together for job in jobs[step]])
    stores[-1].delete(TOMB)
    return calls, {COMMITTED: [*names, INDEX, ROOT]}


def _writer(store: Promising, name: str) -> Callable[[], None]:
    def write() -> None:
        writer = store.create(name)
        data = body(name, 2600)
        writer.write(data[:1100])
        writer.write(data[1100:])
        writer.finish()

    return write
