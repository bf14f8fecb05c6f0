"""The file system over clusters: everything that follows once directories can be read.

One pass over the tree gives the streams. Each directory is read where its first cluster is named,
each chain claims its clusters, and what claims a cluster twice is left out; so every cluster is
read once as a directory at most, and no loop of directories can hold the pass up.

No stream has a stamp: times have steps of 2 s (FAT) or are set by whoever writes (exFAT), entries
count no changes, so nothing in the file system proves that content was not changed in place.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from twofold.disk.base import DirectoryEntry, Facts, FileFacts, Kind, Role, Stream
from twofold.disk.clusters.chain import Allocation, Chain, Claims, chained, contiguous
from twofold.disk.clusters.heap import Heap, RunContent
from twofold.disk.clusters.notes import Notes
from twofold.disk.clusters.record import DISCARDED, Record
from twofold.disk.clusters.table import AllocationTable
from twofold.errors import FormatError

ROOT = 0
"""Number of the root directory; slot 0 of a volume is the boot sector's."""

_NO_CHAIN = Chain((), 0, ended=True)
_Named = tuple[int, Allocation]


class ClusterFileSystem(ABC):
    """A FAT or exFAT file system. Implements ``FileSystem``.

    The notes of ``facts`` grow as ``allocation`` and ``streams`` find what is damaged.
    """

    longest_directory: int
    """Bytes."""

    def __init__(self, heap: Heap, table: AllocationTable, notes: Notes) -> None:
        self._heap = heap
        self._table = table
        self._notes = notes

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """The file system as a whole."""

    @abstractmethod
    def allocation(self) -> bytearray:
        """One bit per cluster."""

    @abstractmethod
    def _root(self) -> Allocation:
        """Where the root directory is."""

    @abstractmethod
    def _records(self, directory: int, chain: Chain) -> Iterator[Record]:
        """The files of a directory."""

    @abstractmethod
    def _record(self, file: int) -> Record:
        """What the entry of that number says; FormatError when it is no file's."""

    @abstractmethod
    def _tables(self) -> Iterator[_Named]:
        """Tables of the file system that lie in clusters."""

    def root(self) -> int:
        """The number of the root directory."""
        return ROOT

    def facts_of(self, file: int) -> FileFacts:
        """What is known of a file; FormatError when the number is no file's."""
        return FileFacts(kind=Kind.DIRECTORY) if file == ROOT else self._record(file).facts()

    def entries(self, directory: int) -> Iterator[DirectoryEntry]:
        """The children, in the order of the directory."""
        chain = self._chain(self._directory(directory), None)
        for record in self._records(directory, chain):
            yield DirectoryEntry(record.name, record.number, record.kind)

    def open(self, file: int, stream: bytes = b"") -> RunContent:
        """The content of a file; FormatError for directories, streams, damaged chains."""
        record = None if file == ROOT else self._record(file)
        if record is None or record.kind is Kind.DIRECTORY or stream:
            raise FormatError(f"number {file} has no such content")
        chain = self._chain(record.main, None)
        return RunContent(self._heap, chain.runs, record.main.size or 0, record.valid)

    def streams(self) -> Iterator[Stream]:
        """Every stream that claims clusters: tables, then directories with their files."""
        claims = Claims(self._heap.units)
        for number, allocation in self._tables():
            yield from self._meta(number, b"", self._claim(number, allocation, claims))
        pending: list[_Named] = [(ROOT, self._root())]
        while pending:
            yield from self._directory_streams(*pending.pop(), pending, claims)

    def _directory_streams(
        self, number: int, allocation: Allocation, pending: list[_Named], claims: Claims
    ) -> Iterator[Stream]:
        chain = self._claim(number, allocation, claims)
        yield from self._meta(number, b"", chain)
        if chain is None:
            return
        for record in self._records(number, chain):
            if record.kind is Kind.DIRECTORY:
                pending.append((record.number, record.main))
            else:
                yield from self._content(record, number == ROOT, claims)
            for name, further in record.further:
                yield from self._meta(
                    record.number, name, self._claim(record.number, further, claims)
                )

    def _content(self, record: Record, in_root: bool, claims: Claims) -> Iterator[Stream]:
        chain = self._claim(record.number, record.main, claims)
        if chain is None or not chain.runs:
            return
        yield Stream(
            record.number,
            b"",
            Role.FILE,
            record.main.size or 0,
            record.valid,
            chain.runs,
            discard=in_root and record.name.lower() in DISCARDED,
        )

    def _meta(self, number: int, name: bytes, chain: Chain | None) -> Iterator[Stream]:
        if chain is not None and chain.runs:
            size = chain.units * self._heap.unit
            yield Stream(number, name, Role.META, size, size, chain.runs)

    def _claim(self, number: int, allocation: Allocation, claims: Claims) -> Chain | None:
        """The chain of something, or None and a note that it is left out."""
        try:
            return self._chain(allocation, claims)
        except FormatError as error:
            self._notes.add(f"number {number} is left out: {error.message}")
            return None

    def _directory(self, number: int) -> Allocation:
        if number == ROOT:
            return self._root()
        record = self._record(number)
        if record.kind is not Kind.DIRECTORY:
            raise FormatError(f"number {number} is no directory")
        return record.main

    def _chain(self, allocation: Allocation, claims: Claims | None) -> Chain:
        """The clusters that hold ``size`` bytes, those beyond are left to the map.

        What is odd and harmless is noted in the pass over all of them.
        """
        first, size, in_order = allocation
        if size is None:
            return self._open_chain(first, claims)
        if size == 0:
            if first and claims is not None:
                self._notes.add(f"an empty file names cluster {first}")
            return _NO_CHAIN
        count = -(-size // self._heap.unit)
        if count > self._heap.units:
            raise FormatError(f"{size} bytes are more than the file system has")
        if in_order:
            return contiguous(self._table, first, count, claims)
        chain = chained(self._table, first, count, claims)
        if chain.units < count:
            raise FormatError(f"a chain ends after {chain.units} of {count} clusters")
        if not chain.ended and claims is not None:
            self._notes.add(f"the chain from cluster {first} on is longer than its file")
        return chain

    def _open_chain(self, first: int, claims: Claims | None) -> Chain:
        """A directory's chain to its end."""
        if not first:
            return _NO_CHAIN
        most = max(1, self.longest_directory // self._heap.unit)
        chain = chained(self._table, first, most, claims)
        if not chain.ended:
            raise FormatError(f"the directory at cluster {first} is too long, or its chain a loop")
        return chain
