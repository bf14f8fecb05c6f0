"""What the root directory says of the volume: allocation bitmap, up-case table, label, GUID.

A TexFAT volume has two bitmaps, one for each FAT. The up-case table serves comparing names, which
nobody needs here; its checksum is tried because names cannot be relied on when it is wrong.
(exFAT specification 7.1 to 7.3, 7.5.)
"""

from collections.abc import Iterable

import msgspec

from twofold.disk.clusters.chain import Allocation
from twofold.disk.exfat.entries import (
    BITMAP,
    GUID,
    LABEL,
    UPCASE,
    Set,
    clusters_of,
    guid_of,
    is_known,
    label_of,
)

LARGEST_UPCASE = 1 << 17
"""Bytes: two for each unit of UTF-16."""


class System(msgspec.Struct):
    """Entries of the root directory that are no files. Numbers are those of the entries."""

    bitmaps: dict[int, tuple[int, Allocation]] = msgspec.field(default_factory=dict)
    """By the number of the FAT they belong to, 0 or 1."""
    upcase: tuple[int, Allocation] | None = None
    upcase_checksum: int = 0
    label: str = ""
    guid: str = ""
    unknown: int | None = None
    """A type that must be known to understand the volume."""


def read_system(sets: Iterable[Set]) -> System:
    """Gather what the root directory's sets say of the volume, the first of each kind."""
    system = System()
    for number, slots in sets:
        slot = slots[0]
        if slot[0] == BITMAP:
            system.bitmaps.setdefault(slot[1] & 1, (number, clusters_of(slot)))
        elif slot[0] == UPCASE and system.upcase is None:
            system.upcase = (number, clusters_of(slot))
            system.upcase_checksum = int.from_bytes(slot[4:8], "little")
        elif slot[0] == LABEL:
            system.label = system.label or label_of(slot)
        elif slot[0] == GUID:
            system.guid = system.guid or guid_of(slots)
        elif not is_known(slot[0]):
            system.unknown = slot[0]
    return system
