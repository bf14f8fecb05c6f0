"""Registry hives of Windows (regf), read in place out of bytes that nobody vouches for.

    base block (4096 bytes) │ hive bins: cells of a signed size, called by their offset in the bins

    key nk ─► list lf, lh, li (or ri, a list of lists) ─► keys
           └► list of offsets ─► values vk ─► data: in the value, in a cell, or in pieces (db)

Every offset is checked against the bins, every list against a limit, and a hive has a budget of
cells that may be looked at: so neither a circle nor a list of lists costs more than a few seconds.
What was being written when the image was made may lie in a transaction log (``hive_log``).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from twofold.errors import FormatError

HIVE_LIMIT = 256 << 20
"""Bytes of the longest hive that is read."""
BASE_SIZE = 4096
_HEADER = struct.Struct("<4sIIQIIIIII")
_CHECKED, _CHECKSUM = 508, struct.Struct("<I")
_CELL = struct.Struct("<i")
_KEY = struct.Struct("<2sHQIIIIIIIIIIIIIIIHH")
_VALUE = struct.Struct("<2sHIIIH")
_LIST = struct.Struct("<2sH")
_OFFSET, _HASHED = struct.Struct("<I"), struct.Struct("<I4x")
_BIG = struct.Struct("<2sHI")
_NARROW_KEY, _NARROW_VALUE = 0x20, 1
_NAME_OF_KEY, _NAME_OF_VALUE = 76, 20
_IN_VALUE = 1 << 31
_PIECE = 16344
_NONE = 0xFFFFFFFF
_BUDGET = 1_000_000
_CELL_OF_BUDGET = 512  # bytes of data that count as one cell more
_MOST_VALUES = 65536
_LONGEST, _LONGEST_TEXT = 1 << 20, 64 << 10
_TEXTS = frozenset((1, 2))  # REG_SZ, REG_EXPAND_SZ
_NUMBERS = {4: ("little", 4), 5: ("big", 4), 11: ("little", 8)}


class BaseBlock(NamedTuple):
    """The first block of a hive or of a log. ``sound`` when its checksum is right."""

    primary: int
    secondary: int
    written: int
    minor: int
    type: int
    root: int
    length: int
    sound: bool


def read_base_block(data: bytes | bytearray) -> BaseBlock:
    """``FormatError`` when this is no hive, nor a log of one."""
    if len(data) < 512:
        raise FormatError("a registry hive is cut short")
    magic, primary, secondary, written, major, minor, kind, _, root, length = _HEADER.unpack_from(
        data
    )
    if magic != b"regf" or major != 1:
        raise FormatError("this is no registry hive")
    (stored,) = _CHECKSUM.unpack_from(data, _CHECKED)
    sound = stored == checksum(data)
    return BaseBlock(primary, secondary, written, minor, kind, root, length, sound)


def checksum(block: bytes | bytearray) -> int:
    """What the base block's checksum must be."""
    found = 0
    for (word,) in _OFFSET.iter_unpack(bytes(block[:_CHECKED])):
        found ^= word
    return {0: 1, _NONE: _NONE - 1}.get(found, found)


class Value(NamedTuple):
    """A value: its name (empty for the default one), type and where its data lies."""

    name: str
    type: int
    size: int
    place: int


class Hive:
    """A hive in memory."""

    def __init__(self, data: bytes | bytearray) -> None:
        """``FormatError`` for what cannot be one."""
        if len(data) > HIVE_LIMIT:
            raise FormatError("a registry hive is too long to be read")
        self.base = read_base_block(data)
        self._data = data
        self._left = _BUDGET
        self.root = self.key_at(self.base.root)

    @property
    def clean(self) -> bool:
        """Whether it was written to its end; else its logs hold what is missing."""
        return self.base.sound and self.base.primary == self.base.secondary

    def find(self, path: str) -> "Key | None":
        """The key at a path such as ``Microsoft\\Windows``, capitals or not. ``FormatError``."""
        key: Key | None = self.root
        for name in path.split("\\"):
            key = key.subkey(name) if key is not None else None
        return key

    def key_at(self, offset: int) -> "Key":
        """The key in a cell. ``FormatError``."""
        start, size = self.cell(offset)
        if size < _NAME_OF_KEY or self._data[start : start + 2] != b"nk":
            raise FormatError("a registry hive refers to a key where there is none")
        found = _KEY.unpack_from(self._data, start)
        length = found[-2]
        if length > size - _NAME_OF_KEY:
            raise FormatError("a key of a registry hive has an impossible name")
        raw = bytes(self._data[start + _NAME_OF_KEY : start + _NAME_OF_KEY + length])
        name = _name(raw, narrow=bool(found[1] & _NARROW_KEY))
        return Key(self, name, (found[5], found[7]), (found[9], found[10]))

    def cell(self, offset: int) -> tuple[int, int]:
        """(start, size) of the data of a cell in use. ``FormatError``."""
        self.spend(1)
        start = BASE_SIZE + offset
        if offset < 0 or start + _CELL.size > len(self._data):
            raise FormatError("a registry hive refers to a place outside of it")
        size = -_CELL.unpack_from(self._data, start)[0] - _CELL.size
        start += _CELL.size
        if size < 4 or start + size > len(self._data):
            raise FormatError("a registry hive refers to a cell that is not in use")
        return start, size

    def spend(self, cells: int) -> None:
        """Account for work. ``FormatError`` when it is more than an honest hive takes."""
        self._left -= cells
        if self._left < 0:
            raise FormatError("a registry hive leads in circles")

    def take(self, start: int, length: int) -> bytes:
        """Bytes at a place that was checked."""
        self.spend(length // _CELL_OF_BUDGET)
        return bytes(self._data[start : start + length])

    def keys_of(self, offset: int) -> Iterator["Key"]:
        """The keys of a list, in its order. ``FormatError``."""
        for place in self._listed(offset, nested=True):
            yield self.key_at(place)

    def _listed(self, offset: int, *, nested: bool) -> Iterator[int]:
        start, size = self.cell(offset)
        magic, count = _LIST.unpack_from(self._data, start)
        item = {b"lf": _HASHED, b"lh": _HASHED, b"li": _OFFSET, b"ri": _OFFSET}.get(magic)
        if item is None or _LIST.size + count * item.size > size or (magic == b"ri" and not nested):
            raise FormatError("a registry hive holds a damaged list of keys")
        places = self.take(start + _LIST.size, count * item.size)
        for (place,) in item.iter_unpack(places):
            if magic == b"ri":
                yield from self._listed(place, nested=False)
            else:
                yield place

    def values_of(self, count: int, offset: int) -> Iterator[Value]:
        """The values of a list. ``FormatError``."""
        start, size = self.cell(offset)
        if count > _MOST_VALUES or count * _OFFSET.size > size:
            raise FormatError("a registry hive holds a damaged list of values")
        for (place,) in _OFFSET.iter_unpack(self.take(start, count * _OFFSET.size)):
            yield self._value(place)

    def _value(self, offset: int) -> Value:
        start, size = self.cell(offset)
        if size < _NAME_OF_VALUE or self._data[start : start + 2] != b"vk":
            raise FormatError("a registry hive refers to a value where there is none")
        _, length, data_size, place, kind, flags = _VALUE.unpack_from(self._data, start)
        if length > size - _NAME_OF_VALUE:
            raise FormatError("a value of a registry hive has an impossible name")
        raw = bytes(self._data[start + _NAME_OF_VALUE : start + _NAME_OF_VALUE + length])
        if data_size & _IN_VALUE:
            place = start + 8 - BASE_SIZE  # where the offset would be
        return Value(_name(raw, narrow=bool(flags & _NARROW_VALUE)), kind, data_size, place)

    def data(self, value: Value) -> bytes:
        """The data of a value. ``FormatError``."""
        if value.size & _IN_VALUE:
            return self.take(BASE_SIZE + value.place, min(value.size & ~_IN_VALUE, 4))
        if not value.size:
            return b""
        if value.size > _LONGEST:
            raise FormatError("a value of a registry hive is too long")
        start, size = self.cell(value.place)
        if self.base.minor >= 4 and value.size > _PIECE and self._data[start : start + 2] == b"db":
            return self._pieces(value.size, start)
        if value.size > size:
            raise FormatError("a value of a registry hive is cut short")
        return self.take(start, value.size)

    def _pieces(self, length: int, start: int) -> bytes:
        _, count, offset = _BIG.unpack_from(self.take(start, _BIG.size).ljust(_BIG.size, b"\0"))
        start, size = self.cell(offset)
        if count * _OFFSET.size > size or count * _PIECE < length:
            raise FormatError("a value of a registry hive is cut short")
        found = bytearray()
        for (place,) in _OFFSET.iter_unpack(self.take(start, count * _OFFSET.size)):
            start, size = self.cell(place)
            found += self.take(start, min(size, _PIECE, length - len(found)))
        if len(found) != length:
            raise FormatError("a value of a registry hive is cut short")
        return bytes(found)


class Key(NamedTuple):
    """A key of a hive."""

    hive: Hive
    name: str
    below: tuple[int, int]
    """How many keys, and where their list is."""
    held: tuple[int, int]
    """The same of values."""

    def subkeys(self) -> Iterator["Key"]:
        """The keys below. ``FormatError``."""
        count, place = self.below
        return self.hive.keys_of(place) if count and place != _NONE else iter(())

    def subkey(self, name: str) -> "Key | None":
        """A key below, capitals or not. ``FormatError``."""
        wanted = name.upper()
        return next((key for key in self.subkeys() if key.name.upper() == wanted), None)

    def values(self) -> Iterator[Value]:
        """The values, without their data. ``FormatError``."""
        count, place = self.held
        return self.hive.values_of(count, place) if count and place != _NONE else iter(())

    def texts(self) -> dict[str, str]:
        """All values that are texts or numbers, by their names in small letters. ``FormatError``.

        One pass for whoever wants several of them.
        """
        found: dict[str, str] = {}
        for value in self.values():
            text = self._text(value)
            if text is not None:
                found[value.name.lower()] = text
        return found

    def text(self, name: str) -> str:
        """A value that is a text or a number; empty where there is none. ``FormatError``."""
        value = self.value(name)
        return (self._text(value) or "") if value is not None else ""

    def value(self, name: str) -> Value | None:
        """A value, capitals or not. ``FormatError``."""
        wanted = name.upper()
        return next((each for each in self.values() if each.name.upper() == wanted), None)

    def data(self, name: str) -> bytes:
        """The data of a value; empty where there is none. ``FormatError``."""
        value = self.value(name)
        return self.hive.data(value) if value is not None else b""

    def _text(self, value: Value) -> str | None:
        if value.type in _TEXTS and value.size & ~_IN_VALUE <= _LONGEST_TEXT:
            text = self.hive.data(value).decode("utf-16-le", "replace")
            return text.partition("\0")[0]
        if value.type in _NUMBERS:
            order, length = _NUMBERS[value.type]
            data = self.hive.data(value)[:length]
            return str(int.from_bytes(data, "big" if order == "big" else "little"))
        return None


def _name(raw: bytes, *, narrow: bool) -> str:
    return raw.decode("latin-1") if narrow else raw.decode("utf-16-le", "replace")
