"""Reaching a repository as every command does: find it, hold the line to its limits, unlock it.

The secret is asked for only after the place was found, and not before. Commands that read the list
of snapshots also tell when the newest one this computer knows of is not among them.
"""

import os

from twofold.backend import Backend, Retry, Throttle, create_backend, folder_of, open_backend
from twofold.errors import RefusedUnsafe, words_of
from twofold.events import Emit, Finding, Severity
from twofold.options import RepositoryAccess
from twofold.repository import Heads, Repository, Snapshot, open_repository


def open_at(access: RepositoryAccess, emit: Emit) -> Repository:
    """The repository, open; the store is closed again when it does not open."""
    backend = _limited(open_backend(access.location), access)
    try:
        return open_repository(backend, access.secret().reveal(), emit=emit)
    except BaseException:
        backend.close()
        raise


def new_store(access: RepositoryAccess) -> Backend:
    """The empty store of a repository about to be made."""
    return _limited(create_backend(access.location), access)


def _limited(backend: Backend, access: RepositoryAccess) -> Backend:
    """With patience around the limits, so that what is tried again keeps to them too."""
    if access.upload_limit is not None or access.download_limit is not None:
        backend = Throttle(backend, upload=access.upload_limit, download=access.download_limit)
    return Retry(backend)


def listed_snapshots(repository: Repository) -> tuple[list[Snapshot], set[bytes]]:
    """What ``Repository.readable`` finds.

    Warns when somebody took away what this computer knows to have been the newest.
    """
    heads = Heads(repository.id)  # before the list: a backup may end in between
    found, unreadable = repository.readable()
    for finding in heads.missing_heads(found, unreadable):
        repository.emit(finding)
    return found, unreadable


def tell_missing_heads(repository: Repository) -> None:
    """The same for those who need no list."""
    if Heads(repository.id):
        listed_snapshots(repository)


def remember_head(repository: Repository, snapshot: Snapshot, emit: Emit) -> None:
    """From now on this computer knows the snapshot to be the newest of its source."""
    try:
        Heads(repository.id).note_head(snapshot)
    except OSError as error:
        message = f"it cannot remember that this backup is the newest one: {words_of(error)}"
        remedy = "the backup is complete; should it ever be taken away, nobody here would notice"
        emit(Finding(Severity.NOTE, "this computer", message, remedy))


def own_folder(repository: Repository) -> bytes | None:
    """The folder that holds the repository, None where it is in none of this computer."""
    folder = folder_of(repository.backend.location)
    return None if folder is None else os.fsencode(folder)


def refuse_own_folder(repository: Repository, path: bytes) -> None:
    """``RefusedUnsafe`` for a path inside of the repository: its files are nobody's to write."""
    folder = own_folder(repository)
    if folder is None:
        return
    top = os.path.join(os.path.realpath(folder), b"")
    if os.path.realpath(path).startswith(top):
        raise RefusedUnsafe(f"'{os.fsdecode(path)}' lies in the repository itself")
