"""LZX ([MS-PATCH], as in WIM files), read: what CompactOS makes of programs that it packs hardest.

    block    3 bits kind (1 plain codes, 2 with aligned offsets, 3 not compressed), 1 bit (it gives
             32 KiB) or 16 bits more (how much it gives), its codes, its symbols; in words as in
             ``word_bits``
    symbol   below 256 a literal byte; above it, low three bits the length - 2 (7: a symbol of the
             second code is added), the rest a slot of distances (0 to 2: one of the last three)

Lengths of codes are told as differences from those of the block before, themselves in a small code.
Before it was compressed, calls of x86 were made absolute (``_calls``). A chunk stands alone.
"""

import struct

from twofold.disk.ntfs.word_bits import SHORT, WordBits
from twofold.errors import FormatError

CHUNK = 32 << 10
_PLAIN, _ALIGNED, _RAW = 1, 2, 3
_SLOTS = 30
_LONGEST = 16
_MAIN, _LENGTHS, _DELTAS, _LOW = 256 + 8 * _SLOTS, 249, 20, 8
_EXTRA = [0, 0, *(slot // 2 - 1 for slot in range(2, _SLOTS))]
_FIRST = [sum(1 << extra for extra in _EXTRA[:slot]) - 2 for slot in range(_SLOTS)]
_CALLS_OF = 12_000_000
Code = tuple[int, list[int], bytes]
"""Bits to look at; for each number of so many bits the symbol, and how long its code is."""


def decode(data: bytes, size: int) -> bytes:
    """Exactly ``size`` bytes, at most 32 KiB; FormatError where it is not LZX."""
    out = bytearray()
    chunk = _Chunk(data + bytes(4), out, size)
    while len(out) < size:
        chunk.block()
    _calls(out)
    return bytes(out)


class _Chunk:
    """What lasts from block to block."""

    def __init__(self, data: bytes, out: bytearray, size: int) -> None:
        self._data = data
        self._bits = WordBits(data, 0)
        self._out = out
        self._size = size
        self._recent = [1, 1, 1]
        self._main = [0] * _MAIN
        self._lengths = [0] * _LENGTHS

    def block(self) -> None:
        """Decode one block."""
        bits = self._bits
        kind = bits.take(3)
        size = CHUNK if bits.take(1) else bits.take(16)
        end = len(self._out) + size
        if not size or end > self._size:
            raise FormatError("a block of compressed data is too long or empty")
        if kind == _RAW:
            self._raw(size)
        elif kind in (_PLAIN, _ALIGNED):
            low = _code([bits.take(3) for _ in range(_LOW)]) if kind == _ALIGNED else None
            _differences(bits, self._main, 0, 256)
            _differences(bits, self._main, 256, _MAIN)
            _differences(bits, self._lengths, 0, _LENGTHS)
            self._symbols(end, _code(self._main), _code(self._lengths), low)
        else:
            raise FormatError(f"blocks of compressed data of kind {kind} are not known")

    def _raw(self, size: int) -> None:
        start = self._bits.next_word()
        stop = start + 12 + size
        if stop > len(self._data) - 4:
            raise FormatError(SHORT)
        self._recent = list(struct.unpack_from("<III", self._data, start))
        self._out += self._data[start + 12 : stop]
        if len(self._out) < self._size:
            self._bits = WordBits(self._data, stop + size % 2)

    def _symbols(self, end: int, main: Code, lengths: Code, low: Code | None) -> None:
        bits, out = self._bits, self._out
        while len(out) < end:
            symbol = _symbol(bits, main)
            if symbol < 256:
                out.append(symbol)
                continue
            slot, length = divmod(symbol - 256, 8)
            if length == 7:
                length += _symbol(bits, lengths)
            _copy(out, self._distance(slot, low), length + 2, end)

    def _distance(self, slot: int, low: Code | None) -> int:
        recent = self._recent
        if slot < 3:
            recent[0], recent[slot] = recent[slot], recent[0]
            return recent[0]
        extra, distance = _EXTRA[slot], _FIRST[slot]
        if low is not None and extra >= 3:
            distance += self._bits.take(extra - 3) << 3 if extra > 3 else 0
            distance += _symbol(self._bits, low)
        elif extra:
            distance += self._bits.take(extra)
        recent[:] = distance, recent[0], recent[1]
        return distance


def _copy(out: bytearray, distance: int, length: int, end: int) -> None:
    start = len(out) - distance
    if start < 0 or distance <= 0 or len(out) + length > end:
        raise FormatError("compressed data copy from before their start or too much")
    if distance >= length:
        out += out[start : start + length]
    else:
        out += (bytes(out[start:]) * (length // distance + 1))[:length]


def _symbol(bits: WordBits, code: Code) -> int:
    width, symbols, widths = code
    if not width:
        raise FormatError("compressed data use a code that they do not tell")
    index = bits.peek(width)
    bits.skip(widths[index])
    return symbols[index]


def _code(lengths: list[int]) -> Code:
    """Of the lengths of all symbols; one without symbols is in order until it is used."""
    width = max(lengths)
    symbols: list[int] = []
    widths = bytearray()
    for length, symbol in sorted((length, s) for s, length in enumerate(lengths) if length):
        places = 1 << width - length
        symbols += [symbol] * places
        widths += bytes([length]) * places
        if len(widths) > 1 << width:
            break
    if width and len(widths) != 1 << width:
        raise FormatError("the codes of compressed data do not fit together")
    return width, symbols, bytes(widths)


def _differences(bits: WordBits, lengths: list[int], at: int, end: int) -> None:
    """Bring some lengths of a code up to date."""
    code = _code([bits.take(4) for _ in range(_DELTAS)])
    while at < end:
        told, run, value = _symbol(bits, code), 1, 0
        if told == 17:
            run = 4 + bits.take(4)
        elif told == 18:
            run = 20 + bits.take(5)
        else:
            if told == 19:
                run, told = 4 + bits.take(1), _symbol(bits, code)
            if told > _LONGEST:
                raise FormatError("a code of compressed data repeats what cannot be")
            value = (lengths[at] - told) % (_LONGEST + 1)
        run = min(run, end - at)
        lengths[at : at + run] = [value] * run
        at += run


def _calls(out: bytearray) -> None:
    """Make the targets of calls relative again, as they were in the file."""
    at, last = out.find(0xE8), len(out) - 10
    while 0 <= at < last:
        (target,) = struct.unpack_from("<i", out, at + 1)
        if 0 <= target < _CALLS_OF:
            struct.pack_into("<i", out, at + 1, target - at)
        elif -at <= target < 0:
            struct.pack_into("<i", out, at + 1, target + _CALLS_OF)
        at = out.find(0xE8, at + 5)
