"""A small backup made of real store operations, and the same with one barrier taken out.

``run`` does what a backup does: session, packs and index from several threads, then the root, then
the commit (moving the session); then a tombstone is deleted. The threads take turns at every
call, in an order given by a seed, so each run of a seed makes the same log. A ``Mutation`` says
which barrier to leave out; the crash-state enumerator must notice every one of them.
"""

import errno
import os
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fault.crash_states import folder_of, is_temp
from tests.fault.oplog import Promising, RecordingCalls
from twofold.backend.durable import Tree
from twofold.backend.files import FileCalls
from twofold.backend.local import LocalBackend
from twofold.backend.local_writer import LocalWriter
from twofold.backend.names import check_name, parent

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


# --- calls that do less than they say --------------------------------------------------------


class _NoFileSync(RecordingCalls):
    def sync_file(self, fd: int) -> None:
        del fd


class _NoDirSync(RecordingCalls):
    def sync_dir(self, path: str) -> bool:
        del path
        return True


class NoRenameNew(RecordingCalls):
    """A file system like NFS: rename cannot refuse a target, links there are."""

    def rename_new(self, source: str, target: str) -> None:
        raise OSError(errno.EINVAL, "no such flag", source, None, target)


class NoLink(NoRenameNew):
    """A file system like exFAT behind FUSE: neither."""

    def link(self, source: str, target: str) -> None:
        raise OSError(errno.EPERM, "no links", source, None, target)


class _UnlinkBeforeLink(RecordingCalls):
    """A move made of a private name, the removal of the old and then the making of the new one."""

    def rename_new(self, source: str, target: str) -> None:
        if not is_temp(source):
            private = f"{folder_of(target)}/.{0:08x}-{0:032x}.tmp"
            self.link(source, private)
            self.unlink(source)
            source = private
        super().rename_new(source, target)


# --- stores with a step missing or misplaced -------------------------------------------------


class _Writer(LocalWriter):
    """A writer whose steps can be put in another order."""

    ORDER = "sync publish settle"

    def _finish(self) -> None:
        tree = self._tree
        for step in self.ORDER.split():
            match step:
                case "sync":
                    tree.calls.sync_file(self._fd)
                case "publish":
                    self._publish()
                case "settle":
                    tree.settle(parent(self._name))
        self._temp = ""
        self._close()


class _PublishFirst(_Writer):
    ORDER = "publish sync settle"


class _SettleFirst(_Writer):
    ORDER = "sync settle publish"


class _InPlace(LocalWriter):
    """Writes under the final name from the beginning."""

    def __init__(self, tree: Tree, name: str, living: set[LocalWriter]) -> None:
        super().__init__(tree, name, living)
        tree.calls.rename_new(self._temp, tree.path(name))

    def _publish(self) -> None:
        """It has its name already."""


class _WithWriter(LocalBackend):
    WRITER: type[LocalWriter] = LocalWriter

    def create(self, name: str) -> LocalWriter:
        check_name(name)
        return self.WRITER(self._tree, name, self._living)


class _PublishFirstStore(_WithWriter):
    WRITER = _PublishFirst


class _SettleFirstStore(_WithWriter):
    WRITER = _SettleFirst


class _InPlaceStore(_WithWriter):
    WRITER = _InPlace


class _Unsettled(Tree):
    """Syncs the folder of an object but none above it."""

    def settle(self, folder: str) -> bool:
        return self.sync(folder)


class _TrustsOthers(Tree):
    """Takes a folder that others made for durable."""

    def __init__(self, root: str, location: str, calls: FileCalls) -> None:
        super().__init__(root, location, calls)
        self._made: set[str] = set()

    def make_folders(self, folder: str) -> None:
        above = folder
        while above and not self.exists(self.path(above)):
            self._made.add(above)
            above = parent(above)
        super().make_folders(folder)

    def settle(self, folder: str) -> bool:
        above = folder
        while above:
            if above not in self._made:
                self._settled.add(above)
            above = parent(above)
        return super().settle(folder)


class _SettlesTooEarly(Tree):
    """Calls a folder settled before it has been synced; other threads believe it."""

    def settle(self, folder: str) -> bool:
        synced = self.sync(folder)
        while folder and folder not in self._settled:
            self._settled.add(folder)
            folder = parent(folder)
            self.sync(folder)
        return synced


class _MovesWithoutSync(Tree):
    def move(self, source: str, target: str) -> None:
        self.make_folders(parent(target))
        self._rename(self.path(source), self.path(target))


class _MovesWithoutTargetSync(Tree):
    def move(self, source: str, target: str) -> None:
        self.make_folders(parent(target))
        self._rename(self.path(source), self.path(target))
        self.settle(parent(source))


class _WithTree(LocalBackend):
    TREE: type[Tree] = Tree

    def __init__(self, path: str | os.PathLike[str], calls: FileCalls | None = None) -> None:
        super().__init__(path, calls)
        self._tree = self.TREE(os.path.abspath(path), os.fspath(path), self._calls)


class _UnsettledStore(_WithTree):
    TREE = _Unsettled


class _TrustsOthersStore(_WithTree):
    TREE = _TrustsOthers


class _SettlesTooEarlyStore(_WithTree):
    TREE = _SettlesTooEarly


class _MovesWithoutSyncStore(_WithTree):
    TREE = _MovesWithoutSync


class _MovesWithoutTargetSyncStore(_WithTree):
    TREE = _MovesWithoutTargetSync


class _DeletesWithoutSyncStore(LocalBackend):
    def delete(self, name: str) -> None:
        self._calls.unlink(self._tree.path(name))


REAL = (
    Mutation("the store as it is"),
    Mutation("publishing by link and unlink", calls=NoRenameNew),
    # One writer per process: threads of one store may not take turns within "look, then rename".
    Mutation("publishing by looking first", calls=NoLink, processes=8),
)

MUTATIONS = (
    Mutation("no fsync of the file", calls=_NoFileSync),
    Mutation("no fsync of folders", calls=_NoDirSync),
    Mutation("no fsync of new parents", store=_UnsettledStore),
    Mutation("folders made by others taken for durable", store=_TrustsOthersStore),
    Mutation("folder called settled before it is", store=_SettlesTooEarlyStore, processes=1),
    Mutation("written in place", store=_InPlaceStore),
    Mutation("published before fsync", store=_PublishFirstStore),
    Mutation("folder synced before publishing", store=_SettleFirstStore),
    Mutation("move: unlink before link", calls=_UnlinkBeforeLink),
    Mutation("move: no fsync of any folder", store=_MovesWithoutSyncStore),
    Mutation("move: no fsync of the new folder", store=_MovesWithoutTargetSyncStore),
    Mutation("delete: no fsync of the folder", store=_DeletesWithoutSyncStore),
    Mutation("commit before root", phases=(("packs",), ("index",), ("commit",), ("root",))),
    Mutation("commit before index", phases=(("packs",), ("root",), ("commit",), ("index",))),
    Mutation("commit before packs", phases=(("index",), ("root",), ("commit",), ("packs",))),
    Mutation("commit does not wait", phases=(("packs", "index", "root", "commit"),)),
)
