"""The packed listing: one directory as bytes, so that an unchanged one is told by one compare.

A listing is its records in ascending order of the name's bytes, each a ``RECORD`` followed by the
name. Reading trusts nothing: a listing may come from a damaged or hostile repository, and every
name in it will be handed to system calls. Bytes that break a rule raise FormatError.
"""

import stat
import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice, pairwise
from operator import lt

from twofold.errors import FormatError
from twofold.native import EXTENSION
from twofold.platform.base import FLAG_FAR_TIME, RECORD, RECORD_SIZE, Entry

MAX_NAME = 0xFFFF
"""Longest name a record can carry, bytes."""

_MODE_AND_LINKS = struct.Struct("<32xI8xI")  # of a record
_TWO_63 = 1 << 63
_TWO_64 = 1 << 64
_FLAGS = 9  # position in an unpacked record
_DOTS = (b".", b"..")


def pack_record(entry: Entry) -> bytes:
    """One record with its name. FormatError for a name that no directory can hold."""
    fault = _fault(entry.name)
    if fault:
        raise FormatError(f"cannot list a name that {fault}: {entry.name!r}")
    mtime, ctime = _wrap(entry.mtime_ns), _wrap(entry.ctime_ns)
    far = mtime != entry.mtime_ns or ctime != entry.ctime_ns
    flags = entry.flags | FLAG_FAR_TIME if far else entry.flags
    owner = (entry.mode, entry.uid, entry.gid, entry.links)
    head = RECORD.pack(entry.inode, entry.size, mtime, ctime, *owner, len(entry.name), flags)
    return head + entry.name


def pack_listing(entries: Iterable[Entry]) -> bytes:
    """A listing of entries in any order. FormatError for impossible or repeated names."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    for left, right in pairwise(ordered):
        if left.name == right.name:
            raise FormatError(f"cannot list a name twice: {left.name!r}")
    return b"".join([pack_record(entry) for entry in ordered])


def records(listing: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, its 56 record bytes), checked as it goes: FormatError at the first bad record."""
    at, end = 0, len(listing)
    before = b""
    while at < end:
        name_at = at + RECORD_SIZE
        if name_at > end:
            raise FormatError(f"listing ends inside the record at byte {at}")
        head = listing[at:name_at]
        at = name_at + (head[48] | head[49] << 8)
        name = listing[name_at:at]
        if at > end or name <= before or b"/" in name or b"\0" in name or name in _DOTS:
            raise FormatError(_explain(listing, name_at, at, before))
        before = name
        yield name, head


def names_of(listing: bytes) -> list[bytes]:
    """The names alone, checked as ``records`` checks them, which is asked where one is wrong."""
    names: list[bytes] = []
    at, end = 0, len(listing)
    while at + RECORD_SIZE <= end:
        name_at = at + RECORD_SIZE
        at = name_at + (listing[name_at - 8] | listing[name_at - 7] << 8)
        names.append(listing[name_at:at])
    joined = b"".join(names)
    ascending = all(map(lt, chain((b"",), names), names))
    if at != end or not ascending or b"/" in joined or b"\0" in joined or _has_dots(names):
        return [name for name, _ in records(listing)]
    return names


def _has_dots(names: list[bytes]) -> bool:
    return b"." in names or b".." in names


def iterate(listing: bytes) -> Iterator[Entry]:
    """The entries, checked as it goes: FormatError at the first bad record."""
    for entry, _ in with_records(listing):
        yield entry


def with_records(listing: bytes) -> Iterator[tuple[Entry, bytes]]:
    """(entry, its record with the name), for who keeps the record; checked as ``iterate`` is."""
    unpack = RECORD.unpack
    new = tuple.__new__  # a named tuple without the price of its Python-level constructor
    for name, head in records(listing):
        inode, size, mtime, ctime, mode, uid, gid, links, _, flags = unpack(head)
        entry = new(Entry, (inode, size, mtime, ctime, mode, uid, gid, links, flags, name))
        yield entry, head + name


def in_slices(listing: bytes, most: int) -> Iterator[list[tuple[Entry, bytes]]]:
    """``with_records`` in lists of at most so many; checked slice by slice."""
    if EXTENSION is None:
        found = with_records(listing)
        while some := list(islice(found, most)):
            yield some
        return
    at, before = 0, b""
    while at < len(listing):
        pairs, at = EXTENSION.list_records(listing, at, most, before, Entry)
        if len(pairs) < most and at < len(listing):
            validate(listing)  # which tells what is wrong
        before = pairs[-1][0].name
        yield pairs


def validate(listing: bytes) -> int:
    """Number of entries of a well-formed listing; FormatError otherwise."""
    return sum(1 for _ in records(listing))


def with_flags(listing: bytes, flags: Mapping[bytes, int]) -> bytes:
    """The listing with ``flags`` (by name) added to those already set."""
    out: list[bytes] = []
    for name, head in records(listing):
        added = flags.get(name, 0)
        out += (_flagged(head, added) if added else head, name)
    return b"".join(out)


def without_inodes(listing: bytes) -> bytes:
    """The listing without inode numbers, to compare where they do not survive a remount.

    Files of several names keep theirs: nothing else tells which names are one file.
    """
    out: list[bytes] = []
    for name, head in records(listing):
        mode, links = _MODE_AND_LINKS.unpack_from(head)
        kept = links > 1 and not stat.S_ISDIR(mode)
        out += (head if kept else bytes(8) + head[8:], name)
    return b"".join(out)


def _flagged(head: bytes, flags: int) -> bytes:
    numbers = list(RECORD.unpack(head))
    numbers[_FLAGS] |= flags
    return RECORD.pack(*numbers)


def _wrap(time_ns: int) -> int:
    return (time_ns + _TWO_63) % _TWO_64 - _TWO_63


def _fault(name: bytes) -> str:
    if not name:
        return "is empty"
    if len(name) > MAX_NAME:
        return "is too long"
    if b"/" in name or b"\0" in name:
        return "holds a slash or a zero byte"
    return "means a directory itself or its parent" if name in _DOTS else ""


def _explain(listing: bytes, start: int, end: int, before: bytes) -> str:
    """The words for a bad record; apart, so that the good way stays quick."""
    if end > len(listing):
        return f"the name at byte {start} runs past the end of the listing"
    fault = _fault(listing[start:end])
    if fault:
        return f"the name at byte {start} {fault}"
    if listing[start:end] == before:
        return f"the name at byte {start} is there twice"
    return f"the name at byte {start} is out of order"
