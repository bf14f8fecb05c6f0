"""The versions of one entry over many snapshots.

    sightings of one line (host, kind, disk), by time:   A A A – B B A
    versions:   A in 3, then gone;   B in 2;   A in 1, the same as the first

A version is what snapshots one after the other of one line hold. It ends where the entry changes or
is not there; contents that come back are a version of their own that says which it is the same as.
"""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

import msgspec

from twofold.format.pages import Node


class Sighting(NamedTuple):
    """What one snapshot says of the entry; ``node`` is None where it is not there."""

    snapshot: int
    """Number of the snapshot in order of time."""
    line: Hashable
    place: int
    """Which of the places asked for."""
    node: Node | None
    content: bytes = b""
    """What its content is the same as."""
    problem: str = ""
    """Why nothing is known of the content."""


class Version(msgspec.Struct):
    """What several snapshots of a line hold alike, oldest first."""

    number: int
    first: Sighting
    snapshots: list[int] = msgspec.field(default_factory=list)
    same_as: int | None = None
    """The first version with the same content."""
    gone: int | None = None
    """The snapshot that followed and did not hold the entry any more."""

    def goes_on_with(self, sighting: Sighting) -> bool:
        """Whether a snapshot holds the same."""
        one, other = self.first.node, sighting.node
        if one is None or other is None or self.gone is not None:
            return False
        mine = (one.kind, one.size, one.mtime_ns, self.first.content, self.first.problem)
        return mine == (
            other.kind,
            other.size,
            other.mtime_ns,
            sighting.content,
            sighting.problem,
        )


def versions_of(sightings: Iterable[Sighting]) -> list[Version]:
    """Versions by the time they were first seen, out of sightings by time."""
    found: list[Version] = []
    latest: dict[Hashable, Version] = {}
    firsts: dict[bytes, int] = {}
    for sighting in sightings:
        before = latest.get(sighting.line)
        if sighting.node is None:
            if before is not None and before.gone is None:
                before.gone = sighting.snapshot
            continue
        if before is None or not before.goes_on_with(sighting):
            before = Version(len(found) + 1, sighting)
            if sighting.content:
                first = firsts.setdefault(sighting.content, before.number)
                before.same_as = first if first != before.number else None
            latest[sighting.line] = before
            found.append(before)
        before.snapshots.append(sighting.snapshot)
    return found
