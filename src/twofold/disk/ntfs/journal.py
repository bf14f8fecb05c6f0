"""$LogFile: whether it holds changes that are not yet in their places.

    restart page   0 "RSTR"   16 4 size of a page   24 2 place of the restart area
                   26 2 minor, 28 2 major version
    restart area   0 8 last log number   12 2 first client in use (FFFF: none)
                   14 2 flags (2: clean)

A restart page stands at the start, another one behind it, and the newer one counts. In doubt there
are changes: a page that is torn may have been the newer one, and of two that are equally new both
must tell of a clean volume. A log that was emptied (by ntfs-3g, or when the volume was made) is
all FF. Windows 8 and later write version 2, and turn it into version 1 when they let a volume go;
so version 2 belongs to a volume in use, or to one of a Windows that sleeps.
"""

import struct
from typing import NamedTuple

from twofold.disk.base import Content
from twofold.disk.ntfs.fixups import mend
from twofold.errors import FormatError

_FIRST = 4096
"""Bytes of the smallest page, of which there are two when the log was emptied."""
_PAGES = (4096, 8192, 16384, 32768, 65536)
_NOBODY = 0xFFFF
_CLEAN = 2
_IN_USE = 2  # major version
_PAGE = struct.Struct("<16xI4xHHH")
_AREA = struct.Struct("<Q4xHH")


class _Restart(NamedTuple):
    """What one restart page says."""

    newest: int
    """The last log number it knew."""
    clean: bool
    major: int


def waiting(log: Content) -> str:
    """Why the tables of the volume may not be up to date, as half a sentence; "" when they are."""
    if log.read(0, 2 * _FIRST) == b"\xff" * (2 * _FIRST):
        return ""
    try:
        pages = _restarts(log)
    except FormatError:
        return "its log cannot be understood"
    last = max(page.newest for page in pages)
    if not all(page.clean for page in pages if page.newest == last):
        return "changes wait in its log"
    if any(page.major >= _IN_USE for page in pages):
        return "its log is as Windows keeps it while a volume is in use"
    return ""


def _restarts(log: Content) -> list[_Restart]:
    size = int.from_bytes(log.read(16, 4), "little")
    if size not in _PAGES:
        raise FormatError(f"pages of {size} bytes")
    return [_restart(log.read(place, size), size) for place in (0, size)]


def _restart(page: bytes, size: int) -> _Restart:
    if len(page) != size:
        raise FormatError("a restart page is cut off")
    page = mend(page, b"RSTR")
    _, start, _, major = _PAGE.unpack_from(page)
    if start + _AREA.size > size:
        raise FormatError("a restart area is outside of its page")
    newest, client, flags = _AREA.unpack_from(page, start)
    return _Restart(newest, client == _NOBODY or bool(flags & _CLEAN), major)
