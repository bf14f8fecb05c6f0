"""Reaching a repository as every command does: find it, hold the line to its limits, unlock it.

The secret is asked for only after the place was found, and not before.
"""

from twofold.backend import Backend, Throttle, create_backend, open_backend
from twofold.events import Emit
from twofold.options import RepositoryAccess
from twofold.repository import Repository, open_repository


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
    if access.upload_limit is None and access.download_limit is None:
        return backend
    return Throttle(backend, upload=access.upload_limit, download=access.download_limit)
