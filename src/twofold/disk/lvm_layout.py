"""Where the logical volumes of a volume group lie, if all of it is on one physical volume.

Only what is plain is told: linear volumes whose extents are inside, and are nobody else's. Names
are LVM's own (letters, digits, ``+ _ . -``), so that they can stand in an address. All else is
left to whoever keeps the physical volume as it is, and said.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.blocks import joined
from twofold.disk.lvm import LogicalVolume, open_volume_group

MOST_VOLUMES = 256
MOST_PIECES = 4096
"""Of a volume group; more is kept as it is."""
_NAME = re.compile(r"[A-Za-z0-9+_.-]{1,127}", re.ASCII)


class Placed(NamedTuple):
    """A logical volume, and its pieces in order: (first byte of the physical volume, bytes)."""

    name: str
    uuid: str
    pieces: tuple[tuple[int, int], ...]
    shared: bool = False
    """Whether snapshots read from it, so that none of its bytes is free for certain."""


class GroupLayout(NamedTuple):
    """A volume group: its name, the volumes that are plain, and sentences about all others."""

    name: str
    volumes: tuple[Placed, ...]
    notes: tuple[str, ...]


def group_layout(reader: BlockReader) -> GroupLayout:
    """The volumes of the group on a physical volume.

    FormatError when the metadata are damaged or cannot be; OSError when the device cannot read.
    """
    group = open_volume_group([reader])
    if group.missing:
        many = "its volume group lies on several physical volumes; it is kept as it is"
        return GroupLayout(group.name, (), (many,))
    found: list[Placed] = []
    notes: list[str] = []
    pieces = 0
    for volume in group.volumes:
        placed, why = _placed(volume, reader)
        if placed is not None and (
            len(found) >= MOST_VOLUMES or pieces + len(placed.pieces) > MOST_PIECES
        ):
            placed, why = None, "there are too many volumes or pieces"
        if placed is None:
            notes.append(f"logical volume {volume.name[:127]!r} is kept as it is: {why}")
            continue
        pieces += len(placed.pieces)
        found.append(placed)
        if placed.shared:
            notes.append(
                f"logical volume {placed.name!r} is kept with every sector: snapshots read from it"
            )
    if _overlap(piece for placed in found for piece in placed.pieces):
        shared = "logical volumes share bytes, which cannot be; they are kept as they are"
        return GroupLayout(group.name, (), (shared,))
    return GroupLayout(group.name, tuple(found), tuple(notes))


def _placed(volume: LogicalVolume, reader: BlockReader) -> tuple[Placed | None, str]:
    """A volume that is plain, or why it is not."""
    if volume.is_store:
        return None, "it holds what a snapshot needs"
    if volume.reader is None:
        why = volume.reason.removesuffix(".")
        return None, why[:1].lower() + why[1:]
    if not _NAME.fullmatch(volume.name):
        return None, "its name is none that LVM gives"
    if any(piece.stripe for piece in volume.pieces):
        return None, "it is striped"
    pieces = tuple(joined((piece.stripes[0][1], piece.size) for piece in volume.pieces))
    if not pieces or any(start + length > reader.size for start, length in pieces):
        return None, "it has no place inside of the physical volume"
    if any(edge % reader.sector_size for piece in pieces for edge in piece):
        return None, "its pieces do not begin and end with sectors of the disk"
    return Placed(volume.name, volume.uuid, pieces, volume.is_origin), ""


def _overlap(pieces: Iterable[tuple[int, int]]) -> bool:
    ordered = sorted(pieces)
    return any(start + length > follows for (start, length), (follows, _) in pairwise(ordered))
