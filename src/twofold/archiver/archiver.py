"""One file backup: walk, read, store (the rest of a run is ``pipeline.Run``).

Every ``partial_seconds`` what is stored so far is committed as a hidden partial snapshot, so that a
run that dies can be resumed without sending anything twice.

What a snapshot before is known to miss is not taken over from it (``proof``). Where one turns out
to be damaged while it is compared with, the walk begins again without it, and everything is read.
"""

import os
from collections.abc import Callable
from contextlib import closing

import msgspec

from twofold.archiver.directory import Closed
from twofold.archiver.own_place import OwnPlace
from twofold.archiver.parent import ParentDir, parent_of
from twofold.archiver.proof import proof_of
from twofold.archiver.reading import FileReader
from twofold.archiver.rules import RuleOptions, Rules
from twofold.archiver.selection import present, select
from twofold.archiver.walk import Walk
from twofold.errors import DamageFound
from twofold.events import Emit, Phase
from twofold.graph import PageStore
from twofold.pipeline import Contents, Outcome, Run, RunSpec
from twofold.platform import Platform
from twofold.repository import Repository

PARTIAL_SECONDS = 600.0


class BackupRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to back up; paths are absolute (``selection.absolute``)."""

    sources: tuple[bytes, ...]
    rules: RuleOptions = msgspec.field(default_factory=RuleOptions)
    name: str = ""
    tags: tuple[str, ...] = ()
    host: str = ""
    force: bool = False
    dry_run: bool = False
    partial_seconds: float = PARTIAL_SECONDS
    own_folder: bytes | None = None
    """That of the repository, if it is one of this computer."""

    @property
    def spec(self) -> RunSpec:
        """The same for the run."""
        return RunSpec(
            kind="files",
            sources=self.sources,
            name=self.name,
            tags=self.tags,
            host=self.host,
            dry_run=self.dry_run,
        )


def backup(
    repository: Repository, platform: Platform, request: BackupRequest, emit: Emit
) -> Outcome:
    """Make a snapshot of live directories.

    Raises ``NothingDone`` when no source exists, ``NeedsRights`` when none may be looked at,
    ``Fenced``, ``NoSpace``, ``StoreError`` and other repository errors. Unreadable sources are
    events and stand in the ledger.
    """
    sources = present(request.sources)
    with Run.begin(repository, platform, request.spec, emit) as run:
        rules = Rules(request.rules)
        previous = run.previous()
        parents = [] if request.force else parents_of(run, rules)
        emit(Phase("backing up", previous.root.bytes_total if previous else None))
        work = _Work(run, platform, request, rules, sources)
        closed = work.walked(parents)
        if closed is None:
            run.start_over()
            closed = work.walked([])
            assert closed is not None
        return run.commit(run.root(contents(closed, rules)))


class _Work:
    """What it takes to walk over the sources, once or twice."""

    def __init__(
        self,
        run: Run,
        platform: Platform,
        request: BackupRequest,
        rules: Rules,
        sources: tuple[list[bytes], dict[bytes, str]],
    ) -> None:
        """``sources``: those to be walked, and why others cannot be."""
        self._run = run
        self._platform = platform
        self._request = request
        self._rules = rules
        self._there, self._missing = sources

    def walked(self, parents: list[ParentDir]) -> Closed | None:
        """The root directory; None where a parent turns out to be damaged."""
        run = self._run
        for path, reason in self._missing.items():
            run.ledger.failed(path, "open", reason)
        reader, key = FileReader(run.flow, run.chunker), run.repository.keys.dedup.page
        own = OwnPlace.of(self._platform, self._request.own_folder, run.session_id)
        walk = Walk(run.flow, reader, self._platform, self._rules, run.ledger, key, own)
        lost = run.index.lost
        with closing(self._platform.open_source(os.fsencode(os.sep))) as top:
            steps = walk.run(top, select(self._there), parents)
            try:
                with closing(steps):
                    for _ in steps:
                        if parents and run.index.lost != lost:
                            return None
                        _maybe_partial(run, self._request, self._rules, walk.partial)
            except DamageFound:
                if not parents:
                    raise
                return None
        return walk.result if not parents or run.index.lost == lost else None


def contents(closed: Closed, rules: Rules) -> Contents:
    """What a file backup holds."""
    tree = closed.tree
    return Contents(tree=tree, listing=closed.listing, rules=rules.digest, bytes_total=tree.bytes)


def _maybe_partial(
    run: Run, request: BackupRequest, rules: Rules, partial: Callable[[], Closed]
) -> None:
    if run.partial_due(request.partial_seconds):
        run.commit_partial(run.root(contents(partial(), rules), partial=True))


def parents_of(run: Run, rules: Rules) -> list[ParentDir]:
    """For the unchanged proof: the newest snapshot; if that is partial, a whole one too.

    Where this source has none, one of other folders of this computer may hold some of it.
    """
    pages = PageStore(run.repository.blob_reader(run.index))
    fitting = [s for s in run.candidates() if s.root.rules == rules.digest]
    whole = [s for s in fitting if not s.root.partial]
    whole += [s for s in run.usable() if s.root.rules == rules.digest and not s.root.partial]
    chosen = {s.id: s for s in (*fitting[:1], *whole[:1])}
    found = []
    for snapshot in chosen.values():
        if not run.may_follow(snapshot):
            continue
        try:
            parent = parent_of(pages, snapshot.root, proof_of(run, pages, snapshot))
        except DamageFound:
            continue
        if parent is not None:
            found.append(parent)
            run.inherited.append(snapshot.id)
    return found
