"""Threads that write to the target.

The small files of a directory belong to one writer and so does each large file, which has a handle
of its own; a writer serves its tasks in order. So no handle is ever used by two threads and a
file's parts arrive before its end. After an error that stops the run (a full
target, a bug) writers only drain their queues; the error is raised where the next task is put.
"""

import errno
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from twofold.format.layout import Buffer
from twofold.platform import TargetDir, TargetFile
from twofold.restorer.asides import Asides
from twofold.restorer.compare import Comparer
from twofold.restorer.directory import Directory, Navigator, way_through
from twofold.restorer.holes import without
from twofold.restorer.jobs import FileJob
from twofold.restorer.report import Report
from twofold.restorer.target import stop_when_full
from twofold.view import FileTree

_QUEUE = 8
_HANDLES = 6
_POLL_SECONDS = 0.1
_DIFFERS = "what was written reads back differently"
_ZEROS = bytes(1 << 16)

Task = Callable[[], None]
_WHOLE: tuple[int, list[str]] = (0, [])
"""What becomes of most small files: no error, and no losses."""


class Batch(msgspec.Struct, eq=False):
    """Small files of one directory, whole."""

    directory: Directory
    jobs: list[FileJob] = msgspec.field(default_factory=list)
    data: list[Buffer] = msgspec.field(default_factory=list)
    size: int = 0

    def add(self, job: FileJob, data: Buffer) -> None:
        """One more file."""
        self.jobs.append(job)
        self.data.append(data)
        self.size += len(data)

    def behind(self, done: int) -> "Batch":
        """The files that come after so many."""
        return Batch(self.directory, self.jobs[done:], self.data[done:])


class Open(msgspec.Struct, eq=False):
    """A large file being written, and its directory, open for it alone unless it is the root."""

    file: TargetFile
    folder: TargetDir
    is_root: bool

    def drop(self) -> None:
        """Remove what was written (nothing after a finish) and let go."""
        self.file.abort()
        if not self.is_root:
            self.folder.close()


class Trouble:
    """The first error that stops the run, shared by all threads."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def note(self, error: BaseException) -> None:
        """Keep the first one."""
        self.error = self.error or error

    def raise_error(self) -> None:
        """Raise it, if there is one."""
        if self.error is not None:
            raise self.error

    def wait(self, marks: Iterable[threading.Event]) -> None:
        """Wait until all are set. Raises what stopped the run, for then some never will be."""
        for mark in marks:
            while not mark.wait(_POLL_SECONDS):
                self.raise_error()


class Tools(msgspec.Struct, frozen=True):
    """What all writers share."""

    report: Report
    asides: Asides
    trouble: Trouble
    blob_id: Callable[[Buffer], bytes]
    tree: FileTree
    verify: bool


class Writer:
    """One thread that writes; ``root`` is its own handle on the target and closed by it."""

    def __init__(self, root: TargetDir, tools: Tools, name: str) -> None:
        self._root = root
        self._tools = tools
        self._report = tools.report
        self._folders = Navigator(root, _HANDLES)
        self._comparer = Comparer(tools.blob_id)
        self._open: dict[FileJob, Open] = {}
        self._tasks: queue.Queue[Task | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, task: Task) -> None:
        """Have something done; waits while the queue is full. Raises what stopped the run."""
        self._tools.trouble.raise_error()
        self._tasks.put(task)

    def mark(self) -> threading.Event:
        """Set once everything put so far was done; never if something stopped the run."""
        reached = threading.Event()
        self.put(reached.set)
        return reached

    def drain(self) -> None:
        """Wait until everything put was done. Raises what stopped the run."""
        self._tasks.join()
        self._tools.trouble.raise_error()

    def close(self) -> None:
        """End the thread; unfinished files are removed."""
        self._tasks.put(None)
        self._thread.join()
        for open_file in self._open.values():
            open_file.drop()
        self._folders.close()
        self._root.close()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                if self._tools.trouble.error is None:
                    task()
            except BaseException as error:  # noqa: BLE001 - raised where the next task is put
                self._tools.trouble.note(error)
            finally:
                self._tasks.task_done()

    # tasks

    def write_batches(self, batches: Sequence[Batch]) -> None:
        """Create small files whole in many directories: usual ones at once, others one by one."""
        done = 0 if self._tools.verify else self._write_usual(batches)
        for batch in batches:
            here = min(done, len(batch.jobs))
            done -= here
            self._finished(batch.directory, batch.jobs[:here])
            if here < len(batch.jobs):
                self._write_batch(batch.behind(here))

    def _write_usual(self, batches: Sequence[Batch]) -> int:
        """How many files are there, from the first one on."""
        steps = way_through(batch.directory for batch in batches)
        batches = batches[: steps.goals]
        jobs = [job for batch in batches for job in batch.jobs]
        return self._root.write_below(
            steps,
            [len(batch.jobs) for batch in batches],
            [job.node.name for job in jobs],
            [data for batch in batches for data in batch.data],
            [job.attributes for job in jobs],
        )

    def _write_batch(self, batch: Batch) -> None:
        """Create small files of one directory, with all that may be said of each."""
        names = [job.node.name for job in batch.jobs]
        attributes = [job.attributes for job in batch.jobs]
        try:
            folder = self._folders.go(batch.directory)
            results = folder.write_batch(names, batch.data, attributes)
        except OSError as error:
            stop_when_full(error)
            for job in batch.jobs:
                self._fail(job, error)
            return
        if self._tools.verify or results.count(_WHOLE) != len(results):
            self._finished(batch.directory, list(self._kept(folder, batch, results)))
        else:
            self._finished(batch.directory, batch.jobs)

    def _kept(
        self, folder: TargetDir, batch: Batch, results: list[tuple[int, list[str]]]
    ) -> Iterator[FileJob]:
        """The files of a batch that are as they should be; what is to be told of each is."""
        for job, data, (number, losses) in zip(batch.jobs, batch.data, results, strict=True):
            if number:
                self._fail(job, OSError(number, os.strerror(number)))
            elif self._tools.verify and not self._reads_back(folder, job, data):
                self._fail(job, _DIFFERS)
            else:
                self._report.lost(losses)
                yield job

    def write_piece(self, job: FileJob, offset: int, data: Buffer) -> None:
        """One part of a large file; the first one begins it."""
        if job.spoiled:
            return
        try:
            opened = self._open.get(job) or self._begin(job)
            if job.holes:
                _write_around(opened.file, data, offset, job.holes)
            else:
                opened.file.write_at(data, offset)
        except OSError as error:
            self._give_up(job, error)

    def finish(self, job: FileJob) -> None:
        """All parts of a large file were put: give it its metadata and its name."""
        if job.spoiled:
            self._drop(job)
            return
        try:
            opened = self._open.get(job) or self._begin(job)
            for start, end in job.zeros:
                for begin, stop in without(start, end, job.holes):
                    opened.file.allocate(begin, stop - begin)
            if self._tools.verify and not self._same(job, opened.file):
                self._give_up(job, _DIFFERS)
                return
            aside = self._tools.asides.out_of_the_way(
                opened.folder, job.directory, job.node.name, needed=job.aside
            )
            with aside:
                losses = opened.file.finish(job.attributes)
        except OSError as error:
            self._give_up(job, error)
            return
        self._drop(job)
        self._report.lost(losses)
        self._finished(job.directory, [job])

    # steps

    def _begin(self, job: FileJob) -> Open:
        folder = self._own_handle(job.directory)
        is_root = folder is self._root
        try:
            file = folder.create_file(job.node.name, flags=job.attributes.flags or 0)
        except OSError:
            if not is_root:
                folder.close()
            raise
        opened = self._open[job] = Open(file, folder, is_root)
        file.resize(job.node.size)
        return opened

    def _own_handle(self, directory: Directory) -> TargetDir:
        """A handle that stays while the writer goes on to other directories."""
        if directory.above is None:
            return self._root
        return self._folders.go(directory.above).open_dir(directory.name)

    def _same(self, job: FileJob, file: TargetFile) -> bool:
        return self._comparer.holds(file, self._tools.tree, job.node)

    def _reads_back(self, folder: TargetDir, job: FileJob, data: Buffer) -> bool:
        """Whether a small file holds what was written; if not, it does not keep its name."""
        name, there = job.node.name, bytearray(len(data) + 1)
        try:
            file = folder.open_existing(name)
            try:
                length = file.read_into(memoryview(there), 0)
            finally:
                file.close()
            if length == len(data) and memoryview(there)[:length] == data:
                return True
            folder.remove_file(name)
        except OSError as error:
            return error.errno == errno.EACCES  # its mode forbids us to look
        return False

    def _finished(self, directory: Directory, jobs: list[FileJob]) -> None:
        """Files of a directory are complete under their names."""
        for job in jobs:
            if job.state is not None:
                job.state.ready = True
        self._report.written(directory, jobs)

    def _give_up(self, job: FileJob, error: OSError | str) -> None:
        job.spoiled = True
        self._drop(job)
        self._fail(job, error)

    def _fail(self, job: FileJob, error: OSError | str) -> None:
        if isinstance(error, OSError):
            stop_when_full(error)
        node = job.node
        self._report.failed(job.directory, node.name, "restore file", error, size=node.size)

    def _drop(self, job: FileJob) -> None:
        opened = self._open.pop(job, None)
        if opened is not None:
            opened.drop()


def _write_around(
    file: TargetFile, data: Buffer, offset: int, holes: Sequence[tuple[int, int]]
) -> None:
    """Write all but the holes; a hole that is not all zeros is none, whatever was recorded."""
    view = memoryview(data)
    end = offset + len(view)
    at = offset
    for start, stop in without(offset, end, holes):
        filled = at < start and not is_zero(view[at - offset : start - offset])
        begin = at if filled else start
        file.write_at(view[begin - offset : stop - offset], begin)
        at = stop
    if at < end and not is_zero(view[at - offset :]):
        file.write_at(view[at - offset :], at)


def is_zero(view: memoryview) -> bool:
    """Whether there is nothing else in it."""
    return all(
        _ZEROS.startswith(view[at : at + len(_ZEROS)]) for at in range(0, len(view), len(_ZEROS))
    )
