"""Sets of blob ids: those that runs of the index list, and those taken on by a writer.

A writer asks for every chunk it sees whether it is there, so this must cost next to nothing: the
extension keeps one hash table over all runs, which holds places in them and no ids. The twin asks
one run after the other.
"""

import secrets
import threading
from collections.abc import Container
from typing import Protocol

from twofold.errors import FormatError
from twofold.format.index import IndexRun
from twofold.format.names import BLOB_ID_SIZE
from twofold.native import EXTENSION


class BlobSet(Protocol):
    """A set that only grows. Threads may share it."""

    def __contains__(self, blob_id: bytes, /) -> bool:
        """Whether a blob is in it."""

    def add_run(self, run: IndexRun, without: Container[bytes] = ()) -> None:
        """Put in every blob that a run lists, at a possible place, in a pack not in ``without``."""

    def claim(self, blob_id: bytes) -> bool:
        """Put one blob in; whether it was not there. True exactly once per blob."""

    def claim_many(self, ids: bytes, known: "BlobSet", /) -> bytes:
        """``claim`` for ids one behind the other, of which those in ``known`` are not: 1 or 0."""


def new_blob_set(expected: int = 0) -> BlobSet:
    """An empty set, with room for as many blobs as are expected."""
    return BlobSetTwin() if EXTENSION is None else _Native(expected)


class _Native:
    """11 to 16 bytes per blob, and 32 more per blob claimed."""

    def __init__(self, expected: int) -> None:
        assert EXTENSION is not None
        self._table = EXTENSION.IndexTable(secrets.token_bytes(32), expected)
        self.claim = self._table.claim

    def __contains__(self, blob_id: bytes) -> bool:
        return blob_id in self._table

    def claim_many(self, ids: bytes, known: BlobSet) -> bytes:
        assert isinstance(known, _Native)
        fresh: bytes = self._table.claim_many(ids, known._table)  # noqa: SLF001 - its twin
        return fresh

    def add_run(self, run: IndexRun, without: Container[bytes] = ()) -> None:
        usable = bytes(pack.id not in without for pack in run.packs()) if without else None
        self._table.add(run.columns, usable)


class BlobSetTwin:
    """The set without the extension."""

    def __init__(self) -> None:
        self._runs: list[tuple[IndexRun, Container[bytes]]] = []
        self._claimed: set[bytes] = set()
        self._lock = threading.Lock()

    def __contains__(self, blob_id: bytes) -> bool:
        if len(blob_id) != BLOB_ID_SIZE:
            raise ValueError("an id has 32 bytes")
        return blob_id in self._claimed or any(
            _holds(run, blob_id, without) for run, without in self._runs
        )

    def add_run(self, run: IndexRun, without: Container[bytes] = ()) -> None:
        self._runs.append((run, without))

    def claim(self, blob_id: bytes) -> bool:
        with self._lock:
            if blob_id in self:
                return False
            self._claimed.add(blob_id)
            return True

    def claim_many(self, ids: bytes, known: BlobSet) -> bytes:
        if len(ids) % BLOB_ID_SIZE:
            raise ValueError("an id has 32 bytes")
        each = (ids[at : at + BLOB_ID_SIZE] for at in range(0, len(ids), BLOB_ID_SIZE))
        return bytes(blob_id not in known and self.claim(blob_id) for blob_id in each)


def _holds(run: IndexRun, blob_id: bytes, without: Container[bytes]) -> bool:
    for position in run.positions(blob_id):
        try:
            if run.location(position).pack.id not in without:
                return True
        except FormatError:
            continue
    return False
