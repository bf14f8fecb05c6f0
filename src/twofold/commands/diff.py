"""What differs between two backups of either kind, two folders in them, or two files.

Of two images without a partition named, all partitions are compared: their files where they are
understood, else whether they hold the same. Folders and partitions that both share are not entered.
"""

from collections.abc import Callable

import msgspec

from twofold.commands.reading import Library, Reading, is_disk, read_repository
from twofold.errors import DamageFound
from twofold.events import Emit, Finding, Notice, Phase, Progress, Severity, SourceWarning
from twofold.format.image import PartName, VolumeRecord
from twofold.format.pages import NodeKind
from twofold.graph.pages import Owned
from twofold.options import Options, RepositoryAccess
from twofold.view import (
    FRAME,
    KIND_NAMES,
    Address,
    Change,
    Changes,
    ImageDisk,
    Path,
    Start,
    Told,
    files_of,
    get_typed,
    parse_address,
    parse_argument,
    part_order,
    path_text,
    volume_key,
)

_PARTITION, _DISK = "partition", "partition table"


class EntryState(msgspec.Struct, frozen=True):
    """What an entry was; owners are -1 where its file system keeps none."""

    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    target: bytes


class DiffEntry(msgspec.Struct, frozen=True):
    """Something that differs. Empty is the path of a whole partition.

    ``path`` is that in both backups if it is the same there, else from what is compared on.
    ``change`` is ``added``, ``removed``, ``type``, ``content`` or ``metadata``; ``what`` names all
    that differs: ``content``, ``mode``, ``owner``, ``mtime``, ``target``, ``flags``, ``device``,
    ``xattrs``, ``streams``. ``kind`` is what it is now, or was.
    """

    change: str
    partition: PartName | None
    path: bytes
    kind: str
    what: tuple[str, ...]
    before: EntryState | None
    after: EntryState | None


class DiffOptions(Options, frozen=True, kw_only=True):
    """Two addresses, and perhaps a path below both. ``found`` is called with every difference."""

    access: RepositoryAccess
    before: str
    after: str
    found: Callable[[DiffEntry], None]
    path: bytes | None = None


class DiffResult(msgspec.Struct, frozen=True):
    """What was compared, and how many entries differ; bytes are of files added and removed.

    ``unknown``: contents that nobody can
    read (encrypted ones). Exit code 5: some could not be read.
    """

    exit_code: int
    before: bytes
    before_time_ns: int
    after: bytes
    after_time_ns: int
    added: int
    removed: int
    types: int
    contents: int
    metadata: int
    unchanged: int
    unknown: int
    damaged: int
    bytes_added: int
    bytes_removed: int


def run(options: DiffOptions, emit: Emit) -> DiffResult:
    """Compare. ``SnapshotNotFound``; ``PathNotFound`` when a path is not there."""
    before, after = parse_address(options.before), parse_address(options.after)
    below = parse_argument(options.path) if options.path is not None else ()
    with read_repository(options.access, "diff", emit) as library:
        one, other = library.reading(before), library.reading(after)
        diff = _Diff(library, emit, options.found)
        emit(Phase("comparing"))
        disks = is_disk(one.snapshot.root, before) and is_disk(other.snapshot.root, after)
        if disks and not below:
            diff.disks(one, other)
        else:
            starts = _start(one, before, below), _start(other, after, below)
            if not (starts[0].found.path or starts[1].found.path):
                _note_sources(one, other, emit)
            diff.trees(*starts, before.partition if before.partition == after.partition else None)
        return diff.result(one, other)


def _note_sources(one: Reading, other: Reading, emit: Emit) -> None:
    roots = one.snapshot.root, other.snapshot.root
    if all(root.kind == "image" for root in roots):
        return  # their sources are names of disks, and both partitions were named
    if sorted(roots[0].sources) != sorted(roots[1].sources):
        emit(Notice("these backups are not of the same folders; name a PATH that both hold"))


def _start(reading: Reading, address: Address, below: Path) -> Start:
    tree = reading.tree(address)
    path = (*(address.path or ()), *below)
    return Start(tree, get_typed(tree, path, within=f"'{address.text}'"))


class _Diff:
    """Compares and counts; goes on after damage."""

    def __init__(self, library: Library, emit: Emit, found: Callable[[DiffEntry], None]) -> None:
        self._pages = library.pages
        self._emit = emit
        self._found = found
        self._counts = dict.fromkeys(("added", "removed", "type", "content", "metadata"), 0)
        self._bytes = {"added": 0, "removed": 0}
        self._unchanged = self._unknown = self._damaged = 0

    def trees(self, before: Start, after: Start, partition: PartName | None) -> None:
        """Compare what two paths lead to."""
        above = _shared_path(before, after)
        told = Told(
            lambda path, error: self._damage(partition, (*above, *path), error),
            lambda path, why: self._unreadable(partition, (*above, *path), why),
            lambda done, path: self._emit(Progress(0, done, _shown(partition, (*above, *path)))),
        )
        changes = Changes(self._pages.blobs, before, after, told)
        for change in changes:
            self._tell(_entry(change, partition, above))
        self._unchanged += changes.unchanged

    def disks(self, one: Reading, other: Reading) -> None:
        """Compare all of two images."""
        before = ImageDisk(self._pages, one.snapshot.root)
        after = ImageDisk(self._pages, other.snapshot.root)
        mine = {each.called: each for each in before.page.volumes}
        theirs = {each.called: each for each in after.page.volumes}
        for name in sorted({*mine, *theirs}, key=part_order):
            was, now = mine.get(name), theirs.get(name)
            if was is None or now is None:
                self._tell(_volume("removed" if now is None else "added", was, now))
            elif volume_key(was) != volume_key(now):
                try:
                    self._volumes((one, before, was), (other, after, now))
                except DamageFound as error:
                    self._damage(name, (), error)
            else:
                self._unchanged += 1

    def _volumes(self, *sides: tuple[Reading, ImageDisk, VolumeRecord]) -> None:
        """Compare a partition that may differ: by its files, if it has any that are understood."""
        starts = []
        for reading, disk, record in sides:
            if record.number == FRAME:
                break
            tree = files_of(self._pages, reading.snapshot.root, disk, record.called)
            if tree is None:
                break
            starts.append(Start(tree, tree.top))
        if len(starts) == len(sides):
            self.trees(starts[0], starts[1], sides[0][2].called)
        else:
            self._tell(_volume("content", sides[0][2], sides[1][2]))

    def _tell(self, entry: DiffEntry) -> None:
        self._counts[entry.change] += 1
        state = entry.after or entry.before
        if entry.change in self._bytes and state is not None:
            self._bytes[entry.change] += state.size
        self._found(entry)

    def _damage(self, partition: PartName | None, path: Path, error: DamageFound) -> None:
        self._damaged += 1
        text = f"it cannot be compared: {error.message}"
        shown = _shown(partition, path).decode("utf-8", "surrogateescape")
        self._emit(Finding(Severity.DAMAGE, shown, text, "run 'twofold check --read-data'"))

    def _unreadable(self, partition: PartName | None, path: Path, why: str) -> None:
        self._unknown += 1
        self._emit(SourceWarning(_shown(partition, path), "not compared", why))

    def result(self, one: Reading, other: Reading) -> DiffResult:
        """All in numbers."""
        return DiffResult(
            exit_code=DamageFound.exit_code if self._damaged else 0,
            before=one.snapshot.id,
            before_time_ns=one.snapshot.root.time_ns,
            after=other.snapshot.id,
            after_time_ns=other.snapshot.root.time_ns,
            added=self._counts["added"],
            removed=self._counts["removed"],
            types=self._counts["type"],
            contents=self._counts["content"],
            metadata=self._counts["metadata"],
            unchanged=self._unchanged,
            unknown=self._unknown,
            damaged=self._damaged,
            bytes_added=self._bytes["added"],
            bytes_removed=self._bytes["removed"],
        )


def _shown(partition: PartName | None, path: Path) -> bytes:
    return (f"p{partition}:".encode() if partition is not None else b"") + path_text(path)


def _shared_path(before: Start, after: Start) -> Path:
    """What leads to the entries in both backups; of files that are called otherwise, a name."""
    if before.found.path == after.found.path:
        return before.found.path
    return () if after.found.node.kind == NodeKind.DIRECTORY else after.found.path[-1:]


def _entry(change: Change, partition: PartName | None, above: Path) -> DiffEntry:
    owned = change.after or change.before
    assert owned is not None
    return DiffEntry(
        change.sort,
        partition,
        path_text((*above, *change.path)),
        KIND_NAMES[owned.node.kind],
        change.what,
        _state(change.before),
        _state(change.after),
    )


def _state(owned: Owned | None) -> EntryState | None:
    if owned is None:
        return None
    node, owner = owned
    return EntryState(
        KIND_NAMES[node.kind],
        node.size,
        node.mode,
        owner.uid,
        owner.gid,
        node.mtime_ns,
        node.content if node.kind == NodeKind.SYMLINK else b"",
    )


def _volume(change: str, before: VolumeRecord | None, after: VolumeRecord | None) -> DiffEntry:
    """A partition as a whole. Number 0 is what lies outside of all partitions."""
    volume = after or before
    assert volume is not None
    kind = _DISK if volume.number == FRAME else _PARTITION
    what = ("content",) if change == "content" else ()
    return DiffEntry(change, volume.called, b"", kind, what, None, None)
