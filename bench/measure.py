"""The cost of one command: wall clock, processor time and peak memory, as the kernel counted them.

Every process of a pipeline is reaped by ``wait4``, whose usage covers it and all the children that
it waited for. Processor seconds are summed over the pipeline. So is peak memory (``ru_maxrss``): it
is exact for programs of one process, and an upper bound for pipelines, whose parts need not peak at
once. A started process inherits the peak of this one, so nothing below some 25 MB is resolved. Of a
program that makes copies of itself the memory of all is summed ten times a second; what they share
counts for each of them, so that is an upper bound too.
"""

import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

_WATCH_SECONDS = 0.1
Pipeline = Sequence[Sequence[str]]  # the words of each command, from the first to the last


class Broken(Exception):
    """A command failed, or what it left is not what it should be; the reason in one line."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall and processor time in seconds, peak resident memory in bytes."""

    wall: float
    cpu: float
    memory: int


def run(
    pipeline: Pipeline,
    env: Mapping[str, str],
    folder: Path,
    settle: Callable[[], None] = lambda: None,
) -> Cost:
    """Run a pipeline in a folder to its good end; ``settle`` counts into the wall clock.

    Raises:
        Broken: a part of it could not be started or did not end with code 0.
    """
    with open(folder / "output.log", "w+b") as log:
        started = time.monotonic()
        processes = _start(pipeline, env, folder, log)
        with _Together([process.pid for process in processes]) as together:
            ends = [_reap(process) for process in processes]
        settle()
        wall = time.monotonic() - started
        for words, (code, _) in zip(pipeline, ends, strict=True):
            if code:
                raise Broken(f"{Path(words[0]).name} ended with code {code}: {_last_words(log)}")
    usages = [usage for _, usage in ends]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    alone = sum(usage.ru_maxrss for usage in usages) << 10
    return Cost(wall, cpu, max(alone, together.peak))


class _Together:
    """Watches processes for children; ``peak`` is the most that all held at a time, in bytes."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.peak = 0
        self._pids = pids
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_WATCH_SECONDS):
            children = [child for pid in self._pids for child in _children(pid)]
            if children:
                held = sum(map(_resident, (*self._pids, *children)))
                self.peak = max(self.peak, held)


def _children(pid: int) -> list[int]:
    """The processes that the first thread of a process made."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has ended
        return []


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _start(
    pipeline: Pipeline, env: Mapping[str, str], folder: Path, log: IO[bytes]
) -> list[subprocess.Popen[bytes]]:
    """Start every part, each reading what the one before it writes."""
    started: list[subprocess.Popen[bytes]] = []
    for position, words in enumerate(pipeline, 1):
        upstream = started[-1].stdout if started else None
        try:
            process = subprocess.Popen(
                words,
                env=env,
                cwd=folder,
                stdin=upstream or subprocess.DEVNULL,
                stdout=log if position == len(pipeline) else subprocess.PIPE,
                stderr=log,
            )
        except OSError as error:
            raise Broken(f"{words[0]} cannot be started: {error.strerror}") from error
        finally:
            if upstream:
                upstream.close()  # the part that reads it has its own handle
        started.append(process)
    return started


def _reap(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage]:
    """Exit code and usage of a process, once it has ended."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def _last_words(log: IO[bytes]) -> str:
    """The last line that a failed command said."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"
