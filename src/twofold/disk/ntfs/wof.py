"""Files compressed "externally" (CompactOS): reparse tag 80000017, stream WofCompressedData.

    reparse data   4 bytes each: version 1, provider (2: this file), version 1, method
    stream         for each chunk but the first its place behind this table (4 bytes, 8 if the file
                   has 4 GiB or more), then the chunks

A chunk is 4, 8 or 16 KiB of the file (XPRESS) or 32 KiB (LZX); one that is as long as what it
stands for is stored plain.
"""

import struct
from itertools import pairwise

from twofold.disk.base import Content
from twofold.disk.ntfs import lzx, xpress
from twofold.disk.ntfs.content import clamp
from twofold.errors import FormatError

TAG = 0x80000017
STREAM = b"WofCompressedData"

_CHUNKS = {0: 4096, 1: lzx.CHUNK, 2: 8192, 3: 16384}


def chunk_size(data: bytes) -> int:
    """Bytes of a chunk by the data of the reparse point; FormatError when it cannot be read."""
    if len(data) < 16:
        raise FormatError("the reparse point of a compressed file is too short")
    _, provider, _, method = struct.unpack_from("<IIII", data)
    if provider != 2:
        raise FormatError("the content of this file lies in an archive elsewhere")
    if method not in _CHUNKS:
        raise FormatError(f"files compressed by method {method} are not known")
    return _CHUNKS[method]


class WofContent:
    """The decoded file; the chunk read last is kept."""

    def __init__(self, stored: Content, chunk: int, size: int) -> None:
        self._stored = stored
        self._chunk = chunk
        self._decoder = lzx.decode if chunk == lzx.CHUNK else xpress.decode
        self._width = 4 if size < 1 << 32 else 8
        self._table = max(0, -(-size // chunk) - 1) * self._width
        self._kept: tuple[int, bytes] = (-1, b"")
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end; FormatError when they cannot be decoded."""
        part = clamp(self.size, offset, length)
        pieces, at = [], part.start
        while at < part.stop:
            number, skip = divmod(at, self._chunk)
            piece = self._decoded(number)[skip : skip + part.stop - at]
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces)

    def _decoded(self, number: int) -> bytes:
        kept, data = self._kept
        if kept != number:
            data = self._decode(number)
            self._kept = number, data
        return data

    def _decode(self, number: int) -> bytes:
        start, end = self._place(number)
        size = min(self._chunk, self.size - number * self._chunk)
        if not 0 <= end - start <= size or end > self._stored.size:
            raise FormatError("the table of a compressed file is damaged")
        data = self._stored.read(start, end - start)
        return data if len(data) == size else self._decoder(data, size)

    def _place(self, number: int) -> tuple[int, int]:
        """Where a chunk begins and ends in the stream."""
        entries = self._table // self._width
        first, last = max(number - 1, 0), min(number + 1, entries)
        packed = self._stored.read(first * self._width, (last - first) * self._width)
        if len(packed) != (last - first) * self._width:
            raise FormatError("the table of a compressed file is cut short")
        width = self._width
        ends = [
            self._table + int.from_bytes(packed[at : at + width], "little")
            for at in range(0, len(packed), width)
        ]
        if number == 0:
            ends.insert(0, self._table)
        if number == entries:
            ends.append(self._stored.size)
        return next(pairwise(ends))
