"""All versions of one file over all snapshots: when it was what, and which snapshot gives it back.

A path is looked for in backups of files, ``p3:/path`` in images. Several places may be asked for
together, so that a file that both kinds hold is shown with what is the same in both.
"""

import os
import re
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import ClassVar

import msgspec

from twofold.commands.reading import Library, read_repository
from twofold.errors import DamageFound, PathNotFound, TwofoldError, UsageError
from twofold.events import Emit, Finding, Phase, Progress, Severity
from twofold.format.image import PartName
from twofold.format.pages import Node, NodeKind
from twofold.format.records import Root
from twofold.options import Options, RepositoryAccess
from twofold.pipeline import chunker_of
from twofold.repository import Snapshot
from twofold.view import (
    KIND_NAMES,
    Address,
    Cutting,
    File,
    FileTree,
    Identities,
    ImageDisk,
    Path,
    Sighting,
    Tree,
    Version,
    VolumeKey,
    address_text,
    files_of,
    find_spelled,
    find_typed,
    is_absolute,
    parse_address,
    parse_argument,
    parse_part,
    path_text,
    versions_of,
    volume_key,
)

_PARTITION = re.compile(rb"p([0-9]{1,5}(?:\.[A-Za-z0-9+_.-]{1,127})?):(.*)", re.DOTALL)


class VersionsOptions(Options, frozen=True, kw_only=True):
    """Where the file lies: ``/home/u/a.txt`` in backups of files, ``p3:/a.txt`` in images."""

    access: RepositoryAccess
    places: tuple[bytes, ...]
    host: str | None = None


class VersionInfo(msgspec.Struct, frozen=True):
    """A version: what snapshots one after the other hold alike.

    ``same_as`` is the number of the first version with the same content. ``gone`` is the snapshot
    that followed and did not hold the file. ``address`` names it in the newest snapshot with it.
    ``problem`` says why its content is not known; then ``content`` is empty.
    """

    number: int
    kind: str
    snapshot_kind: str
    host: str
    partition: PartName | None
    path: bytes
    address: bytes
    size: int
    mtime_ns: int
    content: bytes
    same_as: int | None
    problem: str
    first_seen_ns: int
    last_seen_ns: int
    snapshots: tuple[bytes, ...]
    gone: bytes | None
    gone_ns: int | None


class VersionsResult(msgspec.Struct, frozen=True):
    """The versions, by the time they were first seen. Exit code 5: some could not be read.

    ``snapshots_searched`` were looked into, ``snapshots_with`` hold the file.
    """

    SHOWN_AS: ClassVar = {"versions": "version"}

    exit_code: int
    paths: tuple[bytes, ...]
    snapshots_searched: int
    snapshots_with: int
    contents: int
    damaged: int
    versions: tuple[VersionInfo, ...]


class _Place(msgspec.Struct, frozen=True):
    """Where to look: a partition of images, or backups of files where that is None."""

    partition: PartName | None
    path: Path
    backup: Address | None = None
    """The backup that was named in front, as other commands show it; it only has to be there."""

    @property
    def kind(self) -> str:
        return "files" if self.partition is None else "image"


def run(options: VersionsOptions, emit: Emit) -> VersionsResult:
    """Look into every snapshot. ``SnapshotNotFound``; ``PathNotFound`` when none holds the file."""
    places = [_parse(place) for place in options.places]
    with read_repository(options.access, "versions", emit) as library:
        for place in places:
            _check_backup(place, library)
        snapshots = [each for each in library.kept if options.host in (None, each.root.host)]
        looking = _Looking(library, emit)
        sightings = list(looking.sightings(snapshots, places))
        versions = versions_of(sightings)
        if not versions and not looking.damaged:
            shown = ", ".join(_text(place) for place in options.places)
            raise PathNotFound(
                f"no backup holds '{shown}'",
                hint="'twofold find NAME' looks for a name everywhere",
            )
        if versions and all(_is_folder(each) for each in versions):
            raise UsageError(
                f"'{_text(options.places[0])}' is a folder: only files have versions",
                hint="'twofold diff' compares two backups of a folder",
            )
        infos = tuple(_described(each, library, snapshots, places) for each in versions)
        return VersionsResult(
            exit_code=DamageFound.exit_code if looking.damaged else 0,
            paths=options.places,
            snapshots_searched=looking.searched,
            snapshots_with=len({at for each in versions for at in each.snapshots}),
            contents=len({each.content for each in infos if each.content}),
            damaged=looking.damaged,
            versions=infos,
        )


def _is_folder(version: Version) -> bool:
    node = version.first.node
    return node is not None and node.kind == NodeKind.DIRECTORY


def _text(path: bytes) -> str:
    """A path in a sentence."""
    return path.decode("utf-8", "surrogateescape")


def is_inside(place: bytes) -> bool:
    """Whether a place lies in images or in a backup that is named, not on this computer."""
    return _PARTITION.fullmatch(place) is not None or _address(place) is not None


def _address(place: bytes) -> Address | None:
    """A place as ``find`` shows it, with a backup in front: ``3fa2b1c0:p3:/a.txt``."""
    if is_absolute(place):
        return None
    try:
        address = parse_address(os.fsdecode(place))
    except UsageError:
        return None
    return address if address.path is not None else None


def _check_backup(place: _Place, library: Library) -> None:
    """As for commands that look into one backup: it is there, and of the kind that is named."""
    if place.backup is not None:
        reading = library.reading(place.backup)
        if place.kind != reading.snapshot.root.kind:
            reading.tree(place.backup)  # tells what is missing
        if place.partition is not None:
            ImageDisk(reading.pages, reading.snapshot.root).partition(place.partition)


def _parse(place: bytes) -> _Place:
    address, inside = _address(place), _PARTITION.fullmatch(place)
    if address is not None:
        made = _Place(address.partition, address.path or (), address)
    elif inside:
        made = _Place(parse_part(inside[1].decode("ascii")), parse_argument(inside[2]))
    else:
        made = _Place(None, parse_argument(place))
    if not made.path:
        raise UsageError(f"'{_text(place)}' names no file")
    return made


class _Looking:
    """Goes from snapshot to snapshot, and on after damage."""

    def __init__(self, library: Library, emit: Emit) -> None:
        self.damaged = self.searched = 0
        self._library = library
        self._emit = emit
        cutting = Cutting(chunker_of(library.repository), library.repository.keys.dedup)
        self._identities = Identities(cutting, library.pages.blobs)
        self._trees: dict[VolumeKey, FileTree | None] = {}  # of the image before
        self._find = lru_cache(256)(library.pages.find)

    def sightings(
        self, snapshots: Sequence[Snapshot], places: Sequence[_Place]
    ) -> Iterator[Sighting]:
        """What each snapshot says of each place, by time."""
        self._emit(Phase("looking", total_items=len(snapshots)))
        for number, snapshot in enumerate(snapshots):
            self._emit(Progress(0, number, snapshot.short.encode()))
            asked = [
                (at, place)
                for at, place in enumerate(places)
                if place.kind == snapshot.root.kind and _covers(snapshot.root, place.path)
            ]
            self.searched += bool(asked)
            for at, place in asked:
                try:
                    yield from self._look(number, snapshot, at, place)
                except DamageFound as error:
                    self._tell(snapshot, place, error)

    def _tell(self, snapshot: Snapshot, place: _Place, error: DamageFound) -> None:
        self.damaged += 1
        address = address_text(self._library.name(snapshot), place.partition, place.path)
        text = f"this version cannot be read: {error.message}"
        self._emit(
            Finding(Severity.DAMAGE, _text(address), text, "run 'twofold check --read-data'")
        )

    def _look(self, number: int, snapshot: Snapshot, at: int, place: _Place) -> Iterator[Sighting]:
        root = snapshot.root
        if place.partition is None:
            files = Tree(self._library.pages, root)
            tree: FileTree | None = files
            line: Hashable = (root.host, at)
            node = self._node(root, place.path)
            if node is None:
                found = find_spelled(files, place.path)
                node = found.node if found is not None else None
        else:
            disk = ImageDisk(self._library.pages, root)
            tree = self._inside(root, disk, place.partition)
            if tree is None:
                return
            line = (root.host, at, disk.page.disk or tuple(root.sources))
            found = find_typed(tree, place.path)
            node = found.node if found is not None else None
        assert tree is not None
        if node is None:
            yield Sighting(number, line, at, None)
            return
        content, problem = self._content(tree, node)
        yield Sighting(number, line, at, node, content, problem)

    def _node(self, root: Root, path: Path) -> Node | None:
        """As ``Tree.find``; folders that are the same as before are not read again."""
        ref = root.files_tree
        node: Node | None = None
        for name in path:
            if node is not None:
                if node.kind != NodeKind.DIRECTORY or node.ref is None:
                    return None
                ref = node.ref
            owned = self._find(ref, name)
            if owned is None:
                return None
            node = owned.node
        return node

    def _inside(self, root: Root, disk: ImageDisk, partition: PartName) -> FileTree | None:
        """The files of a partition, None where there is none with files that are understood."""
        record = next((each for each in disk.partitions if each.called == partition), None)
        if record is None:
            return None
        key = volume_key(record)
        if key not in self._trees:
            self._trees.clear()
            self._trees[key] = files_of(self._library.pages, root, disk, partition)
        return self._trees[key]

    def _content(self, tree: FileTree, node: Node) -> tuple[bytes, str]:
        """(what it is the same as, why that is not known)."""
        if node.kind == NodeKind.SYMLINK:
            return node.content, ""
        if node.kind != NodeKind.FILE:
            return b"", ""
        file = File(tree, node)
        refusal = file.refusal
        if refusal:
            return b"", refusal
        try:
            return self._identities.of(file), ""
        except DamageFound as error:
            self.damaged += 1
            return b"", f"damaged: {error.message}"


def _covers(root: Root, path: Path) -> bool:
    """Whether a backup of files is about a path: it lies in one of its sources."""
    if root.kind != "files" or not root.sources:
        return True
    return any(_within(source, path) for source in root.sources)


def _within(source: bytes, path: Path) -> bool:
    try:
        top = parse_argument(source)
    except TwofoldError:
        return True
    return path[: len(top)] == top


def _described(
    version: Version, library: Library, snapshots: Sequence[Snapshot], places: Sequence[_Place]
) -> VersionInfo:
    seen = [snapshots[at] for at in version.snapshots]
    place, node = places[version.first.place], version.first.node
    assert node is not None
    gone = snapshots[version.gone] if version.gone is not None else None
    newest = seen[-1]
    return VersionInfo(
        number=version.number,
        kind=KIND_NAMES[node.kind],
        snapshot_kind=newest.root.kind,
        host=newest.root.host,
        partition=place.partition,
        path=path_text(place.path),
        address=address_text(library.name(newest), place.partition, place.path),
        size=node.size,
        mtime_ns=node.mtime_ns,
        content=version.first.content if node.kind == NodeKind.FILE else b"",
        same_as=version.same_as,
        problem=version.first.problem,
        first_seen_ns=seen[0].root.time_ns,
        last_seen_ns=newest.root.time_ns,
        snapshots=tuple(each.id for each in seen),
        gone=gone.id if gone is not None else None,
        gone_ns=gone.root.time_ns if gone is not None else None,
    )
