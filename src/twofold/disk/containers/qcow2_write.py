"""Writing QCOW2 files of version 3: clusters are appended as the data of the disk comes.

    header | first table | data clusters and tables of the second level | reference counts

Every cluster of the file is used once, so the reference counts need no memory: they are written
last, all ones. At any time one table of the second level is in memory (64 KiB).
"""

import struct
from array import array
from collections.abc import Iterable
from typing import BinaryIO

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import Extent, whole_sectors
from twofold.disk.containers.grains import GRAIN, begin, finish, grains
from twofold.disk.containers.qcow2 import HEADER, HEADER_3, MAGIC, Header

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
_ENTRIES = CLUSTER // 8
_COUNTS = CLUSTER // 2  # reference counts of 16 bits in one cluster
_COPIED = 1 << 63  # used once: may be written in place


def write_qcow2(source: BlockReader, extents: Iterable[Extent], out: BinaryIO) -> None:
    """Write a disk as QCOW2 into an empty file; its size is rounded up to whole sectors.

    FormatError when extents are not ascending.
    """
    begin(out)
    _Writer(out, whole_sectors(source.size)).write(source, extents)


class _Writer:
    def __init__(self, out: BinaryIO, size: int) -> None:
        self._out = out
        self._size = size
        self._first = array("Q", [0]) * -(-size // (CLUSTER * _ENTRIES))
        self._second = array("Q", [0]) * _ENTRIES
        self._number = -1
        self._place = -1  # where the file stands
        self._clusters = 1 + -(-len(self._first) // _ENTRIES)

    def write(self, source: BlockReader, extents: Iterable[Extent]) -> None:
        """The clusters, then what describes them."""
        for offset, data in grains(source, extents):
            number, index = divmod(offset // GRAIN, _ENTRIES)
            if number != self._number:
                self._flush()
                self._number = number
            self._second[index] = _COPIED | self._append(data)
        self._flush()
        table, clusters = self._reference_counts()
        self._at(CLUSTER, _big_endian(self._first))
        self._at(0, self._header(table, clusters))
        finish(self._out, self._clusters * CLUSTER)

    def _append(self, data: bytes | memoryview) -> int:
        place = self._clusters * CLUSTER
        self._clusters += -(-len(data) // CLUSTER)
        self._at(place, data)
        return place

    def _at(self, place: int, data: bytes | memoryview) -> None:
        if place != self._place:
            self._out.seek(place)
        self._out.write(data)
        self._place = place + len(data)

    def _flush(self) -> None:
        """Write the table of the second level that is being filled, if any."""
        if self._number >= 0:
            self._first[self._number] = _COPIED | self._append(_big_endian(self._second))
            self._second = array("Q", [0]) * _ENTRIES

    def _reference_counts(self) -> tuple[int, int]:
        """Append the counts of all clusters, their own included, and the table that names them."""
        used = self._clusters
        blocks = table = 0
        while used > blocks * _COUNTS - blocks - table:
            blocks += 1
            table = -(-blocks * 8 // CLUSTER)
        total = used + blocks + table
        places = array("Q")
        for block in range(blocks):
            ones = min(total - block * _COUNTS, _COUNTS)
            places.append(self._append((b"\0\1" * ones).ljust(CLUSTER, b"\0")))
        return self._append(_big_endian(places)), table

    def _header(self, table: int, clusters: int) -> bytes:
        header = Header(
            magic=MAGIC,
            version=3,
            backing_offset=0,
            backing_length=0,
            cluster_bits=CLUSTER_BITS,
            size=self._size,
            encryption=0,
            first_level_entries=len(self._first),
            first_level=CLUSTER,
            refcount_table=table,
            refcount_clusters=clusters,
            snapshots=0,
            snapshots_offset=0,
        )
        length = HEADER.size + HEADER_3.size
        return HEADER.pack(*header) + HEADER_3.pack(0, 0, 0, 4, length)


def _big_endian(numbers: "array[int]") -> bytes:
    return struct.pack(f">{len(numbers)}Q", *numbers)
