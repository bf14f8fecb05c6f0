"""Transaction logs of registry hives: what Windows had promised to a hive and not yet written.

    since 8.1   base block, then entries HvLE: numbered, each with its pages and two hashes
    before      base block, DIRT and a bit for every 512 bytes of the bins, then those that are set

A hive that is in use is dirty nearly always. Entries count from the hive's number on, as long as
they are whole and their numbers follow one another; the two logs of a hive are read as one.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from twofold.disk.hive import BASE_SIZE, HIVE_LIMIT, BaseBlock, checksum, read_base_block
from twofold.errors import FormatError

LOG_LIMIT = 32 << 20
"""Bytes of the longest log that is looked at."""
_SECTOR = 512
_ENTRY = struct.Struct("<4sIIIIIQQ")
_PAGE = struct.Struct("<II")
_WORD = struct.Struct("<I")
_NUMBERS, _LENGTH, _SUM = 4, 40, 508  # places in the base block
_SEED = 0xC5554E7A884DEF82
_MASK = 0xFFFFFFFF


class _Entry(NamedTuple):
    number: int
    length: int
    pages: tuple[tuple[int, bytes], ...]


def recovered(hive: bytes | bytearray, logs: Iterable[bytes]) -> bytearray | None:
    """The hive with what its logs hold; None when none of them has anything for it.

    ``FormatError`` when this is no hive. A damaged log counts as far as it is whole.
    """
    base = read_base_block(hive)
    entries: list[_Entry] = []
    for log in logs:
        found = _headed(log)
        if found is None:
            continue
        if found.type in (1, 2):
            old = _old(hive, base, log, found)
            if old is not None:
                return old
        entries += _entries(log, base.primary if base.sound else 0)
    return _replayed(bytearray(hive), base, sorted(entries, key=lambda each: each.number))


def _headed(log: bytes) -> BaseBlock | None:
    if len(log) > LOG_LIMIT:
        return None
    try:
        base = read_base_block(log)
    except FormatError:
        return None
    return base if base.sound else None


def _replayed(hive: bytearray, base: BaseBlock, entries: list[_Entry]) -> bytearray | None:
    wanted = base.primary if base.sound else None
    applied = 0
    for entry in entries:
        if wanted is None or (not applied and entry.number > wanted):
            wanted = entry.number
        if entry.number != wanted:
            continue
        _write(hive, entry)
        wanted, applied = (wanted + 1) & _MASK, applied + 1
    return hive if applied else None


def _write(hive: bytearray, entry: _Entry) -> None:
    end = BASE_SIZE + entry.length
    if len(hive) < end:
        hive += bytes(end - len(hive))
    for offset, page in entry.pages:
        hive[BASE_SIZE + offset : BASE_SIZE + offset + len(page)] = page
    struct.pack_into("<II", hive, _NUMBERS, entry.number, entry.number)
    _WORD.pack_into(hive, _LENGTH, entry.length)
    _WORD.pack_into(hive, _SUM, checksum(hive))


def _entries(log: bytes, since: int) -> Iterator[_Entry]:
    """Entries of a number or later ones, up to the first that is none, or not whole."""
    at = _SECTOR
    while at + _ENTRY.size <= len(log):
        magic, size, _, number, length, count, _, _ = _ENTRY.unpack_from(log, at)
        if magic != b"HvLE" or size < _ENTRY.size or size % _SECTOR or at + size > len(log):
            return
        entry = log[at : at + size]
        at += size
        if number < since:
            continue  # the hive has it already
        pages = _pages(entry, count, length)
        if pages is None or not _hashed(entry):
            return
        yield _Entry(number, length, pages)


def _pages(entry: bytes, count: int, length: int) -> tuple[tuple[int, bytes], ...] | None:
    at = _ENTRY.size + count * _PAGE.size
    if at > len(entry) or length > HIVE_LIMIT - BASE_SIZE:
        return None
    found = []
    for offset, size in _PAGE.iter_unpack(entry[_ENTRY.size : at]):
        if offset + size > length or at + size > len(entry):
            return None
        found.append((offset, entry[at : at + size]))
        at += size
    return tuple(found)


def _hashed(entry: bytes) -> bool:
    hashes = struct.unpack_from("<QQ", entry, 24)
    return hashes == (marvin(entry[_ENTRY.size :]), marvin(entry[:32]))


def _old(hive: bytes | bytearray, base: BaseBlock, log: bytes, head: BaseBlock) -> bytearray | None:
    """The hive with the pages of a log of old, None where the log is not for it."""
    if head.primary != head.secondary or (base.sound and head.written != base.written):
        return None
    bits = min(head.length, HIVE_LIMIT) // _SECTOR
    vector = log[_SECTOR + 4 : _SECTOR + 4 + -(-bits // 8)]
    if log[_SECTOR : _SECTOR + 4] != b"DIRT" or len(vector) != -(-bits // 8):
        return None
    found = bytearray(hive)
    if len(found) < BASE_SIZE + bits * _SECTOR:
        found += bytes(BASE_SIZE + bits * _SECTOR - len(found))
    at = _SECTOR + -(-(4 + len(vector)) // _SECTOR) * _SECTOR
    for number in _set_bits(vector, bits):
        page = log[at : at + _SECTOR]
        if len(page) != _SECTOR:
            return None
        start = BASE_SIZE + number * _SECTOR
        found[start : start + _SECTOR] = page
        at += _SECTOR
    found[: _SECTOR - 4] = log[: _SECTOR - 4]
    _WORD.pack_into(found, 28, 0)  # a hive again, and no log
    _WORD.pack_into(found, _SUM, checksum(found))
    return found


def _set_bits(vector: bytes, bits: int) -> Iterator[int]:
    for place, byte in enumerate(vector):
        if byte:
            yield from (n for n in range(place * 8, min(place * 8 + 8, bits)) if byte >> n % 8 & 1)


def marvin(data: bytes, seed: int = _SEED) -> int:
    """The hash of 64 bits that log entries carry (Marvin32)."""
    low, high = seed & _MASK, seed >> 32
    whole = len(data) & ~3
    last = int.from_bytes(data[whole:] + b"\x80", "little")
    for (word,) in [*_WORD.iter_unpack(data[:whole]), (last,), (0,)]:
        low = (low + word) & _MASK
        high ^= low
        low = ((low << 20 | low >> 12) + high) & _MASK
        high = (high << 9 | high >> 23) & _MASK ^ low
        low = ((low << 27 | low >> 5) + high) & _MASK
        high = (high << 19 | high >> 13) & _MASK
    return high << 32 | low
