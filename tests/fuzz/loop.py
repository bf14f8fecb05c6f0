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
    """A run that ended in another way than it may, and where."""

    target: str
    number: int
    words: str

    @property
    def cause(self) -> str:
        """The same for crashes of one cause: the exception and the line it comes from."""
        lines = self.words.rstrip().splitlines()
        places = [line.strip() for line in lines if line.lstrip().startswith("File ")]
        return f"{lines[-1].split(':')[0]} {places[-1] if places else ''}"


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
            except BaseException:
                crash = Crash(target.name, number, traceback.format_exc(limit=-6))
                if crash.cause not in causes and len(causes) < _MOST_CRASHES:
                    causes.add(crash.cause)
                    tally.crashes.append(crash)
    return tally


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
