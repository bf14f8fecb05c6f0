"""Bits of 16-bit little-endian words, highest first, as XPRESS and LZX store their codes."""

import struct

from twofold.errors import FormatError

SHORT = "compressed data end too early"


class WordBits:
    """32 bits ahead of the reader, refilled by words; whole bytes are taken from behind them."""

    def __init__(self, data: bytes, at: int) -> None:
        if len(data) < at + 4:
            raise FormatError(SHORT)
        high: int
        low: int
        high, low = struct.unpack_from("<HH", data, at)
        self._data = data
        self._at = at + 4
        self._ahead = high << 16 | low
        self._spare = 16

    def peek(self, count: int) -> int:
        """The next bits, at most 16, as a number."""
        return self._ahead >> (32 - count)

    def skip(self, count: int) -> None:
        """Go on by at most 16 bits; beyond the end there are zeros for one refill only."""
        self._ahead = self._ahead << count & 0xFFFFFFFF
        self._spare -= count
        if self._spare < 0:
            self._ahead |= self.number(2) << -self._spare
            self._spare += 16

    def take(self, count: int) -> int:
        """The next bits as a number, and go on."""
        found = self._ahead >> (32 - count)
        self.skip(count)
        return found

    def next_word(self) -> int:
        """Where in the data the word behind the next bit begins."""
        taken = self._at * 8 - 16 - self._spare
        return (taken // 16 + 1) * 2

    def number(self, count: int) -> int:
        """The next whole bytes; missing ones are zeros, but not endlessly."""
        if self._at > len(self._data) + 2:
            raise FormatError(SHORT)
        number = int.from_bytes(self._data[self._at : self._at + count], "little")
        self._at += count
        return number
