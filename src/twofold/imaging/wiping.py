"""What a target was known by goes before anything is written: nobody is to find two things in one.

File systems, arrays and volume groups have what they are known by near the start or the end of the
volume that they fill, copies of it included. What an image leaves free there would stay as it was
on the target, and then a restored file system would be taken for a part of the RAID that was there
before, or for two file systems at once, which no system mounts.
"""

from collections.abc import Iterator

from twofold.imaging.placing import Pieces
from twofold.imaging.plan import DiskPlan, PartPlan
from twofold.imaging.ranges import Ranges
from twofold.imaging.writing import DiskTarget

_DISK = 1 << 20
"""Bytes at both ends of the target: its partition tables, and what stands behind the image."""
HEAD = 5 << 20
"""Bytes at the start of a volume; the second header of LUKS2 may begin as late as at 4 MiB."""
TAIL = 1 << 20
"""Bytes at its end: arrays (md, those of controllers), ZFS, copies of boot sectors."""


def edges(plan: DiskPlan) -> Ranges:
    """Bytes of the target that are made zero before anything else is done to it."""
    found = edges_of_disk(plan)
    for part in plan.parts:
        for start, size in _of_volume(part):
            found.add(start, start + size)
    return found


def edges_of_disk(plan: DiskPlan) -> Ranges:
    """Those that a run which goes on makes zero as well, lest a table tells of what is not done."""
    found = Ranges()
    for start, size in _ends(plan.target.size, _DISK, _DISK):
        found.add(start, start + size)
    return found


def _of_volume(part: PartPlan) -> Iterator[tuple[int, int]]:
    if not part.volume.number:
        return  # the frame: all of it is written
    for start, size in _ends(part.volume.size, HEAD, TAIL):
        if part.pieces:
            yield from Pieces(part.pieces).spans(start, size)
        else:
            yield part.at + start, size


def _ends(size: int, head: int, tail: int) -> Iterator[tuple[int, int]]:
    """(first byte, bytes) of both ends, which are one where they meet."""
    if size <= head + tail:
        yield from [(0, size)] if size else []
        return
    yield 0, head
    yield size - tail, tail


def wipe(target: DiskTarget, wiped: Ranges) -> None:
    """Make them zero, durably. From here on nobody takes the target for what it was. OSError."""
    for start, size in wiped:
        target.write_zeros(start, size)
    target.sync()
