"""Keeping what big transfers leave in the page cache small.

Ranges that were read or written are collected until they make a window. A full window begins to be
written to storage while the next one fills; when that is full as well, the first is waited for and
dropped. So at most two windows are cached, writing never stalls on a full cache, and the order of
the ranges does not matter. Small reads (tables of a file system, which are read again and again)
are left to the system.
"""

import sys
from threading import Lock

from twofold.platform.linux import block_calls

assert sys.platform == "linux"

WINDOW = 32 << 20
SMALL = 128 << 10
"""Reads of fewer bytes are not counted."""

Range = tuple[int, int]  # offset, end


class Traffic:
    """What went through one descriptor, in one direction. Several threads may add to it."""

    def __init__(self, fd: int, *, written: bool) -> None:
        self._fd = fd
        self._written = written
        self._lock = Lock()
        self._filling: list[Range] = []
        self._bytes = 0
        self._leaving: list[Range] = []

    def add(self, offset: int, length: int) -> None:
        """Count a range. OSError when an earlier one could not be written to storage."""
        if length < SMALL and not self._written:
            return
        with self._lock:
            self._append(offset, offset + length)
            self._bytes += length
            if self._bytes < WINDOW:
                return
            full, gone = self._filling, self._leaving
            self._filling, self._leaving, self._bytes = [], full, 0
        self._move(full, gone)

    def drop(self) -> None:
        """Have everything counted so far leave the cache. OSError as for ``add``."""
        with self._lock:
            gone = self._leaving + self._filling
            self._filling, self._leaving, self._bytes = [], [], 0
        self._move([], gone)

    def _append(self, offset: int, end: int) -> None:
        if self._filling and self._filling[-1][1] == offset:
            offset = self._filling.pop()[0]
        self._filling.append((offset, end))

    def _move(self, full: list[Range], gone: list[Range]) -> None:
        if self._written:
            for offset, end in full:
                block_calls.start_writing(self._fd, offset, end - offset)
        for offset, end in gone:
            block_calls.forget(self._fd, offset, end - offset, written=self._written)
