"""Prove that the repository is whole: every object, every backup down to its last blob.

    structure   objects, index, packs by name and size; every backup followed through all its pages
    --read-data also every pack (or a share of them, in turn) read whole: bytes, parity, contents

Nothing stops a check and nothing is changed by it. Exit code 5 as soon as anything is not as it was
written, even where a second copy or parity covers it: then the remedy says that nothing is lost.
"""

from collections.abc import Callable
from typing import ClassVar

import msgspec

from twofold import clock
from twofold.commands.access import open_at
from twofold.commands.reading import reader_session
from twofold.errors import DamageFound, UsageError, words_of
from twofold.events import Emit, Finding, Phase, Progress, Severity, ignore
from twofold.format.names import BlobKind
from twofold.graph import Affected, PageStore, Verifier
from twofold.options import Options, RepositoryAccess
from twofold.repository import (
    BlobReader,
    Heads,
    PackReader,
    PacksCheck,
    Report,
    Repository,
    Rotation,
    Snapshot,
    Survey,
    check_stored,
    remember_lost,
)

UPDATE = "update Twofold on this computer"
_PAGES_PER_EVENT = 64
_NAMED = 5


class CheckOptions(Options, frozen=True, kw_only=True):
    """``subset``: with ``read_data``, read only this share of the packs, in per cent, in turn."""

    access: RepositoryAccess
    read_data: bool = False
    subset: float | None = None


class AffectedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot that misses something, with some of the paths; folders end in a slash."""

    id: bytes
    short_id: str
    time_ns: int
    host: str
    name: str
    paths: tuple[bytes, ...]
    more: bool
    listings: int


class CheckResult(msgspec.Struct, frozen=True):
    """What was checked and found; packs and bytes read whole are 0 without ``read_data``."""

    SHOWN_AS: ClassVar = {"findings": "finding", "affected": "affected"}

    exit_code: int
    repository: bytes
    location: str
    snapshots: int
    packs: int
    bytes_packs: int
    blobs: int
    pages: int
    packs_read: int
    bytes_read: int
    damage: int
    warnings: int
    notes: int
    seconds: float
    findings: tuple[Finding, ...]
    affected: tuple[AffectedSnapshot, ...]


def run(options: CheckOptions, emit: Emit) -> CheckResult:
    """Check, and tell each finding as it is made."""
    if options.subset is not None and not options.read_data:
        raise UsageError("a share of the packs can only be chosen for reading them")
    if options.subset is not None and not 0 < options.subset <= 100:
        raise UsageError("the share of the packs to read must be above 0 % and at most 100 %")
    with open_at(options.access, ignore) as repository:
        repository.emit = emit
        with reader_session(repository, "check") as session:
            check = _Check(options, repository, Report(emit))
            return check.run(session.id if session is not None else b"")


class _Check:
    """One run; the phases in order."""

    def __init__(self, options: CheckOptions, repository: Repository, report: Report) -> None:
        self._options = options
        self._repository = repository
        self._report = report
        self._started = clock.monotonic()
        self._survey = Survey()
        self._packs_read = self._bytes_read = self._pages = 0
        self._affected: list[AffectedSnapshot] = []

    def run(self, own: bytes) -> CheckResult:
        self._report.emit(Phase("checking objects"))
        heads = Heads(self._repository.id)  # before the list: a backup may end in between
        self._survey = check_stored(self._repository, self._report, own)
        self._heads(heads)
        self._packs()
        self._graph()
        self._orphans()
        self._report.close()
        return self._result()

    def _heads(self, heads: Heads) -> None:
        snapshots, committed = self._survey.snapshots, self._survey.committed
        for finding in heads.missing_heads(snapshots, committed):
            self._report.take(finding, "snapshots")
        self._memory(lambda: heads.observe(snapshots))

    def _memory(self, change: Callable[[], None]) -> None:
        """Change what this computer remembers; that it cannot is no fault of the repository."""
        try:
            change()
        except OSError as error:
            message = f"it cannot remember this check: {words_of(error)}"
            self._report.note("memory", "this computer", message)

    def _packs(self) -> None:
        packs = PacksCheck(self._repository, self._report, self._survey)
        packs.misnamed()
        present = self._survey.present
        wrong = packs.wrong_sizes()
        for _ in packs.examine(sorted(wrong)):
            pass
        if not self._options.read_data:
            return
        rotation = Rotation(self._repository.id, self._options.subset or 100)
        try:
            chosen = rotation.choose(present)
            for verdict in packs.examine(pack for pack in chosen if pack not in wrong):
                self._packs_read += 1
                self._bytes_read += verdict.size
                rotation.read(verdict.pack, bad=not verdict.healthy, lost=verdict.has_lost)
        finally:
            self._memory(lambda: rotation.save(present))

    def _graph(self) -> None:
        """Follow every snapshot; name the paths that miss something."""
        survey, keys = self._survey, self._repository.keys
        reader = PackReader(self._repository.backend, keys, self._report.hear)
        pages = PageStore(BlobReader(survey.index, reader, keys.dedup))
        total = survey.index.blob_count(BlobKind.META)
        self._report.emit(Phase("following every backup", total_items=total))
        verifier = Verifier(pages, survey.has, self._page, lengths=self._options.read_data)
        for snapshot in survey.snapshots:
            if not snapshot.root.is_known:
                message = "it is of a kind that this version does not know, so it was not followed"
                self._report.note("snapshots", f"snapshot {snapshot.short}", message, UPDATE)
                continue
            found = verifier.verify(snapshot.id, snapshot.root)
            if found.anything:
                self._tell(snapshot, found)
        self._report.emit(Progress(0, self._pages))
        self._memory(lambda: remember_lost(self._repository.id, survey.index.lost))

    def _page(self) -> None:
        self._pages += 1
        if self._pages % _PAGES_PER_EVENT == 0:
            self._report.emit(Progress(0, self._pages))

    def _tell(self, snapshot: Snapshot, found: Affected) -> None:
        root = snapshot.root
        self._affected.append(
            AffectedSnapshot(
                id=snapshot.id,
                short_id=snapshot.short,
                time_ns=root.time_ns,
                host=root.host,
                name=root.name,
                paths=tuple(found.paths),
                more=found.more,
                listings=found.listings,
            )
        )
        subject = f"snapshot {snapshot.short}"
        if found.paths:
            names = ", ".join(path.decode("utf-8", "backslashreplace") for path in found.paths)
            more = " and more" if found.more else ""
            message = f"it cannot be restored whole ({found.reason}): {names}{more}"
            rest = "everything else in it can be restored"
            self._report.damage("snapshots", subject, message, f"{rest}; {_search(snapshot)}")
        if found.listings:
            message = f"the listings of {found.listings:,} folders are lost ({found.reason})"
            remedy = "no file is affected; the next backup reads these folders again"
            self._report.damage("snapshots", subject, message, remedy)
        if found.failures:
            message = f"the list of what it could not read is damaged ({found.reason})"
            self._report.damage("snapshots", subject, message, "no file is affected")

    def _orphans(self) -> None:
        """Packs that no index lists: left over, or their index object was lost."""
        survey, orphans = self._survey, self._survey.orphans
        if not orphans or survey.index.damaged or survey.busy:
            return
        size = sum(survey.present[pack] for pack in orphans)
        names = ", ".join(pack.hex() for pack in orphans[:_NAMED])
        more = f" and {len(orphans) - _NAMED:,} more" if len(orphans) > _NAMED else ""
        which = f"packs with {size:,} bytes are in no index: {names}{more}"
        if survey.rescued:
            message = f"an index object is missing, for {which}, though backups need them"
            remedy = "nothing is lost: their own tables were used; the next backup lists them again"
            self._report.damage("index", "index", message, remedy)
        else:
            remedy = "a run left them that did not finish; the next backup takes them over"
            self._report.note("packs", "packs", which, remedy)

    def _result(self) -> CheckResult:
        survey, report = self._survey, self._report
        return CheckResult(
            exit_code=DamageFound.exit_code if report.damaged else 0,
            repository=self._repository.id,
            location=self._repository.backend.location,
            snapshots=len(survey.snapshots),
            packs=len(survey.present),
            bytes_packs=sum(survey.present.values()),
            blobs=sum(survey.index.blob_count(kind) for kind in BlobKind),
            pages=self._pages,
            packs_read=self._packs_read,
            bytes_read=self._bytes_read,
            damage=report.counts[Severity.DAMAGE],
            warnings=report.counts[Severity.WARNING],
            notes=report.counts[Severity.NOTE],
            seconds=clock.monotonic() - self._started,
            findings=tuple(report.findings),
            affected=tuple(self._affected),
        )


def _search(snapshot: Snapshot) -> str:
    """How to go on with what cannot be restored; files of images are known by their numbers."""
    if snapshot.root.kind != "image":
        return "look for these paths in other backups"
    names = f"'twofold restore {snapshot.short}:pN:/ --to FOLDER' names each it cannot bring back"
    return f"'#' and a number is a file of the volume, and {names}"
