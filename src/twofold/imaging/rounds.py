"""The parts of an image in rounds: each is written in the order of the packs, then read back.

A volume's pages are gone through once. Streams come before raw entries, which repair what streams
alone would get wrong, and no round has both: so streams are proven before anything covers them. Of
a volume that begins where the target does, what lies at its very beginning comes last of all:
before that, nobody takes it for a file system.

How the parts fall into rounds follows from the image alone; a journal counts on it.
"""

from collections.abc import Callable, Iterator

from twofold.errors import DamageFound
from twofold.format.image import EntryRole
from twofold.graph import PageStore
from twofold.imaging.placing import Part, parts_of
from twofold.imaging.plan import PartPlan

MOST_PARTS = 100_000
_MOST_BYTES = 8 << 30
HEAD = 128 << 10
"""Bytes within which every file system has what it is known by."""

Damaged = Callable[[str, DamageFound], None]


def rounds(pages: PageStore, plan: PartPlan, damaged: Damaged) -> Iterator[list[Part]]:
    """Lists of parts, in the order of writing."""
    first: list[list[Part]] = [[], []]
    found: list[Part] = []
    size, raw = 0, False
    for is_raw, part in _all_parts(pages, plan, damaged):
        if plan.at == 0 and plan.volume.number and part.first < HEAD:
            first[is_raw].append(part)
            continue
        if found and (is_raw != raw or len(found) >= MOST_PARTS or size >= _MOST_BYTES):
            yield found
            found, size = [], 0
        raw = is_raw
        found.append(part)
        size += part.length
    yield from filter(None, (found, *first))


def _all_parts(pages: PageStore, plan: PartPlan, damaged: Damaged) -> Iterator[tuple[bool, Part]]:
    for entry in pages.extents(plan.volume.entries):
        raw = entry.role == EntryRole.RAW
        try:
            for part in parts_of(pages, plan.volume, entry, plan.at):
                yield raw, part
        except DamageFound as error:
            damaged(f"the list of stream {entry.owner}", error)
