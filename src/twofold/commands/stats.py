"""Figures of a repository, of one backup, or of what grew between two.

    nothing named    what is stored: backups by computer and kind, size before and after
    one backup       what it is, and which of its chunks other backups have as well; of an image
                     also its partitions and the operating systems on them
    two backups      the folders in which most came or went

Exit code 5 when damage kept something out of the figures.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from twofold.commands.access import open_at, tell_missing_heads
from twofold.commands.reading import Reading, read_snapshot, reader_session
from twofold.errors import DamageFound, NewerFormat, SnapshotNotFound, TwofoldError, UsageError
from twofold.events import Emit, Finding, Notice, Phase, Progress, Severity
from twofold.format.image import PartName
from twofold.format.names import BlobKind
from twofold.format.records import Root
from twofold.options import Options, RepositoryAccess, shown_as
from twofold.repository import Index, Repository, Snapshot
from twofold.view import (
    Address,
    Growth,
    Growths,
    ImageDisk,
    Path,
    Program,
    Sharing,
    Side,
    Surroundings,
    SystemFacts,
    Unread,
    find_typed,
    parse_address,
    part_order,
    partition_tree,
    path_text,
    resolve,
    sharing_of,
    snapshot_tree,
    systems_in,
)

_REMEDY = "run 'twofold check --read-data' to see what is affected"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsOptions(Options):
    """``snapshot`` alone: that one. With ``since``: what grew from that one on.

    ``top``: how many folders are told of, those in which most came or went.
    """

    access: RepositoryAccess
    snapshot: str | None = None
    since: str | None = None
    top: int = 20


@dataclass(frozen=True, slots=True)
class RepositoryStats:
    """All that is stored; bytes.

    ``bytes_total``: of all backups, each as if it were alone. ``bytes_chunks``: their chunks,
    each once. ``bytes_data`` and ``bytes_metadata``: the same compressed and sealed.
    ``bytes_stored``: all packs as they lie there, with what protects them.
    """

    id: bytes
    location: str
    snapshots: int
    forgotten: int
    bytes_total: int
    bytes_chunks: int
    bytes_data: int
    bytes_metadata: int
    bytes_stored: int
    chunks: int
    packs: int


@dataclass(frozen=True, slots=True)
class GroupStats:
    """Backups of one kind of one computer; ``bytes_newest`` is the size of its newest one."""

    host: str
    kind: str
    snapshots: int
    first_ns: int
    newest_ns: int
    bytes_total: int
    bytes_newest: int
    bytes_stored: int


@dataclass(frozen=True, slots=True)
class BackupStats:
    """One backup. ``bytes_stored``: what it added to the repository when it was made."""

    id: bytes
    short_id: str
    kind: str
    time_ns: int
    end_ns: int
    host: str
    name: str
    tags: tuple[str, ...]
    sources: tuple[bytes, ...]
    files: int
    directories: int
    bytes_total: int
    bytes_read: int
    bytes_stored: int
    bytes_disk: int
    table: str
    sharing: Sharing


@dataclass(frozen=True, slots=True)
class VolumeStats:
    """A partition of an image; ``used`` is what the image holds of it.

    ``part`` is what addresses call it: its number, or a name such as ``3.root`` of a logical
    volume; that has no ``number``, ``parent`` is the partition that it lies in, and ``start`` is 0.
    """

    part: PartName
    number: int | None
    start: int
    size: int
    used: int
    system: str
    label: str
    name: str
    serial: str
    parent: int = 0


@dataclass(frozen=True, slots=True)
class GrowthStats:
    """What came and went between two backups."""

    before: bytes
    before_time_ns: int
    after: bytes
    after_time_ns: int
    bytes_new: int
    bytes_gone: int
    files_new: int
    files_gone: int
    files_changed: int


@dataclass(frozen=True, slots=True)
class FolderGrowth:
    """The same of one folder with all below it; ``depth`` is that of its path."""

    path: bytes
    depth: int
    bytes_new: int
    bytes_gone: int
    files_new: int
    files_gone: int
    files_changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsResult:
    """Exactly one of ``repository``, ``backup`` and ``growth`` is there, with what it lists."""

    exit_code: int = 0
    repository: RepositoryStats | None = None
    backup: BackupStats | None = None
    growth: GrowthStats | None = None
    groups: tuple[GroupStats, ...] = field(default=(), metadata=shown_as("group"))
    volumes: tuple[VolumeStats, ...] = field(default=(), metadata=shown_as("volume"))
    systems: tuple[SystemFacts, ...] = field(default=(), metadata=shown_as("system"))
    programs: tuple[Program, ...] = field(default=(), metadata=shown_as("program"))
    folders: tuple[FolderGrowth, ...] = field(default=(), metadata=shown_as("folder"))


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
        losses = _Losses(emit)
        if since is None:
            return _of_backup(reading, losses)
        return _of_growth(reading, address, since, options.top, losses)


class _Losses:
    """Tells damage, and remembers that there was some; tells how far things are."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.any = False

    def tell(self, subject: str, message: str) -> None:
        self.any = True
        self.emit(Finding(Severity.DAMAGE, subject, message, _REMEDY))

    def step(self, met: int) -> None:
        self.emit(Progress(0, met))

    @property
    def exit_code(self) -> int:
        return DamageFound.exit_code if self.any else 0


# the repository


def _of_repository(options: StatsOptions, emit: Emit) -> StatsResult:
    with open_at(options.access, emit) as repository, reader_session(repository, "stats"):
        tell_missing_heads(repository, emit)
        found = repository.snapshots()
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


def _of_backup(reading: Reading, losses: _Losses) -> StatsResult:
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


def _systems(reading: Reading, losses: _Losses) -> tuple[SystemFacts, ...]:
    losses.emit(Phase("looking for operating systems"))
    found = []
    for each in systems_in(reading.pages, reading.snapshot.root):
        if isinstance(each, Unread):
            losses.tell(f"partition {each.partition}", f"it cannot be looked into: {each.reason}")
        else:
            found.append(each)
    return tuple(found)


def _shared(reading: Reading, losses: _Losses) -> Sharing:
    losses.emit(Phase("comparing backups"))

    def lost(snapshot: Snapshot, error: TwofoldError) -> None:
        message = f"part of it cannot be followed, the figures leave it out: {error.message}"
        if isinstance(error, NewerFormat):
            losses.emit(Notice(f"snapshot {snapshot.short}: {message}"))
        else:
            losses.tell(f"snapshot {snapshot.short}", message)

    snapshots = reading.repository.snapshots()
    around = Surroundings(reading.pages, reading.index, snapshots, lost, losses.step)
    return sharing_of(around, reading.snapshot)


# two backups


def _of_growth(
    reading: Reading, address: Address, since: Address, top: int, losses: _Losses
) -> StatsResult:
    earlier = resolve(since, reading.repository.snapshots(partial=True))
    since.refuse_partition(earlier)
    losses.emit(Phase("comparing folders"))
    growths = Growths(top, _teller(losses), losses.step)
    before, after = _Place(reading, earlier, since), _Place(reading, reading.snapshot, address)
    if before.whole_disk and after.whole_disk:
        _whole_disks(before, after, growths, losses)
    else:
        _one_pair(before, after, growths)
    return StatsResult(
        exit_code=losses.exit_code,
        growth=GrowthStats(
            earlier.id,
            earlier.root.time_ns,
            reading.snapshot.id,
            reading.snapshot.root.time_ns,
            *_figures(growths.total),
        ),
        folders=tuple(
            FolderGrowth(path_text(path), len(path), *_figures(growth))
            for path, growth in growths.folders()
        ),
    )


def _figures(growth: Growth) -> tuple[int, int, int, int, int]:
    return (
        growth.bytes_new,
        growth.bytes_gone,
        growth.files_new,
        growth.files_gone,
        growth.files_changed,
    )


def _teller(losses: _Losses) -> Callable[[Path, DamageFound], None]:
    def tell(path: Path, error: DamageFound) -> None:
        shown = path_text(path).decode("utf-8", "surrogateescape")
        losses.tell(shown, f"part of this folder cannot be read: {error.message}")

    return tell


@dataclass(frozen=True, slots=True)
class _Place:
    """What one of two addresses is about."""

    reading: Reading
    snapshot: Snapshot
    address: Address

    @property
    def whole_disk(self) -> bool:
        """Whether it is an image without a partition named."""
        return self.snapshot.root.kind == "image" and self.address.partition is None

    def side(self) -> Side | None:
        """The folder named; None when the backup does not have it."""
        tree = snapshot_tree(self.reading.pages, self.snapshot.root, self.address.partition)
        found = find_typed(tree, self.address.path or ())
        return Side(tree, found) if found is not None else None


def _one_pair(before: _Place, after: _Place, growths: Growths) -> None:
    left, right = before.side(), after.side()
    if left is None and right is None:
        shown = path_text(after.address.path or ()).decode("utf-8", "replace")
        raise SnapshotNotFound(f"neither of the two backups holds '{shown}'")
    growths.compare(after.address.path or (), left, right)


def _whole_disks(before: _Place, after: _Place, growths: Growths, losses: _Losses) -> None:
    if before.address.path or after.address.path:
        raise UsageError(
            "this backup is an image: its files lie on partitions",
            hint="name one, as in latest:p2:/path; 'twofold ls BACKUP' lists them",
        )
    left, right = _partitions(before, losses), _partitions(after, losses)
    for name in sorted({*left, *right}, key=part_order):
        growths.compare((f"p{name}".encode(),), left.get(name), right.get(name))


def _partitions(place: _Place, losses: _Losses) -> dict[PartName, Side]:
    """The trees of all partitions that can be looked into."""
    root, pages = place.snapshot.root, place.reading.pages
    found = {}
    for record in ImageDisk(pages, root).partitions:
        try:
            tree = partition_tree(pages, root, record.called)
            found[record.called] = Side(tree, tree.top)
        except DamageFound as error:
            losses.tell(f"partition {record.called}", f"it cannot be looked into: {error.message}")
        except TwofoldError:
            continue  # it has no files
    return found
