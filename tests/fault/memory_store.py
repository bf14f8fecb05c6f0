"""A store in memory: the contract without a disk.

Made from the objects of a crash state it lets the real program look at what a power cut left:
``MemoryBackend(state.objects())``.
"""

import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from twofold.backend.base import Buffer, ObjectInfo
from twofold.backend.names import check_folder, check_name
from twofold.errors import ObjectExists, ObjectNotFound, StoreError, UsageError


class MemoryWriter:
    """Collects an object's bytes until it is finished."""

    def __init__(self, store: "MemoryBackend", name: str) -> None:
        self._store = store
        self._name = name
        self._data: bytearray | None = bytearray()

    def write(self, data: Buffer) -> None:
        """Append bytes."""
        if self._data is None:
            raise StoreError("it is finished or was dropped")
        self._data += memoryview(data).cast("B")

    def finish(self) -> None:
        """Make the object visible."""
        if self._data is None:
            raise StoreError("it is finished or was dropped")
        data, self._data = bytes(self._data), None
        with self._store.lock:
            if self._store.objects.setdefault(self._name, data) != data:
                raise ObjectExists(self._name)

    def abort(self) -> None:
        """Drop the object."""
        self._data = None


class MemoryBackend:
    """Objects in a dictionary, shared by all who were given the same one."""

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})
        self.lock = threading.Lock()

    @property
    def location(self) -> str:
        """A place in name only."""
        return "memory"

    def create(self, name: str) -> MemoryWriter:
        """Begin writing a new object."""
        check_name(name)
        return MemoryWriter(self, name)

    def put(self, name: str, data: Buffer) -> None:
        """Write a whole object."""
        writer = self.create(name)
        writer.write(data)
        writer.finish()

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range of bytes."""
        check_name(name)
        if offset < 0 or (length is not None and length < 0):
            raise UsageError(f"not a range: {offset}, {length}")
        data = self._find(name)
        return data[offset:] if length is None else data[offset : offset + length]

    def _find(self, name: str) -> bytes:
        try:
            return self.objects[name]
        except KeyError:
            raise ObjectNotFound(name) from None

    def size(self, name: str) -> int:
        """Bytes in the object."""
        check_name(name)
        return len(self._find(name))

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """All objects below a folder."""
        check_folder(folder)
        with self.lock:
            found = sorted(self.objects.items())
        prefix = f"{folder}/" if folder else ""
        return (ObjectInfo(name, len(data)) for name, data in found if name.startswith(prefix))

    def move(self, src: str, dst: str) -> None:
        """Rename atomically."""
        check_name(src)
        check_name(dst)
        with self.lock:
            data = self._find(src)
            if dst in self.objects:
                raise ObjectExists(dst)
            self.objects[dst] = data
            del self.objects[src]

    def delete(self, name: str) -> None:
        """Remove an object."""
        check_name(name)
        with self.lock:
            self._find(name)
            del self.objects[name]

    def close(self) -> None:
        """Nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
