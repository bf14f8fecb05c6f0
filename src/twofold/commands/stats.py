"""Figures of a repository, of one backup, or of what grew between two.

    nothing named    what is stored: backups by computer and kind, size before and after
    one backup       what it is, and which of its chunks other backups have as well; of an image
                     also its partitions and the operating systems on them
    two backups      the folders in which most came or went

Exit code 5 when damage kept something out of the figures.
"""

from collections.abc import Iterable

from twofold.commands.access import listed_snapshots, open_at
from twofold.commands.reading import Reading, read_snapshot, reader_session
from twofold.commands.stats_growth import of_growth
from twofold.commands.stats_results import (
    BackupStats,
    GroupStats,
    Losses,
    RepositoryStats,
    StatsResult,
    VolumeStats,
)
from twofold.errors import NewerFormat, TwofoldError, UsageError
from twofold.events import Emit, Notice, Phase
from twofold.format.names import BlobKind
from twofold.format.records import Root
from twofold.options import Options, RepositoryAccess
from twofold.repository import Index, Repository, Snapshot
from twofold.view import (
    ImageDisk,
    Sharing,
    Surroundings,
    SystemFacts,
    Unread,
    parse_address,
    sharing_of,
    systems_in,
)


class StatsOptions(Options, frozen=True, kw_only=True):
    """``snapshot`` alone: that one. With ``since``: what grew from that one on.

    ``top``: how many folders are told of, those in which most came or went.
    """

    access: RepositoryAccess
    snapshot: str | None = None
    since: str | None = None
    top: int = 20


def run(options: StatsOptions, emit: Emit) -> StatsResult:
    """Count. ``SnapshotNotFound``, ``UsageError``."""
    if options.snapshot is None:
        if options.since is not None:
            raise UsageError("growth is told of a backup, and none is named")
        return _of_repository(options, emit)
    address = parse_address(options.snapshot)
    since = parse_address(options.since) if options.since is not None else None
    if since is None and (address.path is not None or address.partition is not None):
        raise UsageError(
            "figures of a single folder or partition are only given of two backups",
            hint="name a second one, or leave out what is behind the ':'",
        )
    with read_snapshot(options.access, address, "stats", emit) as reading:
        losses = Losses(emit)
        if since is None:
            return _of_backup(reading, losses)
        return of_growth(reading, address, since, options.top, losses)


# the repository


def _of_repository(options: StatsOptions, emit: Emit) -> StatsResult:
    with open_at(options.access, emit) as repository, reader_session(repository, "stats"):
        found = [each for each in listed_snapshots(repository)[0] if not each.root.partial]
        kept = [each for each in found if not each.forgotten]
        index = repository.load_index()
        return StatsResult(
            repository=_stored(repository, index, kept, len(found) - len(kept)),
            groups=tuple(_groups(kept)),
        )


def _stored(
    repository: Repository, index: Index, kept: list[Snapshot], forgotten: int
) -> RepositoryStats:
    packs = repository.listed_packs()
    raw, data = _frames(index, BlobKind.DATA)
    return RepositoryStats(
        id=repository.id,
        location=repository.backend.location,
        snapshots=len(kept),
        forgotten=forgotten,
        bytes_total=sum(each.root.bytes_total for each in kept),
        bytes_chunks=raw,
        bytes_data=data,
        bytes_metadata=_frames(index, BlobKind.META)[1],
        bytes_stored=sum(packs.values()),
        chunks=index.blob_count(BlobKind.DATA),
        packs=len(packs),
    )


def _frames(index: Index, kind: BlobKind) -> tuple[int, int]:
    """Bytes in all frames of a kind: plain, and sealed."""
    raw = sealed = 0
    for run_ in index.runs[kind]:
        for _, frame in run_.frames():
            raw += frame.raw_length
            sealed += frame.sealed_length
    return raw, sealed


def _groups(kept: Iterable[Snapshot]) -> list[GroupStats]:
    """By computer and kind; those that added most first."""
    roots: dict[tuple[str, str], list[Root]] = {}
    for each in kept:
        roots.setdefault((each.root.host, each.root.kind), []).append(each.root)
    groups = [
        GroupStats(
            host=host,
            kind=kind,
            snapshots=len(all_),
            first_ns=all_[0].time_ns,
            newest_ns=all_[-1].time_ns,
            bytes_total=sum(root.bytes_total for root in all_),
            bytes_newest=all_[-1].bytes_total,
            bytes_stored=sum(root.bytes_stored for root in all_),
        )
        for (host, kind), all_ in roots.items()
    ]
    return sorted(groups, key=lambda group: -group.bytes_stored)


# one backup


def _of_backup(reading: Reading, losses: Losses) -> StatsResult:
    snapshot, is_image = reading.snapshot, reading.snapshot.root.kind == "image"
    systems = _systems(reading, losses) if is_image else ()
    volumes, bytes_disk, table = _disk(reading) if is_image else ((), 0, "")
    shared = _shared(reading, losses)
    if shared.missing:
        losses.tell(f"snapshot {snapshot.short}", f"{shared.missing:,} of its parts are missing")
    root = snapshot.root
    backup = BackupStats(
        id=snapshot.id,
        short_id=snapshot.short,
        kind=root.kind,
        time_ns=root.time_ns,
        end_ns=root.end_ns,
        host=root.host,
        name=root.name,
        tags=tuple(root.tags),
        sources=tuple(root.sources),
        files=root.totals.files,
        directories=root.totals.directories,
        bytes_total=root.bytes_total,
        bytes_read=root.bytes_read,
        bytes_stored=root.bytes_stored,
        bytes_disk=bytes_disk,
        table=table,
        sharing=shared,
    )
    return StatsResult(
        exit_code=losses.exit_code,
        backup=backup,
        volumes=volumes,
        systems=systems,
        programs=tuple(program for system in systems for program in system.programs),
    )


def _disk(reading: Reading) -> tuple[tuple[VolumeStats, ...], int, str]:
    disk = ImageDisk(reading.pages, reading.snapshot.root)
    volumes = tuple(
        VolumeStats(
            part=each.called,
            number=each.number_called,
            parent=each.parent,
            start=each.start,
            size=each.size,
            used=each.used,
            system=each.system,
            label=each.label,
            name=each.name,
            serial=each.serial,
        )
        for each in disk.partitions
    )
    return volumes, disk.size, disk.page.table


def _systems(reading: Reading, losses: Losses) -> tuple[SystemFacts, ...]:
    losses.emit(Phase("looking for operating systems"))
    found = []
    for each in systems_in(reading.pages, reading.snapshot.root):
        if isinstance(each, Unread):
            losses.tell(f"partition {each.partition}", f"it cannot be looked into: {each.reason}")
        else:
            found.append(each)
    return tuple(found)


def _shared(reading: Reading, losses: Losses) -> Sharing:
    losses.emit(Phase("comparing backups"))

    def lost(snapshot: Snapshot, error: TwofoldError) -> None:
        message = f"part of it cannot be followed, the figures leave it out: {error.message}"
        if isinstance(error, NewerFormat):
            losses.emit(Notice(f"snapshot {snapshot.short}: {message}"))
        else:
            losses.tell(f"snapshot {snapshot.short}", message)

    around = Surroundings(reading.pages, reading.index, reading.snapshots, lost, losses.step)
    return sharing_of(around, reading.snapshot)
