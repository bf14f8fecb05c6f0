"""Security descriptors: $Secure keeps each once, and files refer to them by number.

$SII   index: number (4 bytes) -> 4 hash  4 number  8 place in $SDS  4 length with this header
$SDS   stream: the same header, then the descriptor; every block of 256 KiB is followed by a
       copy of it, so whatever is damaged in one place can be had from the other
"""

import struct
from functools import lru_cache

from twofold.disk.base import Content
from twofold.disk.ntfs.index import Index
from twofold.errors import FormatError

_HEADER = struct.Struct("<IIQI")
_COPY = 1 << 18
_MAX = 1 << 17  # a descriptor has two lists of at most 64 KiB


class Security:
    """Descriptors by number; the ones asked for last are kept."""

    def __init__(self, numbers: Index, descriptors: Content) -> None:
        self._numbers = numbers
        self._descriptors = descriptors
        self.descriptor = lru_cache(maxsize=256)(self._find)

    def _find(self, number: int) -> bytes:
        """The self-relative descriptor; FormatError if there is none or it is damaged."""
        entry = self._numbers.find(lambda key: int.from_bytes(key[:4], "little") - number)
        if entry is None or len(entry.data) < _HEADER.size:
            raise FormatError(f"there is no security descriptor {number}")
        _, _, place, length = _HEADER.unpack_from(entry.data)
        if not _HEADER.size <= length <= _MAX:
            raise FormatError(f"a security descriptor of {length} bytes")
        for copy in (place, place + _COPY):
            found = self._descriptors.read(copy, length)
            if len(found) == length and found[:20] == entry.data[:20]:
                return found[_HEADER.size :]
        raise FormatError(f"the security descriptor {number} is damaged")
