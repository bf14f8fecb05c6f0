"""Opened index objects in files of this computer, mapped into memory instead of read again.

A file holds the contents of one object behind a keyed BLAKE3 over everything else it says, and its
object's id. It is private to the user, believed only if that hash is right, and can be removed at
any time. It is read once through for the hash, which costs no memory; then a lookup takes from the
mapping the few pages it needs. Not synced: half a file is one whose hash is wrong.

    offset  size  meaning
    0       32    BLAKE3, under the key for caches, of the object's id and all that follows
    32      1     kind of blobs
    33      31    zeros
    64            contents of the index object, proven to be searchable
"""

import mmap
import os
import secrets
from collections.abc import Container
from contextlib import suppress
from io import FileIO
from pathlib import Path

from blake3 import blake3

from twofold.errors import FormatError
from twofold.format.index import IndexRun
from twofold.format.names import BlobKind

SMALLEST = 256 << 10
"""Bytes of an object worth a file; smaller ones are read as quickly from the repository."""

_HASH = 32
_HEAD = 64
_PIECE = 1 << 20
_SMALL = 64 << 10
"""Bytes written at once. Linux caches a file in units as large as the writes and reads ahead were,
up to 2 MiB, and a lookup maps whole units: soon, everything would be in memory."""


class IndexCache:
    """The files for one repository; trouble with them is no trouble, they are made again."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key

    def get(self, ident: bytes) -> tuple[BlobKind, IndexRun] | None:
        """The object of an id if it is here and as it was put."""
        try:
            with open(self._folder / ident.hex(), "rb", buffering=0) as file:
                return self._map(ident, file)
        except (OSError, ValueError, FormatError):
            return None

    def put(self, ident: bytes, kind: BlobKind, contents: bytes) -> IndexRun:
        """Keep the contents, if they are long, and give them back in the cheapest form there is."""
        if len(contents) >= SMALLEST:
            with suppress(OSError):
                self._write(ident, kind, contents)
            found = self.get(ident)
            if found is not None:
                return found[1]
        return IndexRun(contents)

    def keep_only(self, idents: Container[bytes]) -> None:
        """Remove what belongs to objects that are gone, and what a dead run left half written."""
        with suppress(OSError):
            for entry in list(os.scandir(self._folder)):
                if not _is_one_of(entry.name, idents):
                    with suppress(OSError):  # Windows keeps files that are mapped
                        os.unlink(entry.path)

    def _map(self, ident: bytes, file: FileIO) -> tuple[BlobKind, IndexRun] | None:
        told = file.read(_HASH)
        head = file.read(_HEAD - _HASH)
        if len(head) != _HEAD - _HASH:
            return None
        _no_reading_ahead(file.fileno())
        hasher = blake3(ident + head, key=self._key)
        piece = memoryview(bytearray(_PIECE))
        while length := file.readinto(piece):
            hasher.update(piece[:length])
        if not secrets.compare_digest(hasher.digest(), told):
            return None
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return BlobKind(head[0]), IndexRun(memoryview(mapped)[_HEAD:])

    def _write(self, ident: bytes, kind: BlobKind, contents: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        head = bytes([kind]).ljust(_HEAD - _HASH, b"\0")
        told = blake3(ident + head, key=self._key).update(contents).digest()
        temp = self._folder / f".{ident.hex()}-{secrets.token_hex(8)}.tmp"
        try:
            with open(temp, "xb", buffering=0, opener=_private) as file:
                file.write(told + head)
                for at in range(0, len(contents), _SMALL):
                    file.write(contents[at : at + _SMALL])
            os.replace(temp, self._folder / ident.hex())
        except BaseException:
            with suppress(OSError):
                temp.unlink()
            raise


def _no_reading_ahead(fd: int) -> None:
    """Keep the units small in which the system caches the file, where it can be asked to."""
    advise = getattr(os, "posix_fadvise", None)
    if advise is not None:
        with suppress(OSError):
            advise(fd, 0, 0, os.POSIX_FADV_RANDOM)  # type: ignore[attr-defined,unused-ignore]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_one_of(name: str, idents: Container[bytes]) -> bool:
    try:
        return bytes.fromhex(name) in idents
    except ValueError:
        return False
