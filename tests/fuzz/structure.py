"""Damage by structure: values of a sample's MessagePack are changed, and it is encoded again.

What comes out is MessagePack, mostly of the types that the decoder wants, and so it gets past the
decoder to whatever uses the values. Bytes that are lists of records themselves (segments, holes,
runs, listings) are taken apart, changed record by record and put together again.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from twofold.errors import FormatError
from twofold.format import segments
from twofold.format.image import iterate_runs, pack_runs
from twofold.platform import listing
from twofold.platform.base import RECORD

_LONGEST = 64  # elements that a list is made to have, at most
NUMBERS = (0, 1, 2, 7, 8, 9, 31, 255, 511, 512, 4095, 4096, 65535, 65536, 1 << 20)
FAR = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53, 2**62 - 1, 2**62, 2**63 - 1, 2**63)
WORDS = ("", ".", "..", "/", "a/b", "\0", "x" * 300, "\u00e9\u202e", "files", "image", "windows")
Rows = list[tuple[Any, ...]]
Way = Callable[[Any, random.Random], Any]


def changed(data: bytes, chance: random.Random) -> bytes:
    """The MessagePack with one to four of its values changed."""
    top: list[Any] = [msgspec.msgpack.decode(data)]
    kind = top[0][0] if isinstance(top[0], list) and top[0] else None
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        holder, key = _place(top, chance)
        holder[key] = _other(holder[key], chance)
    if isinstance(top[0], list) and top[0] and chance.random() < 0.95:
        top[0][0] = kind  # of a page: another one is refused before anything else is looked at
    return msgspec.msgpack.encode(top[0])


def _place(top: list[Any], chance: random.Random) -> tuple[Any, Any]:
    """A container and the place in it: from the top down, seldom stopping at what is a whole."""
    holder: Any = top
    key: Any = 0
    while (value := holder[key]) and isinstance(value, list | dict):
        if chance.random() < (0.15 if _is_sequence(value) else 0.02):
            break
        keys = _keys(value)
        weights = [4 if isinstance(value[key], list | dict | bytes) else 1 for key in keys]
        holder, key = value, chance.choices(keys, weights)[0]
    return holder, key


def _is_sequence(value: Any) -> bool:
    """Whether it seems to be any number of things of one sort, not a record of so many fields."""
    return isinstance(value, list) and len({type(each) for each in value}) == 1


def _keys(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, dict) else range(len(value))


def _other(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.04:
        return chance.choice((None, True, 0, -1, 2**63, 1.5, "", b"", [], {}, [0], [b"i" * 32, 0]))
    way = WAYS.get(type(value))
    return way(value, chance) if way else value


def _number(value: int, chance: random.Random) -> int:
    found = chance.choice(
        (
            value + chance.choice((-1, 1, 8, -8)),
            value + chance.choice((-4096, 4096, 1000, value // 8)),
            value ^ 1 << chance.randrange(63),
            value * 2,
            chance.choice(NUMBERS),
            chance.choice(NUMBERS),
            chance.choice(FAR) - chance.randrange(2),
            -chance.choice((1, 2, 4096, 2**31, 2**63)),
        )
    )
    return min(max(found, -(1 << 63)), (1 << 64) - 1)


def _text(value: str, chance: random.Random) -> str:
    return chance.choice((value * 2, value[:-1], chance.choice(WORDS), chance.choice(WORDS)))


def _bytes(value: bytes, chance: random.Random) -> bytes:
    if value and chance.random() < 0.8:
        return records_changed(value, chance)
    return _raw(value, chance)


def _raw(value: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(value) + 1)
    if value and chance.random() < 0.4:
        return value[at:] + value[:at] if at < len(value) else value[::-1]
    return chance.choice(
        (
            value[:at] + bytes([chance.randrange(256)]) + value[at + 1 :],
            value[:at],
            value[at:],
            value[:at] + chance.randbytes(chance.choice((1, 4, 9))) + value[at:],
            value + value[:64],
            bytes(len(value)),
            chance.choice((b"", b".", b"..", b"a/b", b"\0", b"z" * 255, b"z" * 32)),
        )
    )


def _list(value: list[Any], chance: random.Random) -> list[Any]:
    found = list(value)
    if not found:
        return [chance.choice((None, 0, b"", "", []))]
    at, other = chance.randrange(len(found)), chance.randrange(len(found))
    way = chance.randrange(8)
    if way == 0:
        del found[at]
    elif way == 1:
        found.insert(at, found[other])
    elif way == 2:
        found[at], found[other] = found[other], found[at]
    elif way == 3:
        found.reverse()
    elif way == 4:
        found.append(chance.choice((None, 0, b"", found[at])))
    elif way == 5:
        found = found * (_LONGEST // len(found))
    elif way == 6:
        del found[at:]
    else:
        found.insert(at, _other(found[other], chance))
    return found


def _dict(value: dict[Any, Any], chance: random.Random) -> dict[Any, Any]:
    found = dict(value)
    names = list(found)
    way = chance.randrange(3)
    if names and way == 0:
        del found[chance.choice(names)]
    elif names and way == 1:
        found[chance.choice(names)] = found[chance.choice(names)]
    else:
        found[chance.choice(WORDS)] = chance.choice((None, 0, b"", "", []))
    return found


WAYS: dict[type, Way] = {
    bool: lambda value, _: not value,
    int: _number,
    str: _text,
    bytes: _bytes,
    list: _list,
    dict: _dict,
    type(None): lambda _, chance: chance.choice((0, b"i" * 32, [b"i" * 32, 0], [b"i" * 32, 1], "")),
}

# bytes that are records


def _segments(data: bytes) -> Rows:
    return [(blob, length) for blob, length in segments.iterate(data)]


def _pack_segments(rows: Rows) -> bytes:
    return b"".join(_segment(*row) for row in rows)


def _segment(blob: Any, length: int) -> bytes:
    """A cause may have become any number."""
    if isinstance(blob, int):
        return segments.pack_absent(segments.Absence(1 + blob % 2), length % 2**64)
    if blob is None:
        return segments.pack_zeros(length % 2**64)
    return segments.pack_blob(blob, length % 2**32)


def _pack_holes(rows: Rows) -> bytes:
    return segments.pack_holes([(start % 2**64, length % 2**64) for start, length in rows])


def _runs(data: bytes) -> Rows:
    return list(iterate_runs(data, 1 << 50))


def _pack_runs(rows: Rows) -> bytes:
    return pack_runs([(first if first == -1 else abs(first), abs(count)) for first, count in rows])


def _listed(data: bytes) -> Rows:
    found = []
    for name, head in listing.records(data):
        found.append((*RECORD.unpack(head), name))
    return found


def _pack_listed(rows: Rows) -> bytes:
    """Numbers within their fields, and the length that the name has."""
    out = bytearray()
    widths = (64, 64, -64, -64, 32, 32, 32, 32)
    for row in rows:
        numbers = [_held(value, width) for value, width in zip(row, widths, strict=False)]
        out += RECORD.pack(*numbers, len(row[-1]), row[9] & 0xFFFF) + row[-1]
    return bytes(out)


def _held(value: int, bits: int) -> int:
    if bits > 0:
        return value % (1 << bits)
    half = 1 << -bits - 1
    return (value + half) % (2 * half) - half


CODECS: tuple[tuple[Callable[[bytes], Rows], Callable[[Rows], bytes]], ...] = (
    (_segments, _pack_segments),
    (_listed, _pack_listed),
    (segments.iterate_holes, _pack_holes),
    (_runs, _pack_runs),
)


def records_changed(data: bytes, chance: random.Random) -> bytes:
    """The same records but for one or two, if these are records of any sort; else other bytes."""
    for read, pack in CODECS:
        with suppress(FormatError):
            rows = read(data)
            for _ in range(chance.choice((1, 1, 2))):
                rows = _rows(rows, chance)
            return pack(rows)
    return _raw(data, chance)


def _rows(rows: Rows, chance: random.Random) -> Rows:
    if not rows or chance.random() < 0.4:
        return [row for row in _list(rows, chance) if isinstance(row, tuple)]
    at = chance.randrange(len(rows))
    row = list(rows[at])
    field = chance.randrange(len(row))
    row[field] = _field(row[field], len(row), chance)
    return [*rows[:at], tuple(row), *rows[at + 1 :]]


def _field(value: Any, fields: int, chance: random.Random) -> Any:
    """Another value that the field can be given: ids keep their length, no id stays none."""
    if value is None:
        return None
    if isinstance(value, bytes):
        other = _raw(value, chance)
        return other.ljust(32, b"\0")[:32] if fields == 2 else other[:0xFFFF]
    return _number(value, chance)
