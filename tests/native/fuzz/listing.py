"""Packed listings of any bytes: what the extension takes apart is what its twin does.

An input is the number of records asked for at a time, one byte that chooses where to begin, then
the listing.
"""

from tests.native.fuzz.material import memory
from twofold.errors import FormatError
from twofold.native import EXTENSION
from twofold.platform import Entry, with_records


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    most, start = data[:2].ljust(2, b"\1")
    listing = data[2:]
    held = memory(listing)
    at, before, found = 0, b"", []
    while True:
        pairs, after = EXTENSION.list_records(held, at, most, before, Entry)
        found += pairs
        if not pairs:
            break
        at, before = after, pairs[-1][0].name
    wanted, whole = _twin(listing)
    assert found == (wanted if most else [])
    assert not most or whole == (at == len(listing))
    _anywhere(listing, start)


def _twin(listing: bytes) -> tuple[list[tuple[Entry, bytes]], bool]:
    """The good records, and whether there is nothing else."""
    found = []
    try:
        for pair in with_records(listing):
            found.append(pair)
    except FormatError:
        return found, False
    return found, True


def _anywhere(listing: bytes, start: int) -> None:
    """From a place where no record begins, or beyond the end."""
    assert EXTENSION is not None
    at = len(listing) * start // 200
    try:
        pairs, after = EXTENSION.list_records(memory(listing), at, 1000, b"", Entry)
    except ValueError:
        assert at > len(listing)
        return
    assert at <= after <= len(listing)
    assert b"".join(record for _, record in pairs) == listing[at:after]
