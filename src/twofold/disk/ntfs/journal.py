"""$LogFile: whether it holds changes that are not yet in their places.

    restart page   0 "RSTR"   20 4 size of the page   24 2 place of the restart area
    restart area   0 8 last log number   12 2 first client in use (FFFF: none)
                   14 2 flags (2: clean)

Two restart pages stand at the start, the newer one counts. A log that was never used is all FF.
"""

import struct

from twofold.disk.base import Content
from twofold.disk.ntfs.fixups import mend
from twofold.errors import FormatError

_PAGE = 4096
_NOBODY = 0xFFFF
_CLEAN = 2
_AREA = struct.Struct("<Q4xHH")


def is_clean(log: Content) -> bool:
    """False when changes wait in the log, or when it cannot be understood."""
    pages = [log.read(place, _PAGE) for place in (0, _PAGE)]
    if all(page == b"\xff" * len(page) for page in pages):
        return True
    areas = [area for page in pages if (area := _area(page)) is not None]
    if not areas:
        return False
    _, client, flags = max(areas)
    return client == _NOBODY or bool(flags & _CLEAN)


def _area(page: bytes) -> tuple[int, int, int] | None:
    try:
        page = mend(page, b"RSTR")
    except (FormatError, struct.error):
        return None
    start = int.from_bytes(page[24:26], "little")
    if start + _AREA.size > len(page):
        return None
    log, client, flags = _AREA.unpack_from(page, start)
    return log, client, flags
