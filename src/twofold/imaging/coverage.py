"""Between units and bytes of a volume: which bytes units are, which units entries cover."""

from collections.abc import Iterable, Iterator

from twofold.disk.base import Facts
from twofold.format.image import EntryRole, ExtentEntry, iterate_runs
from twofold.imaging.raw import Range
from twofold.imaging.units import UnitSet


def bytes_of(facts: Facts, units: UnitSet, size: int) -> Iterator[Range]:
    """Byte ranges of a volume: what lies before the units, the units, what lies behind."""
    end = facts.origin + facts.units * facts.unit
    ranges = [(0, facts.origin)] if facts.origin else []
    yield from ranges
    for first, count in units.runs():
        yield facts.origin + first * facts.unit, count * facts.unit
    if end < size:
        yield end, size - end


def covered(facts: Facts, entries: Iterable[ExtentEntry], size: int) -> UnitSet:
    """The units that entries cover, as they are encoded."""
    found = UnitSet(facts.units)
    start = end = 0  # raw bytes; a unit may begin in one window and end in the next
    for entry in entries:
        raw = entry.role == EntryRole.RAW
        for first, count in iterate_runs(entry.runs, size if raw else facts.units):
            if not raw:
                if first >= 0:
                    found.add(first, count)
                continue
            if first != end:
                _cover(found, facts, start, end)
                start = first
            end = first + count
    _cover(found, facts, start, end)
    return found


def raw_bytes(entries: Iterable[ExtentEntry], size: int) -> Iterator[Range]:
    """The bytes that raw entries cover, as they are encoded."""
    for entry in entries:
        yield from iterate_runs(entry.runs, size)


def _cover(found: UnitSet, facts: Facts, start: int, end: int) -> None:
    """Add the units that lie whole within a range of bytes."""
    first = max(0, -(-(start - facts.origin) // facts.unit))
    units = min(facts.units, (end - facts.origin) // facts.unit) - first
    if units > 0:
        found.add(first, units)


def touched(facts: Facts, start: int, length: int) -> tuple[int, int]:
    """The units that a range of bytes has a part of: the first one and how many."""
    first = max(0, (start - facts.origin) // facts.unit)
    end = min(facts.units, -(-(start + length - facts.origin) // facts.unit))
    return first, max(0, end - first)
