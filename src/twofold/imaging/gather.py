"""What a file system's streams claim: each unit once, in the order of the disk.

A stream that leaves the volume, claims a unit that is another's already, or has too many runs, is
left to the raw entries: it is stored all the same, only not as a file. Units in use are those of
the allocation map and those that any stream refers to, so a map that lags behind costs nothing.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from twofold.disk.base import HOLE, Facts, FileSystem, Role, Run, Stream
from twofold.errors import FormatError
from twofold.format.image import RUNS_LIMIT, EntryRole, pack_runs
from twofold.imaging.units import UnitSet
from twofold.native import EXTENSION

_ROLES = {
    Role.FILE: EntryRole.FILE,
    Role.CODED: EntryRole.CODED,
    Role.META: EntryRole.META,
}
_CLAIMED_ROLES = Role.FILE, EntryRole.FILE, Role.META, EntryRole.META
_MANY = 4096


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
    units: int
    """Units from the first one on, if all its bytes are there; 0 if they lie in several runs."""

    @property
    def key(self) -> tuple[int, int, bytes]:
        """Its place among the entries."""
        return self[1:4]


class Gathered(msgspec.Struct):
    """The streams of a volume, its units in use, and those that a stream holds."""

    used: UnitSet
    claimed: UnitSet
    streams: list[Wanted] = msgspec.field(default_factory=list)
    discarded: list[Wanted] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)


def gather(system: FileSystem, *, keep: bool = False) -> Gathered:
    """Go through all streams once. Damage met on the way ends the list of streams, and is told.

    ``keep``: also what the system may do without. That comes last and takes no unit that anything
    else refers to; none at all, when not everything was understood that may do so.
    """
    facts = system.facts
    used = UnitSet(facts.units, system.allocation())
    found = Gathered(used, UnitSet(facts.units))
    left = UnitSet(facts.units)
    last: list[tuple[Stream, Sequence[Run]]] = []
    for stream in _unusual(system, facts, found):
        runs = _covering(stream, facts.unit)
        if not _inside(runs, facts.units):
            continue
        if (stream.discard or stream.asleep) and not keep:
            last.append((stream, runs))
        elif not _take(found.streams, found.claimed, stream, runs, facts.unit):
            _leave(left, runs)
    for stream, runs in last:
        shown = _head(stream, runs, facts.unit) if stream.asleep else (stream, runs)
        sure = stream.asleep or not (found.notes or _meets(left, runs))
        taken = sure and _take(found.discarded, found.claimed, *shown, facts.unit)
        if stream.asleep or not taken:
            _leave(left, runs)
    used.include(found.claimed)
    used.include(left)
    return found


def _unusual(system: FileSystem, facts: Facts, found: Gathered) -> Iterator[Stream]:
    """The streams that are to be looked at one by one; the others are taken on the way."""
    for streams in _at_once(system, found.notes):
        at = _claim(streams, 0, facts, found)
        while at < len(streams):
            yield streams[at]
            at = _claim(streams, at + 1, facts, found)


def _at_once(system: FileSystem, notes: list[str]) -> Iterator[list[Stream]]:
    """All streams, many at once."""
    told = iter(system.streams())
    ended = False
    while not ended:
        streams: list[Stream] = []
        try:
            for stream in islice(told, _MANY):
                streams.append(stream)  # kept, should an error come
            ended = len(streams) < _MANY
        except FormatError as error:
            notes.append(f"not all files were understood: {error}")
            ended = True
        yield streams


def _claim(streams: list[Stream], at: int, facts: Facts, found: Gathered) -> int:
    """Take streams that lie in one run each, from a place on; the place of the first that is not.

    It does what ``gather`` does with each of them, so without the extension none is taken here.
    """
    if EXTENSION is None:
        return at
    unit, units, bits = facts.unit, facts.units, found.claimed.bits
    place: int = EXTENSION.claim_streams(
        streams, at, unit, units, bits, found.streams, _CLAIMED_ROLES, Wanted
    )
    return place


def _meets(units: UnitSet, runs: Sequence[Run]) -> bool:
    return any(run.first != HOLE and units.meets(run.first, run.units) for run in runs)


def _leave(left: UnitSet, runs: Sequence[Run]) -> None:
    for first, units in runs:
        if first != HOLE:
            left.add(first, units)


def _take(
    into: list[Wanted], claimed: UnitSet, stream: Stream, runs: Sequence[Run], unit: int
) -> bool:
    """Claim the units of a stream, unless it is to be left to the raw entries."""
    stored = runs if len(runs) == 1 else [run for run in runs if run.first != HOLE]
    if not stored or stored[0].first == HOLE or not _unclaimed(claimed, stored):
        return False
    packed = pack_runs(runs)
    if len(packed) > RUNS_LIMIT:
        return False
    coded = stream.role is Role.CODED
    size = sum(run.units for run in runs) * unit if coded else stream.size
    wanted = Wanted(
        stored[0].first,
        _ROLES[stream.role],
        stream.owner,
        stream.name,
        size,
        size if coded else min(stream.valid, size),
        packed,
        stream.stamp,
        stored[0].units if len(runs) == 1 else 0,
    )
    into.append(wanted)
    for run in stored:
        claimed.add(run.first, run.units)
    return True


def _head(stream: Stream, runs: Sequence[Run], unit: int) -> tuple[Stream, Sequence[Run]]:
    """The first unit of a memory that must not wake up: zeros there are enough.

    No more, since the volume's tables may be old: other units may be those of other files by now.
    """
    head = [run._replace(units=1) for run in runs[:1]]
    size = min(stream.size, unit)
    return stream._replace(role=Role.META, size=size, valid=size), head


def _covering(stream: Stream, unit: int) -> Sequence[Run]:
    """The runs that hold the stream's bytes; of a coded one, all of them."""
    if stream.role is Role.CODED:
        return stream.runs
    left = -(-stream.size // unit)
    if len(stream.runs) == 1 and 0 < stream.runs[0].units <= left:
        return stream.runs
    found = []
    for run in stream.runs:
        if left <= 0:
            break
        units = min(run.units, left)
        left -= units
        found.append(Run(run.first, units))
    return found


def _inside(runs: Sequence[Run], units: int) -> bool:
    for first, count in runs:
        if count <= 0 or (first != HOLE and not 0 <= first <= units - count):
            return False
    return True


def _unclaimed(claimed: UnitSet, stored: Sequence[Run]) -> bool:
    """Whether no unit is claimed already, nor twice by these runs."""
    if _meets(claimed, stored):
        return False
    if len(stored) == 1:
        return True
    end = -1
    for run in sorted(stored):
        if run.first < end:
            return False
        end = run.first + run.units
    return True
