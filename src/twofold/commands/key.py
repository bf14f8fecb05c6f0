"""The keys of a repository: list, add, remove, and a new recovery key.

Every key opens everything; removing one does not change what the others, or copies of the
repository made before, can open.
"""

from collections.abc import Callable
from typing import ClassVar

import msgspec

from twofold.commands.access import open_at
from twofold.errors import UsageError
from twofold.events import Emit
from twofold.options import Options, RepositoryAccess, Secret
from twofold.repository import Repository, SlotInfo


class KeyInfo(msgspec.Struct, frozen=True):
    """A key; label and time are known only of the key in use, the others are sealed."""

    id: bytes
    short_id: str
    kind: str
    in_use: bool
    label: str
    created_ns: int | None


class KeyListOptions(Options, frozen=True, kw_only=True):
    """Whose keys."""

    access: RepositoryAccess


class KeyListResult(msgspec.Struct, frozen=True):
    """All keys that can be read, and what is wrong with the others, in words."""

    SHOWN_AS: ClassVar = {"keys": "key"}

    repository: bytes
    keys: tuple[KeyInfo, ...]
    damaged: tuple[str, ...]


class KeyAddOptions(Options, frozen=True, kw_only=True):
    """``new_secret`` is called once the repository is open."""

    access: RepositoryAccess
    new_secret: Callable[[], Secret]
    label: str = ""
    dry_run: bool = False


class KeyAddResult(msgspec.Struct, frozen=True):
    """The new key; its id is empty when nothing was written."""

    repository: bytes
    key: bytes
    kind: str
    dry_run: bool


class KeyRemoveOptions(Options, frozen=True, kw_only=True):
    """``key`` is the beginning of an id; ``confirm`` is asked with the key it means."""

    access: RepositoryAccess
    key: str
    confirm: Callable[[KeyInfo], bool]
    dry_run: bool = False


class KeyRemoveResult(msgspec.Struct, frozen=True):
    """The key meant, and whether it is gone."""

    repository: bytes
    key: KeyInfo
    removed: bool
    dry_run: bool


class RecoveryKitOptions(Options, frozen=True, kw_only=True):
    """Whose kit; the label names the new recovery key."""

    access: RepositoryAccess
    label: str = "recovery key"
    dry_run: bool = False


class RecoveryKitResult(msgspec.Struct, frozen=True):
    """What a recovery kit tells. The recovery key is new; older ones stay valid until removed."""

    __repr__ = object.__repr__

    repository: bytes
    location: str
    key: bytes
    recovery_key: str
    dry_run: bool


def list_keys(options: KeyListOptions, emit: Emit) -> KeyListResult:
    """All keys."""
    with open_at(options.access, emit) as repository:
        damaged = tuple(repository.damaged_keys())
        return KeyListResult(repository.id, _keys(repository), damaged)


def add(options: KeyAddOptions, emit: Emit) -> KeyAddResult:
    """One more password or key file."""
    with open_at(options.access, emit) as repository:
        secret = options.new_secret()
        kind = "key file" if secret.is_key_file else "password"
        if options.dry_run:
            return KeyAddResult(repository.id, b"", kind, True)
        store = repository.add_key_file if secret.is_key_file else repository.add_password
        return KeyAddResult(repository.id, store(secret.reveal(), options.label), kind, False)


def remove(options: KeyRemoveOptions, emit: Emit) -> KeyRemoveResult:
    """Remove one key after a question; the repository itself refuses to lose its last one."""
    with open_at(options.access, emit) as repository:
        key = _only(_keys(repository), options.key)
        if options.dry_run or not options.confirm(key):
            return KeyRemoveResult(repository.id, key, False, options.dry_run)
        repository.remove_key(key.id.hex())
        return KeyRemoveResult(repository.id, key, True, False)


def recovery_kit(options: RecoveryKitOptions, emit: Emit) -> RecoveryKitResult:
    """Make a new recovery key: nobody can read out the old one, it is stored nowhere."""
    with open_at(options.access, emit) as repository:
        location = repository.backend.location
        if options.dry_run:
            return RecoveryKitResult(repository.id, location, b"", "", True)
        slot, text = repository.add_recovery_key(options.label)
        return RecoveryKitResult(repository.id, location, slot, text, False)


def _keys(repository: Repository) -> tuple[KeyInfo, ...]:
    return tuple(map(_describe, repository.key_slots()))


def _describe(slot: SlotInfo) -> KeyInfo:
    kind = slot.kind.name.lower().replace("_", " ")
    kind = "recovery key" if kind == "recovery" else kind
    made = slot.created_ns or None
    return KeyInfo(slot.id, slot.id.hex()[:8], kind, slot.current, slot.label, made)


def _only(keys: tuple[KeyInfo, ...], prefix: str) -> KeyInfo:
    found = [key for key in keys if key.id.hex().startswith(prefix.lower())] if prefix else []
    if len(found) == 1:
        return found[0]
    raise UsageError(
        f"'{prefix}' names {len(found)} keys, not one", hint="'twofold key list' shows their ids"
    )
