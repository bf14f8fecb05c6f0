"""List what a snapshot holds: a directory, everything below it, or one entry.

Of an image without a partition named, its partitions are listed. Entries are handed over one by one
as they are read, so a listing of any length takes no memory.
"""

from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from twofold.commands.reading import Reading, is_disk, read_snapshot
from twofold.errors import DamageFound
from twofold.events import Emit, Finding, Severity
from twofold.format.image import PartName
from twofold.format.pages import Node, NodeKind, Owner
from twofold.options import Options, RepositoryAccess
from twofold.view import (
    KIND_NAMES,
    FileTree,
    Found,
    ImageDisk,
    Path,
    get_typed,
    parse_address,
    path_text,
)


class ListedEntry(msgspec.Struct, frozen=True):
    """One entry; ``path`` is from the top of the snapshot, ``target`` where a link leads.

    In an image the path is from the top of the partition; ``uid`` and ``gid`` are -1 where its file
    system keeps none.

    Of a long listing only: ``linked`` (it has further names), ``attributes`` (names of extended
    attributes, and of further streams as they would be given back) and ``flags`` (of the file
    system).
    """

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    size: int
    mtime_ns: int
    target: bytes
    linked: bool = False
    attributes: tuple[str, ...] = ()
    flags: int = 0


class ListedPartition(msgspec.Struct, frozen=True):
    """A partition of an image: where it begins and how long it is, in bytes.

    ``part`` is what addresses call it: its number, or a name such as ``3.root`` of a logical
    volume; that has no ``number``, ``parent`` is the partition that it lies in, and ``start`` is 0.
    ``sort`` is its type in the partition table, ``name`` its name there, ``system`` the file system
    (empty when it was not understood), ``used`` what the image holds of it.
    """

    part: PartName
    number: int | None
    start: int
    size: int
    used: int
    system: str
    label: str
    serial: str
    sort: str
    name: str
    guid: str
    parent: int = 0


def _unseen(_partition: ListedPartition) -> None:
    """Nobody asked."""


class LsOptions(Options, frozen=True, kw_only=True):
    """Which snapshot and where (``latest:/home``, ``latest:p3:/Users``).

    ``found`` is called with every entry, ``partition`` with every partition of an image.
    """

    access: RepositoryAccess
    address: str
    found: Callable[[ListedEntry], None]
    partition: Callable[[ListedPartition], None] = _unseen
    recursive: bool = False
    long: bool = False


class LsResult(msgspec.Struct, frozen=True):
    """What was listed; bytes are of files or partitions. Exit code 5: some could not be read."""

    exit_code: int
    snapshot: bytes
    snapshot_time_ns: int
    entries: int
    bytes_total: int
    damaged: int


def run(options: LsOptions, emit: Emit) -> LsResult:
    """List. ``SnapshotNotFound``; ``PathNotFound`` when it does not hold the path."""
    address = parse_address(options.address)
    with read_snapshot(options.access, address, "ls", emit) as reading:
        if is_disk(reading.snapshot.root, address):
            return _partitions(options, reading)
        tree = reading.tree(address)
        found = get_typed(tree, address.path or ())
        listing = _Listing(tree, emit, recursive=options.recursive)
        entries = size = 0
        for path, node, owner in listing.entries(found):
            options.found(_described(path, node, owner, long=options.long))
            entries += 1
            size += node.size
        code = DamageFound.exit_code if listing.damaged else 0
        snapshot = reading.snapshot
        return LsResult(code, snapshot.id, snapshot.root.time_ns, entries, size, listing.damaged)


def _partitions(options: LsOptions, reading: Reading) -> LsResult:
    """The partitions of an image in place of entries."""
    snapshot = reading.snapshot
    records = ImageDisk(reading.pages, snapshot.root).partitions
    for each in records:
        options.partition(
            ListedPartition(
                part=each.called,
                number=each.number_called,
                parent=each.parent,
                start=each.start,
                size=each.size,
                used=each.used,
                system=each.system,
                label=each.label,
                serial=each.serial,
                sort=each.sort,
                name=each.name,
                guid=each.guid,
            )
        )
    size = sum(each.size for each in records if not each.parent)
    return LsResult(0, snapshot.id, snapshot.root.time_ns, len(records), size, 0)


class _Listing:
    """Goes on after damage, and counts it."""

    def __init__(self, tree: FileTree, emit: Emit, *, recursive: bool) -> None:
        self.damaged = 0
        self._tree = tree
        self._emit = emit
        self._recursive = recursive

    def entries(self, start: Found) -> Iterator[Found]:
        """What is asked for when this entry is named."""
        if start.node.kind != NodeKind.DIRECTORY:
            yield start
            return
        walk = self._tree.walk(start, self._tell(start))
        for visit in walk:
            if visit.leaving:
                continue
            yield Found((*start.path, *visit.path), visit.node, visit.owner)
            if not self._recursive:
                walk.skip()

    def _tell(self, start: Found) -> Callable[[Path, DamageFound], None]:
        def tell(path: Path, error: DamageFound) -> None:
            self.damaged += 1
            shown = path_text((*start.path, *path)).decode("utf-8", "surrogateescape")
            text = f"part of this directory cannot be read: {error.message}"
            self._emit(Finding(Severity.DAMAGE, shown, text, "run 'twofold check --read-data'"))

        return tell


def _described(path: Path, node: Node, owner: Owner, *, long: bool) -> ListedEntry:
    target = node.content if node.kind == NodeKind.SYMLINK else b""
    entry = ListedEntry(
        path_text(path),
        KIND_NAMES[node.kind],
        node.mode,
        owner.uid,
        owner.gid,
        owner.user,
        owner.group,
        node.size,
        node.mtime_ns,
        target,
    )
    return _with_more(entry, node) if long else entry


def _with_more(entry: ListedEntry, node: Node) -> ListedEntry:
    more = node.more
    if more is None:
        return replace(entry, linked=node.linked)
    names = [name for name, _ in more.xattrs] + [b"user." + each.name for each in more.streams]
    shown = tuple(name.decode("utf-8", "replace") for name in names)
    return replace(entry, linked=node.linked, attributes=shown, flags=more.flags)
