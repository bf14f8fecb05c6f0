"""Bytes of sparse files: where there are any, and copies of them that leave holes alone."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path


def data_ranges(handle: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and length of everything that is no hole."""
    while start < end:
        try:
            first = os.lseek(handle, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # holes up to the end
        last = min(end, os.lseek(handle, first, os.SEEK_HOLE))
        if first < last:
            yield first, last - first
        start = last if first < end else end


def sized(path: Path, size: int) -> None:
    """A file that is one hole."""
    with open(path, "wb") as file:
        file.truncate(size)


def copy_range(source: Path, start: int, size: int, target: Path, at: int) -> None:
    """Copy a range into a file that is there, over holes of its own."""
    with open(source, "rb") as one, open(target, "r+b") as two:
        for first, length in data_ranges(one.fileno(), start, start + size):
            _copy(one.fileno(), first, length, two.fileno(), at + first - start)


def gather(source: Path, size: int, target: Path) -> None:
    """A file of ``size`` bytes without holes, from the first bytes there are in another."""
    with open(source, "rb") as one, open(target, "wb") as two:
        written = 0
        for first, length in data_ranges(one.fileno(), 0, os.fstat(one.fileno()).st_size):
            wanted = min(length, size - written)
            _copy(one.fileno(), first, wanted, two.fileno(), written)
            written += wanted
        two.seek(written)
        while written < size:  # blocks in use that hold zeros are holes in the source
            written += two.write(bytes(min(1 << 20, size - written)))


def _copy(source: int, start: int, length: int, target: int, at: int) -> None:
    while length:
        done = os.copy_file_range(source, target, length, start, at)
        start, at, length = start + done, at + done, length - done
