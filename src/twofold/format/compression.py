"""zstd with an upper bound on what comes out.

A ``Compressor`` belongs to one thread and keeps its working memory from frame to frame;
``compress`` makes one for a single call. Decompression is bounded by the length the authenticated
metadata states, never by what the frame claims.
"""

import sys

from twofold.errors import FormatError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Buffer = bytes | bytearray | memoryview
Search = int | dict[int, int]
"""How hard matches are searched for: a level of zstd, or its parameters one by one."""
PLAIN, ZSTD = 0, 1
# chosen by measurement: docs/decisions/0012-chunk-and-frame-sizes.md
LEVEL = 3
_PARAMETER = zstd.CompressionParameter
TOGETHER: Search = {
    _PARAMETER.compression_level: 1,
    _PARAMETER.window_log: 21,
    _PARAMETER.hash_log: 16,
    _PARAMETER.min_match: 7,
}
"""For frames of many small files, which gain more by lying together than any level gives: level 2
with longer matches, in all of the frame (docs/decisions/0025-longer-matches-among-small-files.md).
"""
OF_IMAGES: Search = {
    _PARAMETER.compression_level: 1,
    _PARAMETER.window_log: 18,
    _PARAMETER.hash_log: 14,
    _PARAMETER.min_match: 6,
}
"""For images, which have to be as fast as tools that only copy what is in use: what is looked
through fits into the processor's caches (docs/decisions/0019-images-in-small-windows.md)."""
_SAVING = 0.97
_WINDOW_LOG_MAX: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}


class Compressor:
    """Makes independent frames; used by one thread at a time."""

    def __init__(self, search: Search = LEVEL) -> None:
        if isinstance(search, int):
            self._zstd = zstd.ZstdCompressor(search)
        else:
            self._zstd = zstd.ZstdCompressor(options=search)

    def compress(self, data: Buffer) -> tuple[int, Buffer]:
        """(encoding, bytes): compressed when that saves at least 3 %, else the data itself."""
        if len(data) < 64:
            return PLAIN, data
        packed = self._zstd.compress(data, self._zstd.FLUSH_FRAME)
        return (ZSTD, packed) if len(packed) < len(data) * _SAVING else (PLAIN, data)


def compress(data: Buffer) -> tuple[int, Buffer]:
    """What a new ``Compressor`` makes of it."""
    return Compressor().compress(data)


def decompress(encoding: int, data: Buffer, raw_length: int) -> Buffer:
    """Undo ``compress``; ``FormatError`` unless exactly ``raw_length`` bytes come out."""
    if encoding == PLAIN:
        raw: Buffer = data
    elif encoding == ZSTD:
        raw = _inflate(data, raw_length)
    else:
        raise FormatError(f"unknown encoding {encoding}")
    if len(raw) != raw_length:
        raise FormatError(f"{len(raw)} bytes where {raw_length} were promised")
    return raw


def _inflate(data: Buffer, raw_length: int) -> bytes:
    decoder = zstd.ZstdDecompressor(options=_WINDOW_LOG_MAX)
    try:
        raw = decoder.decompress(data, max_length=raw_length + 1)
    except zstd.ZstdError as error:
        raise FormatError(f"compressed data is damaged ({error})") from error
    if not decoder.eof or decoder.unused_data:
        raise FormatError("compressed data does not end where it should")
    return raw
