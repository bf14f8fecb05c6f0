"""One file backup, from the first look at the store to the commit (protocol.md, W1 to W7).

    open a session → read tombstones → read the index, list packs, adopt orphans
    → walk, read, store → flush the index → write the root → commit

Every ``partial_seconds`` what is stored so far is committed as a hidden partial snapshot (P1 to
P5), so that a run that dies can be resumed without sending anything twice.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from twofold import clock
from twofold.archiver.directory import Closed
from twofold.archiver.ledger import Ledger
from twofold.archiver.parent import ParentDir, parent_of
from twofold.archiver.reading import FileReader
from twofold.archiver.rules import RuleOptions, Rules
from twofold.archiver.selection import present, select
from twofold.archiver.walk import Walk
from twofold.backend import Sweeps
from twofold.chunker import Chunker, ChunkerParams
from twofold.errors import DamageFound
from twofold.events import Emit, Notice, Phase
from twofold.format.records import Chain, Root
from twofold.graph import PageStore
from twofold.pipeline import Flow, write_failures
from twofold.platform import Platform
from twofold.repository import (
    WRITER,
    Author,
    Catalog,
    Repository,
    Session,
    Snapshot,
    adopt,
    commit_root,
    fence,
    open_sessions,
)

PARTIAL_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest:
    """What to back up; paths are absolute (``selection.absolute``)."""

    sources: tuple[bytes, ...]
    rules: RuleOptions = field(default_factory=RuleOptions)
    name: str = ""
    tags: tuple[str, ...] = ()
    host: str = ""
    force: bool = False
    dry_run: bool = False
    partial_seconds: float = PARTIAL_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOutcome:
    """What came of it. ``snapshot`` is None for a dry run."""

    snapshot: Snapshot | None
    root: Root
    blobs_new: int
    complete: bool


def backup(
    repository: Repository, platform: Platform, request: BackupRequest, emit: Emit
) -> BackupOutcome:
    """Make a snapshot of live directories.

    Raises ``NothingDone`` when no source exists, ``Fenced``, ``NoSpace``, ``StoreError`` and other
    repository errors. Unreadable sources are events and stand in the ledger.
    """
    there, missing = present(request.sources)
    with RunContext.begin(repository, platform, request, emit) as run:
        for path in missing:
            run.ledger.failed(path, "open", "it is not there")
        rules = Rules(request.rules)
        previous = run.previous()
        parents = [] if request.force else run.parents(rules)
        emit(Phase("backing up", previous.root.bytes_total if previous else None))
        walk = Walk(
            run.flow,
            FileReader(run.flow, run.chunker),
            platform,
            rules,
            run.ledger,
            repository.keys.dedup.page,
        )
        top = platform.open_source(os.fsencode(os.sep))
        try:
            for _ in walk.run(top, select(there), parents):
                run.maybe_partial(walk.partial, rules, previous)
        finally:
            top.close()
        return run.finish(walk.result, rules, previous)


def chunker_of(repository: Repository) -> Chunker:
    """The repository's chunker."""
    config = repository.config
    params = ChunkerParams(config.chunk_min, config.chunk_normal, config.chunk_max, config.chunk_nc)
    return Chunker(repository.keys.dedup.chunker, params)


class RunContext:
    """What one run holds in the repository: session, catalog, flow; and its way to a commit."""

    def __init__(
        self,
        repository: Repository,
        platform: Platform,
        request: BackupRequest,
        emit: Emit,
        session: Session | None,
    ) -> None:
        self._repository = repository
        self._platform = platform
        self._request = request
        self._emit = emit
        self._session = session
        self._started_ns = clock.now_ns()
        self._last_partial = clock.monotonic()
        self._doomed = repository.doomed()
        self.index = repository.load_index()
        self._catalog = Catalog(self.index, self._doomed)
        self.chunker = chunker_of(repository)
        self.ledger = Ledger(emit)
        self._partials: list[bytes] = []
        self._inherited: list[bytes] = []
        if session is not None:
            self._adopt()
        self._machine = platform.machine()
        self._source = repository.keys.source_id(
            request.host or self._machine.host, "files", request.name, *sorted(request.sources)
        )
        self._snapshots = repository.snapshots(partial=True)
        self.flow = Flow(
            repository.backend,
            repository.keys,
            self._catalog,
            pack_size=repository.config.pack_size,
            frame_size=repository.config.frame_size,
            dry=session is None,
        )

    @classmethod
    @contextmanager
    def begin(
        cls, repository: Repository, platform: Platform, request: BackupRequest, emit: Emit
    ) -> Iterator["RunContext"]:
        """Open the session first (W1), end it whatever happens."""
        if request.dry_run:
            run = cls(repository, platform, request, emit, None)
            with run.flow:
                yield run
            return
        author = author_of(platform)
        repository.restore_config_copies()
        with repository.begin("writer", author, "file backup") as session:
            set_aside_dead(repository, platform, author, session)
            run = cls(repository, platform, request, emit, session)
            with run.flow:
                yield run

    def _adopt(self) -> None:
        found = adopt(self._repository.objects, self._repository.packs, self.index, self._doomed)
        for kind, entry in found:
            self._catalog.add_pack(kind, entry)
        if found:
            self._emit(Notice(f"took over {len(found)} pack(s) of a run that did not finish"))

    def previous(self) -> Snapshot | None:
        """The newest whole snapshot of the same source."""
        return next((s for s in self._candidates() if not s.root.partial), None)

    def _candidates(self) -> list[Snapshot]:
        """Snapshots of this source that may serve as parents, newest first.

        One that was forgotten is passed over; while it is a snapshot it would do as well (A3).
        """
        return [s for s in self._usable() if s.root.chain.source == self._source]

    def _usable(self) -> list[Snapshot]:
        """Snapshots of this computer's files, newest first."""
        host = (self._request.host or self._machine.host, self._machine.machine_id)
        return [
            s
            for s in reversed(self._snapshots)
            if not s.forgotten and s.root.kind == "files" and (s.root.host, s.root.machine) == host
        ]

    def parents(self, rules: Rules) -> list[ParentDir]:
        """For the unchanged proof: the newest snapshot; if that is partial, a whole one too.

        Where this source has none, one of other folders of this computer may hold some of it.
        """
        if self._doomed or self.index.absent:
            return []  # A3: what a parent holds may be going, or be gone; look each blob up
        pages = PageStore(self._repository.blob_reader(self.index))
        fitting = [s for s in self._candidates() if s.root.rules == rules.digest]
        whole = [s for s in fitting if not s.root.partial]
        whole += [s for s in self._usable() if s.root.rules == rules.digest and not s.root.partial]
        chosen = {s.id: s for s in (*fitting[:1], *whole[:1])}
        found = []
        for snapshot in chosen.values():
            try:
                parent = parent_of(pages, snapshot.root)
            except DamageFound:
                continue
            if parent is not None:
                found.append(parent)
                self._inherited.append(snapshot.id)
        return found

    def maybe_partial(
        self, partial: Callable[[], Closed], rules: Rules, previous: Snapshot | None
    ) -> None:
        """P1 to P5, when it is time."""
        if self._session is None:
            return
        if clock.monotonic() - self._last_partial < self._request.partial_seconds:
            return
        self._last_partial = clock.monotonic()
        closed = partial()
        author = author_of(self._platform)
        root = self._root(closed, rules, previous, partial=True)
        self.flow.drain()  # P1a
        self._catalog.flush(self._repository.objects)  # P1b
        with self._repository.begin("partial", author, "file backup") as session:  # P2
            if self._still_stands():
                commit_root(self._repository.objects, session, root)  # P5
                self._partials.append(session.id)

    def _still_stands(self) -> bool:
        """P3, P4: whether every pack relied on is there and not doomed, and so is the parent."""
        doomed = self._repository.doomed()
        present = self._repository.listed_packs()
        committed = self._repository.committed()
        return (
            not doomed - self._doomed
            and self._catalog.relied_on().items() <= present.items()
            and committed.issuperset(self._inherited)
        )

    def finish(self, closed: Closed, rules: Rules, previous: Snapshot | None) -> BackupOutcome:
        """W5 to W7."""
        self._emit(Phase("finishing"))
        root = self._root(closed, rules, previous, partial=False)
        snapshot = None
        if self._session is not None:
            self.flow.drain()
            self._catalog.flush(self._repository.objects)
            stats = self.flow.stats()
            root = _with_stored(root, stats.bytes_stored)
            snapshot = commit_root(self._repository.objects, self._session, root)
            for partial in self._partials:  # P6
                self._repository.forget(partial)
        return BackupOutcome(
            snapshot=snapshot,
            root=root,
            blobs_new=self.flow.stats().blobs_new,
            complete=self.ledger.complete,
        )

    def _root(
        self, closed: Closed, rules: Rules, previous: Snapshot | None, *, partial: bool
    ) -> Root:
        tree = closed.tree
        now = clock.now_ns()
        return Root(
            kind="files",
            partial=partial,
            time_ns=self._started_ns,
            end_ns=now,
            host=self._request.host or self._machine.host,
            machine=self._machine.machine_id,
            user=self._platform.user_name(),
            system=self._machine.system,
            name=self._request.name,
            tags=list(self._request.tags),
            sources=list(self._request.sources),
            tree=tree,
            listing=closed.listing,
            rules=rules.digest,
            counts=dict(self.ledger.counts),
            failures=write_failures(self.flow.save_page, self.ledger.failures),
            bytes_read=self.ledger.bytes_read,
            bytes_stored=self.flow.stats().bytes_stored,
            bytes_total=tree.bytes,
            parent=previous.id if previous else None,
            chain=self._chain(tree.id),
            writer=WRITER,
        )

    def _chain(self, tree: bytes) -> Chain:
        """Follows the newest snapshot there is of this source, even a forgotten one."""
        chains = [s for s in self._snapshots if s.root.chain.source == self._source]
        whole = [s for s in chains if not s.root.partial]
        previous = max(whole, key=lambda s: s.root.chain.sequence, default=None)
        old = previous.root.chain if previous else Chain()
        sequence = old.sequence + 1
        parts = (tree, sequence.to_bytes(8, "little"), self._started_ns.to_bytes(8, "little"))
        return Chain(
            source=self._source,
            sequence=sequence,
            previous=previous.id if previous else None,
            digest=self._repository.keys.chain_digest(old.digest, *parts),
        )


def _with_stored(root: Root, stored: int) -> Root:
    return msgspec.structs.replace(root, bytes_stored=stored)


def author_of(platform: Platform) -> Author:
    """Who we are, as sessions record it."""
    machine = platform.machine()
    return Author(machine.host, machine.machine_id, machine.boot_id, os.getpid())


def set_aside_dead(
    repository: Repository, platform: Platform, author: Author, own: Session
) -> None:
    """C1: fence sessions of runs of this machine that are certainly dead, and sweep up after them.

    Only of this host and machine, and only if its process is gone; a wrong fence would cost that
    run a restart, never data. No clock is asked.
    """
    for ident, record in open_sessions(repository.objects).items():
        if ident == own.id or record is None:
            continue
        here = record.host == author.host and record.machine == author.machine
        if not here or not author.machine:
            continue
        if record.boot == author.boot and platform.process_alive(record.process):
            continue
        fence(repository.objects, ident)
    if isinstance(repository.backend, Sweeps):
        repository.backend.sweep()
