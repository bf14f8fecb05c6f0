"""What one writer's run holds in the repository, from the first look to the commit (protocol.md).

    open a session → read tombstones → read the index, list packs, adopt orphans
    → (the engine reads and stores) → flush the index → write the root → commit

The same for files and images: W1 to W7, and P1 to P6 for partial snapshots in between.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from twofold import clock
from twofold.backend import Sweeps
from twofold.chunker import Chunker, ChunkerParams
from twofold.errors import DamageFound
from twofold.events import Emit, Notice, Phase
from twofold.format.compression import OF_IMAGES
from twofold.format.names import BlobKind
from twofold.format.records import Chain, PageRef, Root, TreeRef
from twofold.graph import PageStore, reachable
from twofold.pipeline.flow import Flow
from twofold.pipeline.ledger import Ledger
from twofold.pipeline.pages import write_failures
from twofold.platform import Machine, Platform
from twofold.repository import (
    WRITER,
    Author,
    Catalog,
    Repository,
    Session,
    Snapshot,
    adopt,
    chained_id,
    commit_root,
    fence,
    open_sessions,
    remember_lost,
)


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is backed up, as the snapshot will say it. ``kind`` is ``files`` or ``image``.

    ``past_ns`` is the moment that the contents are of, when another program put them down: the
    snapshot then takes its place in time there, and says nothing of the computer we run on.
    """

    kind: str
    sources: tuple[bytes, ...]
    name: str = ""
    tags: tuple[str, ...] = ()
    host: str = ""
    dry_run: bool = False
    past_ns: int | None = None


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds, as its root says it."""

    tree: TreeRef | None = None
    listing: PageRef | None = None
    image: PageRef | None = None
    rules: bytes = b""
    bytes_total: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run. ``snapshot`` is None for a dry one."""

    snapshot: Snapshot | None
    root: Root
    blobs_new: int
    complete: bool


class Run:
    """Session, catalog, flow, ledger; and the way to a commit."""

    def __init__(
        self,
        repository: Repository,
        platform: Platform,
        spec: RunSpec,
        emit: Emit,
        session: Session | None,
    ) -> None:
        self.repository = repository
        self._platform = platform
        self.spec = spec
        self.emit = emit
        self._session = session
        self._started_ns = clock.now_ns() if spec.past_ns is None else spec.past_ns
        self._last_partial = clock.monotonic()
        self.doomed = repository.doomed()
        self.index = repository.load_index()
        self._catalog = Catalog(self.index, self.doomed)
        self.chunker = chunker_of(repository)
        self.ledger = Ledger(emit)
        self._partials: list[bytes] = []
        self.inherited: list[bytes] = []
        self._in_doubt = False
        if session is not None:
            self._adopt()
        self._machine = _machine_of(platform, spec)
        self._source = repository.keys.source_id(
            spec.host or self._machine.host, spec.kind, spec.name, *sorted(spec.sources)
        )
        self._snapshots = repository.snapshots(partial=True)
        self._tell_clock()
        self.flow = Flow(
            repository.backend,
            repository.keys,
            self._catalog,
            pack_size=repository.config.pack_size,
            frame_size=repository.config.frame_size,
            dry=session is None,
            after_pack=lambda: self._catalog.flush_if_many(repository.objects),
        )
        if spec.kind == "image":
            self.flow.set_search(OF_IMAGES)

    @classmethod
    @contextmanager
    def begin(
        cls, repository: Repository, platform: Platform, spec: RunSpec, emit: Emit
    ) -> Iterator["Run"]:
        """Open the session first (W1), end it whatever happens. ``RefusedUnsafe``."""
        repository.config.check_writing()
        if spec.dry_run:
            run = cls(repository, platform, spec, emit, None)
            with run.flow:
                yield run
            return
        author = author_of(platform)
        repository.restore_config_copies()
        with repository.begin("writer", author, _PURPOSES[spec.kind]) as session:
            set_aside_dead(repository, platform, author, session)
            run = cls(repository, platform, spec, emit, session)
            with run.flow:
                yield run

    @property
    def session_id(self) -> bytes | None:
        """Of the session that this run holds open; None for a dry one."""
        return self._session.id if self._session is not None else None

    def _adopt(self) -> None:
        objects, packs = self.repository.objects, self.repository.packs
        found = adopt(objects, packs, self.index, self.doomed)
        for kind, entry in found:
            self._catalog.add_pack(kind, entry)
        if found:
            self.emit(Notice(f"took over {len(found)} pack(s) of a run that did not finish"))

    def _tell_clock(self) -> None:
        previous = self.previous()
        if previous is not None and self._is_to_come(previous):
            made = time.localtime(previous.root.time_ns // 10**9)
            shown = time.strftime("%Y-%m-%d %H:%M", made)
            self.emit(
                Notice(
                    f"the backup before was made at a time to come ({shown}), by the clock of this"
                    " computer: one of the two is wrong; no file is taken for unchanged this time"
                )
            )

    def _is_to_come(self, snapshot: Snapshot) -> bool:
        """Whether the clock was set back since: then changes may have the times of before."""
        root = snapshot.root
        return self.spec.past_ns is None and max(root.time_ns, root.end_ns) > self._started_ns

    def previous(self) -> Snapshot | None:
        """The newest whole snapshot of the same source."""
        return next((s for s in self.candidates() if not s.root.partial), None)

    def candidates(self) -> list[Snapshot]:
        """Snapshots of this source that may serve as parents, newest first.

        One that was forgotten is passed over; while it is a snapshot it would do as well (A3).
        """
        return [s for s in self.usable() if s.root.chain.source == self._source]

    def usable(self) -> list[Snapshot]:
        """Snapshots of this kind and computer, newest first; then those later than ``past_ns``."""
        host = (self.spec.host or self._machine.host, self._machine.machine_id)
        found = [
            s
            for s in reversed(self._snapshots)
            if not s.forgotten
            and s.root.kind == self.spec.kind
            and (s.root.host, s.root.machine) == host
        ]
        if self.spec.past_ns is not None:
            found.sort(key=lambda s: s.root.time_ns > self._started_ns)
        return found

    def may_follow(self, snapshot: Snapshot) -> bool:
        """A3: whether anything of a snapshot may be taken over without being read."""
        return not self.doomed and not self._is_to_come(snapshot)

    def holds(self, kind: BlobKind, blob: bytes, _length: int | None = None) -> bool:
        """Whether a blob is stored where it can be relied on."""
        return self._catalog.known(kind, blob)

    def stands(self, snapshot: Snapshot) -> bool:
        """Whether all of a snapshot may be taken over.

        Where a pack is known to be gone or damaged, all that it needs is looked up.
        """
        if not self.may_follow(snapshot):
            return False
        if not self.index.unreliable:
            return True
        pages = PageStore(self.repository.blob_reader(self.index))
        try:
            needed = reachable(pages, snapshot.root, set())
            if all(self.holds(reach.kind, reach.id) for reach in needed):
                return True
        except DamageFound:
            pass
        self.doubt_metadata()
        return False

    def doubt_metadata(self) -> None:
        """Read all metadata, which is little, so that none is relied on that is lost as well.

        Below a page that is lost nobody comes to others that are. Once is enough.
        """
        if self._in_doubt:
            return
        self._in_doubt = True
        self.emit(Notice(_HEALED))
        self.repository.blob_reader(self.index).prove(BlobKind.META)

    def start_over(self) -> None:
        """Nothing is taken over after all, and everything is counted again."""
        self.doubt_metadata()
        self.inherited.clear()
        self.ledger = Ledger(self.emit)

    def partial_due(self, seconds: float) -> bool:
        """Whether so much time has passed since the last partial snapshot, or since the start."""
        if self._session is None or clock.monotonic() - self._last_partial < seconds:
            return False
        self._last_partial = clock.monotonic()
        return True

    def commit_partial(self, root: Root) -> None:
        """P1 to P5."""
        author = author_of(self._platform)
        self.flow.drain()  # P1a
        self._catalog.flush(self.repository.objects)  # P1b
        with self.repository.begin("partial", author, _PURPOSES[self.spec.kind]) as session:  # P2
            if self._still_stands():
                commit_root(self.repository.objects, session, root)  # P5
                self._partials.append(session.id)

    def _still_stands(self) -> bool:
        """P3, P4: whether every pack relied on is there and not doomed, and so is the parent."""
        doomed = self.repository.doomed()
        present = self.repository.listed_packs()
        committed = self.repository.committed()
        return (
            not doomed - self.doomed
            and self._catalog.relied_on().items() <= present.items()
            and committed.issuperset(self.inherited)
        )

    def commit(self, root: Root) -> Outcome:
        """W5 to W7."""
        self.emit(Phase("finishing"))
        snapshot = None
        if self._session is not None:
            self.flow.drain()
            self._catalog.flush(self.repository.objects)
            stored = self.flow.stats().bytes_stored
            root = msgspec.structs.replace(root, bytes_stored=stored)
            snapshot = commit_root(self.repository.objects, self._session, root)
            self._remember_lost()
            for partial in self._partials:  # P6
                self.repository.forget(partial)
        return Outcome(
            snapshot=snapshot,
            root=root,
            blobs_new=self.flow.stats().blobs_new,
            complete=self.ledger.complete,
        )

    def _remember_lost(self) -> None:
        """What could not be read; should that not be remembered, it is found again."""
        with suppress(OSError):
            remember_lost(self.repository.id, self.index.lost)

    def root(self, contents: Contents, *, partial: bool = False) -> Root:
        """The body of the snapshot."""
        previous = self.previous()
        root = Root(
            kind=self.spec.kind,
            time_ns=self._started_ns,
            end_ns=clock.now_ns() if self.spec.past_ns is None else self._started_ns,
            host=self.spec.host or self._machine.host,
            machine=self._machine.machine_id,
            user=self._platform.user_name(),
            system=self._machine.system,
            name=self.spec.name,
            tags=list(self.spec.tags),
            sources=list(self.spec.sources),
            partial=partial,
            tree=contents.tree,
            listing=contents.listing,
            image=contents.image,
            rules=contents.rules,
            bytes_total=contents.bytes_total,
            counts=dict(self.ledger.counts),
            failures=write_failures(self.flow.save_page, self.ledger.failures),
            bytes_read=self.ledger.bytes_read,
            bytes_stored=self.flow.stats().bytes_stored,
            parent=previous.id if previous else None,
            writer=WRITER,
        )
        return msgspec.structs.replace(root, chain=self._chain(chained_id(root)))

    def _chain(self, contents: bytes) -> Chain:
        """Follows the newest snapshot there is of this source, even a forgotten one."""
        chains = [s for s in self._snapshots if s.root.chain.source == self._source]
        whole = [s for s in chains if not s.root.partial]
        previous = max(whole, key=lambda s: s.root.chain.sequence, default=None)
        old = previous.root.chain if previous else Chain()
        sequence = old.sequence + 1
        parts = (contents, sequence.to_bytes(8, "little"), self._started_ns.to_bytes(8, "little"))
        return Chain(
            source=self._source,
            sequence=sequence,
            previous=previous.id if previous else None,
            digest=self.repository.keys.chain_digest(old.digest, *parts),
        )


def _machine_of(platform: Platform, spec: RunSpec) -> Machine:
    """What the snapshot says of the computer; nobody tells which one another program ran on."""
    here = platform.machine()
    if spec.past_ns is None:
        return here
    return Machine(here.host, machine_id="", boot_id="", system="")


_HEALED = "a backup before this one is damaged: what is lost and still here is stored again"
_PURPOSES = {"files": "file backup", "image": "system image"}


def chunker_of(repository: Repository) -> Chunker:
    """The repository's chunker."""
    config = repository.config
    sizes = config.chunk_min, config.chunk_normal, config.chunk_max
    params = ChunkerParams.from_stored(*sizes, config.chunk_nc)
    return Chunker(repository.keys.dedup.chunker, params)


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
