"""Every legal state of the disk after a power cut, made in memory from a log and checked.

``explore(log, rule)`` cuts the log at each place and asks what may be found afterwards:

* names: of each folder any prefix of what happened in it since its last sync survives (a rename
  or link counts in the folder of the new name and is atomic); the folders are independent. What
  lies in a folder whose own name is lost cannot be reached.
* data: of each file any subset of its unsynced 512-byte sectors survives, and of the length as
  much as reaches the last of them, or all of it with zeros in the gaps.

Where there are too many combinations a seeded sample is taken. A rule is asked once per cut with
the promises made so far and returns the check of one state, which names what is wrong with it.
"""

import itertools
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.fault.oplog import (
    Create,
    Link,
    MakeDir,
    Op,
    Promise,
    Rename,
    SyncDir,
    SyncFile,
    Unlink,
    Write,
)
from twofold.backend.durable import temp_host

SECTOR = 512
FEW_SECTORS = 4  # up to here all subsets are tried
SAMPLES = 6  # random subsets, prefixes and single losses of a file with more sectors

T = TypeVar("T")

NameOp = MakeDir | Create | Rename | Link | Unlink
_NAME_OPS = (MakeDir, Create, Rename, Link, Unlink)
_NEVER = math.inf


class Content:
    """What one file may hold: all synced bytes, and of the later sectors a subset (bit mask)."""

    __slots__ = ("_data", "_history", "_whole", "inode", "mask", "synced", "trimmed", "written")

    def __init__(
        self, history: "History", inode: int, synced: int, written: int, mask: int, trimmed: bool
    ) -> None:
        self._history = history
        self.inode = inode
        self.synced = synced  # writes that are durable
        self.written = written  # writes made
        self.mask = mask
        self.trimmed = trimmed
        self._data: bytes | None = None
        self._whole: bool | None = None

    @property
    def key(self) -> tuple[int, ...]:
        """Equal keys mean equal bytes."""
        return (self.inode, self.synced, self.written, self.mask, self.trimmed)

    def data(self) -> bytes:
        """The content, made when first asked for."""
        if self._data is None:
            self._data = self._make()
        return self._data

    def whole(self) -> bool:
        """Whether this is exactly what the file holds at the end of the log."""
        if self._whole is None:
            self._whole = self.data() == self._history.final(self.inode)
        return self._whole

    def _make(self) -> bytes:
        writes = self._history.writes[self.inode]
        data = bytearray()
        for write in writes[: self.synced]:
            _overlay(data, write.offset, write.data)
        length = len(data)
        pending = writes[self.synced : self.written]
        for bit, (offset, piece) in enumerate(_sectors(pending)):
            if self.mask >> bit & 1:
                _overlay(data, offset, piece)
        if not self.trimmed:
            length = max((write.offset + len(write.data) for write in pending), default=0)
            data.extend(bytes(max(0, length - len(data))))
        return bytes(data)


def _overlay(data: bytearray, offset: int, piece: bytes) -> None:
    data.extend(bytes(max(0, offset - len(data))))
    data[offset : offset + len(piece)] = piece


def _sectors(writes: Iterable[Write]) -> Iterator[tuple[int, bytes]]:
    """Unsynced writes cut at sector borders: (offset, bytes)."""
    for write in writes:
        start = 0
        while start < len(write.data):
            length = SECTOR - (write.offset + start) % SECTOR
            yield write.offset + start, write.data[start : start + length]
            start += length


def _sector_count(write: Write) -> int:
    end = write.offset + len(write.data)
    return (end - 1) // SECTOR - write.offset // SECTOR + 1 if write.data else 0


class State:
    """The disk after a crash, as the next start of the program finds it."""

    __slots__ = ("contents", "cut", "inodes", "names")

    def __init__(
        self,
        cut: int,
        inodes: Mapping[str, int],
        names: Sequence[str],
        contents: Mapping[int, Content],
    ) -> None:
        self.cut = cut
        """Operations of the log that had been called."""
        self.inodes = inodes
        """Reachable path → inode, temporary names too."""
        self.names = names
        """Reachable objects, temporary files left out."""
        self.contents = contents

    def read(self, path: str) -> bytes:
        """What a reachable file holds."""
        return self.contents[self.inodes[path]].data()

    def is_whole(self, path: str) -> bool:
        """Whether a path is reachable and holds all its writer meant to put there."""
        inode = self.inodes.get(path)
        return inode is not None and self.contents[inode].whole()

    def objects(self) -> dict[str, bytes]:
        """Everything a reader sees: object name → bytes."""
        return {path: self.read(path) for path in self.names}


Check = Callable[[State], Iterable[str]]
Rule = Callable[[Sequence[Promise]], Check]


def is_temp(path: str) -> bool:
    """Whether a path is one of the store's own temporary files."""
    return temp_host(path.rpartition("/")[2]) is not None


def folder_of(path: str) -> str:
    """The folder a path is in, empty at the top."""
    return path.rpartition("/")[0]


def new_name(op: NameOp) -> str:
    """The path a name operation makes, or removes."""
    return op.target if isinstance(op, Rename) else op.path


@dataclass
class Report:
    """What ``explore`` saw: distinct states, and what was wrong with how many of them."""

    states: int = 0
    violating: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: dict[str, State] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """States per second."""
        return self.states / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        return f"{self.states} states, {self.violating} violating {dict(self.kinds)}, " + (
            f"{self.rate:,.0f} states/s"
        )


class History:
    """A log with an index: where each name operation and each write became durable."""

    def __init__(self, log: Sequence[Op]) -> None:
        self.log = log
        self.writes: dict[int, list[Write]] = defaultdict(list)
        self.durable_at: list[float] = [_NEVER] * len(log)
        self._finals: dict[int, bytes] = {}
        folders: dict[str, list[int]] = defaultdict(list)
        files: dict[int, list[int]] = defaultdict(list)
        for place, op in enumerate(log):
            if isinstance(op, _NAME_OPS):
                folders[self.folder(op)].append(place)
            elif isinstance(op, Write):
                self.writes[op.inode].append(op)
                files[op.inode].append(place)
            elif isinstance(op, SyncDir):
                self._mark(folders.pop(op.path, []), place)
            elif isinstance(op, SyncFile):
                self._mark(files.pop(op.inode, []), place)

    def _mark(self, places: Iterable[int], now: int) -> None:
        for place in places:
            self.durable_at[place] = now

    @staticmethod
    def folder(op: NameOp) -> str:
        """The folder whose sync makes a name operation durable."""
        return folder_of(new_name(op))

    def final(self, inode: int) -> bytes:
        """What a file holds at the end of the log."""
        if inode not in self._finals:
            count = len(self.writes[inode])
            self._finals[inode] = Content(self, inode, count, count, 0, True).data()
        return self._finals[inode]


class _Explorer:
    """Walks the cuts of a log; what is durable and past is folded into a base."""

    def __init__(self, history: History, per_cut: int, seed: int) -> None:
        self.history = history
        self.per_cut = per_cut
        self.random = random.Random(seed)
        self.promises: list[Promise] = []
        self._inodes: dict[str, int] = {}  # the base: path → inode
        self._folders = {""}
        self._end = 0  # all before this place is in the base
        self._written: Counter[int] = Counter()
        self._synced: Counter[int] = Counter()
        self._settled: dict[int, Content] = {}  # files without unsynced data
        self._seen: set[int] = set()

    def advance(self, cut: int) -> None:
        """Take note of the operation before this cut."""
        op = self.history.log[cut - 1]
        if isinstance(op, Promise):
            self.promises.append(op)
        elif isinstance(op, Create | Write | SyncFile):
            inode = op.inode
            self._written[inode] += isinstance(op, Write)
            if isinstance(op, SyncFile):
                self._synced[inode] = self._written[inode]
            self._settled.pop(inode, None)
            if self._synced[inode] == self._written[inode]:
                count = self._written[inode]
                self._settled[inode] = Content(self.history, inode, count, count, 0, True)
        self._fold(cut)

    def _fold(self, cut: int) -> None:
        """Move the base up to the first name operation that may still be lost."""
        log, durable_at = self.history.log, self.history.durable_at
        while self._end < cut:
            op = log[self._end]
            if isinstance(op, _NAME_OPS):
                if durable_at[self._end] >= cut:
                    return
                _apply(op, self._inodes, self._folders)
            self._end += 1

    def states(self, cut: int) -> Iterator[State]:
        """The states after a crash at a cut that were not possible at the cut before.

        A sync only makes states impossible; a promise makes every state a new question.
        """
        op = self.history.log[cut - 1] if self._seen else None
        if isinstance(op, SyncFile | SyncDir):
            return
        names = list(self._some(self._name_choices(cut, op), self.per_cut))
        for inodes in self._trees(cut, names):
            open_files = [n for n in set(inodes.values()) if n not in self._settled]
            shown = [path for path in inodes if not is_temp(path)]
            final = {inodes[path] for path in shown}
            choices = [self._variants(n, n in final) for n in open_files]
            name_key = hash((len(self.promises), frozenset(inodes.items())))
            for contents in self._some(choices, max(1, self.per_cut // len(names))):
                key = hash((name_key, *(content.key for content in contents)))
                if key not in self._seen:
                    self._seen.add(key)
                    held = self._settled | dict(zip(open_files, contents, strict=True))
                    yield State(cut, inodes, shown, held)

    def _some(self, choices: Sequence[Sequence[T]], most: int) -> Iterator[tuple[T, ...]]:
        """One of each of the choices: all combinations, or a sample."""
        if math.prod(map(len, choices)) <= most:
            yield from itertools.product(*choices)
            return
        for _ in range(most):
            yield tuple(one[int(self.random.random() * len(one))] for one in choices)

    def _name_choices(self, cut: int, last: Op | None) -> list[list[tuple[int, ...]]]:
        """Of each folder with unsynced names: the places of the log that may be lost, per choice.

        If the last operation was a name operation, only what it adds: states that have it.
        """
        folders: dict[str, list[int]] = defaultdict(list)
        for place in range(self._end, cut):
            op = self.history.log[place]
            if isinstance(op, _NAME_OPS) and self.history.durable_at[place] >= cut:
                folders[History.folder(op)].append(place)
        fixed = History.folder(last) if isinstance(last, _NAME_OPS) else None
        return [
            [()] if folder == fixed else [tuple(places[n:]) for n in range(len(places) + 1)]
            for folder, places in folders.items()
        ]

    def _trees(
        self, cut: int, names: Iterable[tuple[tuple[int, ...], ...]]
    ) -> Iterator[dict[str, int]]:
        """Path → inode of what can be reached, for each choice of lost name operations."""
        window = [
            (place, op)
            for place in range(self._end, cut)
            if isinstance(op := self.history.log[place], _NAME_OPS)
        ]
        for choice in names:
            lost = set(itertools.chain.from_iterable(choice))
            inodes, folders = self._inodes.copy(), self._folders.copy()
            for place, op in window:
                if place not in lost:
                    _apply(op, inodes, folders)
            reachable = {folder for folder in folders if _reachable(folder, folders)}
            yield {path: n for path, n in inodes.items() if folder_of(path) in reachable}

    def _variants(self, inode: int, shown: bool) -> list[Content]:
        """What may be found of the unsynced data; few of a file that no reader looks into."""
        synced, written = self._synced[inode], self._written[inode]
        count = sum(map(_sector_count, self.history.writes[inode][synced:written]))
        every = (1 << count) - 1
        masks: Iterable[int]
        if count <= FEW_SECTORS:
            masks = range(every + 1)
        elif shown:
            masks = {0, every, *self._some_masks(count)}
        else:
            masks = {0, every, *itertools.islice(self._some_masks(count), 3)}
        return [
            Content(self.history, inode, synced, written, mask, trimmed)
            for mask in masks
            for trimmed in ((True,) if mask == every else (True, False))
        ]

    def _some_masks(self, count: int) -> Iterator[int]:
        for _ in range(SAMPLES):
            yield (1 << self.random.randrange(1, count)) - 1
            yield (1 << count) - 1 ^ 1 << self.random.randrange(count)
            yield self.random.getrandbits(count)


def _reachable(folder: str, folders: set[str]) -> bool:
    while folder in folders:
        if not folder:
            return True
        folder = folder_of(folder)
    return False


def _apply(op: NameOp, inodes: dict[str, int], folders: set[str]) -> None:
    """Let one surviving name operation take effect."""
    match op:
        case MakeDir(path):
            folders.add(path)
        case Create(path, inode) | Link(path, inode):
            inodes[path] = inode
        case Rename(source, target, inode):
            if inodes.get(source) == inode:
                del inodes[source]
            inodes[target] = inode
        case Unlink(path, inode):
            if inodes.get(path) == inode:
                del inodes[path]


def explore(
    log: Sequence[Op],
    rule: Rule,
    *,
    start: int = 0,
    per_cut: int = 1000,
    seed: int = 1,
    stop_after: float = math.inf,
) -> Report:
    """Check the states after a crash at every place of a log from ``start`` on.

    At most ``per_cut`` combinations are looked at for each place; the search ends after
    ``stop_after`` violating states.
    """
    began = time.perf_counter()
    explorer = _Explorer(History(log), per_cut, seed)
    report = Report()
    check: Check | None = None
    known = -1
    for cut in range(1, len(log) + 1):
        explorer.advance(cut)
        if cut < start or report.violating >= stop_after:
            continue
        if check is None or known != len(explorer.promises):
            check, known = rule(tuple(explorer.promises)), len(explorer.promises)
        for state in explorer.states(cut):
            report.states += 1
            wrong = set(check(state))
            if wrong:
                report.violating += 1
                report.kinds.update(wrong)
                for kind in wrong:
                    report.examples.setdefault(kind, state)
                if report.violating >= stop_after:
                    break
    report.seconds = time.perf_counter() - began
    return report
