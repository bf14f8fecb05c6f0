"""The parts of an image in rounds: each is written in the order of the packs, then read back.

A volume's pages are gone through once. Streams come before raw entries, which repair what streams
alone would get wrong, and no round has both: so streams are proven before anything covers them. Of
a volume that begins where the target does, what lies at its very beginning comes last of all:
before that, nobody takes it for a file system. What repairs such late streams comes after them too,
wherever it lies.

How the parts fall into rounds follows from the image alone; a journal counts on it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from twofold.disk.base import HOLE
from twofold.errors import DamageFound
from twofold.format.image import EntryRole
from twofold.graph import PageStore
from twofold.imaging.placing import Part, Pieces, parts_of
from twofold.imaging.plan import PartPlan

MOST_PARTS = 100_000
_MOST_BYTES = 8 << 30
HEAD = 128 << 10
"""Bytes within which every file system has what it is known by."""

Damaged = Callable[[str, DamageFound], None]


def rounds(pages: PageStore, plan: PartPlan, damaged: Damaged) -> Iterator[list[Part]]:
    """Lists of parts, in the order of writing."""
    last: list[list[Part]] = [[], []]
    late = _Ranges()
    found: list[Part] = []
    size, raw = 0, False
    for is_raw, part in _all_parts(pages, plan, damaged):
        begins = plan.at == 0 and plan.volume.number and not plan.pieces and part.first < HEAD
        if begins or (is_raw and late.meet(part)):
            last[is_raw].append(part)
            if not is_raw:
                late.add(part)
            continue
        if found and (is_raw != raw or len(found) >= MOST_PARTS or size >= _MOST_BYTES):
            yield found
            found, size = [], 0
        raw = is_raw
        found.append(part)
        size += part.length
    yield from filter(None, (found, *last))


class _Ranges:
    """Bytes of the target that parts take: first all are added, then it is asked."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._is_sorted = True

    def add(self, part: Part) -> None:
        self._ranges += _ranges(part)
        self._is_sorted = False

    def meet(self, part: Part) -> bool:
        """Whether a part shares any byte with those added, which do not share any."""
        if not self._is_sorted:
            self._ranges.sort()
            self._is_sorted = True
        for start, end in _ranges(part) if self._ranges else ():
            place = bisect_left(self._ranges, (end,))  # the first that begins behind it
            if place and self._ranges[place - 1][1] > start:
                return True
        return False


def _ranges(part: Part) -> list[tuple[int, int]]:
    """(first byte, byte behind the last) of every span, the zeros behind the last one included."""
    found = [(start, start + size) for start, size in part.spans if start != HOLE]
    if part.pad:
        start, end = found.pop()
        found.append((start, end + part.pad))
    return found


def _all_parts(pages: PageStore, plan: PartPlan, damaged: Damaged) -> Iterator[tuple[bool, Part]]:
    pieces = Pieces(plan.pieces) if plan.pieces else None
    for entry in pages.extents(plan.volume.entries):
        raw = entry.role == EntryRole.RAW
        try:
            for part in parts_of(pages, plan.volume, entry, plan.at, pieces):
                yield raw, part
        except DamageFound as error:
            damaged(f"the list of stream {entry.owner}", error)
