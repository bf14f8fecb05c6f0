"""The files that a disk is kept in, of which only so many are open at a time.

A disk of VMware may be cut into files of 2 GiB each, more of them than a program may have open.
Those asked for last stay open; the others are opened again when they are needed. Who opened them
looks in the end whether any was replaced meanwhile.
"""

from threading import Lock

from twofold.disk.blocks import hole_at
from twofold.platform import Disk, current

MOST_OPEN = 64


class OpenFiles:
    """Opens disks and files for reading, and closes them all in the end."""

    def __init__(self) -> None:
        self._kept: list[Disk] = []
        self._passing: dict[bytes, Disk] = {}
        self._lock = Lock()

    def keep(self, path: bytes) -> Disk:
        """A disk or file that stays open. Raises as ``platform.open_disk``."""
        self._kept.append(current().open_disk(path))
        return self._kept[-1]

    def pass_by(self, path: bytes) -> "OneOfMany":
        """A file that is open when it is read. Raises as above."""
        with self._lock:
            disk = self._opened(path)
            return OneOfMany(self, path, disk.size, disk.sector_size)

    def read(self, path: bytes, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes of a file that passes by. FormatError, OSError."""
        with self._lock:  # none is closed while it is read
            return self._opened(path).read(offset, length)

    def hole(self, path: bytes, offset: int) -> int:
        """As the file says. OSError."""
        with self._lock:
            return hole_at(self._opened(path), offset)

    def _opened(self, path: bytes) -> Disk:
        disk = self._passing.pop(path, None) or current().open_disk(path)
        self._passing[path] = disk
        if len(self._passing) > MOST_OPEN:
            self._passing.pop(next(iter(self._passing))).close()
        return disk

    def close(self) -> None:
        """Close all."""
        for disk in (*self._kept, *self._passing.values()):
            disk.close()


class OneOfMany:
    """A file among the open ones, or among those that are opened again."""

    def __init__(self, files: OpenFiles, path: bytes, size: int, sector_size: int) -> None:
        self._files = files
        self._path = path
        self.size = size
        self.sector_size = sector_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. FormatError, OSError."""
        return self._files.read(self._path, offset, length)

    def hole(self, offset: int) -> int:
        """As the file says. OSError."""
        return self._files.hole(self._path, offset)
