"""Logical volumes as parts of a disk: what of a partition is theirs, and what is left of it."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from twofold.disk.base import BlockReader
from twofold.disk.blocks import Window
from twofold.disk.lvm_label import read_label
from twofold.disk.lvm_layout import GroupLayout, Placed, group_layout
from twofold.disk.recognise import recognise
from twofold.errors import FormatError
from twofold.format.image import FIRST_INNER
from twofold.imaging.part import Part

_MOST_VOLUMES = 1024
_MOST_PIECES = 16_384
"""Of a disk: what its image page has room for."""


class Divided(msgspec.Struct, frozen=True):
    """Partitions with their logical volumes behind them, and what is to be said."""

    parts: tuple[Part, ...]
    notes: tuple[str, ...]


def with_logical(reader: BlockReader, partitions: Sequence[Part]) -> Divided:
    """The same parts, and the logical volumes in those that are whole volume groups.

    A group that is damaged, or not plain, stays one part, which is told.
    """
    parts: list[Part] = []
    notes: list[str] = []
    inner = pieces = 0
    for part in partitions:
        try:
            group = _group(Window(reader, part.start, part.size))
        except FormatError as error:
            notes.append(f"p{part.number}: its volume group is kept as it is: {error.message}")
            group = None
        if group is None:
            parts.append(part)
            continue
        notes += [f"p{part.number}: {note}" for note in group.notes]
        more = sum(len(volume.pieces) for volume in group.volumes)
        if inner + len(group.volumes) > _MOST_VOLUMES or pieces + more > _MOST_PIECES:
            parts.append(replace(part, label=group.name))
            notes.append(f"p{part.number}: the disk has too many logical volumes; it is kept whole")
            continue
        parts += _divided(part, group.name, group.volumes, FIRST_INNER + inner)
        inner += len(group.volumes)
        pieces += more
    return Divided(tuple(parts), tuple(notes))


def _group(window: Window) -> GroupLayout | None:
    """The volume group of a physical volume, None when it is none. ``FormatError``.

    One whose label or metadata the disk cannot give is none: sectors that cannot be read are told
    when it is stored.
    """
    try:
        if read_label(window) is None or recognise(window).kind != "lvm2":
            return None
        return group_layout(window)
    except OSError:
        return None


def _divided(part: Part, label: str, volumes: Sequence[Placed], number: int) -> Iterator[Part]:
    taken = sorted(piece for volume in volumes for piece in volume.pieces)
    yield replace(part, label=label, taken=tuple(taken))
    for at, volume in enumerate(volumes):
        yield Part(
            number + at,
            part.start,
            sum(length for _, length in volume.pieces),
            "",
            volume.name,
            volume.uuid,
            part.shared or volume.shared,
            parent=part.number,
            runs=volume.pieces,
        )
