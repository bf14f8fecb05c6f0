"""Small objects in a store: sealed, written twice, read with the first steps of the heal ladder.

Reading tries both copies in the file, then reads the file once more (a cable or a cache may have
lied). What had to be healed is told as a ``Finding``; what cannot be read raises ``ObjectDamaged``
with the object's name. However long a file is, no more of it is read than an object can have.
"""

from collections.abc import Iterator

from twofold.backend import Backend
from twofold.errors import (
    DamageFound,
    FormatError,
    NewerFormat,
    ObjectDamaged,
    ObjectNotFound,
    StoreError,
)
from twofold.events import Emit, Finding, Severity
from twofold.format import names
from twofold.format.envelope import (
    ALIGNMENT,
    BODY_LIMIT,
    HEADER,
    INDEX_LIMIT,
    Header,
    padme,
    second_copy_start,
)
from twofold.format.names import Kind
from twofold.repository.rough_read import read_around
from twofold.seal import Keyring

_AT_ONCE = 1 << 20
"""Files shorter than this are read in one go."""


def longest_copy(kind: Kind) -> int:
    """More bytes than one copy of any small object of this kind has."""
    index = kind in (Kind.DATA_INDEX, Kind.META_INDEX)
    return padme(INDEX_LIMIT if index else BODY_LIMIT) + ALIGNMENT


def peek_header(backend: Backend, name: str) -> Header | None:
    """What an object's first header says, None if that cannot be read. ``ObjectNotFound``."""
    try:
        return Header.decode(backend.get(name, 0, HEADER.size))
    except ObjectNotFound:
        raise
    except (FormatError, NewerFormat, StoreError):
        return None


class ObjectStore:
    """Sealed small objects by id."""

    def __init__(self, backend: Backend, keys: Keyring, emit: Emit) -> None:
        self.backend = backend
        self.keys = keys
        self.emit = emit

    def write(self, kind: Kind, folder: str, object_id: bytes, contents: bytes) -> int:
        """Seal and store durably; bytes stored."""
        file = self.keys.seal_small(kind, object_id, contents)
        self.backend.put(names.object_name(folder, object_id), file)
        return len(file)

    def read(self, kind: Kind, folder: str, object_id: bytes) -> bytes:
        """Contents of an object. ``ObjectNotFound``, ``ObjectDamaged``, ``NewerFormat``."""
        return self.read_name(kind, names.object_name(folder, object_id), object_id)

    def read_name(self, kind: Kind, name: str, object_id: bytes | None) -> bytes:
        """``read`` for an object that does not follow the naming rule."""
        contents, healthy = self._read_twice(kind, name, object_id)
        if not healthy:
            self.emit(
                Finding(
                    Severity.WARNING,
                    name,
                    "one of the two copies in this object is damaged; the other one was used",
                    "run 'twofold check' and watch the drive",
                )
            )
        return contents

    def inspect(self, kind: Kind, name: str, object_id: bytes | None) -> tuple[bytes, bool]:
        """(contents, healthy) of one object, telling nobody; for checks."""
        return self._read_twice(kind, name, object_id)

    def _read_twice(self, kind: Kind, name: str, object_id: bytes | None) -> tuple[bytes, bool]:
        try:
            return self._open(kind, name, object_id)
        except NewerFormat:
            raise
        except DamageFound:
            pass  # read the file once more: what came may not be what is stored
        try:
            return self._open(kind, name, object_id)
        except DamageFound as error:
            raise ObjectDamaged(f"'{name}' is damaged: {error}") from error

    def _open(self, kind: Kind, name: str, object_id: bytes | None) -> tuple[bytes, bool]:
        """(contents, healthy) of the file as it is now."""
        file = read_around(self.backend, name, _AT_ONCE)
        if len(file) < _AT_ONCE:
            return self.keys.open_small(kind, object_id, file)
        return self._open_long(kind, name, object_id)

    def _open_long(self, kind: Kind, name: str, object_id: bytes | None) -> tuple[bytes, bool]:
        """A long object, holding one copy at a time and believing no header beyond the limit."""
        size = self.backend.size(name)
        second = second_copy_start(size)
        first: DamageFound | NewerFormat | None = None
        for start in (0, second):
            copy = b""  # let go of the other one first
            try:
                copy = self._copy(kind, name, start)
                contents, _ = self.keys.open_small(kind, object_id, copy)
            except (DamageFound, NewerFormat) as error:
                first = first or type(error)(error.message)  # the old one holds on to the copy
                continue
            end = -(-len(copy) // ALIGNMENT) * ALIGNMENT
            as_written = start == 0 and (second, size) == (end, end + len(copy))
            return contents, as_written and self._is_twice(name, copy, second)
        raise first or FormatError("the object cannot be read")

    def _copy(self, kind: Kind, name: str, start: int) -> bytes:
        """One copy, as long as its header says."""
        header = Header.decode(read_around(self.backend, name, HEADER.size, start))
        length = HEADER.size + header.body_length
        if length > longest_copy(kind):
            raise FormatError("the object is longer than any of its kind can be")
        return read_around(self.backend, name, length, start)

    def _is_twice(self, name: str, copy: bytes, second: int) -> bool:
        """Whether zeros fill up the first copy and the second one is the same once more."""
        try:
            if any(read_around(self.backend, name, second - len(copy), len(copy))):
                return False
            for at in range(0, len(copy), _AT_ONCE):
                piece = copy[at : at + _AT_ONCE]
                if read_around(self.backend, name, len(piece), second + at) != piece:
                    return False
        except ObjectDamaged:
            return False
        return True

    def ids(self, folder: str) -> Iterator[bytes]:
        """Ids of all objects in a folder, passing over foreign names."""
        for info in self.backend.list(folder):
            try:
                yield names.id_from_name(info.name)
            except FormatError:
                continue  # 'check' reports strange names

    def delete(self, folder: str, object_id: bytes) -> None:
        """Remove an object; absent is fine, another run was quicker."""
        try:
            self.backend.delete(names.object_name(folder, object_id))
        except ObjectNotFound:
            return
