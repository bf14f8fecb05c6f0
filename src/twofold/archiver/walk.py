"""The walk: depth first by handle, in name order, reading as it goes.

    enter directory ─► same listing as in the parent snapshot? ─yes─► visit subdirectories only
          │no                                                         (listed ahead: ``Ahead``)
    slices of entries: sort out (excluded · unchanged · small · large · other · directory),
    read files while the directory is open, visit its subdirectories, queue the slice

Slices and ends of directories wait in one queue in the order they were left (children before their
parents) and are written when their files are stored. The queue is bounded, so memory is.
"""

import errno
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator

import msgspec

from twofold import clock
from twofold.archiver.ahead import Ahead
from twofold.archiver.directory import Closed, Item, NewDirectory, SameDirectory, Slice, Trail
from twofold.archiver.entries import EntryReader
from twofold.archiver.nodes import FAILED, NodeMaker, flagged
from twofold.archiver.own_place import OwnPlace
from twofold.archiver.parent import Lookup, Old, ParentDir
from twofold.archiver.reading import FileReader
from twofold.archiver.reasons import words_for
from twofold.archiver.rules import CACHE_SIGNATURE, CACHE_TAG, Rules
from twofold.archiver.selection import Waypoint
from twofold.errors import DamageFound
from twofold.events import Notice, Progress
from twofold.pipeline import Flow, Ledger, ListingWriter, NodeWriter
from twofold.platform import (
    Entry,
    HandleStack,
    Platform,
    SourceDir,
    in_slices,
    iterate,
    pack_listing,
    without_inodes,
)

SLICE = 1024
MAX_QUEUED = 32_768
_PROGRESS_SECONDS = 0.2


class Level(msgspec.Struct, eq=False):
    """One directory on the way from the root to where the walk is."""

    directory: NewDirectory | SameDirectory
    steps: Iterator["Step"]
    top_device: int


class Step(msgspec.Struct, eq=False):
    """A subdirectory to visit."""

    item: Item
    parents: list[ParentDir]
    waypoint: Waypoint | None


class End(msgspec.Struct, eq=False):
    """A directory was left; it can be closed once its slices are written."""

    directory: NewDirectory | SameDirectory
    above: NewDirectory | SameDirectory | None


class Walk:
    """One run over all sources. ``run`` gives the root directory, closed."""

    def __init__(
        self,
        flow: Flow,
        reader: FileReader,
        platform: Platform,
        rules: Rules,
        ledger: Ledger,
        page_key: bytes,
        own: OwnPlace,
    ) -> None:
        self._flow = flow
        self._reader = reader
        self._platform = platform
        self._rules = rules
        self._ledger = ledger
        self._page_key = page_key
        self._own = own
        self._entries = EntryReader(reader, NodeMaker(platform), rules, ledger)
        self._levels: list[Level] = []
        self._queue: deque[Slice | End] = deque()
        self._queued = 0
        self._handles: HandleStack[SourceDir]
        self._root: SourceDir
        self._closed: Closed | None = None
        self._told = 0.0
        self._ahead: Ahead | None = None
        self._ahead_of: Level | None = None

    def run(self, root: SourceDir, waypoint: Waypoint, parents: list[ParentDir]) -> Generator[None]:
        """Walk everything below ``root``; yields between directories, for ``partial`` to be asked.

        The result is in ``result`` afterwards.
        """
        self._handles = HandleStack(root)
        self._root = root
        try:
            self._enter(Step(Item(b"", b""), parents, waypoint), root, Trail(b""), root.device)
            while self._levels:
                step = next(self._levels[-1].steps, None)
                if step is None:
                    self._leave()
                else:
                    self._visit(step)
                yield
            self._collect(wait=True)
        finally:
            self._end_ahead()
            self._handles.close()

    @property
    def result(self) -> Closed:
        """The root directory, once the walk is over."""
        assert self._closed is not None
        return self._closed

    def partial(self) -> Closed:
        """The root directory as far as the walk has come; all files read so far must be stored."""
        self._reader.submit()
        self._flow.settle()  # files of slices that are not queued yet must be stored too
        self._collect(wait=True)
        closed = self._closed
        below: tuple[Item, Closed] | None = None
        for level in reversed(self._levels):
            item = level.directory.item
            closed = level.directory.partial(below)
            below = (item, closed) if item is not None else None
        assert closed is not None
        return closed

    def _visit(self, step: Step) -> None:
        above = self._levels[-1]
        trail = above.directory.trail.below(step.item.name)
        try:
            handle = self._handles.push(step.item.name)
        except OSError as error:
            self._missed(step.item, trail.path, error, "open directory")
            self._settle_missed(step.item)
            return
        try:
            self._enter(step, handle, trail, above.top_device)
        except OSError as error:
            self._missed(step.item, trail.path, error, "list directory")
            self._settle_missed(step.item)
            self._pop()

    def _missed(self, item: Item, path: bytes, error: OSError, action: str) -> None:
        """A directory that cannot be read is stored empty and named in the ledger."""
        if error.errno == errno.ENOENT:
            item.gone = True
            self._ledger.vanished(path)
            return
        self._ledger.failed(path, action, words_for(error))
        if item.node is not None:
            item.record = flagged(item.record, FAILED)
            item.below = self._empty()

    def _settle_missed(self, item: Item) -> None:
        directory = self._levels[-1].directory
        if isinstance(directory, SameDirectory):
            if item.below is None and not item.gone:
                item.below = self._empty()
                item.record = flagged(directory.record_of(item.name), FAILED)
            directory.changed[item.name] = item

    def _empty(self) -> Closed:
        return Closed(None, NodeWriter(self._flow.save_page, self._page_key).finish())

    def _enter(self, step: Step, handle: SourceDir, trail: Trail, top_device: int) -> None:
        waypoint, path = step.waypoint, trail.path
        way = waypoint if waypoint is not None and not waypoint.whole else None
        if self._own.holds(handle.identity, on_the_way=way is not None):
            self._leave_out_own(step, path)
            return
        if waypoint is not None and waypoint.whole:
            top_device = handle.device
        before = self._listed_ahead(step, handle)
        scan = before if before is not None else self._scan(handle, path, way)
        if self._own.shows(handle, scan):
            self._leave_out_own(step, path)
            return
        rule = "" if way else self._left_out(handle, scan, top_device)
        if rule:
            self._skip(step.item, path, rule)
            return
        self._ledger.directory()
        self._entries.complete_directory(step.item, handle, path)
        level = self._same(step, handle, trail, scan, way)
        if level is None and before is not None:
            scan = self._scan(handle, path, way)
        level = level or self._new(step, handle, trail, scan, way)
        level.top_device = top_device
        self._levels.append(level)
        if way is None and self._ahead is None:
            self._begin_ahead(step, path, level)

    def _begin_ahead(self, step: Step, path: bytes, level: Level) -> None:
        """List ahead below here, if one parent snapshot tells what to expect."""
        if len(step.parents) == 1:
            names = path.split(b"/")[1:]
            self._ahead, self._ahead_of = Ahead(self._root, names, step.parents[0]), level

    def _end_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = self._ahead_of = None

    def _listed_ahead(self, step: Step, handle: SourceDir) -> bytes | None:
        """The listing made ahead, if it is of the directory that was opened."""
        if self._ahead is None or len(step.parents) != 1:
            return None
        place = step.parents[0]
        self._ahead.arrived(place)
        seen, place.seen = place.seen, None
        if seen is None or seen.identity != handle.identity:
            return None
        return self._comparable(seen.listing, handle)

    def _comparable(self, listing: bytes, handle: SourceDir) -> bytes:
        stable = self._platform.stable_inodes(handle.fs_type)
        return listing if stable else without_inodes(listing)

    def _scan(self, handle: SourceDir, path: bytes, way: Waypoint | None) -> bytes:
        found = self._waypoints(handle, path, way) if way is not None else None
        return self._comparable(handle.scan() if found is None else pack_listing(found), handle)

    def _waypoints(self, handle: SourceDir, path: bytes, way: Waypoint) -> Iterator[Entry]:
        for name in way.children:
            try:
                yield handle.stat_child(name)._replace(name=name)
            except OSError as error:
                self._ledger.failed(path + b"/" + name, "open", words_for(error))

    def _left_out(self, handle: SourceDir, scan: bytes, top_device: int) -> str:
        rule = self._rules.excludes_file_system(handle.fs_type, handle.device, top_device)
        if rule or not self._rules.has_marks:
            return rule
        for name in self._rules.marks([entry.name for entry in iterate(scan)]):
            if name in self._rules.options.if_present or _is_cache(handle):
                return os.fsdecode(name)
        return ""

    def _leave_out_own(self, step: Step, path: bytes) -> None:
        if step.waypoint is not None:
            text = f"'{os.fsdecode(path)}' is the repository itself, which is not backed up"
            self._ledger.emit(Notice(text))
        self._skip(step.item, path, "repository")

    def _skip(self, item: Item, path: bytes, rule: str) -> None:
        """Leave out the directory just pushed; a mount point stays as an empty directory."""
        self._ledger.excluded(path, rule)
        if rule.endswith("file system"):
            self._entries.complete_directory(item, self._handles.top, path)
            item.below = self._empty()
        directory = self._levels[-1].directory if self._levels else None
        if isinstance(directory, SameDirectory):
            directory.changed[item.name] = item
        self._pop()

    def _same(
        self, step: Step, handle: SourceDir, trail: Trail, scan: bytes, way: Waypoint | None
    ) -> Level | None:
        """Enter a directory whose listing equals that of a parent snapshot, if one does."""
        for parent in step.parents:
            try:
                totals = parent.totals_if_same(scan)
            except DamageFound:
                continue  # a damaged parent proves nothing; everything is read again
            if totals is None or (way is not None and totals.excluded):
                continue  # a rule left out then what is named now
            self._ledger.unchanged(totals.stored, totals.bytes, totals.excluded)
            directory = SameDirectory(
                trail, parent, self._flow.save_page, self._page_key, handle.identity, step.item
            )
            return Level(directory, self._same_steps(directory, handle, way), 0)
        return None

    def _same_steps(
        self, directory: SameDirectory, handle: SourceDir, way: Waypoint | None
    ) -> Iterator[Step]:
        parent = directory.parent
        stable = self._platform.stable_inodes(handle.fs_type)
        for name in parent.children():
            child = parent.child(name)
            assert child is not None
            if way is not None or not self._passes(child, directory.identity, stable=stable):
                waypoint = way.children.get(name) if way is not None else None
                yield Step(Item(name, b""), [child], waypoint)
            parent.forget(name)

    def _passes(self, child: ParentDir, above: tuple[int, int], *, stable: bool) -> bool:
        """Whether a directory without subdirectories is the same, as far as seen from above.

        It is of the file system of the one above, so that no rule about those needs a look.
        """
        if self._ahead is None or not self._ahead.arrived(child) or child.children():
            return False
        seen = child.seen
        if seen is None or seen.above != above or seen.identity[0] != above[0]:
            return False
        listing = seen.listing if stable else without_inodes(seen.listing)
        totals = child.totals_if_same(listing)
        if totals is None or self._rules.may_be_marked(listing):
            return False
        self._ledger.directory()
        self._ledger.unchanged(totals.stored, totals.bytes, totals.excluded)
        return True

    def _new(
        self, step: Step, handle: SourceDir, trail: Trail, scan: bytes, way: Waypoint | None
    ) -> Level:
        save = self._flow.save_page
        nodes = NodeWriter(save, self._page_key)
        listing = ListingWriter(save, self._page_key, handle.device)
        directory = NewDirectory(trail, nodes, listing, save, step.item)
        return Level(directory, self._new_steps(directory, scan, step.parents, way), 0)

    def _new_steps(
        self,
        directory: NewDirectory,
        scan: bytes,
        parents: list[ParentDir],
        way: Waypoint | None,
    ) -> Iterator[Step]:
        lookups = _lookups(parents)
        for batch in in_slices(scan, SLICE):
            part = self._entries.sort_out(directory, batch, lookups, waypoints=way is not None)
            directory.current = part.slice
            self._entries.read(part, self._handles)
            for item, olds in part.directories:
                below = _children(parents, item.name, olds)
                yield Step(item, below, way.children.get(item.name) if way is not None else None)
                for parent in parents:
                    parent.forget(item.name)
            directory.current = None
            self._put(part.slice)
            self._collect()
            self._report(directory.trail)

    def _leave(self) -> None:
        level = self._levels.pop()
        if level is self._ahead_of:
            self._end_ahead()
        above = self._levels[-1].directory if self._levels else None
        self._put(End(level.directory, above))
        if self._levels:
            self._pop()
        self._collect()

    def _pop(self) -> None:
        try:
            self._handles.pop()
        except OSError as error:
            self._ledger.failed(
                self._levels[-1].directory.trail.path or b"/", "return to", words_for(error)
            )

    def _put(self, thing: Slice | End) -> None:
        self._queue.append(thing)
        self._queued += len(thing.items) if isinstance(thing, Slice) else 1

    def _collect(self, *, wait: bool = False) -> None:
        """Write what is ready at the head of the queue; wait for it if asked, or if it is long."""
        while self._queue:
            head = self._queue[0]
            if isinstance(head, Slice) and not head.done:
                if not wait and self._queued <= MAX_QUEUED:
                    return
                self._reader.submit()
                self._flow.settle()
            self._queue.popleft()
            self._write(head)

    def _write(self, head: Slice | End) -> None:
        if isinstance(head, Slice):
            self._queued -= len(head.items)
            head.directory.write(head.items)
            return
        self._queued -= 1
        closed = head.directory.close()
        item = head.directory.item
        if head.above is None or item is None:
            self._closed = closed
            return
        item.below = closed
        if isinstance(head.above, SameDirectory):
            head.above.note(item)

    def _report(self, trail: Trail) -> None:
        now = clock.monotonic()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            ledger = self._ledger
            ledger.emit(Progress(ledger.bytes_total, ledger.entries(), trail.path))


def _lookups(parents: Iterable[ParentDir]) -> list[Lookup]:
    """Lookups into all parent directories; a damaged one proves nothing."""
    found = []
    for parent in parents:
        try:
            found.append(Lookup(parent))
        except DamageFound:
            found.append(Lookup(None))
    return found


def _children(
    parents: Iterable[ParentDir], name: bytes, olds: Iterable[Old | None]
) -> list[ParentDir]:
    """The subdirectory in every parent that has it."""
    found = []
    for parent, old in zip(parents, olds, strict=True):
        tree = old.owned.node.ref if old is not None and old.owned is not None else None
        try:
            child = parent.child(name, tree)
        except DamageFound:
            continue
        if child is not None:
            found.append(child)
    return found


def _is_cache(handle: SourceDir) -> bool:
    """Whether a CACHEDIR.TAG carries the signature (bford.info/cachedir)."""
    buffer = bytearray(len(CACHE_SIGNATURE))
    try:
        file = handle.open_file(CACHE_TAG)
    except OSError:
        return False
    try:
        file.read_into(memoryview(buffer), 0)
    except OSError:
        return False
    finally:
        file.close()
    return bytes(buffer) == CACHE_SIGNATURE
