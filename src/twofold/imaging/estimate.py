"""What an image of a disk would hold, before anything is read but tables and maps."""

from dataclasses import dataclass

from twofold.disk.blocks import Window
from twofold.disk.probe import open_file_system, open_used_blocks
from twofold.disk.recognise import recognise
from twofold.errors import FormatError
from twofold.imaging.source import Part, Source
from twofold.imaging.units import UnitSet


@dataclass(frozen=True, slots=True)
class PartEstimate:
    """A partition, what it holds, and the bytes of it that are in use.

    ``doubt``: why it may hold more than its file system knows of, so that ``free`` bytes are kept
    as well, as far as they are not zero; "" and 0 for most.
    """

    number: int
    start: int
    size: int
    name: str
    system: str
    label: str
    used: int
    sentence: str
    doubt: str = ""
    free: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A disk; ``used`` is what the image will hold."""

    size: int
    table: str
    used: int
    parts: tuple[PartEstimate, ...]


def estimate(source: Source) -> Estimate:
    """Look at the tables and allocation maps only."""
    parts = tuple(_part(source, part) for part in source.parts)
    frame = sum(length for _, length in source.frame)
    return Estimate(source.reader.size, source.table, frame + sum(p.used for p in parts), parts)


def _part(source: Source, part: Part) -> PartEstimate:
    reader = Window(source.reader, part.start, part.size)
    found = recognise(reader)
    used, label, doubt = part.size, found.label, ""
    try:
        frozen = source.frozen
        system = open_file_system(reader, frozen=frozen) or open_used_blocks(reader, frozen=frozen)
        if system is not None and not part.shared:
            facts = system.facts
            units = UnitSet(facts.units, system.allocation())
            used, label, doubt = len(units) * facts.unit, facts.label, facts.doubt
    except FormatError:
        pass  # it will be kept as it is
    return PartEstimate(
        part.number,
        part.start,
        part.size,
        part.name,
        found.kind,
        label,
        used,
        found.sentence,
        doubt,
        part.size - used if doubt else 0,
    )
