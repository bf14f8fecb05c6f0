"""What an image of a disk would hold, before anything is read but tables and maps."""

import msgspec

from twofold.disk.base import BlockReader, Facts
from twofold.disk.probe import open_file_system, open_used_blocks
from twofold.disk.recognise import recognise
from twofold.errors import FormatError
from twofold.format.image import PartName
from twofold.imaging.part import Part
from twofold.imaging.source import Source
from twofold.imaging.units import UnitSet


class PartEstimate(msgspec.Struct, frozen=True):
    """A partition or logical volume, what it holds, and the bytes of it that are in use.

    Of a logical volume ``parent`` is the partition that it lies in, and ``start`` is 0. What of a
    partition is used by logical volumes is counted with those.

    ``doubt``: why it may hold more than its file system knows of, so that ``free`` bytes are kept
    as well, as far as they are not zero; "" and 0 for most.
    """

    called: PartName
    parent: int
    start: int
    size: int
    name: str
    system: str
    label: str
    used: int
    sentence: str
    doubt: str = ""
    free: int = 0


class Estimate(msgspec.Struct, frozen=True):
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
    reader = part.of(source.reader)
    found = recognise(reader)
    used = sum(length for _, length in part.left())
    label, doubt = part.label or found.label, ""
    try:
        whole = part.taken or part.shared
        facts_used = None if whole else _in_use(reader, frozen=source.frozen)
        if facts_used is not None:
            facts, used = facts_used
            label, doubt = facts.label, facts.doubt
    except FormatError:
        pass  # it will be kept as it is
    return PartEstimate(
        part.called,
        part.parent,
        0 if part.parent else part.start,
        part.size,
        part.name,
        found.kind,
        label,
        used,
        found.sentence,
        doubt,
        part.size - used if doubt else 0,
    )


def _in_use(reader: BlockReader, *, frozen: bool) -> tuple[Facts, int] | None:
    """What a file system is, and the bytes of it that are in use; None where there is none."""
    system = open_file_system(reader, frozen=frozen) or open_used_blocks(reader, frozen=frozen)
    if system is None:
        return None
    units = UnitSet(system.facts.units, system.allocation())
    return system.facts, system.facts.in_use(len(units), reader.size)
