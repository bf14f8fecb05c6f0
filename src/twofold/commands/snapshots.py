"""List what was backed up when: the snapshots of a repository, newest last."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from twofold.commands.access import listed_snapshots, open_at
from twofold.errors import DamageFound
from twofold.events import Emit
from twofold.options import Options, RepositoryAccess
from twofold.repository import Snapshot


class SnapshotsOptions(Options, frozen=True, kw_only=True):
    """A snapshot is listed when it has the host, the name and all the tags asked for.

    ``forgotten`` adds those that await removal.
    """

    access: RepositoryAccess
    forgotten: bool = False
    host: str | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()


class SnapshotInfo(msgspec.Struct, frozen=True):
    """A snapshot in a list; bytes of all its files, read from the source, new in the repository."""

    id: bytes
    short_id: str
    kind: str
    time_ns: int
    end_ns: int
    host: str
    user: str
    name: str
    tags: tuple[str, ...]
    sources: tuple[bytes, ...]
    files: int
    directories: int
    failed: int
    bytes_total: int
    bytes_read: int
    bytes_stored: int
    parent: bytes | None
    forgotten: bool
    writer: str


class SnapshotsResult(msgspec.Struct, frozen=True):
    """What answered the question, out of ``total`` in the repository.

    Exit code 5: of ``damaged`` more not even the description can be read.
    """

    SHOWN_AS: ClassVar = {"snapshots": "snapshot"}

    exit_code: int
    repository: bytes
    location: str
    total: int
    damaged: int
    snapshots: tuple[SnapshotInfo, ...]


def run(options: SnapshotsOptions, emit: Emit) -> SnapshotsResult:
    """Read all snapshots and keep those asked for."""
    with open_at(options.access, emit) as repository:
        readable, unreadable = listed_snapshots(repository)
        found = [each for each in readable if not each.root.partial]
        return SnapshotsResult(
            exit_code=DamageFound.exit_code if unreadable else 0,
            repository=repository.id,
            location=repository.backend.location,
            total=len(found),
            damaged=len(unreadable),
            snapshots=tuple(describe(each) for each in found if _wanted(options, each)),
        )


def _wanted(options: SnapshotsOptions, snapshot: Snapshot) -> bool:
    root = snapshot.root
    return (
        (options.forgotten or not snapshot.forgotten)
        and options.host in (None, root.host)
        and options.name in (None, root.name)
        and set(options.tags) <= set(root.tags)
    )


def describe(snapshot: Snapshot) -> SnapshotInfo:
    """A snapshot as lists show it."""
    root = snapshot.root
    return SnapshotInfo(
        id=snapshot.id,
        short_id=snapshot.short,
        kind=root.kind,
        time_ns=root.time_ns,
        end_ns=root.end_ns,
        host=root.host,
        user=root.user,
        name=root.name,
        tags=tuple(root.tags),
        sources=tuple(root.sources),
        files=root.totals.files,
        directories=root.totals.directories,
        failed=_failed(root.counts),
        bytes_total=root.bytes_total,
        bytes_read=root.bytes_read,
        bytes_stored=root.bytes_stored,
        parent=root.parent,
        forgotten=snapshot.forgotten,
        writer=root.writer,
    )


def _failed(counts: Mapping[str, int]) -> int:
    return counts.get("failed", 0)
