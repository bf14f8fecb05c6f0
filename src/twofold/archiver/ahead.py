"""Listing ahead: while the walk compares one directory, the next ones are being listed.

The parent snapshot tells which directories are likely to come, in the order of the walk. They are
listed in chunks by two more threads; the walk takes what was found as its own listing if it is of
the very directory it means, and else looks for itself. The first few are listed at once, as a
thread takes longer to begin.
"""

from collections.abc import Generator, Iterator
from itertools import islice

import msgspec

from twofold.archiver.parent import ParentDir
from twofold.errors import DamageFound
from twofold.parallel import Threads
from twofold.platform import DEEPEST, ONLY_OPEN, Seen, SourceDir

AT_ONCE = 64
FIRST = 16
MOST = 512
MOST_BYTES = 4 << 20
"""A chunk ends where the listings of old add up to this; memory holds a few chunks."""


class _Chunk(msgspec.Struct):
    """Directories to list, in preorder, and what leads to the first of them."""

    names: list[bytes]
    depths: bytearray
    led: int
    places: list[ParentDir] = msgspec.field(default_factory=list)
    size: int = 0

    def add(self, depth: int, place: ParentDir) -> None:
        place.coming = True
        place.expected_below = depth < DEEPEST
        self.names.append(place.name)
        self.depths.append(depth)
        self.places.append(place)
        self.size += place.size_before


class Ahead:
    """Lists what is below one directory of the parent snapshot, for a walk in its order."""

    def __init__(self, root: SourceDir, way: list[bytes], top: ParentDir) -> None:
        """``root`` is the walk's first directory, ``way`` the names from there to ``top``."""
        self._root = root
        self._way = way
        self._top = top
        self._arrivals = self._arrive()
        top.expected_below = len(way) < DEEPEST

    def arrived(self, place: ParentDir) -> bool:
        """Waits for ``place.seen``; False if it was not looked at, or could not be listed.

        Raises repository errors, as it reads the parent snapshot.
        """
        if place.above is None or not place.above.expected_below:
            return False
        while place.coming is not False and next(self._arrivals, None) is not None:
            pass
        return place.seen is not None

    def close(self) -> None:
        """End the thread, if there is one."""
        self._arrivals.close()

    def _arrive(self) -> Generator[_Chunk, None, None]:
        chunks = self._chunks()
        for chunk in chunks:
            yield _hand_out(*self._list(chunk))
            break
        with Threads(2, "lister") as threads:
            for listed in threads.map(self._list, chunks, ahead=3):
                yield _hand_out(*listed)

    def _list(self, chunk: _Chunk) -> tuple[_Chunk, list[Seen | None]]:
        names, depths = tuple(chunk.names), bytes(chunk.depths)
        return chunk, self._root.scan_tree(names, depths, 2 * MOST_BYTES)

    def _chunks(self) -> Iterator[_Chunk]:
        most = FIRST
        chunk: _Chunk | None = None
        for path, place in self._preorder():
            if chunk is None:
                lead = bytearray(ONLY_OPEN | depth for depth in range(1, len(path) + 1))
                chunk = _Chunk(list(path), lead, len(path))
            chunk.add(len(path) + 1, place)
            if len(chunk.places) >= most or chunk.size >= MOST_BYTES:
                yield chunk
                chunk, most = None, min(4 * most, MOST)
        if chunk is not None:
            yield chunk

    def _preorder(self) -> Iterator[tuple[list[bytes], ParentDir]]:
        """Every directory below the top, with the names above it (the same list each time)."""
        path = list(self._way)
        below = [_expected(self._top)] if self._top.expected_below else []
        while below:
            place = next(below[-1], None)
            if place is not None:
                yield path, place
                if place.expected_below:
                    path.append(place.name)
                    below.append(_expected(place))
                continue
            below.pop()
            if below:
                path.pop()


def _expected(place: ParentDir) -> Iterator[ParentDir]:
    """Subdirectories of old; none where that cannot be read, and the walk will see."""
    try:
        names = iter(place.children())
    except DamageFound:
        return
    while some := tuple(islice(names, AT_ONCE)):
        for child in place.with_pages(some):
            if child.keep_pages():
                yield child
            else:
                child.coming = False


def _hand_out(chunk: _Chunk, found: list[Seen | None]) -> _Chunk:
    for place, seen in zip(chunk.places, found[chunk.led :], strict=True):
        place.coming = False
        place.seen = seen
        if seen is None:
            place.drop_pages()
    return chunk
