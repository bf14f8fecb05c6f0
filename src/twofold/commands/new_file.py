"""A file that is there whole or not at all, and that never replaces another one.

It is written under a name of its own beside its place, made durable, and then linked to its name,
which fails where there is one already. Where there are no links the name is claimed by an empty
file first.
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from twofold.errors import NeedsRights, NoSpace, RefusedUnsafe, TwofoldError

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EACCES}


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write and seek in; it gets its name when the block ends without an error.

    ``RefusedUnsafe`` where the name is taken, ``NoSpace``, ``NeedsRights``, ``TwofoldError``.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.twofold")
    try:
        with temporary.open("xb+") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        _publish(temporary, path)
    except OSError as error:
        raise _told(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _publish(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        path.open("xb").close()
        temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the name durable, where folders can be opened for that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _told(error: OSError, path: Path) -> TwofoldError:
    message = f"'{path}' cannot be written: {error.strerror or error}"
    if isinstance(error, FileExistsError):
        return RefusedUnsafe(f"'{path}' is there already")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(message)
    if isinstance(error, PermissionError):
        return NeedsRights(message)
    return TwofoldError(message)
