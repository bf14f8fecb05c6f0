"""Which packs a check of a part reads, so that checks of 5 % have read everything after 20.

Also remembered is which of the bad packs have lost something for good: backups of this computer do
not rely on them any more, and store again what is still there.

Pack ids are random numbers on a circle. A check goes on where the one before stopped and reads
until it has its share of the bytes; where it stopped is remembered by this computer. Packs found
bad are read again every time, until they are good or gone. A computer that remembers nothing starts
at a place that wanders with the days, so that one that never remembers does not read the same
forever.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping

import msgspec

from twofold import clock
from twofold.repository.client_state import recall, remember

PURPOSE = "rotation"
_DAY_NS = 86_400 * 10**9


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The file: the last pack read, those found bad, and those of them that have lost something."""

    last: bytes = b""
    bad: list[bytes] = msgspec.field(default_factory=list)
    lost: list[bytes] = msgspec.field(default_factory=list)


def lost_packs(repository: bytes) -> frozenset[bytes]:
    """Packs that have lost something, as far as this computer knows."""
    place = recall(PURPOSE, repository, Place)
    return frozenset(place.lost) if place is not None else frozenset()


def remember_lost(repository: bytes, packs: Iterable[bytes]) -> None:
    """Packs that somebody could not read, until a check finds them good or gone. ``OSError``."""
    place = recall(PURPOSE, repository, Place) or Place()
    lost = {*place.lost, *packs}
    if len(lost) > len(place.lost):
        bad = sorted(lost.union(place.bad))
        remember(PURPOSE, repository, Place(last=place.last, bad=bad, lost=sorted(lost)))


class Rotation:
    """Where the rotation through one repository stands on this computer."""

    def __init__(self, repository: bytes, percent: float) -> None:
        self._repository = repository
        self._percent = percent
        place = recall(PURPOSE, repository, Place) or Place()
        self._last = place.last
        self._bad = set(place.bad)
        self._lost = set(place.lost)

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

    def read(self, pack: bytes, *, bad: bool, lost: bool = False) -> None:
        """A pack was read; a bad one does not move the rotation if it was read out of turn.

        ``lost``: what is bad about it is more than can be made up for.
        """
        if pack not in self._bad:
            self._last = pack
        for known, holds in ((self._bad, bad), (self._lost, lost)):
            if holds:
                known.add(pack)
            else:
                known.discard(pack)

    def save(self, packs: Mapping[bytes, int]) -> None:
        """Remember the place; bad packs only while they exist. ``OSError``."""
        bad, lost = (sorted(known & packs.keys()) for known in (self._bad, self._lost))
        remember(PURPOSE, self._repository, Place(last=self._last, bad=bad, lost=lost))
