"""The log of a VHDX file: changes of its tables that may not have reached their places yet
(MS-VHDX, section 2.3).

The log is a ring of entries. An entry is a header and descriptors, then one sector of 4 KiB for
each descriptor that brings data; descriptors may also set a range to zeros. Entries whose numbers
follow one another, that lie one behind the other and whose last one (the head) names the first
(the tail) are a sequence; that with the highest number counts. The file itself is not touched: the
changes are laid over it.

An entry that is made as it must be holds no start of another one, so every byte is summed once.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from twofold.disk.base import BlockReader
from twofold.disk.blocks import check_range
from twofold.disk.containers.base import refused
from twofold.disk.containers.vhdx_layout import MIB, Header, is_sealed
from twofold.errors import FormatError

SECTOR = 4096
ENTRY = struct.Struct("<4sIIIQI4x16sQQ")
DESCRIPTOR = struct.Struct("<4s4s8sQQ")
"""Signature; last 4 bytes; first 8 bytes, or the length of a range of zeros; offset; number."""

_LARGEST_LOG = 64 * MIB
_ZERO_LIMIT = 1024
_HEADS = 64


class Entry(NamedTuple):
    """An entry that is in order. Offsets and lengths are bytes of the log."""

    offset: int
    length: int
    tail: int
    sequence: int
    descriptors: int
    flushed: int
    last: int


class Overlay(msgspec.Struct):
    """A file with the changes of its log laid over it: pages of 4 KiB, and ranges of zeros."""

    file: BlockReader
    size: int
    pages: dict[int, bytes] = msgspec.field(default_factory=dict)
    zeros: list[tuple[int, int]] = msgspec.field(default_factory=list)

    @property
    def sector_size(self) -> int:
        """That of the file."""
        return self.file.sector_size

    def put_zeros(self, start: int, end: int) -> None:
        """Make a range of whole pages zeros."""
        for page in [page for page in self.pages if start <= page < end]:
            del self.pages[page]
        self.zeros.append((start, end))

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, changes included."""
        check_range(self, offset, length)
        first, end = offset // SECTOR * SECTOR, offset + length
        if not self._is_changed(first, end):
            return self._unchanged(offset, end)
        data = b"".join(self._page(page) for page in range(first, end, SECTOR))
        return data[offset - first : end - first]

    def _is_changed(self, first: int, end: int) -> bool:
        if any(start < end and stop > first for start, stop in self.zeros):
            return True
        if (end - first) // SECTOR < len(self.pages):
            return any(page in self.pages for page in range(first, end, SECTOR))
        return any(first <= page < end for page in self.pages)

    def _page(self, page: int) -> bytes:
        changed = self.pages.get(page)
        if changed is None and any(start <= page < end for start, end in self.zeros):
            changed = bytes(SECTOR)
        return self._unchanged(page, page + SECTOR) if changed is None else changed

    def _unchanged(self, offset: int, end: int) -> bytes:
        """What the file has; behind its end are zeros, for the log may make it longer."""
        stored = max(min(end, self.file.size) - offset, 0)
        data = self.file.read(offset, stored) if stored else b""
        return data.ljust(end - offset, b"\0")


def replay(file: BlockReader, header: Header) -> BlockReader:
    """The file as it is once its log has been carried out. FormatError when the log is damaged."""
    if header.log == bytes(16):
        return file
    if header.log_length > _LARGEST_LOG or header.log_version:
        raise refused("the log of the VHDX file is too large or of a newer kind")
    log = _Ring(file.read(header.log_offset, header.log_length), header.log)
    entries = _active(log)
    last = entries[-1]
    if last.flushed > file.size:
        raise FormatError("the VHDX file is shorter than its log says it must be")
    overlay = Overlay(file, max(file.size, last.last))
    for entry in entries:
        _carry_out(log, entry, overlay)
    return overlay


class _Ring(msgspec.Struct, frozen=True):
    """The bytes of the log, and the identity that its entries bear."""

    data: bytes
    identity: bytes

    def part(self, offset: int, length: int) -> bytes:
        """Bytes at an offset; the start follows the end."""
        offset %= len(self.data)
        part = self.data[offset : offset + length]
        return part + self.data[: length - len(part)]


def _active(log: _Ring) -> list[Entry]:
    """The entries to be carried out, oldest first."""
    entries = {entry.offset: entry for entry in _entries(log)}
    newest = sorted(entries.values(), key=lambda entry: entry.sequence, reverse=True)
    for head in newest[:_HEADS]:
        sequence = _chain(log, entries, head)
        if sequence:
            return sequence
    raise FormatError("the log of the VHDX file is damaged")


def _chain(log: _Ring, entries: dict[int, Entry], head: Entry) -> list[Entry]:
    """The entries from the head's tail up to the head; empty when they do not follow one another.

    Their numbers rise by one and end with the head's, so a walk is not longer than the ring.
    """
    chain: list[Entry] = []
    offset = head.tail
    while (entry := entries.get(offset)) is not None and entry.sequence <= head.sequence:
        if chain and entry.sequence != chain[-1].sequence + 1:
            return []
        chain.append(entry)
        if entry == head:
            return chain
        offset = (entry.offset + entry.length) % len(log.data)
    return []


def _entries(log: _Ring) -> Iterator[Entry]:
    """Every entry that is in order, wherever it lies."""
    for offset in range(0, len(log.data), SECTOR):
        if log.data[offset : offset + 4] == b"loge":
            entry = _entry(log, offset)
            if entry:
                yield entry


def _entry(log: _Ring, offset: int) -> Entry | None:
    _, _, length, tail, sequence, count, identity, flushed, last = ENTRY.unpack_from(
        log.data, offset
    )
    if identity != log.identity or not sequence or length > len(log.data) or tail % SECTOR:
        return None
    entry = Entry(offset, length, tail, sequence, count, flushed, last)
    if not _is_made_well(log, entry) or not is_sealed(log.part(offset, length)):
        return None
    return entry


def _is_made_well(log: _Ring, entry: Entry) -> bool:
    """Whether the descriptors and the sectors of data are there, each with the entry's number."""
    sectors = -(-(ENTRY.size + entry.descriptors * DESCRIPTOR.size) // SECTOR)
    if sectors * SECTOR > entry.length:
        return False
    data = 0
    for descriptor in _descriptors(log, entry):
        signature, *_, sequence = descriptor
        if signature not in (b"desc", b"zero") or sequence != entry.sequence:
            return False
        data += signature == b"desc"
    first = entry.offset + sectors * SECTOR
    return entry.length == (sectors + data) * SECTOR and all(
        _sequence_of(log.part(first + index * SECTOR, SECTOR)) == entry.sequence
        for index in range(data)
    )


def _sequence_of(sector: bytes) -> int:
    """The number of a data sector: its high half is at the start, its low half at the end."""
    if sector[:4] != b"data":
        return 0
    return int.from_bytes(sector[-4:] + sector[4:8], "little")


def _descriptors(log: _Ring, entry: Entry) -> Iterator[tuple[bytes, bytes, bytes, int, int]]:
    start = entry.offset + ENTRY.size
    for at in range(start, start + entry.descriptors * DESCRIPTOR.size, DESCRIPTOR.size):
        yield DESCRIPTOR.unpack(log.part(at, DESCRIPTOR.size))


def _carry_out(log: _Ring, entry: Entry, overlay: Overlay) -> None:
    sectors = -(-(ENTRY.size + entry.descriptors * DESCRIPTOR.size) // SECTOR)
    place = entry.offset + sectors * SECTOR
    for signature, trailing, leading, offset, _ in _descriptors(log, entry):
        length = SECTOR if signature == b"desc" else int.from_bytes(leading, "little")
        if offset % SECTOR or length % SECTOR or offset + length > overlay.size:
            raise FormatError("the log of the VHDX file changes what lies outside of the file")
        if signature == b"desc":
            overlay.pages[offset] = leading + log.part(place, SECTOR)[8:-4] + trailing
            place += SECTOR
        elif len(overlay.zeros) < _ZERO_LIMIT:
            overlay.put_zeros(offset, offset + length)
        else:
            raise refused("the log of the VHDX file has more zeroed ranges than are read")
