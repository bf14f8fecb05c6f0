"""Reading past the cache of the kernel, which fetches several pages or none of them.

So a bad sector takes its readable neighbours with it, up to a folio; asked directly, the device
gives each sector for itself. What is gone through once costs a tenth of the processor time, for no
page has to be found, filled, copied and given back.
"""

import mmap
import os
import sys
import threading

from twofold.platform.linux import system

assert sys.platform == "linux"


class Direct:
    """A second way to what is open on a descriptor; OSError where there is none."""

    def __init__(self, fd: int, sector: int) -> None:
        self._fd = os.open(system.descriptor_path(fd), os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        self._sector = sector
        self._local = threading.local()

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, which lie inside. OSError."""
        first, skip, size = self._sectors(offset, length)
        with mmap.mmap(-1, max(size, 1)) as buffer:  # pages of its own, so it is aligned
            with memoryview(buffer)[:size] as view:
                self._fill(view, first, skip + length)
            return buffer[skip : skip + length]

    def borrow(self, offset: int, length: int) -> memoryview:
        """The same in memory that the thread's next call fills anew: no page is taken or copied.

        OSError also where such reads are not to be had.
        """
        first, skip, size = self._sectors(offset, length)
        view = self._memory(size)
        self._fill(view[:size], first, skip + length)
        return view[skip : skip + length]

    def fill(self, view: memoryview, offset: int) -> None:
        """Fill memory with whole sectors. OSError, also where such reads are not to be had."""
        self._fill(view, offset, len(view))

    def _sectors(self, offset: int, length: int) -> tuple[int, int, int]:
        """The sectors that hold a range: (first byte, bytes of them before the range, bytes)."""
        skip = offset % self._sector
        return offset - skip, skip, -(-(skip + length) // self._sector) * self._sector

    def _fill(self, view: memoryview, first: int, wanted: int) -> None:
        """Read whole sectors until so many bytes are there; a file may end before its last one."""
        done = 0
        while done < wanted:
            count = os.preadv(self._fd, [view[done:]], first + done)
            if not count or (count % self._sector and done + count < wanted):
                raise OSError("a direct read was cut short")
            done += count

    def _memory(self, size: int) -> memoryview:
        """At least so many bytes, the same for all calls of a thread as far as they suffice."""
        held: memoryview | None = getattr(self._local, "held", None)
        if held is None or len(held) < size:
            held = self._local.held = memoryview(mmap.mmap(-1, size))
        return held

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)
