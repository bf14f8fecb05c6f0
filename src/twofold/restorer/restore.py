"""Plan, show, execute: the two halves of a restore, put together from the parts."""

import os
from contextlib import ExitStack

import msgspec

from twofold.events import Phase
from twofold.format.names import BlobKind
from twofold.platform import Platform, TargetDir
from twofold.repository import BlobReader
from twofold.restorer.asides import Asides
from twofold.restorer.assignment import Assignment, Policy
from twofold.restorer.attributes import AttributeMaker
from twofold.restorer.compare import Comparer, Judge
from twofold.restorer.crew import crew_size
from twofold.restorer.execute import Execution
from twofold.restorer.plan import Planner, RestorePlan, expected_losses
from twofold.restorer.report import Counts, Funnel, Report
from twofold.restorer.runner import Runner
from twofold.restorer.selection import Selection
from twofold.restorer.target import RepositoryGuard, Target, existing_part, free_bytes
from twofold.restorer.writer import Tools, Trouble
from twofold.seal import DedupKeys
from twofold.view import FileTree, Path

MANY = 4096
"""So many new entries make it worth while to have other processes write them."""
_BESIDE = "what was in the way is kept in the same folder, with '.replaced-…' behind its name"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how. ``existing``: "keep" what is replaced aside, "replace" it, or "skip"."""

    target: bytes
    existing: str = "keep"
    owner: bool = True
    verify: bool = False


class Loss(msgspec.Struct, frozen=True):
    """Something the target could not hold, and of how many entries."""

    words: str
    entries: int


class Outcome(msgspec.Struct, frozen=True):
    """What a restore did; ``aside`` is where replaced entries are, None when there are none.

    ``lacking``: entries with zeros where the backup holds nothing.
    """

    counts: Counts
    bytes_written: int
    losses: tuple[Loss, ...]
    aside: bytes | None
    lacking: int


class Restore:
    """One selection of one snapshot into one target."""

    def __init__(
        self,
        tree: FileTree,
        selection: Selection,
        request: Request,
        *,
        reader: BlobReader,
        keys: DedupKeys,
        platform: Platform,
        location: str,
        funnel: Funnel,
    ) -> None:
        """``location`` is where the repository is, for it must not be written over."""
        self._request = request
        self._reader = reader
        self._blob_id = keys.hasher(BlobKind.DATA)
        self._platform = platform
        self._funnel = funnel
        self._assignment = Assignment(
            tree,
            selection,
            Policy(request.existing),
            AttributeMaker(platform, owner=request.owner, has_modes=not tree.windows),
            RepositoryGuard(platform, location),
        )

    def plan(self) -> RestorePlan:
        """What would be done. ``RefusedUnsafe``, ``DamageFound``."""
        with ExitStack() as held:
            root = self._opened(self._request.target)
            above = root or self._opened(existing_part(self._request.target))
            if above is not None:
                held.callback(above.close)
            free = free_bytes(self._request.target)
            judge = self._judge(thorough=False)
            counted = self._assignment.tree.counted
            tally = Planner(self._assignment, judge, root, above, exact=not counted).run()
            if counted and tally.bytes_needed > free:
                tally = Planner(self._assignment, judge, root, above, exact=True).run()
            notes = self._notes(above.fs_type if above else "", damaged=tally.damaged)
            notes = (*notes, *tally.too_long.notes())
        counts = tally.counts
        return RestorePlan(
            new=counts.new,
            replaced=counts.replaced,
            conflicts=counts.conflicts,
            metadata=counts.metadata,
            unchanged=counts.unchanged,
            kept=counts.kept,
            failed=counts.failed,
            deleted=0,
            entries=counts.total,
            bytes_total=tally.bytes_total,
            bytes_needed=tally.bytes_needed,
            bytes_free=free,
            notes=notes,
        )

    def execute(self, plan: RestorePlan) -> Outcome:
        """Do it. Raises ``NoSpace``, ``RefusedUnsafe``, ``StoreError`` and their like."""
        self._funnel.put(Phase("restore", plan.bytes_total, plan.entries))
        with ExitStack() as held:
            target = Target(self._platform, self._request.target, self._assignment.guard)
            held.callback(target.close)
            aside_root = target.another()
            held.callback(aside_root.close)
            asides = Asides(aside_root)
            held.callback(asides.close)
            report = Report(self._funnel, self._assignment.selection)
            self._run(target, asides, report, crew_size() if plan.new >= MANY else 0)
            self._funnel.put(Phase("sync"))
            target.sync()
            return self._outcome(asides, report)

    def _run(self, target: Target, asides: Asides, report: Report, processes: int) -> None:
        tree, verify = self._assignment.tree, self._request.verify
        tools = Tools(report, asides, Trouble(), self._blob_id, tree, verify)
        runner = Runner(target, self._reader, tools, processes)
        judge = self._judge(thorough=True)
        try:
            Execution(self._assignment, judge, target, runner, tools).run()
        finally:
            runner.close()
            report.flush()

    def _outcome(self, asides: Asides, report: Report) -> Outcome:
        losses = tuple(Loss(words, count) for words, count in sorted(report.losses.items()))
        if asides.beside:
            losses += (Loss(_BESIDE, asides.beside),)
        place: Path = asides.place
        aside = os.path.join(self._request.target, *place) if place else None
        return Outcome(report.counts, report.bytes_written, losses, aside, report.lacking)

    def _judge(self, *, thorough: bool) -> Judge:
        skip = self._assignment.policy.skip
        return Judge(self._assignment.tree, Comparer(self._blob_id), skip=skip, thorough=thorough)

    def _opened(self, path: bytes) -> TargetDir | None:
        try:
            return self._platform.open_target(path, create=False)
        except OSError:
            return None  # opening it to write will tell why

    def _notes(self, fs_type: str, *, damaged: bool) -> tuple[str, ...]:
        root = self._assignment.tree.root
        notes = []
        if root.partial:
            notes.append("this backup was never finished: it holds only part of its sources")
        failed = root.counts.get("failed", 0)
        if failed:
            notes.append(f"{failed} entries could not be read when this backup was made")
        if damaged:
            notes.append("parts of this backup are damaged and cannot be restored")
        tree = self._assignment.tree
        losses = expected_losses(
            fs_type,
            may_give_owners=may_give_owners(),
            owner=self._request.owner,
            windows=tree.windows,
        )
        return (*notes, *tree.notes, *losses)


def may_give_owners() -> bool:
    """Whether this process may make entries belong to somebody else."""
    effective = getattr(os, "geteuid", None)
    return effective is None or effective() == 0
