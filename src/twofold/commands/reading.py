"""Reading a snapshot as several commands do: announce it, find the snapshot, load the index.

Readers register a session so that a prune waits for them. A store that takes no writes, or has no
room, is still read: it is not pruned meanwhile by anybody who could be stopped.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from twofold.commands.access import open_at, tell_missing_heads
from twofold.errors import NeedsRights, NoSpace, StoreError
from twofold.events import Emit, Finding, Severity
from twofold.format.records import Root
from twofold.graph import PageStore
from twofold.options import RepositoryAccess
from twofold.platform import current
from twofold.repository import Author, Index, Repository, Session, Snapshot
from twofold.view import Address, FileTree, resolve, snapshot_tree


@dataclass(frozen=True, slots=True)
class Reading:
    """An open snapshot."""

    repository: Repository
    snapshot: Snapshot
    index: Index
    pages: PageStore

    def tree(self, address: Address) -> FileTree:
        """The files that an address is about.

        ``UsageError`` for an image of which no partition is named, ``SnapshotNotFound`` for one
        that it does not have, ``TwofoldError`` for one that has no files, ``DamageFound``.
        """
        return snapshot_tree(self.pages, self.snapshot.root, address.partition)


def is_disk(root: Root, address: Address) -> bool:
    """Whether an address is about an image as a whole."""
    return root.kind == "image" and address.partition is None and not address.path


@contextmanager
def read_snapshot(
    access: RepositoryAccess, address: Address, purpose: str, emit: Emit
) -> Iterator[Reading]:
    """Open the snapshot an address names. ``SnapshotNotFound``."""
    with ExitStack() as held:
        repository = held.enter_context(open_at(access, emit))
        held.enter_context(reader_session(repository, purpose))
        tell_missing_heads(repository, emit)
        snapshot = resolve(address, repository.snapshots(partial=True))
        address.refuse_partition(snapshot)
        index = repository.load_index()
        pages = PageStore(repository.blob_reader(index))
        yield Reading(repository, snapshot, index, pages)


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
