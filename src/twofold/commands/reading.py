"""Reading a snapshot as several commands do: announce it, find the snapshot, load the index.

Readers register a session so that a prune waits for them. A store that takes no writes, or has no
room, is still read: it is not pruned meanwhile by anybody who could be stopped.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property

import msgspec

from twofold.commands.access import listed_snapshots, open_at
from twofold.errors import INCOMPLETE, NeedsRights, NoSpace, StoreError
from twofold.events import Emit, Finding, Notice, Severity
from twofold.format.records import Root
from twofold.format.segments import Absence
from twofold.graph import PageStore
from twofold.options import RepositoryAccess
from twofold.platform import current
from twofold.repository import Author, Index, Repository, Session, Snapshot, remember_lost
from twofold.view import Absent, Address, FileTree, resolve, snapshot_tree


class Reading(msgspec.Struct, frozen=True):
    """An open snapshot, one of all ``snapshots``.

    ``is_certain``: it is the one that its address means, see ``Library``.
    """

    repository: Repository
    snapshots: Sequence[Snapshot]
    snapshot: Snapshot
    index: Index
    pages: PageStore
    is_certain: bool = True

    def tree(self, address: Address) -> FileTree:
        """The files that an address is about.

        ``UsageError`` for an image of which no partition is named, ``SnapshotNotFound`` for one
        that it does not have, ``TwofoldError`` for one that has no files, ``DamageFound``.
        """
        return snapshot_tree(self.pages, self.snapshot.root, address.partition)


def is_disk(root: Root, address: Address) -> bool:
    """Whether an address is about an image as a whole."""
    return root.kind == "image" and address.partition is None and not address.path


class Library:
    """An open repository of which several snapshots are read."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.snapshots, unreadable = listed_snapshots(repository)
        self.unreadable = len(unreadable)
        """All, by time, also those that are only found by their id; and of how many more not even
        the description can be read, so that nobody knows their time."""

    @cached_property
    def kept(self) -> list[Snapshot]:
        """Those that are there for everybody, newest last; kinds that are not known are told."""
        kept = [each for each in self.snapshots if not each.forgotten and not each.root.partial]
        for each in kept:
            if not each.root.is_known:
                self._tell_unknown(each)
        return [each for each in kept if each.root.is_known]

    def _tell_unknown(self, snapshot: Snapshot) -> None:
        message = f"it is passed over: this version does not know its kind ({snapshot.root.kind!r})"
        subject = f"snapshot {snapshot.short}"
        remedy = "update Twofold on this computer"
        self.repository.emit(Finding(Severity.WARNING, subject, message, remedy))

    @cached_property
    def index(self) -> Index:
        """Loaded when the first snapshot is read."""
        return self.repository.load_index()

    @cached_property
    def pages(self) -> PageStore:
        """Pages of all snapshots."""
        return PageStore(self.repository.blob_reader(self.index))

    def remember_lost(self) -> None:
        """What could not be read, so that the next backup from here stores it again."""
        if "index" in self.__dict__:
            with suppress(OSError):
                remember_lost(self.repository.id, self.index.lost)

    def name(self, snapshot: Snapshot) -> str:
        """The beginning of a snapshot's id that no other one has, as people type it."""
        return self._names[snapshot.id]

    @cached_property
    def _names(self) -> dict[bytes, str]:
        shorts = Counter(each.short for each in self.snapshots)
        return {
            each.id: each.short if shorts[each.short] == 1 else each.id.hex()
            for each in self.snapshots
        }

    def reading(self, address: Address) -> Reading:
        """The snapshot an address names. ``SnapshotNotFound``.

        An address that does not give an id may mean a backup that cannot be read; that is told.
        """
        snapshot = resolve(address, self.snapshots)
        address.refuse_partition(snapshot)
        is_certain = not self.unreadable or address.prefix is not None
        if not is_certain:
            self._tell_uncertain(address, snapshot)
        found = self.repository, self.snapshots, snapshot
        return Reading(*found, self.index, self.pages, is_certain)

    def _tell_uncertain(self, address: Address, snapshot: Snapshot) -> None:
        taken = f"'{address.text}' is taken for {self.name(snapshot)}"
        self.repository.emit(
            Finding(
                Severity.DAMAGE,
                f"snapshot {self.name(snapshot)}",
                f"{taken}, but of {self.unreadable} more the time cannot be read: one may be newer",
                "see 'twofold snapshots', and name the one that is wanted by its id",
            )
        )


def tell_absent(absent: Absent, subject: str, emit: Emit) -> int:
    """Tell what of a disk is zeros because it is not stored; the exit code.

    What was left out on purpose was not wanted: it is told, and is no failure.
    """
    left_out = absent.bytes_of(Absence.LEFT_OUT)
    unreadable = absent.bytes_of(Absence.UNREADABLE)
    if left_out:
        emit(Notice(f"{left_out:,} bytes {Absence.LEFT_OUT.words}; they are zeros"))
    if not unreadable:
        return 0
    message = f"{unreadable:,} bytes of it {Absence.UNREADABLE.words}; they are zeros"
    emit(Finding(Severity.WARNING, subject, message, "an older or newer image may hold them"))
    return INCOMPLETE


@contextmanager
def read_repository(access: RepositoryAccess, purpose: str, emit: Emit) -> Iterator[Library]:
    """Open a repository to read its snapshots."""
    with ExitStack() as held:
        repository = held.enter_context(open_at(access, emit))
        held.enter_context(reader_session(repository, purpose))
        library = Library(repository)
        try:
            yield library
        finally:
            library.remember_lost()


@contextmanager
def read_snapshot(
    access: RepositoryAccess, address: Address, purpose: str, emit: Emit
) -> Iterator[Reading]:
    """Open the snapshot an address names. ``SnapshotNotFound``."""
    with read_repository(access, purpose, emit) as library:
        yield library.reading(address)


@contextmanager
def reader_session(repository: Repository, purpose: str) -> Iterator[Session | None]:
    """A session that keeps pruners from removing what is read; None where none can be opened."""
    machine = current().machine()
    author = Author(machine.host, machine.machine_id, machine.boot_id, os.getpid())
    try:
        session = repository.begin("reader", author, purpose)
    except (NeedsRights, NoSpace, StoreError):
        yield None
        return
    try:
        yield session
    finally:
        try:
            session.close()
        except (NeedsRights, NoSpace, StoreError) as error:
            repository.emit(
                Finding(
                    Severity.NOTE,
                    "session",
                    f"the end of this run could not be recorded: {error}",
                    "the next prune on this computer clears it away",
                )
            )
