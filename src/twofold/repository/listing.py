"""What index objects say of each pack, proven possible, in a few bytes per pack.

A ``mark`` is the sum of the hashes of a pack's frames and blobs, so a pack's own table can be held
against the index without keeping either. The sum needs no order and no memory; it is taken anew
in every run of the program and stored nowhere.
"""

from array import array
from collections.abc import Iterable

import msgspec

from twofold.errors import FormatError
from twofold.format.index import IndexRun, PackEntry, PackInfo
from twofold.format.names import BlobKind
from twofold.format.pack import MAX_FRAME_RAW, FrameEntry

UNKNOWN = -1
"""The mark of a pack whose index object is impossible: it agrees with nothing."""


class PackListing(msgspec.Struct):
    """A pack as an index object lists it."""

    kind: BlobKind
    info: PackInfo
    source: bytes
    """The index object."""
    frames: int = 0
    blobs: int = 0
    mark: int = 0

    def agrees(self, other: "PackListing") -> bool:
        """Whether both say the same."""
        return (self.kind, self.info, self.mark) == (other.kind, other.info, other.mark)


def list_packs(kind: BlobKind, run: IndexRun, source: bytes) -> list[PackListing]:
    """Every pack of a run. ``FormatError`` if anything in it is out of order or out of bounds."""
    packs = [PackListing(kind, info, source) for info in run.packs()]
    if len({pack.info.id for pack in packs}) != len(packs):
        raise FormatError("an index object lists a pack twice")
    owners, lengths, ordinals = _frames(run, {pack.info.id: pack for pack in packs}, packs)
    filled = array("Q", bytes(8 * len(lengths)))
    before = b""
    for ident, number, offset, length in run.rows():
        if number >= len(lengths) or offset + length > lengths[number]:
            raise FormatError("an index object places a blob outside its frame")
        if ident < before:
            raise FormatError("the blobs of an index object are out of order")
        before = ident
        filled[number] += length
        owner = packs[owners[number]]
        owner.blobs += 1
        owner.mark += hash((ident, ordinals[number], offset, length))
    if any(size not in (0, whole) for size, whole in zip(filled, lengths, strict=True)):
        raise FormatError("the blobs of a frame do not add up")
    return packs


def _frames(
    run: IndexRun, by_id: dict[bytes, PackListing], packs: list[PackListing]
) -> tuple["array[int]", "array[int]", "array[int]"]:
    """(position of the pack, length, ordinal) of every frame."""
    positions = {ident: at for at, ident in enumerate(by_id)}
    owners, lengths, ordinals = array("I"), array("I"), array("I")
    for info, frame in run.frames():
        at = positions[info.id]
        pack = packs[at]
        pack.frames += 1
        if frame.ordinal != pack.frames or frame.offset + frame.sealed_length > info.size:
            raise FormatError("an index object places a frame outside its pack")
        if frame.raw_length > MAX_FRAME_RAW:
            raise FormatError("an index object lists an impossible frame")
        pack.mark += _frame_mark(frame)
        owners.append(at)
        lengths.append(frame.raw_length)
        ordinals.append(frame.ordinal)
    return owners, lengths, ordinals


def mark_of(frames: Iterable[FrameEntry]) -> int:
    """The mark of a pack with these frames."""
    mark = 0
    for frame in frames:
        mark += _frame_mark(frame)
        offset = 0
        for ident, length in frame.blobs:
            mark += hash((ident, frame.ordinal, offset, length))
            offset += length
    return mark


def _frame_mark(frame: FrameEntry) -> int:
    return hash(
        (frame.ordinal, frame.offset, frame.sealed_length, frame.raw_length, frame.encoding)
    )


def entry_of(runs: Iterable[IndexRun], pack: bytes) -> PackEntry | None:
    """All that the index knows of one pack; slow, for the rare pack whose table is lost."""
    for run in runs:
        numbers: dict[int, FrameEntry] = {}
        found: PackInfo | None = None
        for number, (info, frame) in enumerate(run.frames()):
            if info.id == pack:
                found, numbers[number] = info, frame
        if found is None:
            continue
        blobs: dict[int, list[tuple[int, bytes, int]]] = {number: [] for number in numbers}
        for ident, number, offset, length in run.rows():
            if number in blobs:
                blobs[number].append((offset, ident, length))
        return PackEntry(found, tuple(_with_blobs(numbers[n], blobs[n]) for n in sorted(numbers)))
    return None


def _with_blobs(frame: FrameEntry, blobs: list[tuple[int, bytes, int]]) -> FrameEntry:
    listed = tuple((ident, length) for _, ident, length in sorted(blobs))
    return FrameEntry(
        frame.ordinal, frame.offset, frame.sealed_length, frame.raw_length, frame.encoding, listed
    )
