"""Executing windows: contents to writers, then links, then directories as they were left.

    files ─► ``FileContents``
    all written ─► links to what is there now (or a copy) ─► metadata of directories, deepest first

One window runs at a time, in a thread of its own, while the engine decides about the next one. What
follows when all files of a window are written is done after those of the next one were handed out,
so that neither readers nor writers stand still in between.
"""

import threading
from collections.abc import Callable
from contextlib import suppress

from twofold.errors import DamageFound
from twofold.format.pages import NodeKind
from twofold.native import keep_memory
from twofold.repository import BlobReader
from twofold.restorer.contents import FileContents
from twofold.restorer.crew import Crew
from twofold.restorer.directory import Navigator, way_through
from twofold.restorer.jobs import FileJob, LeftDirectory, LinkJob, Window
from twofold.restorer.others import make_other
from twofold.restorer.target import Target, stop_when_full
from twofold.restorer.writer import Tools

GIVEN_TOGETHER = 64
"""So many directories at most are given their metadata in one go."""

_HANDLES = 16
_POLL_SECONDS = 0.1


class Runner:
    """Threads that execute windows; ``close`` drops what is not done."""

    def __init__(
        self, target: Target, reader: BlobReader, tools: Tools, processes: int = 0
    ) -> None:
        """``processes``: so many write files beside this one."""
        keep_memory()
        self._tools = tools
        self._report = tools.report
        self._root = target.another()
        self._folders = Navigator(self._root, _HANDLES)
        self._sources = Navigator(self._root, _HANDLES // 2)
        self._files = _writing(target, reader, tools, processes)
        self._running: threading.Thread | None = None
        self._handed_out: tuple[Window, list[threading.Event]] | None = None

    def submit(self, window: Window) -> None:
        """Execute a window after the one before. Raises what stopped the run."""
        self._await()
        self._begin(lambda: self._run(window))

    def wait(self) -> None:
        """Wait until all windows are executed. Raises what stopped the run."""
        self._await()
        self._begin(self._finish)
        self._await()

    def _begin(self, work: Callable[[], None]) -> None:
        self._running = threading.Thread(
            target=self._noting, args=(work,), name="window", daemon=True
        )
        self._running.start()

    def _await(self) -> None:
        """Wait for the window under way, telling what happens."""
        while self._running is not None:
            self._running.join(_POLL_SECONDS)
            self._report.flush()
            if not self._running.is_alive():
                self._running = None
                self._tools.trouble.raise_error()

    def _noting(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised where the window is waited for
            self._tools.trouble.note(error)

    def _run(self, window: Window) -> None:
        self._files.write(window.files)
        written = self._files.mark()
        self._finish()
        self._handed_out = window, written

    def _finish(self) -> None:
        """What is left of the window before: links and directories, once its files are written."""
        handed_out, self._handed_out = self._handed_out, None
        if handed_out is None:
            return
        window, written = handed_out
        self._tools.trouble.wait(written)
        self._links(window.links)
        for at in range(0, len(window.left), GIVEN_TOGETHER):
            self._tools.trouble.raise_error()
            self._give_many(window.left[at : at + GIVEN_TOGETHER])

    # links

    def _links(self, links: list[LinkJob]) -> None:
        """Link what has a file to link to; what has none yet becomes that file, or a copy."""
        while links:
            copies: list[FileJob] = []
            later: list[LinkJob] = []
            begun: set[int] = set()
            for link in links:
                self._tools.trouble.raise_error()
                state = link.state
                if state.ready:
                    if not self._link(link):
                        self._copy(link.file, copies)
                elif state.damaged:
                    job = link.file
                    self._report.damaged(job.directory, job.node.name, _SAME_FILE, job.node.size)
                elif id(state) in begun:
                    later.append(link)
                else:
                    begun.add(id(state))
                    state.directory, state.name = link.file.directory, link.file.node.name
                    link.file.state = state
                    self._copy(link.file, copies)
            self._files.write(copies)
            self._files.drain()
            links = later

    def _link(self, link: LinkJob) -> bool:
        """False when a copy must do."""
        job, state = link.file, link.state
        try:
            folder = self._folders.go(job.directory)
            source = self._sources.go(state.directory)
            with self._tools.asides.out_of_the_way(
                folder, job.directory, job.node.name, needed=job.aside
            ):
                folder.link_from(source, state.name, job.node.name)
        except OSError as error:
            stop_when_full(error)
            why = (error.strerror or "").lower()
            self._report.lost([f"hard link could not be made, a copy was: {why}"])
            return False
        self._report.done(job.decision, job.directory, job.node.name, job.node.size)
        return True

    def _copy(self, job: FileJob, copies: list[FileJob]) -> None:
        """Restore another name of a file as a file of its own."""
        if job.node.kind == NodeKind.FILE:
            copies.append(job)
            return
        try:
            losses = make_other(
                self._folders.go(job.directory),
                job.directory,
                job.node,
                job.attributes,
                self._tools.asides,
                aside=job.aside,
            )
        except OSError as error:
            stop_when_full(error)
            node = job.node
            self._report.failed(job.directory, node.name, "restore", error, kind=node.kind)
            return
        if job.state is not None:
            job.state.ready = True
        self._report.done(job.decision, job.directory, job.node.name, 0, losses)

    # directories

    def _give_many(self, left: list[LeftDirectory]) -> None:
        """Usual ones at once, those behind the first other one by one."""
        steps = way_through(each.directory for each in left)
        wanted = [each.attributes for each in left[: steps.goals]]
        for each in left[self._root.apply_below(steps, wanted) :]:
            self.give(each)

    def give(self, left: LeftDirectory) -> None:
        """Give a directory its metadata; from outside only while nothing runs (``wait``)."""
        try:
            losses = self._folders.go(left.directory).apply_self(left.attributes)
        except OSError as error:
            stop_when_full(error)
            self._report.failed(left.directory, b"", "set metadata", error)
            return
        if not left.once_more:
            self._report.lost(losses)

    def close(self) -> None:
        """Stop the threads; what is not finished is removed."""
        self._tools.trouble.note(RuntimeError("the restore was stopped"))
        if self._running is not None:
            self._running.join()
        self._files.close()
        self._folders.close()
        self._sources.close()
        self._root.close()


def _writing(
    target: Target, reader: BlobReader, tools: Tools, processes: int
) -> FileContents | Crew:
    """Those who write files; in this process alone where the system gives no others."""

    def make(tools: Tools) -> FileContents:
        return FileContents(target, reader, tools)

    if processes:
        with suppress(OSError):
            return Crew(processes, make, tools, reader.index)
    return make(tools)


_SAME_FILE = DamageFound("another name of it could not be restored either")
