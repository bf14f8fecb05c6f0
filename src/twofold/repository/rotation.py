"""Which packs a check of a part reads, so that checks of 5 % have read everything after 20.

Pack ids are random numbers on a circle. A check goes on where the one before stopped and reads
until it has its share of the bytes; where it stopped is remembered by this computer. Packs found
bad are read again every time, until they are good or gone. A computer that remembers nothing starts
at a place that wanders with the days, so that one that never remembers does not read the same
forever.
"""

from bisect import bisect_right
from collections.abc import Mapping

import msgspec

from twofold import clock
from twofold.repository.client_state import recall, remember

PURPOSE = "rotation"
_DAY_NS = 86_400 * 10**9


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The file: the last pack read, and those found bad."""

    last: bytes
    bad: list[bytes] = msgspec.field(default_factory=list)


class Rotation:
    """Where the rotation through one repository stands on this computer."""

    def __init__(self, repository: bytes, percent: float) -> None:
        self._repository = repository
        self._percent = percent
        place = recall(PURPOSE, repository, Place)
        self._last = place.last if place is not None else b""
        self._bad = set(place.bad) if place is not None else set()

    def _start(self, circle: list[bytes]) -> int:
        """Behind the last pack read; where nothing is remembered, another place every day."""
        if self._last:
            return bisect_right(circle, self._last)
        turns = clock.now_ns() // _DAY_NS * self._percent / 100
        return int(turns % 1 * len(circle))

    def choose(self, packs: Mapping[bytes, int]) -> list[bytes]:
        """Packs to read, of all packs and their sizes: those that were bad, then the next ones."""
        circle = sorted(packs)
        start = self._start(circle)
        chosen = [pack for pack in sorted(self._bad) if pack in packs]
        left = sum(packs.values()) * self._percent / 100
        for pack in circle[start:] + circle[:start]:
            if left <= 0 and self._percent < 100:
                break
            left -= packs[pack]
            if pack not in self._bad:
                chosen.append(pack)
        return chosen

    def read(self, pack: bytes, *, bad: bool) -> None:
        """A pack was read; a bad one does not move the rotation if it was read out of turn."""
        if pack not in self._bad:
            self._last = pack
        if bad:
            self._bad.add(pack)
        else:
            self._bad.discard(pack)

    def save(self, packs: Mapping[bytes, int]) -> None:
        """Remember the place; bad packs only while they exist. ``OSError``."""
        bad = sorted(self._bad & packs.keys())
        remember(PURPOSE, self._repository, Place(last=self._last, bad=bad))
