"""The files inside of a partition of an image, as a tree like that of a backup of files.

Names and metadata come from the file system, parsed in place. The content of a file is one entry of
the image where the image was cut along its files: then its segments are at hand and nothing needs
decoding. Whatever is kept otherwise (small files within tables, compressed ones) is read through
the parser. A parser is used by one thread at a time.
"""

import threading
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache

import msgspec

from twofold.disk import (
    Content,
    DirectoryEntry,
    FileFacts,
    FileSystem,
    Kind,
    PlainFile,
    RecordedFiles,
    SparseContent,
)
from twofold.errors import DamageFound, FormatError
from twofold.format.image import ExtentEntry, iterate_runs
from twofold.format.pages import Node, NodeKind
from twofold.format.records import Root
from twofold.format.segments import Absence, Segment
from twofold.graph import PageStore
from twofold.graph.pages import Owned
from twofold.view import nodes
from twofold.view.base import Absent, Found, Group, OnDamage, Path, Visit
from twofold.view.contents import fingerprint
from twofold.view.image import ImageVolume

WINDOWS = frozenset(("ntfs", "exfat", "fat12", "fat16", "fat32"))
"""File systems of Windows, as they are called here."""

_FACTS = 256
_LISTINGS = 4
_TOLD = 100  # faults of one directory
_HOLES_MATTER = 64 << 10
"""Bytes from which on a file's holes are looked for."""


class Listing(msgspec.Struct, frozen=True):
    """The entries of a directory by name, and what was wrong with it."""

    entries: dict[bytes, DirectoryEntry]
    damage: tuple[DamageFound, ...] = ()


class ImageTree:
    """The files of one partition. See ``base.FileTree``; safe to share between threads."""

    counted = False

    def __init__(
        self, pages: PageStore, root: Root, volume: ImageVolume, system: FileSystem
    ) -> None:
        self.root = root
        self.record = volume.record
        self.kind = system.facts.kind
        self._pages = pages
        self._streams = volume.streams
        self._unit = volume.record.unit
        self._units = volume.record.units
        self._system = system
        self._recorded = system if isinstance(system, RecordedFiles) else None
        self._lock = threading.RLock()
        # These caches hold the parser and never their owner, as all caches here.
        self._facts = lru_cache(_FACTS)(system.facts_of)
        self._listing = lru_cache(_LISTINGS)(_Lister(system))

    @property
    def windows(self) -> bool:
        """Whether it is a file system of Windows, which has neither modes nor owners of ours."""
        return self.kind in WINDOWS

    @property
    def notes(self) -> Sequence[str]:
        """What is not as it should be, or cannot be given back."""
        return nodes.notes_on(self._system.facts)

    @property
    def top(self) -> Found:
        """The root directory."""
        node, owner = self._owned(b"", self._system.root())
        return Found((), node, owner)

    def find(self, path: Sequence[bytes]) -> Found | None:
        """The entry at a path, None if there is none. ``DamageFound``."""
        number = self._system.root()
        for name in path:
            with self._lock:
                if self._facts(number).kind is not Kind.DIRECTORY:
                    return None
                listing = self._listing(number)
            entry = listing.entries.get(name)
            if entry is None:
                if listing.damage:
                    raise listing.damage[0]
                return None
            number = entry.file
        node, owner = self._owned(path[-1] if path else b"", number)
        return Found(tuple(path), node, owner)

    def walk(self, start: Found, on_damage: OnDamage | None = None) -> "ImageWalk":
        """Everything below a directory; see ``ImageWalk``."""
        return ImageWalk(self, start, on_damage)

    def groups(self) -> "ImageGroups":
        """A finder of hard-link groups."""
        return ImageGroups(self)

    def stored(self, number: int) -> bytes:
        """The record of a file as it lies on the disk, empty if there are none. ``DamageFound``."""
        if self._recorded is None:
            return b""
        with self._lock:
            return self._recorded.record(number)

    def plain(self, number: int) -> PlainFile | None:
        """What the record of a plain file tells. ``DamageFound``."""
        if self._recorded is None:
            return None
        with self._lock:
            return self._recorded.plain(number)

    def known(self, number: int, size: int) -> bytes:
        """As ``fingerprint``, of a file by its number and size."""
        entry = self._streams.file(number)
        matches = entry is not None and entry.size == size
        return fingerprint(entry.content, entry.ref) if entry is not None and matches else b""

    def listing(self, directory: int) -> Listing:
        """The entries of a directory by its number."""
        with self._lock:
            return self._listing(directory)

    def owned(self, entry: DirectoryEntry) -> Owned:
        """The node of an entry, with its owner. ``DamageFound``."""
        return self._owned(entry.name, entry.file)

    def facts(self, node: Node) -> FileFacts:
        """What the file system knows of a node's file. ``DamageFound``."""
        with self._lock:
            return self._facts(nodes.number_of(node))

    def _owned(self, name: bytes, number: int) -> Owned:
        with self._lock:
            facts = self._facts(number)

            def read(stream: bytes) -> bytes:
                content = self._system.open(number, stream)
                return content.read(0, min(content.size, nodes.STREAM_LIMIT))

            return Owned(*nodes.node_of(name, number, facts, read, self.root.time_ns))

    # contents

    def segments(self, node: Node) -> Iterator[Segment]:
        """Content of a file that is an entry of the image. ``DamageFound``."""
        entry = self._entry(node)
        if entry is None:
            raise FormatError(f"the content of {node.name!r} is no stream of the image")
        return self._pages.stream(entry)

    def content(self, node: Node) -> Content | None:
        """Content through the parser; None where the image has it as a stream. ``DamageFound``."""
        if node.kind != NodeKind.FILE or self._entry(node) is not None:
            return None
        with self._lock:
            return self._guarded(self._system.open(nodes.number_of(node)))

    def stream(self, node: Node, name: bytes) -> Content:
        """A further stream of a file, by its name. ``DamageFound``."""
        with self._lock:
            return self._guarded(self._system.open(nodes.number_of(node), name))

    def _guarded(self, content: Content) -> "Guarded":
        return Guarded(content, self._lock, self._streams.absent)

    def fingerprint(self, node: Node) -> bytes:
        """The segments of a file that is an entry of the image, or the page that leads to them."""
        entry = self._entry(node) if node.kind == NodeKind.FILE else None
        return fingerprint(entry.content, entry.ref) if entry is not None else b""

    def holes(self, node: Node) -> list[tuple[int, int]]:
        """(start, length) of what larger files had not allocated. ``DamageFound``."""
        if node.kind != NodeKind.FILE or node.size < _HOLES_MATTER:
            return []
        entry = self._entry(node)
        if entry is not None:
            return list(self._holes(entry))
        with self._lock:
            content = self._system.open(nodes.number_of(node))
            return list(content.holes()) if isinstance(content, SparseContent) else []

    def refusal(self, node: Node) -> str:
        """Why a file cannot be given back, in words. ``DamageFound``."""
        return nodes.refusal(self.facts(node))

    def _entry(self, node: Node) -> ExtentEntry | None:
        """The stream that is the content of a file; none of another length is taken for it."""
        entry = self._streams.file(nodes.number_of(node))
        return entry if entry is not None and entry.size == node.size else None

    def _holes(self, entry: ExtentEntry) -> Iterator[tuple[int, int]]:
        at = 0
        for first, count in iterate_runs(entry.runs, self._units):
            end = min(at + count * self._unit, entry.size)
            if first < 0 and end > at:
                yield at, end - at
            at = end


class _Lister:
    """Reads directories whole: of a damaged one, what comes before the damage."""

    def __init__(self, system: FileSystem) -> None:
        self._system = system

    def __call__(self, directory: int) -> Listing:
        found: dict[bytes, DirectoryEntry] = {}
        damage: list[DamageFound] = []
        try:
            for entry in self._system.entries(directory):
                if nodes.is_sound(entry.name) and entry.name not in found:
                    found[entry.name] = entry
                else:
                    damage.append(FormatError(f"a directory holds an odd name {entry.name!r}"))
        except DamageFound as error:
            damage.append(error)
        return Listing({name: found[name] for name in sorted(found)}, tuple(damage[:_TOLD]))


class Guarded:
    """Content of a parser that only one thread may use at a time."""

    def __init__(self, content: Content, lock: "threading.RLock", met: Absent) -> None:
        """``met``: what the parser meets that is not stored; while we read, that is ours."""
        self.size = content.size
        self.absent = Absent()
        self._content = content
        self._lock = lock
        self._met = met

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end. ``DamageFound``."""
        with self._lock:
            before = [self._met.bytes_of(cause) for cause in Absence]
            data = self._content.read(offset, length)
            for cause, known in zip(Absence, before, strict=True):
                if self._met.bytes_of(cause) != known:
                    self.absent.add(cause, self._met.bytes_of(cause) - known)
            return data


class ImageGroups:
    """Hard links by the number of the file. See ``base.Groups``."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree

    def of(self, directory: Sequence[bytes], node: Node) -> Group | None:
        """The group of an entry; None when it is alone. ``DamageFound``."""
        del directory
        links = self._tree.facts(node).links
        return Group(0, nodes.number_of(node), links) if links > 1 else None

    def holds(self, group: Group, node: Node) -> bool:
        """Whether a file of this number is here, as large and old as a node."""
        try:
            found, _ = self._tree.owned(DirectoryEntry(node.name, group.inode, Kind.FILE))
            alive = self._tree.facts(found).links > 0
        except DamageFound:
            return False
        same = (found.kind, found.size, found.mtime_ns) == (node.kind, node.size, node.mtime_ns)
        return alive and same


class _Level:
    """Where a walk is in one directory."""

    def __init__(self, owned: Owned, listing: Listing, passed: Container[bytes]) -> None:
        self.owned = owned
        self.rest = (each for each in listing.entries.values() if each.name not in passed)


class ImageWalk:
    """Everything below a directory. See ``base.Visits``.

    A damaged file system may name a directory in two places, even inside itself: only the first
    is entered, the others are told as damage.
    """

    def __init__(self, tree: ImageTree, start: Found, on_damage: OnDamage | None) -> None:
        self._tree = tree
        self._on_damage = on_damage
        self._names: list[bytes] = []
        self._levels: list[_Level] = []
        self._met = {nodes.number_of(start.node)}
        self._start = Owned(start.node, start.owner)
        self._skipped = False
        self._passed: Container[bytes] = ()

    def skip(self) -> None:
        """Do not enter the directory that was met last."""
        self._skipped = True

    def pass_over(self, names: Container[bytes]) -> None:
        """Tell nothing of these entries of the directory that was met last; they are no folders."""
        self._passed = names

    def __iter__(self) -> Iterator[Visit]:
        self._enter(self._start)
        while self._levels:
            level, here = self._levels[-1], tuple(self._names)
            owned = self._next(level, here)
            if owned is None:
                self._levels.pop()
                if self._names:
                    self._names.pop()
                    yield Visit(tuple(self._names), *level.owned, True)
                continue
            self._skipped = False
            yield Visit(here, *owned, False)
            if owned.node.kind == NodeKind.DIRECTORY and not self._skipped:
                self._names.append(owned.node.name)
                self._enter(owned)

    def _next(self, level: _Level, here: Path) -> Owned | None:
        """The next entry that can be told anything of; None at the end."""
        for entry in level.rest:
            try:
                owned = self._tree.owned(entry)
                if owned.node.kind == NodeKind.DIRECTORY:
                    self._claim(entry)
                return owned
            except DamageFound as error:
                self._tell(here, error)
        return None

    def _claim(self, entry: DirectoryEntry) -> None:
        if entry.file in self._met:
            raise FormatError(f"the directory {entry.name!r} is named in two places")
        self._met.add(entry.file)

    def _enter(self, owned: Owned) -> None:
        listing = self._tree.listing(nodes.number_of(owned.node))
        for error in listing.damage:
            self._tell(tuple(self._names), error)
        passed, self._passed = self._passed, ()
        self._levels.append(_Level(owned, listing, passed))

    def _tell(self, here: Path, error: DamageFound) -> None:
        if self._on_damage is None:
            raise error
        self._on_damage(here, error)
