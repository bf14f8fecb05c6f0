"""Reading files: small ones in batches, large ones in buffers cut on the way.

Reading happens in the walker's thread while the directory is open; hashing and sealing happen in
the flow's workers. A file's content is ready when its job is ``done``. What was read belongs to one
state of the file: if size, times or inode moved under the read, it is read again, and after three
tries stored as it is and said so. Nothing is read far beyond the size it had when it was opened:
who writes faster than we read would never let us go.
"""

import stat
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import msgspec

from twofold.chunker import ZERO_RUN, Chunker, Piece, StreamCutter, cut_whole
from twofold.format.records import TreeRef
from twofold.format.segments import pack_blob
from twofold.pipeline import (
    BufferPool,
    Flow,
    Lease,
    Parts,
    SavePage,
    Worker,
    send,
    store_piece,
    write_segments,
)
from twofold.platform import Entry, Extras, Hole, SmallRead, SourceDir, SourceFile

SMALL = 256 << 10
BATCH_BYTES = 1 << 20
BATCH_FILES = 256
LARGE_BUFFER = 16 << 20
SKIP_HOLE = 1 << 20
KEEP_HOLE = 64 << 10
MAX_HOLES = 4096
TRIES = 3
_SAMPLE = 4096


class FileJob:
    """Content of one file on its way into the repository: segments, filled in by workers."""

    __slots__ = ("_stored", "holes", "parts", "read", "size")

    def __init__(self, size: int = 0) -> None:
        self.parts: list[bytes] = []
        self.size = size
        self.holes: Sequence[tuple[int, int]] = ()
        self.read = False  # all parts are known in number; small files: and in content
        self._stored = 0

    def content(self, save: SavePage) -> tuple[bytes, TreeRef | None]:
        """What a node says of it, once it is stored: the segments, or where they are."""
        parts = self.parts
        # one segment always fits the node
        return (parts[0], None) if len(parts) == 1 else write_segments(save, parts)

    @property
    def awaited(self) -> "FileJob":
        """What is done when the content is stored."""
        return self

    def fill(self, parts: list[bytes]) -> None:
        """All parts of a small file are stored."""
        self.parts = parts
        self.read = True

    def settle(self, parts: Parts) -> None:
        """This attempt counts."""
        self.parts, self.size, self.holes = parts.packed, parts.size, parts.holes
        self.read = True

    @property
    def done(self) -> bool:
        """Whether every part is stored (or known)."""
        if not self.read:
            return False
        while self._stored < len(self.parts) and self.parts[self._stored]:
            self._stored += 1
        return self._stored == len(self.parts)


class Together:
    """The contents of small files that were read into one buffer, all known at once."""

    __slots__ = ("done", "segments")

    def __init__(self) -> None:
        self.segments: list[bytes] = []  # of each file, in the order of the buffer
        self.done = False

    def fill(self, segments: list[bytes]) -> None:
        """All of them are stored."""
        self.segments = segments
        self.done = True


class SmallJob(msgspec.Struct, eq=False):
    """Content of one small file: one segment among others, or none if the file is empty."""

    awaited: Together
    place: int
    size: int

    def content(self, _save: SavePage) -> tuple[bytes, TreeRef | None]:
        """What a node says of it, once it is stored."""
        return self.awaited.segments[self.place], None

    @property
    def holes(self) -> Sequence[tuple[int, int]]:
        """None worth recreating."""
        return ()


Job = FileJob | SmallJob


class ReadResult(NamedTuple):
    """A file that was read: the state its content belongs to. ``extras``: None if it has none."""

    entry: Entry
    extras: Extras | None
    unsteady: bool = False


class _Batch:
    """A buffer that small files are read into, one behind the other, and what is in it."""

    def __init__(self, lease: Lease, short: int) -> None:
        """``short``: files of up to so many bytes are one blob each."""
        self.lease = lease
        self.short = short
        self.used = 0
        self._together = Together()
        self._sizes: list[int] = []  # of the short ones
        self._spans = array("Q")  # begin and end of each of these that is not empty
        self._longer: list[tuple[FileJob, int, int]] = []

    @property
    def view(self) -> memoryview:
        """Room for more."""
        return self.lease.view[self.used :]

    @property
    def room(self) -> int:
        """How many more files it takes."""
        return BATCH_FILES - len(self._sizes) - len(self._longer)

    @property
    def full(self) -> bool:
        """Whether it is time for another one."""
        return self.used >= BATCH_BYTES or self.room <= 0

    def put(self, size: int) -> Job:
        """A file was read behind the others."""
        begin = self.used
        if size <= self.short:
            return self.put_short([size])[0]
        job = FileJob(size)
        self.used += size
        self._longer.append((job, begin, self.used))
        return job

    def put_short(self, sizes: list[int]) -> list[SmallJob]:
        """Files that are ``short`` were read behind the others."""
        end, spans, first = self.used, self._spans, len(self._sizes)
        for size in sizes:
            if size:
                spans.append(end)
                end += size
                spans.append(end)
        self.used = end
        self._sizes += sizes
        together = self._together
        return [SmallJob(together, place, size) for place, size in enumerate(sizes, first)]

    def store(self, worker: Worker, chunker: Chunker) -> None:
        """Store all files."""
        view = self.lease.view
        for job, begin, end in self._longer:
            pieces = cut_whole(chunker, view[begin:end])
            job.fill([store_piece(worker, piece) for piece in pieces])
        ids = iter(worker.store_many(view, self._spans))
        self._together.fill([pack_blob(next(ids), s) if s else b"" for s in self._sizes])


def _put(
    batch: _Batch, part: Sequence[Entry], sizes: list[int], reads: Sequence[SmallRead | None]
) -> Sequence[Job | None]:
    """Enter the files just read, but for those that failed or moved meanwhile, as None."""
    if max(sizes) <= batch.short and reads.count(None) == len(reads):
        return batch.put_short(sizes)
    jobs: list[Job | None] = []
    for read, before in zip(reads, part, strict=True):
        if read is None:
            jobs.append(batch.put(before.size))
        elif read.entry is not None and steady(before, read.entry, read.length):
            jobs.append(batch.put(read.length))
        else:
            jobs.append(None)
            batch.used += read.length
    return jobs


class FileReader:
    """Reads files for one run and submits their bytes to the flow."""

    def __init__(self, flow: Flow, chunker: Chunker) -> None:
        self._flow = flow
        self._chunker = chunker
        count = flow.worker_count
        self._small = BufferPool(2 * count + 2, BATCH_BYTES + SMALL + BATCH_FILES)
        self._large = BufferPool(count + 2, LARGE_BUFFER)
        self._short = min(chunker.params.minimum, ZERO_RUN - 1)
        self._batch: _Batch | None = None
        self.bytes_read = 0

    def read_small(
        self, directory: SourceDir, wanted: Sequence[Entry], settled: int
    ) -> Iterator[tuple[SmallRead | None, Job | None]]:
        """Read small files of one directory; yields for each what came of it, and its job.

        Nothing came of one that ``is_as_listed``. Without a job and without an error the file
        moved under the read, or grew: read it alone.
        """
        return chain.from_iterable(self._read_batches(directory, wanted, settled))

    def _read_batches(
        self, directory: SourceDir, wanted: Sequence[Entry], settled: int
    ) -> Iterator[Iterator[tuple[SmallRead | None, Job | None]]]:
        sizes = [entry.size for entry in wanted]
        start = 0
        while start < len(wanted):
            batch, stop = self._fitting(sizes, start)
            part, read_from = wanted[start:stop], batch.used
            reads = directory.read_batch(part, batch.view, settled)
            jobs = _put(batch, part, sizes[start:stop], reads)
            self.bytes_read += batch.used - read_from
            yield zip(reads, jobs, strict=True)
            start = stop

    def _fitting(self, sizes: list[int], start: int) -> tuple[_Batch, int]:
        """The open buffer, and how far it reaches; a fresh one when it is full."""
        batch = self._batch
        if batch is not None and batch.full:
            self.submit()
            batch = None
        if batch is None:
            batch = self._batch = _Batch(self._small.take(), self._short)
        part, room = sizes[start : start + batch.room], len(batch.view)
        count = len(part)
        if sum(part) + count > room:
            needed = list(accumulate(size + 1 for size in part))
            count = bisect_right(needed, room)
        if not count:
            self.submit()
            return self._fitting(sizes, start)
        return batch, start + count

    def submit(self) -> None:
        """Hand the open batch to a worker."""
        batch, self._batch = self._batch, None
        if batch is None:
            return
        chunker = self._chunker

        def store(worker: Worker) -> None:
            batch.store(worker, chunker)

        self._flow.submit(batch.lease.last(store))

    def read_alone(self, directory: SourceDir, name: bytes, job: FileJob) -> ReadResult:
        """Read one file of any size until it holds still. OSError."""
        handle = directory.open_file(name)
        try:
            for _ in range(TRIES):
                before = handle.stat()
                parts = Parts()
                self._read_stream(handle, before.size, parts)
                after = handle.stat()
                if steady(before, after, parts.size):
                    break
            job.settle(parts)
            unsteady = not steady(before, after, parts.size)
            return ReadResult(before, handle.extras(), unsteady)
        finally:
            handle.close()

    def _read_stream(self, handle: SourceFile, size: int, parts: Parts) -> None:
        holes = list(handle.holes(size)) if size >= SKIP_HOLE else []
        parts.holes = kept_holes(holes)
        skipped = [h for h in holes if h.length >= SKIP_HOLE and _reads_zero(handle, h)]
        most = max(size, LARGE_BUFFER)
        stream = _Stream(self, StreamCutter(self._chunker), handle, parts, most)
        for hole in skipped:
            stream.read_to(hole.start)
            if stream.at != hole.start:
                break  # the file shrank under us; 'steady' will tell
            stream.skip(hole.length)
        stream.read_to(None)

    def send(self, lease: Lease, pieces: list[Piece], parts: Parts) -> None:
        """Submit the pieces of one buffer, each for any worker."""
        send(self._flow, pieces, parts, lease)

    def take_large(self) -> Lease:
        """A large buffer."""
        return self._large.take()


class _Stream:
    """One pass over a file, ``most`` bytes of it: buffers, rests, holes."""

    def __init__(
        self,
        reader: FileReader,
        cutter: StreamCutter,
        handle: SourceFile,
        parts: Parts,
        most: int,
    ) -> None:
        self._reader = reader
        self._cutter = cutter
        self._handle = handle
        self._parts = parts
        self._most = most
        self._rest: bytes = b""
        self._ended = False
        self.at = 0

    def read_to(self, end: int | None) -> None:
        """Read up to a hole at ``end``, or to the end of the file when None."""
        reached = self._ended
        while not reached:
            lease = self._reader.take_large()
            try:
                reached = self._fill(lease, end)
            finally:
                lease.release()

    def _fill(self, lease: Lease, end: int | None) -> bool:
        """Read one buffer full and cut it; True when ``end`` (or the file's end) was reached."""
        have = len(self._rest)
        lease.view[:have] = self._rest
        room = len(lease.view) - have
        want = min(room, (self._most if end is None else end) - self.at)
        count = self._handle.read_into(lease.view[have : have + want], self.at) if want else 0
        self.at += count
        self._reader.bytes_read += count
        ended = self._ended = count < want or (end is None and self.at == self._most)
        reached = end is not None and self.at == end
        view = lease.view[: have + count]
        pieces, used = self._cutter.split(view, final=ended, hole_follows=reached and not ended)
        self._rest = bytes(view[used:])
        self._reader.send(lease, pieces, self._parts)
        return ended or reached

    def skip(self, length: int) -> None:
        self._cutter.hole(length)
        self.at += length


def steady(before: Entry, after: Entry, length: int) -> bool:
    """Whether what was read between two stats is one state of the file."""
    return (
        before.size == after.size == length
        and before.mtime_ns == after.mtime_ns
        and before.ctime_ns == after.ctime_ns
        and stat.S_IFMT(before.mode) == stat.S_IFMT(after.mode)
    )


def kept_holes(holes: list[Hole]) -> list[tuple[int, int]]:
    """The holes worth recreating: at least 64 KiB, at most ``MAX_HOLES``, the largest ones."""
    large = [(h.start, h.length) for h in holes if h.length >= KEEP_HOLE]
    if len(large) > MAX_HOLES:
        large = sorted(large, key=lambda h: -h[1])[:MAX_HOLES]
    return sorted(large)


def _reads_zero(handle: SourceFile, hole: Hole) -> bool:
    """Sample a hole at both ends and in the middle: file systems have lied about holes."""
    buffer = bytearray(_SAMPLE)
    view = memoryview(buffer)
    for start in (hole.start, hole.start + hole.length // 2, hole.start + hole.length - _SAMPLE):
        count = handle.read_into(view, start)
        if any(buffer[:count]):
            return False
    return True
