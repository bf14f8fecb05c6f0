"""Reading files: small ones in batches, large ones in buffers cut on the way.

Reading happens in the walker's thread while the directory is open; hashing and sealing happen in
the flow's workers. A file's content is ready when its job is ``done``. What was read belongs to one
state of the file: if size, times or inode moved under the read, it is read again, and after three
tries stored as it is and said so. Nothing is read far beyond the size it had when it was opened:
who writes faster than we read would never let us go.
"""

import stat
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twofold.chunker import ZERO_RUN, Chunker, Piece, StreamCutter, cut_whole
from twofold.format.segments import pack_blob
from twofold.pipeline import BufferPool, Flow, Lease, Parts, Worker, send, store_piece
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
        self.holes: list[tuple[int, int]] = []
        self.read = False  # all parts are known in number; small files: and in content
        self._stored = 0

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


class ReadResult(NamedTuple):
    """A file that was read: the state its content belongs to. ``extras``: None if it has none."""

    entry: Entry
    extras: Extras | None
    unsteady: bool = False


WholeFile = tuple[FileJob, int, int]
"""A small file waiting in a buffer to be submitted: start and end of its bytes there."""


def _store_small(
    worker: Worker, chunker: Chunker, view: memoryview, files: Sequence[WholeFile]
) -> None:
    """Store the small files of a buffer, all those at once that are too short to be cut."""
    short = min(chunker.params.minimum, ZERO_RUN - 1)
    spans, jobs = array("Q"), []
    for job, begin, end in files:
        if 0 < end - begin <= short:
            spans.append(begin)
            spans.append(end)
            jobs.append(job)
        else:
            pieces = cut_whole(chunker, view[begin:end]) if end > begin else ()
            job.fill([store_piece(worker, piece) for piece in pieces])
    for job, blob_id in zip(jobs, worker.store_many(view, spans), strict=True):
        job.fill([pack_blob(blob_id, job.size)])


class FileReader:
    """Reads files for one run and submits their bytes to the flow."""

    def __init__(self, flow: Flow, chunker: Chunker) -> None:
        self._flow = flow
        self._chunker = chunker
        count = flow.worker_count
        self._small = BufferPool(2 * count + 2, BATCH_BYTES + SMALL + BATCH_FILES)
        self._large = BufferPool(count + 2, LARGE_BUFFER)
        self._lease: Lease | None = None
        self._used = 0
        self._waiting: list[WholeFile] = []
        self.bytes_read = 0

    def read_small(
        self, directory: SourceDir, wanted: Sequence[Entry]
    ) -> Iterator[tuple[int, SmallRead, FileJob | None]]:
        """Read small files of one directory; yields (position in ``wanted``, what came of it, job).

        Without a job and without an error the file moved under the read, or grew: read it alone.
        """
        start = 0
        while start < len(wanted):
            stop = self._fitting(wanted, start)
            yield from self._read_batch(directory, wanted, start, stop)
            start = stop

    def _fitting(self, wanted: Sequence[Entry], start: int) -> int:
        """How far the open buffer reaches; opens a fresh one when it is full."""
        if self._lease is not None and (
            self._used >= BATCH_BYTES or len(self._waiting) >= BATCH_FILES
        ):
            self.submit()
        if self._lease is None:
            self._lease, self._used = self._small.take(), 0
        room = len(self._lease.view) - self._used
        stop = start
        while stop < len(wanted) and stop - start < BATCH_FILES - len(self._waiting):
            room -= wanted[stop].size + 1
            if room < 0:
                break
            stop += 1
        if stop == start:
            self.submit()
            return self._fitting(wanted, start)
        return stop

    def _read_batch(
        self, directory: SourceDir, wanted: Sequence[Entry], start: int, stop: int
    ) -> Iterator[tuple[int, SmallRead, FileJob | None]]:
        part = wanted[start:stop]
        assert self._lease is not None
        base, waiting = self._used, self._waiting
        view = self._lease.view[base:]
        names, sizes = [entry.name for entry in part], [entry.size for entry in part]
        reads = directory.read_batch(names, sizes, view)
        for position, (read, before) in enumerate(zip(reads, part, strict=True), start):
            after, length = read.entry, read.length
            self.bytes_read += length
            if after is None or not steady(before, after, length):
                yield position, read, None
                continue
            begin = base + read.offset
            self._used = begin + length
            job = FileJob(length)
            waiting.append((job, begin, self._used))
            yield position, read, job

    def submit(self) -> None:
        """Hand the open batch to a worker."""
        if self._lease is None:
            return
        lease, waiting = self._lease, self._waiting
        self._lease, self._waiting = None, []
        chunker = self._chunker

        def task(worker: Worker) -> None:
            try:
                _store_small(worker, chunker, lease.view, waiting)
            finally:
                lease.release()

        self._flow.submit(task)

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
