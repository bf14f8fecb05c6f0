"""Logs of hives: replayed as regipy replays them, and only as far as they are whole."""

import logging
import struct
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from regipy.recovery import apply_transaction_logs

from tests.disk import hives
from twofold.disk.hive import Hive
from twofold.disk.hive_log import marvin, recovered

Pages = list[tuple[int, bytes]]


@pytest.mark.parametrize(
    ("seed", "data", "expected"),
    [  # published with the reference implementation and others of it
        (0xD53CD9CECD0893B7, b"abc", 0x22C74339492769BF),
        (0xDDDDEEEEFFFF000, b"abcdefghijklmnopqrstuvwxyz", 0xA128EB7E7260ACA2),
    ],
)
def test_the_hash(seed: int, data: bytes, expected: int) -> None:
    assert marvin(data, seed) == expected


def entry(number: int, length: int, pages: Pages) -> bytes:
    """A log entry of Windows 8.1 and later."""
    body = b"".join(struct.pack("<II", offset, len(page)) for offset, page in pages)
    body += b"".join(page for _, page in pages)
    size = (40 + len(body) + 511) // 512 * 512
    body = body.ljust(size - 40, b"\0")
    head = struct.pack("<4sIIIIIQ", b"HvLE", size, 0, number, length, len(pages), marvin(body))
    return head + struct.pack("<Q", marvin(head)) + body


def log(base: bytes, entries: Iterable[bytes], kind: int = 6) -> bytes:
    """A log: the hive's own base block, then what is told."""
    return bytes(hives.rewritten(base[:512], type=kind)) + b"".join(entries)


def changes(old: bytes, new: bytes, size: int = 4096) -> Pages:
    """Pages of the bins that differ."""
    return [
        (at - 4096, new[at : at + size])
        for at in range(4096, len(new), size)
        if old[at : at + size] != new[at : at + size]
    ]


@pytest.fixture
def steps(tmp_path: Path) -> list[bytes]:
    """A hive, and the same after each of three changes; it grows."""
    path = hives.made(tmp_path / "hive", {"Names": {"who": "string:first"}})
    found = [path.read_bytes()]
    for number in range(1, 4):
        hives.fill(path, {f"Step{number}": {"text": "string:" + "x" * 3000 + str(number)}})
        found.append(path.read_bytes())
    return [bytes(hives.rewritten(data, primary=7, secondary=7)) for data in found]


def dirty(steps: list[bytes]) -> bytes:
    """The first of them, as it is while the others are only in logs."""
    return bytes(hives.rewritten(steps[0], primary=100, secondary=99))


def entries_of(steps: list[bytes], first: int = 100) -> list[bytes]:
    return [
        entry(first + at, len(new) - 4096, changes(old, new))
        for at, (old, new) in enumerate(pairwise(steps))
    ]


def last_step(hive: bytes | bytearray | None) -> int:
    """How far a hive has come."""
    assert hive is not None
    read = Hive(hive)
    assert read.clean
    found = [number for number in (1, 2, 3) if read.find(f"Step{number}") is not None]
    assert found == list(range(1, len(found) + 1))
    return len(found)


def test_entries_are_replayed_as_by_regipy(steps: list[bytes], tmp_path: Path) -> None:
    hive, told = dirty(steps), log(dirty(steps), entries_of(steps))
    found = recovered(hive, [told])
    assert last_step(found) == 3
    assert found is not None
    assert found[4096:] == steps[3][4096:]
    logging.getLogger("regipy").setLevel(logging.CRITICAL)
    (tmp_path / "dirty").write_bytes(hive.ljust(len(found), b"\0"))  # it never lengthens a hive
    (tmp_path / "log").write_bytes(told)
    theirs = tmp_path / "theirs"
    replay: Callable[..., object] = apply_transaction_logs
    replay(str(tmp_path / "dirty"), str(tmp_path / "log"), None, str(theirs))
    assert theirs.read_bytes()[4096:] == found[4096:]


def test_two_logs_are_one(steps: list[bytes]) -> None:
    one, two, three = entries_of(steps)
    base = dirty(steps)
    assert last_step(recovered(base, [log(base, [two, three]), log(base, [one])])) == 3
    assert last_step(recovered(base, [log(base, [one]), log(base, [three])])) == 1  # one is lost


def test_old_entries_do_not_count(steps: list[bytes]) -> None:
    base = dirty(steps)
    old = entry(99, len(steps[0]) - 4096, [(0, bytes(4096))])
    assert last_step(recovered(base, [log(base, [old, *entries_of(steps)])])) == 3
    assert recovered(base, [log(base, [old])]) is None
    assert recovered(base, []) is None


def test_a_torn_entry_ends_the_log(steps: list[bytes]) -> None:
    base, entries = dirty(steps), entries_of(steps)
    for place in (4, 20, 24, 32, 44, 600):
        torn = bytearray(entries[1])
        torn[place] ^= 0x40
        found = recovered(base, [log(base, [entries[0], bytes(torn), entries[2]])])
        assert last_step(found) == 1, place
    assert last_step(recovered(base, [log(base, entries)[:-512]])) == 2
    spoilt = bytearray(log(base, entries))
    spoilt[100] ^= 1  # its base block
    assert recovered(base, [bytes(spoilt), b"", b"nothing"]) is None


def test_a_torn_base_block(steps: list[bytes]) -> None:
    base = dirty(steps)
    torn = bytearray(base)
    torn[48] ^= 1
    assert last_step(recovered(torn, [log(base, entries_of(steps))])) == 3


def old_log(hive: bytes, new: bytes) -> bytes:
    """A log of Windows 7: a bit for every 512 bytes."""
    pages = dict(changes(hive.ljust(len(new), b"\0"), new, 512))
    bits = (len(new) - 4096) // 512
    vector = bytearray(bits // 8)
    for number in range(bits):
        vector[number // 8] |= (number * 512 in pages) << number % 8
    told = b"DIRT" + vector
    told += bytes(-len(told) % 512)
    base = hives.rewritten(
        new[:512], type=1, primary=101, secondary=101, length=len(new) - 4096, written=55
    )
    return bytes(base) + told + b"".join(pages[at] for at in sorted(pages))


def test_a_log_of_old(steps: list[bytes]) -> None:
    hive = bytes(hives.rewritten(dirty(steps), written=55))
    told = old_log(hive, steps[3])
    found = recovered(hive, [b"", told])
    assert last_step(found) == 3
    assert found is not None
    assert found[4096:] == steps[3][4096:]
    other = bytes(hives.rewritten(hive, written=56))
    assert recovered(other, [told]) is None  # it is about another moment
    assert recovered(hive, [told[:-1]]) is None
    unfinished = bytes(hives.rewritten(told[:512], secondary=100)) + told[512:]
    assert recovered(hive, [unfinished]) is None
