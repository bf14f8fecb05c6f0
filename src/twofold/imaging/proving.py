"""Reading parts back from a target, in the order of the disk and in large windows.

Windows are read past the system's cache where that can be had: it costs less, and what is proven is
what the storage holds.

parts, sorted ─► windows (read by one request) ─► threads: all parts hashed ─► those that differ
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from twofold.disk.base import HOLE
from twofold.format.names import BLOB_ID_SIZE, BlobKind
from twofold.imaging.placing import Part
from twofold.imaging.store import any_set
from twofold.imaging.writing import DiskTarget, StoredBlocks
from twofold.parallel import Threads
from twofold.seal import DedupKeys

_WINDOW = 4 << 20
_GAP = 64 << 10  # bytes of others that are read along rather than starting another window
_FEW = 2048  # parts of one window
_AHEAD = 4


class Proof(NamedTuple):
    """What came of one window: bytes that were compared, parts that differ."""

    size: int
    differing: list[Part]


class _Window(msgspec.Struct):
    low: int = 0
    high: int = 0
    parts: list[Part] = msgspec.field(default_factory=list)


def prove(
    target: DiskTarget, parts: Iterable[Part], keys: DedupKeys, threads: Threads
) -> Iterator[Proof]:
    """Compare all parts with what the target holds. OSError when it cannot be read."""

    def check(window: _Window) -> Proof:
        return _check(target, window, keys)

    yield from threads.map(check, _windows(parts), ahead=_AHEAD)


def _windows(parts: Iterable[Part]) -> Iterator[_Window]:
    """Parts in one piece share a window with their neighbours; others are read apart."""
    window = _Window()
    for part in sorted(parts, key=lambda part: part.first):
        start = part.first
        if start == HOLE:
            continue
        whole = part.blob is not None and len(part.spans) == 1
        end = start + part.length + part.pad if whole else start
        fits = end - window.low <= _WINDOW and start - window.high <= _GAP
        if window.parts and not (fits and len(window.parts) < _FEW):
            yield window
            window = _Window()
        if not window.parts:
            window.low = window.high = start
        window.parts.append(part)
        window.high = max(window.high, end)
    if window.parts:
        yield window


def _check(target: DiskTarget, window: _Window, keys: DedupKeys) -> Proof:
    """Runs in a thread."""
    low = window.low
    read = target.read_stored if isinstance(target, StoredBlocks) else target.read
    view = memoryview(read(low, window.high - low))
    whole, spans, differing = list[Part](), array("Q"), list[Part]()
    for part in window.parts:
        if part.blob is None or len(part.spans) != 1:
            if not _is_right(target, part, keys):
                differing.append(part)
            continue
        start = part.spans[0].offset - low
        end = start + part.length
        whole.append(part)
        spans.append(start)
        spans.append(end)
        if part.pad and any_set(view[end : end + part.pad]):
            differing.append(part)
    ids = keys.ids_of(BlobKind.DATA, view, spans)
    differing += [
        part
        for at, part in zip(range(0, len(ids), BLOB_ID_SIZE), whole, strict=True)
        if ids[at : at + BLOB_ID_SIZE] != part.blob and part not in differing
    ]
    return Proof(sum(part.length for part in window.parts), differing)


def _is_right(target: DiskTarget, part: Part, keys: DedupKeys) -> bool:
    """Zeros, or a blob whose bytes lie apart."""
    if part.blob is None:
        return _is_zero(target, part)
    found = memoryview(_gathered(target, part))
    right = keys.blob_id(BlobKind.DATA, found[: part.length]) == part.blob
    return right and not (part.pad and any_set(found[part.length :]))


def _gathered(target: DiskTarget, part: Part) -> bytes:
    pieces = [
        bytes(length) if offset == HOLE else target.read(offset, length)
        for offset, length in part.spans
    ]
    if part.pad:
        last = part.spans[-1]
        pieces.append(target.read(last.offset + last.length, part.pad))
    return b"".join(pieces)


def _is_zero(target: DiskTarget, part: Part) -> bool:
    for number, (offset, length) in enumerate(part.spans, 1):
        end = offset + length + (part.pad if number == len(part.spans) else 0)
        for at in range(offset, end, _WINDOW) if offset != HOLE else ():
            if any_set(memoryview(target.read(at, min(_WINDOW, end - at)))):
                return False
    return True
