"""A long life of an index table: ids claimed, objects added in any order, arguments of any sort.

After every step it must hold what a plain set of ids holds. The ids differ in few bits, so that
hashes meet; objects are honest here, those that lie are the matter of ``index.py``.

An input is a list of steps of three bytes: what to do, and with what.
"""

from functools import cache
from typing import Any

from twofold.errors import FormatError
from twofold.format.index import IndexRun, PackEntry, PackInfo, encode_index
from twofold.format.pack import FrameEntry
from twofold.native import EXTENSION

MOST = 100  # steps
FIRST = 0x3C0  # bits of the numbers at which objects begin: few of them, which often overlap
ODD: list[Any] = [
    None,
    7,
    "words",
    b"",
    bytes(5),
    bytes(31),
    bytes(33),
    [],
    memoryview(bytes(64))[::2],
]


def blob(number: int) -> bytes:
    """An id; neighbours differ in one byte only."""
    return number.to_bytes(2, "little") + b"id" * 15


@cache
def run_of(first: int, count: int) -> tuple[IndexRun, dict[bytes, int]]:
    """An object that lists so many ids from one on, four of them in a pack; the pack of each."""
    packs = []
    for at in range(first, first + count, 4):
        blobs = tuple((blob(number), 10) for number in range(at, min(at + 4, first + count)))
        frame = FrameEntry(1, 128, 60, 10 * len(blobs), 0, blobs)
        packs.append(PackEntry(PackInfo(at.to_bytes(16, "big"), 4096, bytes(32), 0, 1), (frame,)))
    owners = {blob(number): (number - first) // 4 for number in range(first, first + count)}
    return IndexRun(encode_index(packs)), owners


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    seed, expected = (data[0], data[1]) if len(data) > 1 else (0, 0)
    table = EXTENSION.IndexTable(bytes([seed]) * 32, expected * 64)
    known: set[bytes] = set()
    for at in range(2, min(len(data) - 2, 3 * MOST), 3):
        kind, low, high = data[at : at + 3]
        _step(table, known, kind, low | high << 8)
        assert len(table) == len(known)
    for number in range(0, 1 << 16, 4099):
        assert (blob(number) in table) == (blob(number) in known)
    assert all(one in table for one in known)


def _step(table: Any, known: set[bytes], kind: int, number: int) -> None:
    match kind % 8:
        case 0 | 1 | 2:
            one = blob(number)
            assert table.claim(one) == (one not in known)
            known.add(one)
        case 3:
            assert (blob(number) in table) == (blob(number) in known)
        case 4 | 5:
            run, owners = run_of(number & FIRST, kind // 8)
            table.add(run.columns)
            known.update(owners)
        case 6:
            run, owners = run_of(number & FIRST, kind // 8)
            usable = bytes((number >> pack % 16) & 1 for pack in range(run.pack_count))
            table.add(run.columns, usable)
            known.update(one for one, pack in owners.items() if usable[pack])
        case 7 if number & 1:
            _many(table, known, number >> 1)
        case _:
            _odd(table, ODD[number % len(ODD)], number)


def _many(table: Any, known: set[bytes], number: int) -> None:
    """Claim several at once, some twice, but for those that another table holds."""
    assert EXTENSION is not None
    run, owners = run_of(number & FIRST, 9)
    other = EXTENSION.IndexTable(bytes(32))
    other.add(run.columns)
    ids = [blob((number + step * step) % 1024) for step in range(-3, 9)]
    wanted = []
    for one in ids:
        wanted.append(one not in owners and one not in known)
        if one not in owners:
            known.add(one)
    assert list(table.claim_many(b"".join(ids), other)) == wanted


def _odd(table: Any, what: Any, number: int) -> None:
    """Refused, and nothing is changed by it."""
    assert EXTENSION is not None
    run, _ = run_of(0, 9)
    for attempt in (
        lambda: table.claim(what),
        lambda: what in table,
        lambda: table.claim_many(what if what != b"" else b"x", table),
        lambda: table.claim_many(bytes(32), 7),
        lambda: table.add(what),
        lambda: table.add(run.columns, bytes(number % 64 + run.pack_count + 1)),
        lambda: EXTENSION.IndexColumns(what),
        lambda: EXTENSION.IndexTable(what),
        lambda: EXTENSION.IndexTable(bytes(32), (1 << 28) + number),
        lambda: EXTENSION.IndexTable(bytes(32), -1 - number),
    ):
        try:
            attempt()
        except (TypeError, ValueError, BufferError, OverflowError, FormatError):
            continue
        raise AssertionError(f"an argument was taken: {what!r}")
