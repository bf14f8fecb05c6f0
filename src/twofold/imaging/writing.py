"""Writing parts onto a target in large pieces.

Small ones are held back until there are a few MiB of them, then sorted, and neighbours are written
by one request: files that were packed together mostly lie together. Small zeros go along with them;
larger ones are left to the target, which can free their storage.
"""

from typing import Protocol, runtime_checkable

from twofold.disk.base import HOLE
from twofold.format.layout import Buffer
from twofold.imaging.placing import Part

_SMALL = 256 << 10  # bytes that are worth copying once more to save a request
_HELD = 8 << 20
_REQUEST = 4 << 20


class DiskTarget(Protocol):
    """A disk or file that is written. Several threads may use it, each other bytes."""

    def read(self, offset: int, length: int) -> bytes: ...

    def write_at(self, data: Buffer, offset: int) -> None: ...

    def write_zeros(self, offset: int, length: int) -> None: ...

    def sync(self) -> None: ...


@runtime_checkable
class StoredBlocks(Protocol):
    """A target that can be read past the cache of the system."""

    def read_stored(self, offset: int, length: int) -> Buffer:
        """As ``read``; the bytes are there until the thread's next call."""
        ...


class PartWriter:
    """Writes parts; ``flush`` when they must be on the target."""

    def __init__(self, target: DiskTarget) -> None:
        self._target = target
        self._held: list[tuple[int, bytes | memoryview]] = []
        self._size = 0

    def write(self, part: Part, data: memoryview) -> None:
        """A part that is a blob; ``data`` must stay as it is until ``flush``."""
        at = 0
        for offset, length in part.spans:
            if offset != HOLE:
                self._put(offset, data[at : at + length])
            at += length
        if part.pad:
            last = part.spans[-1]
            self._hold(last.offset + last.length, bytes(part.pad))

    def zeros(self, part: Part) -> None:
        """A part that is zeros."""
        for offset, length in part.spans:
            if offset != HOLE:
                self._zero(offset, length)
        if part.pad:
            last = part.spans[-1]
            self._zero(last.offset + last.length, part.pad)

    def _put(self, offset: int, data: memoryview) -> None:
        if len(data) < _SMALL:
            self._hold(offset, data)
        else:
            self._target.write_at(data, offset)

    def _zero(self, offset: int, length: int) -> None:
        if length < _SMALL:
            self._hold(offset, bytes(length))
        else:
            self._target.write_zeros(offset, length)

    def _hold(self, offset: int, data: bytes | memoryview) -> None:
        self._held.append((offset, data))
        self._size += len(data)
        if self._size >= _HELD:
            self.flush()

    def flush(self) -> None:
        """Write what is held back."""
        held, self._held, self._size = self._held, [], 0
        held.sort(key=lambda piece: piece[0])
        run: list[bytes | memoryview] = []
        start = end = 0
        for offset, data in held:
            if run and (offset != end or end - start >= _REQUEST):
                self._target.write_at(b"".join(run), start)
                run = []
            if not run:
                start = end = offset
            run.append(data)
            end += len(data)
        if run:
            self._target.write_at(b"".join(run), start)
