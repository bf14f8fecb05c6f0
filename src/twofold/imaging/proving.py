"""Reading parts back from a target, in the order of the disk and in large windows.

parts, sorted ─► windows (read by one request) ─► threads: each part hashed ─► those that differ
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from twofold.disk.base import HOLE
from twofold.format.layout import Buffer
from twofold.imaging.placing import Part
from twofold.imaging.store import any_set
from twofold.imaging.writing import DiskTarget
from twofold.parallel import Threads

_WINDOW = 4 << 20
_GAP = 64 << 10  # bytes of others that are read along rather than starting another window
_FEW = 2048  # parts of one window
_AHEAD = 4


class Proof(NamedTuple):
    """What came of one window: bytes that were compared, parts that differ."""

    size: int
    differing: list[Part]


@dataclass(slots=True)
class _Window:
    low: int = 0
    high: int = 0
    parts: list[Part] = field(default_factory=list)


Hash = Callable[[Buffer], bytes]


def prove(
    target: DiskTarget, parts: Iterable[Part], blob_id: Hash, threads: Threads
) -> Iterator[Proof]:
    """Compare all parts with what the target holds. OSError when it cannot be read."""

    def check(window: _Window) -> Proof:
        return _check(target, window, blob_id)

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


def _check(target: DiskTarget, window: _Window, blob_id: Hash) -> Proof:
    """Runs in a thread."""
    low = window.low
    view = memoryview(target.read(low, window.high - low))
    size, differing = 0, []
    for part in window.parts:
        length = part.length
        size += length
        if part.blob is None:
            right = _is_zero(target, part)
        else:
            if len(part.spans) == 1:
                start = part.spans[0].offset - low
                found = view[start : start + length + part.pad]
            else:
                found = memoryview(_gathered(target, part))
            right = blob_id(found[:length]) == part.blob
            right = right and not (part.pad and any_set(found[length:]))
        if not right:
            differing.append(part)
    return Proof(size, differing)


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
