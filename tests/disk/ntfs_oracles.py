"""What The Sleuth Kit and libfsntfs say about the clusters of a volume, in our terms."""

from pathlib import Path
from typing import Any

import pyfsntfs
import pytsk3

from twofold.disk import HOLE, Run

DATA = 0x80

Streams = dict[tuple[int, bytes], tuple[int, tuple[Run, ...]]]
"""Size and runs by file and name."""


def merged(runs: list[Run]) -> tuple[Run, ...]:
    """Neighbouring runs as one, without holes at the end."""
    out: list[Run] = []
    for first, units in runs:
        last = out[-1] if out else Run(0, 0)
        follows = first == last.first + last.units if first != HOLE else last.first == HOLE
        if out and follows and (first == HOLE) == (last.first == HOLE):
            out[-1] = Run(last.first, last.units + units)
        elif units:
            out.append(Run(first, units))
    while out and out[-1].first == HOLE:
        out.pop()
    return tuple(out)


def sleuthkit_streams(image: Path) -> Streams:
    """Every $DATA stream in clusters, of files in use.

    The kit takes records that extend a file for files; their reference to a base record tells.
    """
    volume: Any = pytsk3.FS_Info(pytsk3.Img_Info(str(image)))
    table: Any = volume.open_meta(inode=0)
    record = table.info.meta.size // volume.info.last_inum  # the last one is the kit's invention
    found: Streams = {}
    for number in range(volume.info.last_inum):
        if any(table.read_random(number * record + 32, 8)):
            continue
        try:
            file = volume.open_meta(inode=number)
        except OSError:
            continue
        if not int(file.info.meta.flags) & int(pytsk3.TSK_FS_META_FLAG_ALLOC):
            continue
        for attribute in file:
            info = attribute.info
            if int(info.type) != DATA or not int(info.flags) & int(pytsk3.TSK_FS_ATTR_NONRES):
                continue
            hole = int(pytsk3.TSK_FS_ATTR_RUN_FLAG_SPARSE)
            runs = [Run(HOLE if int(run.flags) & hole else run.addr, run.len) for run in attribute]
            if merged(runs):
                found[number, info.name or b""] = (info.size, merged(runs))
    return found


def libfsntfs_streams(image: Path, cluster: int) -> Streams:
    """The main $DATA stream of every file in clusters (others are not told by this library)."""
    volume: Any = pyfsntfs.volume()
    volume.open(str(image))
    found: Streams = {}
    for number in range(volume.get_number_of_file_entries()):
        try:
            entry = volume.get_file_entry(number)
        except OSError:
            continue
        if not entry.is_allocated() or not entry.has_default_data_stream():
            continue
        runs = []
        for index in range(entry.get_number_of_extents()):
            offset, size, flags = entry.get_extent(index)
            runs.append(Run(HOLE if flags & 1 else offset // cluster, size // cluster))
        if merged(runs):
            found[number, b""] = (entry.get_size(), merged(runs))
    volume.close()
    return found
