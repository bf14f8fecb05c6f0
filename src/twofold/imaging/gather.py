"""What a file system's streams claim: each unit once, in the order of the disk.

A stream that leaves the volume, claims a unit that is another's already, or has too many runs, is
left to the raw entries: it is stored all the same, only not as a file. Units in use are those of
the allocation map and those that any stream refers to, so a map that lags behind costs nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from twofold.disk.base import HOLE, FileSystem, Role, Run, Stream
from twofold.errors import FormatError
from twofold.format.image import RUNS_LIMIT, EntryRole, pack_runs
from twofold.imaging.units import UnitSet

_ROLES = {
    Role.FILE: EntryRole.FILE,
    Role.CODED: EntryRole.CODED,
    Role.META: EntryRole.META,
}


class Wanted(NamedTuple):
    """A stream to be stored. ``runs`` are packed and cover ``size`` bytes, no unit more."""

    first: int
    """First unit that is stored."""
    role: EntryRole
    owner: int
    name: bytes
    size: int
    valid: int
    runs: bytes
    stamp: bytes
    discard: bool

    @property
    def key(self) -> tuple[int, int, bytes]:
        """Its place among the entries."""
        return self.role, self.owner, self.name


@dataclass(slots=True)
class Gathered:
    """The streams of a volume, its units in use, and those that a stream holds."""

    used: UnitSet
    claimed: UnitSet
    streams: list[Wanted] = field(default_factory=list)
    discarded: list[Wanted] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def gather(system: FileSystem, *, keep_discardable: bool = False) -> Gathered:
    """Go through all streams once. Damage met on the way ends the list of streams, and is told."""
    facts = system.facts
    used = UnitSet(facts.units, system.allocation())
    found = Gathered(used, UnitSet(facts.units))
    referred = UnitSet(facts.units)
    try:
        for stream in system.streams():
            runs = list(_covering(stream, facts.unit))
            if not _inside(runs, facts.units):
                continue
            for run in runs:
                if run.first != HOLE:
                    referred.add(run.first, run.units)
            _take(found, stream, runs, facts.unit, keep=keep_discardable)
    except FormatError as error:
        found.notes.append(f"not all files were understood: {error}")
    found.used = used.union(referred)
    return found


def _take(found: Gathered, stream: Stream, runs: list[Run], unit: int, *, keep: bool) -> None:
    stored = [run for run in runs if run.first != HOLE]
    if not stored or any(found.claimed.meets(run.first, run.units) for run in stored):
        return
    if not _distinct(stored):
        return
    packed = pack_runs(runs)
    if len(packed) > RUNS_LIMIT:
        return
    size = sum(run.units for run in runs) * unit if stream.role is Role.CODED else stream.size
    valid = size if stream.role is Role.CODED else min(stream.valid, size)
    wanted = Wanted(
        stored[0].first,
        _ROLES[stream.role],
        stream.owner,
        stream.name,
        size,
        valid,
        packed,
        stream.stamp,
        stream.discard,
    )
    if stream.discard and not keep:
        found.discarded.append(wanted)
    else:
        found.streams.append(wanted)
    for run in stored:
        found.claimed.add(run.first, run.units)


def _covering(stream: Stream, unit: int) -> Iterator[Run]:
    """The runs that hold the stream's bytes; of a coded one, all of them."""
    left = -(-stream.size // unit) if stream.role is not Role.CODED else 1 << 62
    for run in stream.runs:
        if left <= 0:
            return
        units = min(run.units, left)
        left -= units
        yield Run(run.first, units)


def _inside(runs: list[Run], units: int) -> bool:
    return all(
        run.units > 0 and (run.first == HOLE or 0 <= run.first <= units - run.units) for run in runs
    )


def _distinct(stored: list[Run]) -> bool:
    """Whether no two runs of one stream share a unit."""
    end = -1
    for run in sorted(stored):
        if run.first < end:
            return False
        end = run.first + run.units
    return True
