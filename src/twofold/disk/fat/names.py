"""Names: eleven bytes in some code page, and long names in slots before them.

A long name is UTF-16 in pieces of 13, the last piece first, each with its ordinal number and a
checksum of the short name it belongs to. Systems that know short names only can remove or rename a
file and leave the pieces behind; such orphans are told by the checksum and dropped.

Nothing on a volume tells the code page of short names. It is chosen by whoever opens the file
system; every byte of code pages 437 and 850 stands for a letter, so nothing is lost by a wrong one.
(FAT specification 1.03, "Long File Name Implementation", "Name Limits and Character Sets".)
"""

from twofold.disk.clusters.record import encode_name

_LAST = 0x40
_MOST_PIECES = 20
_LOWER_BASE = 0x08  # of the byte that Windows NT uses
_LOWER_EXTENSION = 0x10
_KANJI_E5 = 0x05  # stands for 0xE5, which would mean a removed file


def short_checksum(short: bytes) -> int:
    """The checksum of a short name that its long name's pieces carry."""
    total = 0
    for byte in short:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    return total


def decode_short(stored: bytes, code_page: str, case: int = 0) -> str:
    """``NAME.EXT`` from the eleven bytes; ``case`` is the byte that tells of lower case."""
    raw = b"\xe5" + stored[1:] if stored[0] == _KANJI_E5 else stored
    base = raw[:8].rstrip(b" ").decode(code_page)
    extension = raw[8:11].rstrip(b" ").decode(code_page)
    if case & _LOWER_BASE:
        base = _lower(base)
    if case & _LOWER_EXTENSION:
        extension = _lower(extension)
    return f"{base}.{extension}" if extension else base


def _lower(name: str) -> str:
    """Letter by letter, as systems do it: a sigma is no other one at the end of a word."""
    return "".join(letter.lower() for letter in name)


class LongName:
    """Collects the pieces of one long name."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._next = 0
        self._checksum = -1
        self.orphaned = False
        """Whether pieces were dropped that belong to no file."""

    def clear(self) -> None:
        """What was collected belongs to nothing."""
        self.orphaned = self.orphaned or bool(self._pieces)
        self._pieces = []
        self._next = 0

    def add(self, slot: bytes) -> None:
        """Take the next slot of a long name."""
        ordinal, checksum = slot[0] & ~_LAST, slot[13]
        if slot[0] & _LAST:
            self.clear()
            self._next, self._checksum = ordinal, checksum
        if ordinal != self._next or not 0 < ordinal <= _MOST_PIECES or checksum != self._checksum:
            self.orphaned = True
            self._pieces = []
            self._next = 0
            return
        self._pieces.append(slot[1:11] + slot[14:26] + slot[28:32])
        self._next -= 1

    def take(self, short: bytes) -> bytes | None:
        """The name in UTF-8 if it is whole, belongs to this short name, and can be a name."""
        pieces, complete = self._pieces, self._next == 0
        if not pieces:
            return None
        name = None
        if complete and self._checksum == short_checksum(short):
            name = encode_name(_terminated(b"".join(reversed(pieces))))
        self.orphaned = self.orphaned or name is None
        self._pieces = []
        self._next = 0
        return name


def _terminated(units: bytes) -> bytes:
    """UTF-16 units before the first zero."""
    for at in range(0, len(units), 2):
        if units[at : at + 2] == b"\0\0":
            return units[:at]
    return units
