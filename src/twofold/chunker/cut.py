"""aes16: where a segment is cut depends on AES of its last 16 bytes, under a secret key.

Let v(i) be the first four bytes, as a little-endian integer, of AES-128_k(bytes[i-15..i]). A
chunk that starts at s ends after the first i with

    v(i) < 2^32 // (normal << nc)    for i in [s+minimum-1, s+normal-1)
    v(i) < 2^32 // (normal >> nc)    for i in [s+normal-1, s+maximum-1)

and otherwise at s+maximum or at the end of the segment. The window is exactly one cipher block,
so a cut is a bit of a pseudo-random function: observed cuts give no equations about the key.

The C extension does this with the processor's AES instructions. Its twin in Python has no loop
over bytes either: the windows that end at i, i+16, i+32, ... lie side by side in the data, so
one ECB call encrypts them all; sixteen calls on shifted slices cover every position. The few
blocks whose top byte is small enough are found with a strided slice and ``find``.
"""

from collections.abc import Callable
from struct import Struct
from typing import Self

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from twofold.errors import FormatError, UsageError
from twofold.native import EXTENSION

Buffer = bytes | bytearray | memoryview

KEY_SIZE = 16
"""Bytes of a chunker key."""

_BLOCK = 16  # bytes of an AES block, and of the window a cut depends on
_WINDOW = 128 * 1024  # positions examined at a time; larger is no faster, and wastes more
_LARGEST = 8 << 20  # bytes; a hostile config must not make buffers grow without bound
_STRONGEST = 6
_VALUE = Struct("<I")


class ChunkerParams(msgspec.Struct, frozen=True):
    """Sizes in bytes of the smallest, the usual and the largest chunk, and how hard to aim.

    ``normalization`` (nc) makes cuts 2^nc times rarer below ``normal`` and 2^nc times more
    frequent above it. Raises UsageError for values that make no chunker.
    """

    minimum: int = 512 * 1024
    normal: int = 870 * 1024
    maximum: int = 4 * 1024 * 1024
    normalization: int = 3

    def __post_init__(self) -> None:
        if not _BLOCK <= self.minimum < self.normal < self.maximum <= _LARGEST:
            raise UsageError(
                f"chunk sizes {self.minimum}, {self.normal}, {self.maximum} are not allowed",
                hint=f"choose {_BLOCK} <= minimum < normal < maximum <= {_LARGEST}",
            )
        if not 0 <= self.normalization <= _STRONGEST or self.normal >> self.normalization < 2:
            raise UsageError(
                f"chunk normalization {self.normalization} is not allowed",
                hint=f"choose 0 to {_STRONGEST}, with normal / 2^normalization at least 2",
            )

    @classmethod
    def from_stored(cls, minimum: int, normal: int, maximum: int, normalization: int) -> Self:
        """The same, read from a repository: raises FormatError where values are impossible."""
        try:
            return cls(minimum, normal, maximum, normalization)
        except UsageError as error:
            raise FormatError(f"the repository's config is damaged: {error.message}") from error

    @property
    def strict(self) -> int:
        """Threshold for positions below ``normal``."""
        return (1 << 32) // (self.normal << self.normalization)

    @property
    def loose(self) -> int:
        """Threshold for positions from ``normal`` on."""
        return (1 << 32) // (self.normal >> self.normalization)


class Chunker:
    """Cuts segments under one 16-byte key and one set of parameters.

    It keeps nothing between calls, so threads may share it. Raises UsageError for a key of
    another size.
    """

    def __init__(self, key: bytes, params: ChunkerParams | None = None) -> None:
        if len(key) != KEY_SIZE:
            raise UsageError(f"a chunker key has {KEY_SIZE} bytes, not {len(key)}")
        self._key = bytes(key)
        self.params = params if params is not None else ChunkerParams()

    def cut(self, data: Buffer, final: bool) -> list[int]:
        """End offsets of the chunks of ``data``, which begins where a chunk begins.

        ``final`` says that the segment ends with the data, so that the rest is a chunk. Without
        it a last chunk that more data could lengthen is left out.
        """
        return _cut(self._key, self.params, memoryview(data).cast("B"), final)


def _cut_in_python(key: bytes, params: ChunkerParams, view: memoryview, final: bool) -> list[int]:
    """What ``Chunker.cut`` returns."""
    ends: list[int] = []
    start = 0
    if len(view) >= params.minimum:
        search = _Search(view, key)
        while (end := _chunk_end(search, start, params)) is not None:
            ends.append(end)
            start = end
    if final and start < len(view):
        ends.append(len(view))
    return ends


def _chunk_end(search: "_Search", start: int, params: ChunkerParams) -> int | None:
    """Where the chunk from ``start`` ends; None if the data does not reach its end."""
    size = search.size
    middle = min(start + params.normal - 1, size)
    found = search.first_below(params.strict, start + params.minimum - 1, middle)
    if found is None:
        last = min(start + params.maximum - 1, size)
        found = search.first_below(params.loose, middle, last)
    if found is not None:
        return found + 1
    return start + params.maximum if start + params.maximum <= size else None


class _Search:
    """Finds positions with small v(i) in one buffer."""

    def __init__(self, view: memoryview, key: bytes) -> None:
        self._view = view
        self.size = len(view)
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - used as a bare PRF
        self._encrypt_into = cipher.encryptor().update_into
        self._scratch = bytearray(_WINDOW + _BLOCK - 1)  # update_into asks for the extra bytes

    def first_below(self, threshold: int, start: int, stop: int) -> int | None:
        """The first i in [start, stop) with v(i) < threshold; start is 15 or more."""
        for window in range(start, stop, _WINDOW):
            end = min(window + _WINDOW, stop)
            found = self._first_in_window(threshold, window, end)
            if found < end:
                return found
        return None

    def _first_in_window(self, threshold: int, start: int, stop: int) -> int:
        best = stop
        for first in range(start, min(start + _BLOCK, stop)):
            if first >= best:
                break
            size = (best - first + _BLOCK - 1) // _BLOCK * _BLOCK
            begin = first - _BLOCK + 1
            self._encrypt_into(self._view[begin : begin + size], self._scratch)
            block = self._first_block(threshold, size)
            if block >= 0:
                best = first + block * _BLOCK
        return best

    def _first_block(self, threshold: int, size: int) -> int:
        """Ordinal of the first encrypted block with a value below the threshold, or -1."""
        scratch = self._scratch
        tops = scratch[3:size:_BLOCK]
        if highest := (threshold - 1) >> 24:
            tops = tops.translate(bytes(highest + 1) + b"\1" * (255 - highest))
        block = tops.find(0)
        while block >= 0 and _VALUE.unpack_from(scratch, block * _BLOCK)[0] >= threshold:
            block = tops.find(0, block + 1)
        return block


_Cut = Callable[[bytes, ChunkerParams, memoryview, bool], list[int]]


def _cut_by(extension_cut: Callable[..., list[int]]) -> _Cut:
    """The extension's function, called like its twin."""

    def cut(key: bytes, params: ChunkerParams, view: memoryview, final: bool) -> list[int]:
        low, normal, high = params.minimum, params.normal, params.maximum
        return extension_cut(key, low, normal, high, params.strict, params.loose, view, final)

    return cut


_cut: _Cut = _cut_in_python if EXTENSION is None else _cut_by(EXTENSION.cut)
