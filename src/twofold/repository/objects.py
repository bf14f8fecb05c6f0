"""Small objects in a store: sealed, written twice, read with the first steps of the heal ladder.

Reading tries both copies in the file, then reads the file once more (a cable or a cache may have
lied). What had to be healed is told as a ``Finding``; what cannot be read raises ``ObjectDamaged``
with the object's name. However long a file is, no more of it is read than an object can have.
"""

from collections.abc import Iterator

from twofold.backend import Backend
from twofold.errors import FormatError, NewerFormat, ObjectDamaged, ObjectNotFound
from twofold.events import Emit, Finding, Severity
from twofold.format import names
from twofold.format.envelope import ALIGNMENT, BODY_LIMIT, INDEX_LIMIT, padme
from twofold.format.names import Kind
from twofold.repository.rough_read import read_around
from twofold.seal import Keyring


def longest_file(kind: Kind) -> int:
    """More bytes than the file of any small object of this kind has."""
    index = kind in (Kind.DATA_INDEX, Kind.META_INDEX)
    return 2 * (padme(INDEX_LIMIT if index else BODY_LIMIT) + 2 * ALIGNMENT)


class ObjectStore:
    """Sealed small objects by id."""

    def __init__(self, backend: Backend, keys: Keyring, emit: Emit) -> None:
        self.backend = backend
        self.keys = keys
        self.emit = emit

    def write(
        self,
        kind: Kind,
        folder: str,
        object_id: bytes,
        contents: bytes,
        id_range: tuple[int, int] = (0, 0),
    ) -> int:
        """Seal and store durably; bytes stored."""
        file = self.keys.seal_small(kind, object_id, contents, id_range)
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
        longest = longest_file(kind)
        try:
            file = read_around(self.backend, name, longest)
            return self.keys.open_small(kind, object_id, file)
        except NewerFormat:
            raise
        except FormatError:
            pass  # read the file once more: what came may not be what is stored
        try:
            file = read_around(self.backend, name, longest)
            return self.keys.open_small(kind, object_id, file)
        except FormatError as error:
            raise ObjectDamaged(f"'{name}' is damaged: {error}") from error

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
