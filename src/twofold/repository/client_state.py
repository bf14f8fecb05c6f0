"""What this computer remembers of repositories, in files of its own outside of them.

One MessagePack file per purpose and repository, ``<state>/<purpose>/<repository id>``, or several,
told apart by an item; private to the user, replaced as a whole and durably. Losing it loses no
backup, only a memory: what cannot be read counts as nothing remembered. What merely saves time is
kept apart, in a folder for caches.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from twofold import own_folders

RecordT = TypeVar("RecordT", bound=msgspec.Struct)


def state_file(purpose: str, repository: bytes, item: str = "") -> Path:
    """Where a memory is kept."""
    return own_folders.state_folder() / purpose / "-".join(filter(None, (repository.hex(), item)))


def cache_folder(purpose: str, repository: bytes) -> Path:
    """Where files are kept that can be made again."""
    return own_folders.cache_folder() / purpose / repository.hex()


def recall(purpose: str, repository: bytes, kind: type[RecordT], item: str = "") -> RecordT | None:
    """What was remembered, None if nothing (readable) is."""
    try:
        return msgspec.msgpack.decode(state_file(purpose, repository, item).read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def remember(purpose: str, repository: bytes, record: msgspec.Struct, item: str = "") -> None:
    """Keep a record in place of the one before. ``OSError``."""
    path = state_file(purpose, repository, item)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}-{secrets.token_hex(8)}.tmp")
    try:
        _write(temp, msgspec.msgpack.encode(record))
        os.replace(temp, path)
    except BaseException:
        with suppress(OSError):
            temp.unlink()
        raise
    _sync_folder(path.parent)


def dismiss(purpose: str, repository: bytes, item: str = "") -> None:
    """Remember nothing any more. ``OSError``."""
    state_file(purpose, repository, item).unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)


def _sync_folder(folder: Path) -> None:
    """Make the name durable, where the system knows such a thing."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
