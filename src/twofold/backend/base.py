"""What a store must do: hold named blobs, durably, and let exactly one mover win.

A backend knows names and bytes, nothing of packs or keys. Names are relative, made of
``[0-9a-z./_-]``, one or more folders deep (``packs/3f/3f…``). The promises, checked for every
store by ``tests/conformance``:

* ``create``/``put``: create-only. After ``finish()`` returns, the object is durable, complete and
  listed; before, nothing of that name is visible. An aborted or crashed writer leaves nothing
  under the name. Putting the *same bytes* again under an existing name succeeds (a lost reply);
  other bytes raise ``ObjectExists``.
* ``move(src, dst)``: atomic compare-and-swap on the presence of ``src``: of all concurrent movers
  and deleters of one ``src`` exactly one succeeds, the others get ``ObjectNotFound``. Durable.
* ``list``: shows every object whose put or move was acknowledged before the call.
* ``delete``: durable when it returns; deleting what is absent raises ``ObjectNotFound``.

Errors: ``ObjectNotFound``, ``ObjectExists``, ``NoSpace``, ``NeedsRights``, else ``StoreError``.
"""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar, runtime_checkable

import msgspec

T = TypeVar("T")
Buffer = bytes | bytearray | memoryview


class ObjectInfo(msgspec.Struct, frozen=True):
    """Name and size in bytes of a stored object."""

    name: str
    size: int


class Stray(msgspec.Struct, frozen=True):
    """Something in a store that is no object; ``temporary``: a writer left it or is writing it."""

    name: str
    size: int
    temporary: bool


class ObjectWriter(Protocol):
    """An object being written; invisible until ``finish``."""

    def write(self, data: Buffer) -> None:
        """Append bytes; all of them or an error."""
        ...

    def finish(self) -> None:
        """Make the object durable, then visible under its name."""
        ...

    def abort(self) -> None:
        """Drop what was written; safe to call after a failure and after ``finish``."""
        ...


class Backend(Protocol):
    """A dumb, durable, create-only blob store."""

    @property
    def location(self) -> str:
        """The place as the user wrote it, free of secrets."""
        ...

    def create(self, name: str) -> ObjectWriter:
        """Begin writing a new object."""
        ...

    def put(self, name: str, data: Buffer) -> None:
        """Write a whole object; see the module docstring for what that promises."""
        ...

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range; fewer bytes than asked for only at the object's end."""
        ...

    def size(self, name: str) -> int:
        """Bytes in the object."""
        ...

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """All objects at any depth below a folder (``"packs"``), in no promised order."""
        ...

    def move(self, src: str, dst: str) -> None:
        """Atomically rename; the loser of a race gets ``ObjectNotFound``."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object."""
        ...

    def close(self) -> None:
        """Give back what the backend holds."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Sweeps(Protocol):
    """A store in which dead writers leave something behind."""

    def sweep(self) -> int:
        """Remove what dead writers left; how much that was. What lives is left alone."""
        ...


@runtime_checkable
class Repeats(Protocol):
    """A store that tries again what failed for a moment."""

    def repeat(self, deed: Callable[["Backend"], T]) -> T:
        """Do something with the store itself, from its beginning each time."""
        ...


@runtime_checkable
class ShowsStrays(Protocol):
    """A store that can tell what else lies in it."""

    def strays(self) -> Iterator[Stray]:
        """Everything that ``list`` passes over."""
        ...
