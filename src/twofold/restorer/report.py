"""What became of every entry: filled from all threads, counted and told in one.

Threads append plain records; ``flush``, called in the engine's own thread, counts them and turns
them into events. The counts are what the result of a restore says.
"""

import os
import threading
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from twofold import clock
from twofold.errors import DamageFound
from twofold.events import (
    Emit,
    Event,
    Finding,
    ItemDone,
    Progress,
    Severity,
    SourceWarning,
    hears_items,
)
from twofold.format.pages import NodeKind
from twofold.restorer.compare import Decision
from twofold.restorer.directory import Directory, steps_from
from twofold.restorer.jobs import FileJob
from twofold.restorer.refusals import words_for
from twofold.restorer.selection import Selection

_PROGRESS_SECONDS = 0.2


class Counts(msgspec.Struct):
    """Entries by what became, or would become, of them; directories included."""

    new: int = 0
    replaced: int = 0
    conflicts: int = 0
    metadata: int = 0
    unchanged: int = 0
    kept: int = 0
    failed: int = 0
    damaged: int = 0

    @property
    def total(self) -> int:
        """All entries that were asked for."""
        return sum(getattr(self, name) for name in self.__struct_fields__)

    def add(self, decision: Decision, entries: int = 1) -> None:
        """Count entries under a decision."""
        name = _COUNTED[decision]
        setattr(self, name, getattr(self, name) + entries)


_COUNTED = {
    Decision.NEW: "new",
    Decision.REPLACED: "replaced",
    Decision.CONFLICT: "conflicts",
    Decision.METADATA: "metadata",
    Decision.REWRITE: "metadata",
    Decision.UNCHANGED: "unchanged",
    Decision.KEPT: "kept",
}
_WORDS = {
    Decision.NEW: "restored",
    Decision.REPLACED: "replaced",
    Decision.CONFLICT: "replaced",
    Decision.METADATA: "metadata",
    Decision.REWRITE: "metadata",
    Decision.UNCHANGED: "unchanged",
    Decision.KEPT: "kept",
}


class Funnel:
    """Hands events to one thread's ``emit``: at once from there, at ``flush`` from any other."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.hears_items = hears_items(emit)
        self._owner = threading.get_ident()
        self._waiting: deque[Event] = deque()

    def put(self, event: Event) -> None:
        """Tell an event, from any thread."""
        if threading.get_ident() == self._owner:
            self.flush()
            self._emit(event)
        else:
            self._waiting.append(event)

    def divert(self, emit: Emit) -> None:
        """Tell somebody else from now on: this process is a copy of the one that speaks."""
        self._emit = emit

    def flush(self) -> None:
        """Tell what other threads left; only in the thread that made the funnel."""
        while self._waiting:
            self._emit(self._waiting.popleft())


class Done(NamedTuple):
    """An entry is as it should be."""

    decision: Decision
    directory: Directory
    name: bytes
    size: int
    entries: int


class Written(NamedTuple):
    """Files of one directory are complete."""

    directory: Directory
    jobs: Sequence[FileJob]


class Failed(NamedTuple):
    """The target would not take an entry (with ``entries`` - 1 more below it)."""

    directory: Directory
    name: bytes
    action: str
    reason: str
    entries: int
    size: int


class Damaged(NamedTuple):
    """The repository could not give an entry."""

    directory: Directory
    name: bytes
    reason: str
    size: int


class Lacking(NamedTuple):
    """An entry is restored, but zeros stand for what the backup has not."""

    directory: Directory
    name: bytes
    words: str


Record = Done | Written | Failed | Damaged | Lacking | str


class Report:
    """Counts, losses and events of one restore.

    An entry is told by its directory and name; without a name the directory itself is meant.
    """

    def __init__(self, funnel: Funnel, selection: Selection) -> None:
        self.counts = Counts()
        self.losses: Counter[str] = Counter()
        self.bytes_done = 0
        self.bytes_written = 0
        self.lacking = 0
        self._funnel = funnel
        self._selection = selection
        self._waiting: deque[Record] = deque()
        self._told = clock.monotonic()
        self._last: Directory | None = None
        self._last_shown = b""
        self._way: list[Directory] = []  # the directories down to the last one, and their names
        self._names: list[bytes] = []

    def done(
        self,
        decision: Decision,
        directory: Directory,
        name: bytes,
        size: int = 0,
        losses: Sequence[str] = (),
    ) -> None:
        """An entry is finished; what the target could not hold of it is in ``losses``."""
        self._waiting.append(Done(decision, directory, name, size, 1))
        self._waiting.extend(losses)

    def written(self, directory: Directory, jobs: Sequence[FileJob]) -> None:
        """Files of one directory are complete under their names."""
        if jobs:
            self._waiting.append(Written(directory, jobs))

    def kept(self, directory: Directory, name: bytes, size: int, entries: int = 1) -> None:
        """An entry was left as it is (with ``entries`` - 1 more below it)."""
        self._waiting.append(Done(Decision.KEPT, directory, name, size, entries))

    def lost(self, words: Sequence[str]) -> None:
        """Something of an entry could not be kept."""
        self._waiting.extend(words)

    def failed(
        self,
        directory: Directory,
        name: bytes,
        action: str,
        error: OSError | str,
        *,
        entries: int = 1,
        size: int = 0,
        kind: int = NodeKind.FILE,
    ) -> None:
        """The target would not take an entry."""
        whose = name or directory.name
        reason = error if isinstance(error, str) else words_for(error, whose, kind)
        self._waiting.append(Failed(directory, name, action, reason, entries, size))

    def damaged(self, directory: Directory, name: bytes, error: DamageFound, size: int = 0) -> None:
        """The repository could not give an entry."""
        self._waiting.append(Damaged(directory, name, error.message, size))

    def absent(self, directory: Directory, name: bytes, words: str) -> None:
        """The backup holds not all of an entry."""
        self._waiting.append(Lacking(directory, name, words))

    def divert(self, emit: Emit) -> None:
        """Have events told to somebody else from now on."""
        self._funnel.divert(emit)

    def found(self, finding: Finding) -> None:
        """Something was learnt about the repository."""
        self._funnel.put(finding)

    def take(self) -> list[Record]:
        """What was reported since, for somebody else to count and tell."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def flush(self) -> None:
        """Count and tell what happened since; only in the engine's own thread."""
        shown = b""
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, str):
                self.losses[item] += 1
            elif isinstance(item, Written):
                shown = self._count_files(item)
            else:
                shown = self._count(item)
        self._funnel.flush()
        now = clock.monotonic()
        if shown and now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            self._funnel.put(Progress(self.bytes_done, self.counts.total, shown))

    def _shown(self, directory: Directory, name: bytes) -> bytes:
        """The path in the snapshot."""
        if directory is not self._last:
            self._last = directory
            ahead = steps_from(self._way, directory)
            common = directory.depth - len(ahead)
            self._way[common:] = ahead
            self._names[common:] = [step.name for step in ahead]
            self._last_shown = self._selection.shown(self._names)
        above = self._last_shown
        if not name:
            return above
        return above + name if above == b"/" else above + b"/" + name

    def _count_files(self, item: Written) -> bytes:
        """Most entries of most restores come here, so nothing is done twice."""
        before = self._shown(item.directory, b"-")[:-1]
        size = sum([job.node.size for job in item.jobs])
        path = before + item.jobs[-1].node.name
        if self._funnel.hears_items:
            for job in item.jobs:
                node = job.node
                shown = before + node.name
                self._funnel.put(ItemDone(_WORDS[job.decision], shown, node.size))
        decisions = [job.decision for job in item.jobs]
        if decisions.count(decisions[0]) == len(decisions):
            self.counts.add(decisions[0], len(decisions))
        else:
            for decision, count in Counter(decisions).items():
                self.counts.add(decision, count)
        self.bytes_done += size
        self.bytes_written += size
        return path

    def _count(self, item: Done | Failed | Damaged | Lacking) -> bytes:
        shown = self._shown(item.directory, item.name)
        if isinstance(item, Lacking):
            self.lacking += 1
            self._funnel.put(
                Finding(
                    Severity.WARNING,
                    os.fsdecode(shown),
                    f"it has zeros where the backup holds nothing: {item.words}",
                    "an older or newer backup may hold it",
                )
            )
            return shown
        self.bytes_done += item.size
        if isinstance(item, Done):
            self.counts.add(item.decision, item.entries)
            self._funnel.put(ItemDone(_WORDS[item.decision], shown, item.size))
        elif isinstance(item, Failed):
            self.counts.failed += item.entries
            self._funnel.put(SourceWarning(shown, item.action, item.reason))
        else:
            self.counts.damaged += 1
            self._funnel.put(
                Finding(
                    Severity.DAMAGE,
                    os.fsdecode(shown),
                    f"it could not be restored: {item.reason}",
                    "an older or newer backup may hold it; 'twofold check --read-data' tells "
                    "whether the repository is whole",
                )
            )
        return shown
