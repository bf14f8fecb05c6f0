"""The data of a disk on its way into a container: in order, in grains of 64 KiB, zeros left out.

A window of 1 MiB moves over the extents; whatever extents touch it are laid into it (zeros lie
between them), and those of its grains that are not all zero come out. So a grain comes out whole
and once, however the extents lie, and the memory needed is that of one window.
"""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from twofold.disk.base import BlockReader
from twofold.disk.containers.base import Extent
from twofold.errors import FormatError, RefusedUnsafe

GRAIN = 64 * 1024
_WINDOW = 1024 * 1024
_ZEROS = bytes(GRAIN)


def begin(out: BinaryIO) -> None:
    """RefusedUnsafe unless the file is empty: nothing is ever written over."""
    if out.seek(0, 2):
        raise RefusedUnsafe("the file to write the disk image into is not empty")


def finish(out: BinaryIO, size: int) -> None:
    """Make the file ``size`` bytes long; what was not written reads as zeros."""
    if out.seek(0, 2) < size:
        out.seek(size - 1)
        out.write(b"\0")


def grains(source: BlockReader, extents: Iterable[Extent]) -> Iterator[tuple[int, memoryview]]:
    """(offset, data) of every grain that is not zero; the last one ends with the disk.

    ``data`` is valid until the next one is asked for. FormatError when the extents overlap, are
    not in order or not inside.
    """
    for start, parts in _windows(source, extents):
        window = _filled(source, start, parts)
        for at in range(0, len(window), GRAIN):
            grain = window[at : at + GRAIN]
            if not _ZEROS.startswith(grain):
                yield start + at, grain


def _windows(
    source: BlockReader, extents: Iterable[Extent]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """(start, the parts of extents in it as start and end) of every window that has any."""
    current, parts, before = 0, list[tuple[int, int]](), 0
    for offset, length in extents:
        end = offset + length
        if offset < before or length < 0 or end > source.size:
            raise FormatError(f"the extent at byte {offset} is not in order or not on the disk")
        before = end
        while offset < end:
            start = offset // _WINDOW * _WINDOW
            if start != current and parts:
                yield current, parts
                parts = []
            current = start
            parts.append((offset, min(end, start + _WINDOW)))
            offset = parts[-1][1]  # noqa: PLW2901 - goes on behind this window
    if parts:
        yield current, parts


def _filled(source: BlockReader, start: int, parts: list[tuple[int, int]]) -> memoryview:
    size = min(_WINDOW, source.size - start)
    if parts == [(start, start + size)]:
        return memoryview(source.read(start, size))
    window = bytearray(size)
    for offset, end in parts:
        window[offset - start : end - start] = source.read(offset, end - offset)
    return memoryview(window)
