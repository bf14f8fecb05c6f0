"""A file allocation table: for each cluster the next one of its chain, or a mark.

Entries have 12, 16 or 32 bits; 12-bit entries are packed, two in three bytes. The table is read
in pieces and a few pieces are kept, so its size does not matter. Neighbouring clusters that follow
each other are taken as one run, which is what makes chains of millions of clusters quick.
(FAT specification 1.03, "FAT Data Structure"; exFAT specification 4.1.)
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from twofold.disk.base import BlockReader
from twofold.errors import FormatError

FIRST_CLUSTER = 2
END_OF_CHAIN = 0
"""What ``run`` gives as the link of a last cluster: no chain can lead to cluster 0."""

PIECE = 1 << 14
"""Entries of a piece; even, so that 12-bit entries begin with a byte."""
_PIECES_KEPT = 32


class EntryForm(NamedTuple):
    """How entries are stored, and the first of the values that are no cluster."""

    bits: int
    mask: int
    """FAT32 uses 28 of its 32 bits."""
    bad: int
    """Marks a bad cluster; all higher values end a chain."""


FAT12 = EntryForm(12, 0xFFF, 0xFF7)
FAT16 = EntryForm(16, 0xFFFF, 0xFFF7)
FAT32 = EntryForm(32, 0x0FFFFFFF, 0x0FFFFFF7)
EXFAT = EntryForm(32, 0xFFFFFFFF, 0xFFFFFFF7)


class Location(msgspec.Struct, frozen=True):
    """Where a table lies on its volume, and how many clusters it serves."""

    reader: BlockReader
    offset: int
    """Bytes."""
    units: int
    form: EntryForm

    @property
    def length(self) -> int:
        """Bytes of the entries in use, the two reserved ones included."""
        return ((self.units + FIRST_CLUSTER) * self.form.bits + 7) // 8

    def raw(self, first: int, count: int) -> bytes:
        """The bytes of ``count`` entries; ``first`` is even."""
        start = first * self.form.bits // 8
        length = (count * self.form.bits + 7) // 8
        return self.reader.read(self.offset + start, length)

    def pieces(self) -> Iterator[tuple[int, int]]:
        """First entry and number of entries, piece by piece, without the two reserved ones."""
        end = self.units + FIRST_CLUSTER
        for first in range(FIRST_CLUSTER, end, PIECE):
            yield first, min(PIECE, end - first)


class AllocationTable:
    """Chains of clusters. FormatError for links that lead nowhere."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._end = location.units + FIRST_CLUSTER
        self._piece = lru_cache(maxsize=_PIECES_KEPT)(self._load)

    def entries(self, first: int, count: int) -> Sequence[int]:
        """Values as stored, upper bits of FAT32 included; ``first`` is even."""
        return decode(self.location.raw(first, count), count, self.location.form)

    def check(self, cluster: int) -> None:
        """FormatError unless it is the number of a cluster."""
        if not FIRST_CLUSTER <= cluster < self._end:
            raise FormatError(f"there is no cluster {cluster}")

    def run(self, cluster: int, at_most: int) -> tuple[int, int]:
        """How many clusters follow each other from here, and where the last of them leads.

        The run may be cut short anywhere; the link then leads to its continuation.
        """
        piece, index = divmod(cluster, PIECE)
        expected = cluster
        for value in self._piece(piece)[index : index + at_most]:
            expected += 1
            if value != expected:
                return expected - cluster, self._link(expected - 1, value)
        return expected - cluster, self._link(expected - 1, expected)

    def _link(self, cluster: int, value: int) -> int:
        """Interpret an entry.

        A bad mark as a link ends the chain as the end mark does, for systems read it so; whether
        the chain was long enough is for others to see.
        """
        link = value & self.location.form.mask
        if FIRST_CLUSTER <= link < self._end:
            return link
        if link >= self.location.form.bad:
            return END_OF_CHAIN
        if link == 0:
            raise FormatError(f"cluster {cluster} is part of a chain and marked free")
        raise FormatError(f"cluster {cluster} leads to {link}, which is no cluster")

    def _load(self, piece: int) -> Sequence[int]:
        first = piece * PIECE
        return self.entries(first, min(PIECE, self._end - first))


def decode(raw: bytes, count: int, form: EntryForm) -> Sequence[int]:
    """The first ``count`` entries of a table's bytes."""
    if form.bits == 12:
        return _decode12(raw, count)
    values = array("H" if form.bits == 16 else "I")
    values.frombytes(raw)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _decode12(raw: bytes, count: int) -> Sequence[int]:
    values = array("H")
    padded = raw + b"\0\0"
    for low, middle, high in zip(padded[0::3], padded[1::3], padded[2::3], strict=False):
        values.append(low | (middle & 15) << 8)
        values.append(middle >> 4 | high << 4)
    return values[:count]
