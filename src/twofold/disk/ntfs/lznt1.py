"""LZNT1, the compression of NTFS files ([MS-XCA] 2.5), read.

A file is cut into compression units of (usually) 16 clusters. A unit with all its clusters is
stored plain, one with none reads as zeros, one with some is compressed, its clusters at the front:

    chunk   2-byte header (bits 0-11 length - 1 of what follows, bit 15 compressed), up to 4096
            bytes when decoded; a zero header ends the unit
    group   a byte of eight flags, each followed by a literal byte (0) or two bytes (1) that tell
            how far back and how much to copy; the deeper in the chunk, the more bits for "back"
"""

from collections.abc import Iterator

from twofold.disk.base import Content
from twofold.disk.ntfs.content import clamp
from twofold.disk.ntfs.runs import RunMap
from twofold.errors import FormatError

CHUNK = 4096


def decode(data: bytes, size: int) -> bytes:
    """At most ``size`` bytes of a unit; FormatError where it is not LZNT1.

    A unit may end early; what is missing reads as zeros and is not given back.
    """
    out: list[bytes] = []
    at, total = 0, 0
    while total < size and at + 2 <= len(data):
        header = data[at] | data[at + 1] << 8
        if not header:
            break
        end = at + 3 + (header & 0xFFF)
        if end > len(data):
            raise FormatError("a compressed chunk is cut short")
        chunk = _chunk(data, at + 2, end) if header & 0x8000 else data[at + 2 : end]
        if total % CHUNK:  # a chunk that is not the last one is as if filled up with zeros
            out.append(bytes(-total % CHUNK))
            total += -total % CHUNK
        out.append(chunk)
        total += len(chunk)
        at = end
    return b"".join(out)[:size]


def _chunk(data: bytes, at: int, end: int) -> bytes:
    out = bytearray()
    while at < end:
        flags = data[at]
        at += 1
        if not flags:
            out += data[at : min(at + 8, end)]
            at += 8
            continue
        for _ in range(8):
            if at >= end:
                break
            if flags & 1:
                if at + 2 > end:
                    raise FormatError("a compressed chunk ends within a copy")
                _copy(out, data[at] | data[at + 1] << 8)
                at += 2
            else:
                out.append(data[at])
                at += 1
            flags >>= 1
    if len(out) > CHUNK:
        raise FormatError("a compressed chunk is too long when decoded")
    return bytes(out)


def _copy(out: bytearray, pair: int) -> None:
    """Append a copy of earlier bytes: the pair holds distance - 1 above, length - 3 below."""
    place = len(out)
    below = 16 - max(4, (place - 1).bit_length())
    distance = (pair >> below) + 1
    length = (pair & (1 << below) - 1) + 3
    if distance > place or place + length > CHUNK:
        raise FormatError("a compressed chunk copies from before its start or too much")
    if distance >= length:
        out += out[place - distance : place - distance + length]
    else:
        pattern = bytes(out[place - distance :])
        out += (pattern * (length // distance + 1))[:length]


class Compressed:
    """A file compressed unit by unit; the unit read last is kept."""

    def __init__(
        self, stored: Content, runs: RunMap, *, cluster: int, unit: int, size: int, valid: int
    ) -> None:
        """``stored`` gives the clusters as they are, ``unit`` is in clusters."""
        self._stored = stored
        self._runs = runs
        self._cluster = cluster
        self._clusters = unit
        self._bytes = unit * cluster
        self._valid = valid
        self._kept: tuple[int, bytes] = (-1, b"")
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end; FormatError when they cannot be decoded."""
        part = clamp(self.size, offset, length)
        pieces = []
        at, end = part.start, min(part.stop, self._valid)
        while at < end:
            number, skip = divmod(at, self._bytes)
            piece = self._unit(number)[skip : skip + end - at]
            pieces.append(piece)
            at += len(piece)
        pieces.append(bytes(part.stop - max(part.start, end)) if end < part.stop else b"")
        return b"".join(pieces)

    def holes(self) -> Iterator[tuple[int, int]]:
        """(start, length) of the units that have no clusters, in bytes."""
        length = min(self.size, self._runs.units * self._cluster)
        return self._runs.holes(length, self._cluster, self._bytes)

    def _unit(self, number: int) -> bytes:
        kept, data = self._kept
        if kept != number:
            data = self._decoded(number)
            self._kept = number, data
        return data

    def _decoded(self, number: int) -> bytes:
        start = number * self._clusters
        stored = self._runs.stored(start, self._clusters)
        if not stored:
            return bytes(self._bytes)
        raw = self._stored.read(start * self._cluster, self._bytes)
        covered = min(self._clusters, self._runs.units - start)
        if stored < covered:
            raw = decode(raw[: stored * self._cluster], self._bytes)
        return raw + bytes(self._bytes - len(raw))
