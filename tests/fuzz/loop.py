"""Runs from one number to another, memory and processor time bounded, and what came of them."""

import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from tests.fuzz.subject import TooMuch
from tests.fuzz.targets import Target

SECONDS = 10  # of processor time for one run: thousands of times what the slowest takes
MIB = 384  # that the address space may grow by; a parser that believed a length is refused memory
_MOST_CRASHES = 50


@dataclass(frozen=True)
class Crash:
    """A run that ended in another way than it may. ``cause``: the exception and its line."""

    target: str
    number: int
    cause: str
    words: str


@dataclass
class Tally:
    """Counts of runs, and a crash of each cause."""

    runs: int = 0
    refused: int = 0
    crashes: list[Crash] = field(default_factory=list)


def run_range(target: Target, start: int, stop: int) -> Tally:
    """The runs with these numbers. The loop goes on after a crash."""
    tally = Tally()
    causes: set[str] = set()
    with bounded():
        for number in range(start, stop):
            tally.runs += 1
            try:
                signal.setitimer(signal.ITIMER_PROF, SECONDS)
                tally.refused += target.attempt(number)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                cause = _cause(error)
                if cause not in causes and len(causes) < _MOST_CRASHES:
                    causes.add(cause)
                    words = traceback.format_exc(limit=-6)
                    tally.crashes.append(Crash(target.name, number, cause, words))
    return tally


def _cause(error: BaseException) -> str:
    """The same for crashes that are most likely one fault."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.filename}:{frame.lineno}"


@contextmanager
def bounded() -> Iterator[None]:
    """Memory is refused beyond a bound, and ``TooMuch`` is raised when the timer runs out."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + (MIB << 20), limits[1]))
    before = signal.signal(signal.SIGPROF, _too_long)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooMuch(f"more than {SECONDS} s of processor time")


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def tell(tally: Tally) -> str:
    """Crashes as people read them."""
    return "\n".join(
        f"{crash.target}, run {crash.number}\n{crash.words}" for crash in tally.crashes
    )


if sys.platform != "linux":
    raise ImportError("the bounds of a run are those of Linux")
