"""Index objects of any bytes, searched in place: counts, frames and places that lead anywhere.

What the extension says of an object must be what its twin says, position by position; and what it
does with an object that nobody proved, or that changes while it is mapped, must stay inside.

An input is one byte of flags, one that chooses the ids asked for, then the object.
"""

import ctypes

from tests.native.fuzz.material import memory
from twofold.errors import FormatError
from twofold.format.index import IndexRun
from twofold.native import EXTENSION
from twofold.repository.blob_set import BlobSetTwin, new_blob_set

MOST = 64  # positions looked at
IMPOSSIBLE = (-1, 1 << 32, 1 << 63, 1 << 64)


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    flags, chosen = data[:2].ljust(2, b"\1")
    held = memory(data[2:])
    try:
        view = memoryview(held).cast("B")
        run, twin = IndexRun(view), IndexRun(view)
    except FormatError:
        _must_be_refused(held)
        return
    twin.columns = None
    proof = _told(run)
    assert proof == _told(twin)
    ids = _asked(run, chosen)
    if flags & 1:
        _look(run, ids)
        held[len(held) * chosen // 256] ^= 1 + flags
        _look(run, ids)
        _table(run, flags)
        return
    assert _look(run, ids) == _look(twin, ids)
    if proof is None:
        _compare_sets(run, twin, ids, flags)
    else:
        _table(run, flags)


def _must_be_refused(held: "ctypes.Array[ctypes.c_uint8]") -> None:
    assert EXTENSION is not None
    try:
        EXTENSION.IndexColumns(held)
    except FormatError:
        return
    raise AssertionError("impossible counts were believed")


def _told(run: IndexRun) -> str | None:
    try:
        run.prove()
    except FormatError as error:
        return str(error)
    return None


def _asked(run: IndexRun, chosen: int) -> list[bytes]:
    """Some ids that are listed, some beside them, and some of another length."""
    listed = [run._id(position) for position in range(min(run.count, MOST))]
    beside = [bytes([*one[:-1], one[-1] ^ (1 + chosen % 255)]) for one in listed[:8]]
    return [*listed, *beside, bytes(32), b"\xff" * 32, b"", bytes(31), bytes(33)]


def _look(run: IndexRun, ids: list[bytes]) -> object:
    places: list[object] = []
    for position in range(min(run.count, MOST)):
        try:
            places.append(run.location(position))
        except FormatError as error:
            places.append(str(error))
    if run.columns is not None:
        _impossible_positions(run)
    return places, [run.positions(one) for one in ids], [run.first(one) for one in ids]


def _impossible_positions(run: IndexRun) -> None:
    for position in (run.count, *IMPOSSIBLE):
        try:
            run.columns.place(position)
        except (IndexError, OverflowError):
            continue
        raise AssertionError(f"there is something at position {position}")


def _usable(run: IndexRun, flags: int) -> bytes | None:
    if flags & 2 == 0:
        return None
    return bytes((flags >> number % 8) & 1 for number in range(run.pack_count))


def _table(run: IndexRun, flags: int) -> None:
    """Only that it stays inside: order and frames of the object are anything."""
    assert EXTENSION is not None
    table = EXTENSION.IndexTable(bytes([flags]) * 32, flags)
    table.add(run.columns, _usable(run, flags))
    for position in range(min(run.count, MOST)):
        table.claim(run._id(position))
    assert len(table) <= run.count


def _compare_sets(run: IndexRun, twin: IndexRun, ids: list[bytes], flags: int) -> None:
    packs = [pack.id for pack in run.packs()]
    without = {one for number, one in enumerate(packs) if flags & 2 and flags >> number % 8 & 1}
    found, expected = new_blob_set(flags), BlobSetTwin()
    found.add_run(run, without)
    expected.add_run(twin, without)
    for one in ids:
        if len(one) == 32:
            assert (one in found) == (one in expected), one.hex()
            if one[-1] & 1:
                assert found.claim(one) == expected.claim(one)
                assert one in found
