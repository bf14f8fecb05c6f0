"""The contents of files on their way to the writers, in rounds of bounded size.

    files ─► pieces ─► contents by frame ─► small: put together, batches per directory
                                        └► large: parts, in any order, then the end

Content that only a parser gives has no pieces and is written at once.
"""

import threading
from collections.abc import Iterable, Iterator

from twofold.disk import Content
from twofold.errors import DamageFound, FormatError
from twofold.format.layout import Buffer
from twofold.format.names import BLOB_ID_SIZE
from twofold.format.segments import BLOB, Segment, iterate, pack_blob
from twofold.parallel import Threads
from twofold.repository import BlobReader
from twofold.restorer.holes import without
from twofold.restorer.jobs import FileJob
from twofold.restorer.target import Target
from twofold.restorer.writer import Batch, Tools, Writer, is_zero
from twofold.view import Absent, Contents, Piece, absent_in

ROUND_BYTES = 128 << 20
ROUND_LARGE = 8
BATCH_FILES = 256
BATCH_BYTES = 1 << 20
GATHERED_FILES = 1024
"""So many small files at most wait for others of their directory."""
ONE_BLOB = len(pack_blob(bytes(BLOB_ID_SIZE), 0))
"""Length of a list of contents that is a single blob."""

_READERS = 2
_WRITERS = 2
_STEP = 1 << 20


class FileContents:
    """Readers and writers of one restore; used by one thread at a time."""

    def __init__(self, target: Target, reader: BlobReader, tools: Tools) -> None:
        self._tools = tools
        self._report = tools.report
        self._threads = Threads(_READERS, "reader")
        self._contents: Contents[FileJob] = Contents(reader, self._threads, _READERS)
        self._writers = [Writer(target.another(), tools, f"writer-{i}") for i in range(_WRITERS)]
        self._batches: dict[int, Batch] = {}
        self._turn = 0
        self._gathered = 0

    def mark(self) -> list[threading.Event]:
        """Each set once a writer has done what it was handed so far; never if the run stopped."""
        return [writer.mark() for writer in self._writers]

    def drain(self) -> None:
        """Wait until all that was handed out is written. Raises what stopped the run."""
        for writer in self._writers:
            writer.drain()

    def close(self) -> None:
        """Stop the threads; what is not finished is removed."""
        for writer in self._writers:
            writer.close()
        self._threads.close()

    def write(self, jobs: Iterable[FileJob]) -> None:
        """Hand the contents of files to the writers; some may still be on their way afterwards."""
        for pieces, ended in self._rounds(jobs):
            self._round(pieces)
            for job in ended:
                self._end(job)
            self._flush()

    def _rounds(
        self, jobs: Iterable[FileJob]
    ) -> Iterator[tuple[list[Piece[FileJob]], list[FileJob]]]:
        """(pieces to read, large files that end with them)."""
        pieces: list[Piece[FileJob]] = []
        ended: list[FileJob] = []
        size = 0
        for job in jobs:
            try:
                for piece in self._pieces(job):
                    pieces.append(piece)
                    size += piece.length
                    if size >= ROUND_BYTES:
                        yield pieces, ended
                        pieces, ended, size = [], [], 0
                        if job.spoiled:
                            break
            except DamageFound as error:
                self._spoil(job, error)
            if not job.small:
                ended.append(job)
                if len(ended) >= ROUND_LARGE:
                    yield pieces, ended
                    pieces, ended, size = [], [], 0
        yield pieces, ended

    def _pieces(self, job: FileJob) -> Iterator[Piece[FileJob]]:
        """The blobs of a file. ``DamageFound`` when the list of them is lost.

        Content that must be decoded has none and is written at once.
        """
        node = job.node
        packed = node.content
        if job.small and node.ref is None and len(packed) == ONE_BLOB and packed[0] == BLOB:
            blob, length = next(iterate(packed))
            if length != node.size:
                raise FormatError(f"the content of {node.name!r} does not add up to its size")
            job.missing = 1
            return iter((Piece(job, 0, bytes(blob or b""), length),))
        content = self._tools.tree.content(node)
        if content is not None:
            self._decoded(job, content)
            return iter(())
        segments = self._tools.tree.segments(node)
        return self._small(job, segments) if job.small else self._large(job, segments)

    def _small(self, job: FileJob, segments: Iterable[Segment]) -> Iterator[Piece[FileJob]]:
        """Room is made for a file of several parts; one without any is whole already."""
        parts = list(segments)
        job.missing = sum(isinstance(segment.blob, bytes) for segment in parts)
        if job.missing == 0:
            self._ready(job, bytes(job.node.size))
        elif len(parts) > 1:
            job.buffer = bytearray(job.node.size)
        offset, absent = 0, Absent()
        for blob, length in parts:
            if isinstance(blob, bytes):
                yield Piece(job, offset, blob, length)
            elif blob is not None:
                absent.add(blob, length)
            offset += length
        self._tell_absent(job, absent)

    def _large(self, job: FileJob, segments: Iterable[Segment]) -> Iterator[Piece[FileJob]]:
        zeros: list[tuple[int, int]] = []
        self._turn += 1
        job.turn = self._turn
        job.zeros = zeros
        job.holes = self._tools.tree.holes(job.node)
        offset, absent = 0, Absent()
        for blob, length in segments:
            if isinstance(blob, bytes):
                yield Piece(job, offset, blob, length)
            else:
                zeros.append((offset, offset + length))
                if blob is not None:
                    absent.add(blob, length)
            offset += length
        self._tell_absent(job, absent)

    def _tell_absent(self, job: FileJob, absent: Absent) -> None:
        if absent:
            self._report.absent(job.directory, job.node.name, absent.words)

    def _decoded(self, job: FileJob, content: Content) -> None:
        """A file whose content a parser gives; its zeros take no room. ``DamageFound``."""
        if content.size != job.node.size:
            raise FormatError(f"the content of {job.node.name!r} is not as long as its size")
        if job.small:
            self._ready(job, _all_of(content, 0, job.node.size))
            self._tell_absent(job, absent_in(content))
            return
        for start, end in without(0, job.node.size, self._tools.tree.holes(job.node)):
            for offset in range(start, end, _STEP):
                data = _all_of(content, offset, min(_STEP, end - offset))
                if not is_zero(memoryview(data)):
                    self._write(job, offset, data)
        self._tell_absent(job, absent_in(content))

    def _write(self, job: FileJob, offset: int, data: Buffer) -> None:
        writer = self._writer(job)
        writer.put(lambda: writer.write_piece(job, offset, data))

    def _round(self, pieces: list[Piece[FileJob]]) -> None:
        for data, wanted in self._contents.read(pieces):
            self._tools.trouble.raise_error()
            for piece in wanted:
                if isinstance(data, DamageFound):
                    self._spoil(piece.job, data)
                elif not piece.job.spoiled:
                    self._arrived(piece, data)

    def _arrived(self, piece: Piece[FileJob], data: Buffer) -> None:
        job = piece.job
        if not job.small:
            self._write(job, piece.offset, data)
            return
        job.missing -= 1
        if job.buffer is None:
            self._ready(job, data)
            return
        job.buffer[piece.offset : piece.offset + piece.length] = data
        if not job.missing:
            self._ready(job, job.buffer)
            job.buffer = None

    def _ready(self, job: FileJob, data: Buffer) -> None:
        """A small file is whole."""
        serial = job.directory.serial
        batch = self._batches.get(serial)
        if batch is None:
            batch = self._batches[serial] = Batch(job.directory)
        batch.add(job, data)
        if batch.size >= BATCH_BYTES or len(batch.jobs) >= BATCH_FILES:
            del self._batches[serial]
            self._put(self._writer(job), [batch])
        self._gathered += 1
        if self._gathered >= GATHERED_FILES:
            self._flush()

    def _flush(self) -> None:
        """Hand over all batches, many small ones at a time: a task costs more than a small file."""
        batches, self._batches, self._gathered = self._batches, {}, 0
        gathered: dict[Writer, list[Batch]] = {}
        for batch in batches.values():
            writer = self._writer(batch.jobs[0])
            waiting = gathered.setdefault(writer, [])
            waiting.append(batch)
            if sum(len(each.jobs) for each in waiting) >= BATCH_FILES:
                self._put(writer, gathered.pop(writer))
        for writer, waiting in gathered.items():
            self._put(writer, waiting)

    def _put(self, writer: Writer, batches: list[Batch]) -> None:
        writer.put(lambda: writer.write_batches(batches))

    def _end(self, job: FileJob) -> None:
        writer = self._writer(job)
        writer.put(lambda: writer.finish(job))

    def _spoil(self, job: FileJob, error: DamageFound) -> None:
        if not job.spoiled:
            job.spoiled = True
            job.buffer = None
            if job.state is not None:
                job.state.damaged = True
            self._report.damaged(job.directory, job.node.name, error, job.node.size)

    def _writer(self, job: FileJob) -> Writer:
        return self._writers[(job.directory.serial + job.turn) % len(self._writers)]


def _all_of(content: Content, offset: int, length: int) -> bytes:
    data = content.read(offset, length)
    if len(data) != length:
        raise FormatError("the content of a file ends before its size")
    return data
