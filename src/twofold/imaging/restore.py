"""Carrying out a restore plan: streams, then raw entries, read back and compared; the table last.

    entries → pieces (blob, where its bytes lie) → by pack: read, open → write
    → make durable → read the target again, compare with the blobs' ids

Raw entries repair what streams alone would get wrong, so they are written after the streams were
proven, and proven themselves. Bytes of free units are left alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from twofold.disk.base import HOLE
from twofold.errors import DamageFound, FormatError
from twofold.events import Emit, Finding, Phase, Progress, Severity
from twofold.format.image import EntryRole, ExtentEntry, VolumeRecord, iterate_runs
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.graph import PageStore
from twofold.imaging.plan import DiskPlan, PartPlan
from twofold.parallel import Threads
from twofold.seal import Keyring
from twofold.view import Contents, Piece

_READERS = 2
_ROUND = 100_000  # pieces: a round is read in the order of the packs
_ROUND_BYTES = 8 << 30
_STEP = 8 << 20


class DiskTarget(Protocol):
    """A disk or file that is written."""

    def read(self, offset: int, length: int) -> bytes: ...

    def write_at(self, data: Buffer, offset: int) -> None: ...

    def write_zeros(self, offset: int, length: int) -> None: ...

    def sync(self) -> None: ...


class Span(NamedTuple):
    """Bytes of the target; for one piece there are several where its units lie apart.

    ``offset`` is ``HOLE`` for bytes that lie nowhere: they are zero.
    """

    offset: int
    length: int


Spans = tuple[Span, ...]


@dataclass(slots=True)
class DiskRestored:
    """What was done. ``damaged``: pieces that the repository could not give; ``wrong``: pieces
    that the target did not give back."""

    bytes_written: int = 0
    bytes_verified: int = 0
    damaged: int = 0
    wrong: int = 0
    where: list[str] = field(default_factory=list)


class Part(NamedTuple):
    """A part of an entry: a blob, or zeros where ``blob`` is None, and where it belongs."""

    blob: bytes | None
    length: int
    spans: Spans


def restore_disk(
    pages: PageStore, keys: Keyring, plan: DiskPlan, target: DiskTarget, emit: Emit
) -> DiskRestored:
    """Write and verify. ``StoreError``, ``NoSpace``, OSError of the target."""
    result = DiskRestored()
    with Threads(_READERS, "image") as threads:
        work = _Restore(pages, keys, plan, target, threads, result, emit)
        for part in plan.parts:
            work.part(part)
    target.sync()
    return result


class _Restore:
    def __init__(
        self,
        pages: PageStore,
        keys: Keyring,
        plan: DiskPlan,
        target: DiskTarget,
        threads: Threads,
        result: DiskRestored,
        emit: Emit,
    ) -> None:
        self._pages = pages
        self._plan = plan
        self._target = target
        self._contents: Contents[Spans] = Contents(pages.blobs, threads, _READERS)
        self._hash = keys.dedup.hasher(BlobKind.DATA)
        self._result = result
        self._emit = emit
        self._name = ""

    def part(self, plan: PartPlan) -> None:
        """One volume: streams, then raw entries."""
        volume = plan.volume
        self._name = f"p{volume.number}" if volume.number else "partition table"
        self._emit(Phase(f"restoring {self._name}", 2 * self._plan.bytes_used))
        for raw in (False, True):
            for parts in self._rounds(plan, raw=raw):
                self._write(parts)
            self._target.sync()
            for parts in self._rounds(plan, raw=raw):
                self._verify(parts)

    def _rounds(self, plan: PartPlan, *, raw: bool) -> Iterator[list[Part]]:
        found: list[Part] = []
        size = 0
        for entry in self._pages.extents(plan.volume.entries):
            if (entry.role == EntryRole.RAW) != raw:
                continue
            for part in self._parts(plan, entry):
                found.append(part)
                size += part.length
                if len(found) >= _ROUND or size >= _ROUND_BYTES:
                    yield found
                    found, size = [], 0
        if found:
            yield found

    def _parts(self, plan: PartPlan, entry: ExtentEntry) -> Iterator[Part]:
        spans = _Spans(plan.volume, entry, plan.at)
        try:
            for segment in self._pages.stream(entry):
                yield Part(segment.blob, segment.length, spans.take(segment.length))
        except DamageFound as error:
            self._damage(f"the list of stream {entry.owner}", error)
            return
        rest = spans.rest()
        if rest:
            yield Part(None, sum(span.length for span in rest), rest)

    def _write(self, parts: Iterable[Part]) -> None:
        pieces = []
        for part in parts:
            if part.blob is not None:
                pieces.append(Piece(part.spans, 0, part.blob, part.length))
            elif not self._plan.target.fresh:
                for span in part.spans:
                    if span.offset != HOLE:
                        self._target.write_zeros(*span)
        for data, arrived in self._contents.read(pieces):
            for piece in arrived:
                if isinstance(data, DamageFound):
                    self._damage(f"{piece.length} bytes at {piece.job[0].offset}", data)
                else:
                    self._put(piece.job, memoryview(data))
        self._tell()

    def _put(self, spans: Spans, data: memoryview) -> None:
        at = 0
        for offset, length in spans:
            if offset != HOLE:
                self._target.write_at(data[at : at + length], offset)
            at += length
        self._result.bytes_written += at

    def _verify(self, parts: list[Part]) -> None:
        """Read what was written, in the order of the disk."""
        stored = [part for part in parts if part.blob is not None]
        for part in sorted(stored, key=lambda part: max(part.spans).offset):
            data = b"".join(map(self._back, part.spans))
            self._result.bytes_verified += len(data)
            if self._hash(data) != part.blob:
                self._result.wrong += 1
                self._note(f"{part.length} bytes at {part.spans[0].offset} differ when read back")
        self._tell()

    def _back(self, span: Span) -> bytes:
        return bytes(span.length) if span.offset == HOLE else self._target.read(*span)

    def _damage(self, what: str, error: DamageFound) -> None:
        self._result.damaged += 1
        self._note(f"{what}: {error}")

    def _note(self, words: str) -> None:
        if len(self._result.where) < _MOST_TOLD:
            self._result.where.append(f"{self._name}: {words}")
            self._emit(Finding(Severity.DAMAGE, self._name, words))

    def _tell(self) -> None:
        done = self._result.bytes_written + self._result.bytes_verified
        self._emit(Progress(done, 0))


_MOST_TOLD = 20


class _Spans:
    """Where the bytes of an entry lie, taken from its start on."""

    def __init__(self, volume: VolumeRecord, entry: ExtentEntry, at: int) -> None:
        self._raw = entry.role == EntryRole.RAW
        unit, origin = (1, 0) if self._raw else (volume.unit, volume.origin)
        units = volume.size if self._raw else volume.units
        self._unit = unit
        self._places = (
            (HOLE if first < 0 else at + origin + first * unit, count * unit)
            for first, count in iterate_runs(entry.runs, units)
        )
        self._offset, self._left = 0, 0
        self._behind = -entry.size % unit

    def take(self, length: int) -> Spans:
        """Places of the next bytes; ``FormatError`` behind the runs."""
        found = []
        while length:
            if not self._left:
                place = next(self._places, None)
                if place is None:
                    raise FormatError("a stream is longer than its units")
                self._offset, self._left = place
            part = min(length, self._left)
            found.append(Span(self._offset, part))
            if self._offset != HOLE:
                self._offset += part
            self._left -= part
            length -= part
        return tuple(found)

    def rest(self) -> Spans:
        """What follows the end of the stream in its last unit: zeros."""
        return self.take(min(self._behind, self._left)) if self._behind else ()
