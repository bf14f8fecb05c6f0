"""One file backup: walk, read, store (the rest of a run is ``pipeline.Run``).

Every ``partial_seconds`` what is stored so far is committed as a hidden partial snapshot, so that a
run that dies can be resumed without sending anything twice.
"""

import os
from collections.abc import Callable

import msgspec

from twofold.archiver.directory import Closed
from twofold.archiver.own_place import OwnPlace
from twofold.archiver.parent import ParentDir, parent_of
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
    there, missing = present(request.sources)
    with Run.begin(repository, platform, request.spec, emit) as run:
        for path, reason in missing.items():
            run.ledger.failed(path, "open", reason)
        rules = Rules(request.rules)
        previous = run.previous()
        parents = [] if request.force else parents_of(run, rules)
        emit(Phase("backing up", previous.root.bytes_total if previous else None))
        walk = Walk(
            run.flow,
            FileReader(run.flow, run.chunker),
            platform,
            rules,
            run.ledger,
            repository.keys.dedup.page,
            OwnPlace.of(platform, request.own_folder),
        )
        top = platform.open_source(os.fsencode(os.sep))
        try:
            for _ in walk.run(top, select(there), parents):
                _maybe_partial(run, request, rules, walk.partial)
        finally:
            top.close()
        return run.commit(run.root(contents(walk.result, rules)))


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
    if run.doomed or run.index.absent:
        return []  # A3: what a parent holds may be going, or be gone; look each blob up
    pages = PageStore(run.repository.blob_reader(run.index))
    fitting = [s for s in run.candidates() if s.root.rules == rules.digest]
    whole = [s for s in fitting if not s.root.partial]
    whole += [s for s in run.usable() if s.root.rules == rules.digest and not s.root.partial]
    chosen = {s.id: s for s in (*fitting[:1], *whole[:1])}
    found = []
    for snapshot in chosen.values():
        try:
            parent = parent_of(pages, snapshot.root)
        except DamageFound:
            continue
        if parent is not None:
            found.append(parent)
            run.inherited.append(snapshot.id)
    return found
