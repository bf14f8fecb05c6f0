"""XPRESS with Huffman codes ([MS-XCA] 2.2), read: what Windows compresses its own files with.

    256 bytes   code lengths of 512 symbols, 4 bits each (0: not used, at most 15)
    words       the code bits, in 16-bit little-endian words, highest bit first; the bytes of long
                lengths stand between the words, at the place the reader has got to

Symbols below 256 are literal bytes. Others tell a copy: the low four bits its length - 3 (15: more
bytes follow), the rest how many bits of distance follow. Codes are canonical: shorter ones first,
then by symbol; a table of all 15-bit words answers each code in one look.
"""

import struct

from twofold.errors import FormatError

_CODES = 256
_TABLE_BITS = 15
_SHORT = "compressed data end too early"


def decode(data: bytes, size: int) -> bytes:
    """Exactly ``size`` bytes, at most 64 KiB; FormatError where it is not XPRESS."""
    symbols, lengths = _table(data[:_CODES])
    bits = _Bits(data, _CODES)
    out = bytearray()
    while len(out) < size:
        index = bits.peek(_TABLE_BITS)
        bits.skip(lengths[index])
        symbol = symbols[index]
        if symbol < 256:
            out.append(symbol)
        else:
            _copy(out, bits, symbol - 256, size)
    return bytes(out)


def _table(packed: bytes) -> tuple[list[int], bytes]:
    """Symbol and code length for each word of 15 bits."""
    if len(packed) < _CODES:
        raise FormatError(_SHORT)
    lengths = [half for byte in packed for half in (byte & 15, byte >> 4)]
    symbols: list[int] = []
    widths = bytearray()
    for length, symbol in sorted((length, s) for s, length in enumerate(lengths) if length):
        places = 1 << (_TABLE_BITS - length)
        symbols += [symbol] * places
        widths += bytes([length]) * places
        if len(widths) > 1 << _TABLE_BITS:
            break
    if len(widths) != 1 << _TABLE_BITS:
        raise FormatError("the codes of compressed data do not fit together")
    return symbols, bytes(widths)


def _copy(out: bytearray, bits: "_Bits", symbol: int, size: int) -> None:
    length = symbol & 15
    if length == 15:
        length = bits.long_length()
    length += 3
    width = symbol >> 4
    distance = (1 << width) + bits.peek(width)
    bits.skip(width)
    if distance > len(out) or len(out) + length > size:
        raise FormatError("compressed data copy from before their start or too much")
    if distance >= length:
        start = len(out) - distance
        out += out[start : start + length]
    else:
        out += (bytes(out[-distance:]) * (length // distance + 1))[:length]


class _Bits:
    """32 bits ahead of the reader, refilled by words; whole bytes are taken from behind them."""

    def __init__(self, data: bytes, at: int) -> None:
        if len(data) < at + 4:
            raise FormatError(_SHORT)
        high: int
        low: int
        high, low = struct.unpack_from("<HH", data, at)
        self._data = data
        self._at = at + 4
        self._ahead = high << 16 | low
        self._spare = 16

    def peek(self, count: int) -> int:
        """The next bits as a number."""
        return self._ahead >> (32 - count)

    def skip(self, count: int) -> None:
        """Go on by at most 16 bits; beyond the end there are zeros for one refill only."""
        self._ahead = self._ahead << count & 0xFFFFFFFF
        self._spare -= count
        if self._spare < 0:
            self._ahead |= self._number(2) << -self._spare
            self._spare += 16

    def long_length(self) -> int:
        """A length - 3 of 15 or more: a byte, or after 255 two bytes, or after 0 four."""
        length = self._number(1)
        if length < 255:
            return length + 15
        length = self._number(2) or self._number(4)
        if length < 15:
            raise FormatError("a length of compressed data is not stored as it should be")
        return length

    def _number(self, count: int) -> int:
        """The next whole bytes; missing ones are zeros, but not endlessly."""
        if self._at > len(self._data) + 2:
            raise FormatError(_SHORT)
        number = int.from_bytes(self._data[self._at : self._at + count], "little")
        self._at += count
        return number
