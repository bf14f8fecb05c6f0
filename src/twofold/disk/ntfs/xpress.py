"""XPRESS with Huffman codes ([MS-XCA] 2.2), read: what Windows compresses its own files with.

    256 bytes   code lengths of 512 symbols, 4 bits each (0: not used, at most 15)
    words       the code bits, in 16-bit little-endian words, highest bit first; the bytes of long
                lengths stand between the words, at the place the reader has got to

Symbols below 256 are literal bytes. Others tell a copy: the low four bits its length - 3 (15: more
bytes follow), the rest how many bits of distance follow. Codes are canonical: shorter ones first,
then by symbol; a table of all 15-bit words answers each code in one look.
"""

from twofold.disk.ntfs.word_bits import SHORT, WordBits
from twofold.errors import FormatError

_CODES = 256
_TABLE_BITS = 15


def decode(data: bytes, size: int) -> bytes:
    """Exactly ``size`` bytes, at most 64 KiB; FormatError where it is not XPRESS."""
    symbols, lengths = _table(data[:_CODES])
    bits = WordBits(data, _CODES)
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
        raise FormatError(SHORT)
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


def _copy(out: bytearray, bits: WordBits, symbol: int, size: int) -> None:
    length = symbol & 15
    if length == 15:
        length = _long_length(bits)
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


def _long_length(bits: WordBits) -> int:
    """A length - 3 of 15 or more: a byte, or after 255 two bytes, or after 0 four."""
    length = bits.number(1)
    if length < 255:
        return length + 15
    length = bits.number(2) or bits.number(4)
    if length < 15:
        raise FormatError("a length of compressed data is not stored as it should be")
    return length
