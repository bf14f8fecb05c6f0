"""Names that the target cannot hold, found before anything is written.

NTFS and HFS+ count 255 units of UTF-16, most file systems of Linux 255 bytes, some only 143. No
table of systems would be right for long, so the target is asked: a look-up under the name is
refused when no entry can have it. Only names that some file system refuses are asked for.
"""

import errno
import os
from collections.abc import Iterator

from twofold.platform import TargetDir

ALWAYS_HELD = 143
"""Bytes that every target holds; eCryptfs holds no more."""
_SHOWN = 5


def refuses(place: TargetDir | None, name: bytes) -> bool:
    """Whether nothing on the file system of a directory can have a name, as far as it tells."""
    try:
        if place is not None:
            place.existing(name)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


class TooLong:
    """Names refused on one walk."""

    def __init__(self) -> None:
        self._count = 0
        self._shown: list[bytes] = []

    def add(self, path: bytes) -> None:
        """Remember an entry that cannot be had, by its path in the snapshot."""
        self._count += 1
        if len(self._shown) < _SHOWN:
            self._shown.append(path)

    def notes(self) -> Iterator[str]:
        """Sentences about them, with the first few by name."""
        if not self._count:
            return
        one = self._count == 1
        words = "1 name is" if one else f"{self._count:,} names are"
        yield (
            f"{words} too long for the target's file system: {'this' if one else 'these'} will be "
            "left out, folders with all that is in them"
        )
        yield from (f"  {os.fsdecode(path)}" for path in self._shown)
        if self._count > len(self._shown):
            yield f"  and {self._count - len(self._shown):,} more"
