"""Find entries by name in all snapshots, of either kind, newest first.

What several snapshots share is searched once and told for each of them. An entry that was already
told for a newer snapshot, being the same there, is marked as such, so that whoever looks for
versions can leave it out.
"""

from collections.abc import Callable, Iterator

import msgspec

from twofold.commands.reading import Library, read_repository
from twofold.errors import DamageFound, PathNotFound, TwofoldError, UsageError
from twofold.events import Emit, Finding, Phase, Progress, Severity
from twofold.format.image import PartName, VolumeRecord
from twofold.format.pages import NodeKind
from twofold.options import Options, RepositoryAccess
from twofold.repository import Snapshot
from twofold.view import (
    KIND_NAMES,
    Address,
    Filter,
    Finder,
    Found,
    ImageDisk,
    Path,
    Patterns,
    address_text,
    parse_address,
    path_text,
    resolve,
)

_REMEMBERED = 1 << 20
"""Entries that are known when they are met again."""


class FoundEntry(msgspec.Struct, frozen=True):
    """An entry of a snapshot. ``address`` names it to ls, cat and restore.

    ``again``: it was already told for a newer snapshot, where it has the same kind, size and time.
    """

    snapshot: bytes
    snapshot_time_ns: int
    snapshot_kind: str
    host: str
    partition: PartName | None
    path: bytes
    address: bytes
    kind: str
    mode: int
    size: int
    mtime_ns: int
    target: bytes
    again: bool


class FindOptions(Options, frozen=True, kw_only=True):
    """``found`` is called with every hit.

    ``snapshots`` are addresses, which may name a partition and a folder; none means all snapshots.
    """

    access: RepositoryAccess
    patterns: tuple[bytes, ...]
    found: Callable[[FoundEntry], None]
    snapshots: tuple[str, ...] = ()
    host: str | None = None
    conditions: Filter = msgspec.field(default_factory=Filter)
    ignore_case: bool = False


class FindResult(msgspec.Struct, frozen=True):
    """How much was found in how many snapshots. Exit code 5: some could not be read.

    ``versions`` counts the entries that are not the same in a newer snapshot.
    """

    exit_code: int
    snapshots: int
    entries: int
    versions: int
    damaged: int


def run(options: FindOptions, emit: Emit) -> FindResult:
    """Search. ``UsageError`` for what is no pattern, ``SnapshotNotFound``, ``PathNotFound``."""
    patterns = Patterns(options.patterns, fold=options.ignore_case)
    with read_repository(options.access, "find", emit) as library:
        places = _places(library, options)
        emit(Phase("searching", total_items=len(places)))
        finder = Finder(library.pages, patterns, options.conditions.takes)
        searching = _Searching(library, finder, emit)
        entries = versions = 0
        for done, (snapshot, address) in enumerate(places):
            emit(Progress(0, done, snapshot.short.encode()))
            for entry in searching.entries(snapshot, address):
                options.found(entry)
                entries += 1
                versions += not entry.again
        searching.tell_absent(len(places))
        code = DamageFound.exit_code if searching.damaged else 0
        return FindResult(code, len(places), entries, versions, searching.damaged)


_Place = tuple[Snapshot, Address | None]


def _places(library: Library, options: FindOptions) -> list[_Place]:
    """Snapshots to search with the address that named them, newest first."""
    named: list[_Place] = []
    for text in options.snapshots:
        address = parse_address(text)
        snapshot = resolve(address, library.snapshots)
        address.refuse_partition(snapshot)
        if snapshot.root.kind == "image" and address.path and address.partition is None:
            raise UsageError(
                f"'{text}' is an image: its files lie on partitions",
                hint="name one, as in latest:p2:/path; 'twofold ls BACKUP' lists them",
            )
        named.append((snapshot, address))
    places = named or [(snapshot, None) for snapshot in library.kept]
    wanted = [place for place in places if options.host in (None, place[0].root.host)]
    order = {snapshot.id: number for number, snapshot in enumerate(library.snapshots)}
    return sorted(wanted, key=lambda place: order[place[0].id], reverse=True)


class _Searching:
    """Goes on after damage, and counts it."""

    def __init__(self, library: Library, finder: Finder, emit: Emit) -> None:
        self.damaged = 0
        self._library = library
        self._finder = finder
        self._emit = emit
        self._met: set[int] = set()
        self._noted: set[tuple[PartName, str, str]] = set()
        self._absent: list[tuple[str, PathNotFound]] = []

    def entries(self, snapshot: Snapshot, address: Address | None) -> Iterator[FoundEntry]:
        """What matches in one snapshot."""
        path = address.path or () if address is not None else ()
        partition = address.partition if address is not None else None
        try:
            if snapshot.root.kind == "image":
                yield from self._in_image(snapshot, partition, path)
            else:
                tell = self._teller(snapshot, None)
                for found in self._finder.in_files(snapshot.root, path, tell):
                    yield self._entry(snapshot, None, found)
        except PathNotFound as error:
            self._absent.append((self._library.name(snapshot), error))
        except DamageFound as error:
            self._teller(snapshot, partition)(path, error)

    def tell_absent(self, places: int) -> None:
        """Which of the places do not hold the folder named; ``PathNotFound`` if none does."""
        if self._absent and len(self._absent) == places:
            raise self._absent[0][1]
        for name, error in self._absent:
            self._emit(Finding(Severity.NOTE, name, error.message, ""))

    def _in_image(
        self, snapshot: Snapshot, partition: PartName | None, path: Path
    ) -> Iterator[FoundEntry]:
        disk = ImageDisk(self._library.pages, snapshot.root)
        records = disk.partitions if partition is None else (disk.partition(partition).record,)
        for record in records:
            tell = self._teller(snapshot, record.called)
            try:
                found = self._finder.in_partition(snapshot.root, disk, record, path, tell)
                if found is None:
                    self._pass_over(record, named=partition is not None)
                    continue
                for each in found:
                    yield self._entry(snapshot, record.called, each)
            except DamageFound as error:
                tell(path, error)

    def _pass_over(self, record: VolumeRecord, *, named: bool) -> None:
        """Of a partition without files, or with files in an unknown form; told once."""
        kind = record.system or "unknown contents"
        message = f"partition {record.called} holds no file system that can be looked into"
        if named:
            raise TwofoldError(f"{message} ({kind})")
        known = (record.called, record.system, record.label)
        if record.system and known not in self._noted:
            self._noted.add(known)
            self._emit(Finding(Severity.NOTE, f"p{record.called}", f"{message} ({kind})"))

    def _teller(
        self, snapshot: Snapshot, partition: PartName | None
    ) -> Callable[[Path, DamageFound], None]:
        def tell(path: Path, error: DamageFound) -> None:
            self.damaged += 1
            address = address_text(self._library.name(snapshot), partition, path)
            shown = address.decode("utf-8", "surrogateescape")
            text = f"part of this directory cannot be read: {error.message}"
            self._emit(Finding(Severity.DAMAGE, shown, text, "run 'twofold check --read-data'"))

        return tell

    def _entry(self, snapshot: Snapshot, partition: PartName | None, found: Found) -> FoundEntry:
        root, node = snapshot.root, found.node
        return FoundEntry(
            snapshot=snapshot.id,
            snapshot_time_ns=root.time_ns,
            snapshot_kind=root.kind,
            host=root.host,
            partition=partition,
            path=path_text(found.path),
            address=address_text(self._library.name(snapshot), partition, found.path),
            kind=KIND_NAMES[node.kind],
            mode=node.mode,
            size=node.size,
            mtime_ns=node.mtime_ns,
            target=node.content if node.kind == NodeKind.SYMLINK else b"",
            again=self._met_before(root.host, partition, found),
        )

    def _met_before(self, host: str, partition: PartName | None, found: Found) -> bool:
        node = found.node
        content = node.content if node.kind != NodeKind.DIRECTORY else b""
        mark = hash((host, partition, found.path, node.kind, node.size, node.mtime_ns, content))
        if mark in self._met:
            return True
        if len(self._met) < _REMEMBERED:
            self._met.add(mark)
        return False
