"""Reading a device past the cache of the kernel, which fetches several pages or none of them.

So a bad sector takes its readable neighbours with it, up to a folio; asked directly, the device
gives each sector for itself.
"""

import mmap
import os
import sys

from twofold.platform.linux import system

assert sys.platform == "linux"


class Direct:
    """A second way to what is open on a descriptor; OSError where there is none."""

    def __init__(self, fd: int, sector: int) -> None:
        self._fd = os.open(system.descriptor_path(fd), os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        self._sector = sector

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, which lie inside. OSError."""
        first = offset // self._sector * self._sector
        size = -(-(offset + length - first) // self._sector) * self._sector
        with mmap.mmap(-1, max(size, 1)) as buffer:  # pages of its own, so it is aligned
            done = 0
            while done < offset + length - first:
                with memoryview(buffer)[done:size] as view:
                    count = os.preadv(self._fd, [view], first + done)
                if not count or count % self._sector:
                    raise OSError("a direct read was cut short")
                done += count
            return buffer[offset - first : offset - first + length]

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)
