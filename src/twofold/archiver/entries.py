"""Entries of one directory: sorted out, proven unchanged, or read.

The proof of no change is equality of the fresh record with the stored one
(docs/format/metadata.md); records that were racy or failed carry a flag that no fresh one has.
"""

import errno
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from twofold import clock
from twofold.archiver.directory import Item, NewDirectory, Slice
from twofold.archiver.linked import Linked, LinkedFiles
from twofold.archiver.nodes import FAILED, FLAGS_AT, NodeMaker, flagged, record_of
from twofold.archiver.parent import Lookup, Old
from twofold.archiver.reading import SMALL, FileJob, FileReader, Job, ReadResult, Together
from twofold.archiver.reasons import words_for
from twofold.archiver.rules import Rules
from twofold.errors import DamageFound
from twofold.format.pages import kind_of_mode
from twofold.pipeline import Ledger
from twofold.platform import (
    FLAG_AWAY,
    FLAG_FAILED,
    FLAG_FAR_TIME,
    FLAG_RACY,
    NOTHING_SETTLED,
    Entry,
    Extras,
    HandleStack,
    SourceDir,
    is_same_state,
)

_STRANGE = FLAG_FAILED | FLAG_AWAY | FLAG_FAR_TIME


class Todo(msgspec.Struct, eq=False):
    """An entry that must be looked at or read."""

    item: Item
    entry: Entry


class Part(msgspec.Struct, eq=False):
    """A slice with what is still to be done for it while its directory is open."""

    slice: Slice
    small: list[tuple[Item, Entry]] = msgspec.field(default_factory=list)
    linked: list[Todo] = msgspec.field(default_factory=list)
    """Small ones of several names."""
    alone: list[Todo] = msgspec.field(default_factory=list)
    others: list[Todo] = msgspec.field(default_factory=list)
    directories: list[tuple[Item, list[Old | None]]] = msgspec.field(default_factory=list)


class Place(NamedTuple):
    """Where files are being read, and since when (ns since 1970)."""

    path: bytes
    fs_type: str
    started: int
    device: int


class EntryReader:
    """Sorts out and reads the entries of directories, for one run."""

    def __init__(self, reader: FileReader, maker: NodeMaker, rules: Rules, ledger: Ledger) -> None:
        self._reader = reader
        self._maker = maker
        self._rules = rules
        self._ledger = ledger
        self._links = LinkedFiles()

    def sort_out(
        self,
        directory: NewDirectory,
        batch: Sequence[tuple[Entry, bytes]],
        lookups: Sequence[Lookup],
        *,
        waypoints: bool,
    ) -> Part:
        """Decide what becomes of each entry (with its record); nothing is read yet."""
        part = Part(Slice(directory, []))
        prefix = directory.trail.path + b"/"
        trivial = waypoints or self._rules.trivial_in(prefix[:-1])
        plain = not lookups and trivial
        for entry, record in batch:
            item = Item(entry.name, record)
            part.slice.items.append(item)
            if plain and _is_small(entry):
                part.small.append((item, entry))
                continue
            path = prefix + entry.name
            if entry.flags & FLAG_FAILED:
                self._fail(item, path, "examine", OSError(entry.size, os.strerror(entry.size)))
                continue
            rule = "" if trivial else self._rules.excludes(path, entry)
            rule = rule or ("not on this computer" if entry.flags & FLAG_AWAY else "")
            if rule:
                self._ledger.excluded(path, rule)
                continue
            self._place(part, item, entry, path, lookups)
        return part

    def _place(
        self, part: Part, item: Item, entry: Entry, path: bytes, lookups: Sequence[Lookup]
    ) -> None:
        if kind_of_mode(entry.mode) is None:
            self._fail(item, path, "examine", OSError(errno.EINVAL, "unknown type of file"))
            return
        olds = [_find(lookup, item) for lookup in lookups]
        for old in olds:
            if old is not None and old.owned is not None:
                item.node, item.owner = old.owned
                break
        if stat.S_ISDIR(entry.mode):
            if item.node is None:
                item.entry = entry
                item.node = self._maker.node(item.name, entry, None)
                item.owner = self._maker.owner(entry)
            part.directories.append((item, olds))
        elif item.node is not None:
            self._ledger.unchanged(1, item.node.size)
        elif not stat.S_ISREG(entry.mode):
            part.others.append(Todo(item, entry))
        elif not _is_brief(entry):
            part.alone.append(Todo(item, entry))
        elif entry.links == 1:
            part.small.append((item, entry))
        else:
            part.linked.append(Todo(item, entry))

    def read(self, part: Part, handles: HandleStack[SourceDir]) -> None:
        """Read what must be read; every outcome is in the slice and the ledger."""
        path = part.slice.directory.trail.path
        try:
            directory = handles.top
        except OSError as error:  # it was moved away while we were below it
            small = (Todo(item, entry) for item, entry in part.small)
            for todo in (*small, *part.linked, *part.alone, *part.others):
                self._fail(todo.item, path + b"/" + todo.item.name, "open", error)
            return
        self._share_out_linked(part, directory)
        self._read_small(part, directory, path)
        for todo in part.alone:
            self._read_alone(todo, directory, path)
            if todo.item.job is not None:
                part.slice.awaited.append(todo.item.job.awaited)
        for todo in part.others:
            self._look_at(todo, directory, path)

    def _share_out_linked(self, part: Part, directory: SourceDir) -> None:
        """A file of several names is read under the first of them, together with other small ones.

        The others come later, when it was read; so does one that nothing tells from others.
        """
        begun: set[int] = set()
        for todo in part.linked:
            inode = todo.entry.inode
            known = inode in begun or self._links.find(directory.device, todo.entry) is not None
            if known or not inode:
                part.alone.append(todo)
            else:
                begun.add(inode)
                part.small.append((todo.item, todo.entry))

    def _read_small(self, part: Part, directory: SourceDir, path: bytes) -> None:
        place = Place(path, directory.fs_type, clock.now_ns(), directory.device)
        settled = self._maker.settled_before(place.started, place.fs_type)
        count = size = 0
        last: FileJob | Together | None = None
        if self._ledger.hears_items:
            settled = NOTHING_SETTLED
        wanted = [entry for _, entry in part.small]
        outcomes = self._reader.read_small(directory, wanted, settled)
        for (item, listed), (read, job) in zip(part.small, outcomes, strict=True):
            if read is None:
                item.job, item.plain = job, listed
                item.owner = self._maker.owner(listed)
                count, size = count + 1, size + listed.size
                if listed.links > 1 and job is not None:
                    self._links.note(directory.device, listed, Linked(job))
            elif job is None or read.entry is None:
                self._not_read(part, Todo(item, listed), read.error, path)
            else:
                self._stored(Todo(item, listed), job, ReadResult(read.entry, read.extras), place)
            if job is not None and job.awaited is not last:
                last = job.awaited
                part.slice.awaited.append(last)
        self._ledger.stored_many(count, size)
        self._ledger.bytes_read = self._reader.bytes_read

    def _not_read(self, part: Part, todo: Todo, error: int, path: bytes) -> None:
        """A small file that failed, or did not hold still."""
        if error:
            reason = OSError(error, os.strerror(error))
            self._fail(todo.item, path + b"/" + todo.item.name, "read", reason)
        else:
            part.alone.append(todo)

    def _read_alone(self, todo: Todo, directory: SourceDir, path: bytes) -> None:
        known = self._links.take(directory.device, todo.entry)
        if known is not None:
            self._link(todo, known, path)
            return
        job = FileJob()
        place = Place(path, directory.fs_type, clock.now_ns(), directory.device)
        try:
            result = self._reader.read_alone(directory, todo.item.name, job)
        except OSError as error:
            self._fail(todo.item, path + b"/" + todo.item.name, "read", error)
            return
        self._stored(todo, job, result, place)

    def _link(self, todo: Todo, known: Linked, path: bytes) -> None:
        """A further name of a file read already."""
        item, entry, job = todo.item, todo.entry, known.job
        item.job, item.owner = job, self._maker.owner(entry)
        if known.extras is None and not job.holes:
            item.plain = entry
        else:
            item.node = self._maker.node(
                item.name, entry, known.extras, size=job.size, holes=job.holes
            )
        if known.racy:
            item.record = flagged(item.record, FLAG_RACY)
        self._ledger.stored(path + b"/" + item.name, 0)

    def _stored(self, todo: Todo, job: Job, result: ReadResult, place: Place) -> None:
        item, maker = todo.item, self._maker
        entry, extras, unsteady = result
        path = place.path + b"/" + item.name
        if extras is not None:
            extras = maker.bounded(extras)
        item.job = job
        item.owner = maker.owner(entry)
        item.node = maker.node(item.name, entry, extras, size=job.size, holes=job.holes)
        item.record = _record_read(todo, entry)
        if unsteady or maker.racy(entry, place.started, place.fs_type):
            item.record = flagged(item.record, FLAG_RACY)
        self._ledger.bytes_read = self._reader.bytes_read
        self._end(item, path, job.size, extras)
        racy = bool(item.record[FLAGS_AT] & FLAG_RACY)
        self._links.note(place.device, entry, Linked(job, extras, racy))
        if unsteady:
            self._ledger.imperfect(path, "it kept changing while it was read")

    def _look_at(self, todo: Todo, directory: SourceDir, path: bytes) -> None:
        """Links, FIFOs, sockets, devices: nothing to read but what they are."""
        item = todo.item
        started = clock.now_ns()
        try:
            entry = todo.entry
            if entry.flags & FLAG_FAR_TIME:
                entry = directory.stat_child(item.name)
            extras = self._maker.bounded(directory.extras(item.name, entry.mode))
        except OSError as error:
            self._fail(item, path + b"/" + item.name, "examine", error)
            return
        item.owner = self._maker.owner(entry)
        item.node = self._maker.node(item.name, entry, extras)
        if self._maker.racy(entry, started, directory.fs_type):
            item.record = flagged(item.record, FLAG_RACY)
        self._end(item, path + b"/" + item.name, 0, extras)

    def complete_directory(self, item: Item, handle: SourceDir, path: bytes) -> None:
        """Give a directory that is new or changed its metadata, now that it is open."""
        if item.entry is None:
            return
        started = clock.now_ns()
        entry, extras = handle.stat_self(), self._maker.bounded(handle.extras_self())
        item.owner = self._maker.owner(entry)
        item.node = self._maker.node(item.name, entry, extras)
        if self._maker.racy(entry, started, handle.fs_type):
            item.record = flagged(item.record, FLAG_RACY)
        if extras.problems:
            self._fail_in_part(item, path, extras)

    def _end(self, item: Item, path: bytes, size: int, extras: Extras | None) -> None:
        """An entry was read: whole, or without what the system would not give of it."""
        if extras is not None and extras.problems:
            self._fail_in_part(item, path, extras)
        else:
            self._ledger.stored(path, size)

    def _fail_in_part(self, item: Item, path: bytes, extras: Extras) -> None:
        """What could be had is stored, and proves nothing: the next run is to try again."""
        item.record = flagged(item.record, FLAG_RACY)
        self._ledger.failed(path, "stored in part", ", ".join(extras.problems))

    def _fail(self, item: Item, path: bytes, action: str, error: OSError) -> None:
        if error.errno == errno.ENOENT:
            item.gone = True
            self._ledger.vanished(path)
            return
        item.record = flagged(item.record, FAILED)
        self._ledger.failed(path, action, words_for(error))


def _is_small(entry: Entry) -> bool:
    """Whether a file is read in a batch: a regular one with nothing strange about it."""
    return entry.links == 1 and _is_brief(entry)


def _is_brief(entry: Entry) -> bool:
    return entry.size <= SMALL and stat.S_ISREG(entry.mode) and not entry.flags & _STRANGE


def _record_read(todo: Todo, entry: Entry) -> bytes:
    """The record of a file as it was when it was read: mostly the one that was listed."""
    listed = todo.entry
    moved = listed.inode and listed.inode != entry.inode
    if not moved and not listed.flags and is_same_state(listed, entry):
        return todo.item.record
    inode = listed.inode and entry.inode
    return record_of(todo.item.name, entry._replace(inode=inode, flags=0))


def _find(lookup: Lookup, item: Item) -> Old | None:
    """The old entry if it proves this one unchanged."""
    try:
        old = lookup.find(item.name)
    except DamageFound:
        return None
    if old is None or old.record != item.record[: len(old.record)]:
        return None
    return old
