"""Make a repository and its two first keys: the password (or key file) and the recovery key.

The recovery key leaves here once, in the result, and is stored nowhere.
"""

import msgspec

from twofold.backend import open_backend
from twofold.commands.access import new_store, open_at
from twofold.errors import RefusedUnsafe, RepositoryNotFound
from twofold.events import Emit
from twofold.options import Options, RepositoryAccess
from twofold.repository import Repository, create_repository


class InitOptions(Options, frozen=True, kw_only=True):
    """``pair_with`` is a repository whose ids and cuts the new one shares; label names the key."""

    access: RepositoryAccess
    pair_with: RepositoryAccess | None = None
    label: str = ""
    dry_run: bool = False


class InitResult(msgspec.Struct, frozen=True):
    """The new repository; empty id and key when nothing was made."""

    __repr__ = object.__repr__

    location: str
    repository: bytes
    recovery_key: str
    paired_with: str | None
    dry_run: bool


def run(options: InitOptions, emit: Emit) -> InitResult:
    """Make the repository. Everything that can be wrong is looked at before it is begun."""
    _refuse_second(options.access.location)
    pair = open_at(options.pair_with, emit) if options.pair_with else None
    try:
        return _make(options, pair, emit)
    finally:
        if pair:
            pair.close()


def _make(options: InitOptions, pair: Repository | None, emit: Emit) -> InitResult:
    paired_with = pair.backend.location if pair else None
    secret = options.access.secret()
    if options.dry_run:
        return InitResult(options.access.location, b"", "", paired_with, True)
    with new_store(options.access) as backend:
        made = create_repository(
            backend,
            secret.reveal(),
            key_file=secret.is_key_file,
            label=options.label,
            pair=pair,
            emit=emit,
        )
        return InitResult(
            backend.location, made.repository.id, made.recovery_key, paired_with, False
        )


def _refuse_second(location: str) -> None:
    """Before anybody is asked for a password: is there a repository already?"""
    try:
        open_backend(location).close()
    except RepositoryNotFound:
        return
    raise RefusedUnsafe(
        f"there is a repository at {location} already",
        hint="'twofold key add' gives it another password; for a second one name another place",
    )
