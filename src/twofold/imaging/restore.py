"""Carrying out a restore plan: what an old disk was known by goes first, the new table comes last.

    rounds of parts → frames in the order of the packs → steps: read, open, write, make durable
    → journal → read the target again, compare with the blobs' ids → write what differs once more

So each byte is hashed once, after its way through the target. What the journal says was written
before is compared first, and only written where it differs. Bytes of free units are left alone.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from twofold.disk.base import HOLE
from twofold.errors import DamageFound
from twofold.events import Emit, Finding, Phase, Progress, Severity
from twofold.format.layout import Buffer
from twofold.graph import PageStore
from twofold.imaging.journal import Journal
from twofold.imaging.new_ids import Patch, PatchedTarget
from twofold.imaging.placing import Part
from twofold.imaging.plan import DiskPlan, PartPlan
from twofold.imaging.proving import prove
from twofold.imaging.ranges import Ranges
from twofold.imaging.rounds import rounds
from twofold.imaging.wiping import edges, edges_of_disk, wipe
from twofold.imaging.writing import DiskTarget, PartWriter
from twofold.native import keep_memory
from twofold.parallel import Threads
from twofold.seal import Keyring
from twofold.view import Absent, Contents, Frame, Piece, Result

_READERS = 2
_STEP = 256 << 20
"""Bytes after which the target is made durable and the journal told."""
_MOST_TOLD = 20

PartFrame = Frame[Part]


class DiskRestored(msgspec.Struct):
    """What was done. ``bytes_kept``: written by an earlier run, and found as they should be.
    ``damaged``: pieces that the repository could not give; ``wrong``: pieces that the target did
    not give back. ``absent``: bytes that the image does not hold, which are zeros now."""

    bytes_written: int = 0
    bytes_kept: int = 0
    bytes_verified: int = 0
    damaged: int = 0
    wrong: int = 0
    where: list[str] = msgspec.field(default_factory=list)
    absent: Absent = msgspec.field(default_factory=Absent)


def restore_disk(
    pages: PageStore,
    keys: Keyring,
    plan: DiskPlan,
    target: DiskTarget,
    emit: Emit,
    journal: Journal | None = None,
    step: int = _STEP,
) -> DiskRestored:
    """Write and verify. ``StoreError``, ``NoSpace``, OSError of the target."""
    journal = journal or Journal(b"", b"", None, "", emit)
    again = Ranges() if plan.target.fresh else edges_of_disk(plan)
    wipe(target, edges(plan) if again and journal.recorded is None else again)
    journal.begin(fresh=plan.target.fresh)
    patched = PatchedTarget(target, plan.patches) if plan.patches else target
    result = _Restore(pages, keys, plan, patched, journal, emit, step, again).run()
    if not (result.damaged or result.wrong):
        journal.anew()
    return result


class _Restore:
    def __init__(
        self,
        pages: PageStore,
        keys: Keyring,
        plan: DiskPlan,
        target: DiskTarget,
        journal: Journal,
        emit: Emit,
        step: int,
        wiped_again: Ranges,
    ) -> None:
        self._wiped_again = wiped_again
        self._pages = pages
        self._plan = plan
        self._target = target
        self._journal = journal
        self._emit = emit
        self._step = step
        self._threads = Threads(_READERS, "image")
        self._contents: Contents[Part] = Contents(pages.blobs, self._threads, _READERS, prove=False)
        self._proven: Contents[Part] = Contents(pages.blobs, self._threads, _READERS)
        self._keys = keys.dedup
        self._writer = PartWriter(target)
        self._result = DiskRestored()
        self._round = 0
        self._missing: set[int] = set()
        self._name = ""

    def run(self) -> DiskRestored:
        """All volumes, in the order of the plan."""
        keep_memory()
        with self._threads:
            for part in self._plan.parts:
                self._volume(part)
        self._patch(self._plan.patches)
        self._target.sync()
        return self._result

    def _volume(self, plan: PartPlan) -> None:
        volume = plan.volume
        self._name = f"p{volume.called}" if volume.number else "partition table"
        self._emit(Phase(f"restoring {self._name}", 2 * self._plan.bytes_used))
        for parts in rounds(self._pages, plan, self._damage):
            self._round += 1
            self._write_round(parts)

    def _write_round(self, parts: list[Part]) -> None:
        stored = [Piece(part, 0, part.blob, part.length) for part in parts if part.blob is not None]
        zeros = [part for part in parts if part.blob is None]
        self._count_absent(zeros)
        self._missing.clear()
        frames, lost = self._contents.by_frame(stored)
        for error, pieces in lost:
            self._lost(error, pieces)
        done = self._journal.done(self._round, len(frames))
        kept: set[int] = set()
        if done or self._journal.done(self._round, 1):
            written = [piece.job for frame in frames[:done] for piece in frame.pieces()]
            differing = self._compare([*written, *zeros])
            kept = {id(part) for part in (*written, *zeros)} - {id(part) for part in differing}
            zeros = []
            self._again(differing)
        self._zeros(zeros)
        self._steps(frames, done)
        self._prove(part for part in parts if id(part) not in kept)

    def _count_absent(self, zeros: Sequence[Part]) -> None:
        for part in zeros:
            if part.absence is not None:
                length = sum(span.length for span in part.spans if span.offset != HOLE)
                self._result.absent.add(part.absence, length)

    def _compare(self, parts: Sequence[Part]) -> list[Part]:
        """Which parts an earlier run has not left as they should be."""
        differing: list[Part] = []
        for proof in prove(self._target, parts, self._keys, self._threads):
            differing += proof.differing
            kept = proof.size - sum(part.length for part in proof.differing)
            self._result.bytes_kept += kept
            self._result.bytes_verified += kept
            self._tell()
        return differing

    def _again(self, parts: Sequence[Part]) -> None:
        """Write parts that are not as they should be, their blobs proven."""
        self._zeros(part for part in parts if part.blob is None)
        frames, _ = self._proven.by_frame(
            Piece(part, 0, part.blob, part.length) for part in parts if part.blob is not None
        )
        self._write(self._proven, frames)
        self._target.sync()

    def _zeros(self, parts: Iterable[Part]) -> None:
        if not self._plan.target.fresh:
            for part in parts:
                self._writer.zeros(part)
            self._writer.flush()

    def _steps(self, frames: Sequence[PartFrame], done: int) -> None:
        """Write what was not written before, and tell the journal how far it has come."""
        for step in _by_size(frames[done:], self._step):
            self._write(self._contents, step)
            self._target.sync()
            done += len(step)
            self._sample(next(step[len(step) // 2].pieces()).job)
            self._journal.reached(self._round, done)
        self._target.sync()

    def _sample(self, part: Part) -> None:
        """Let the journal have a part, unless a run that goes on would wipe it first."""
        if not any(self._wiped_again.within(start, start + size) for start, size in part.spans):
            self._journal.sample(part)

    def _write(self, contents: Contents[Part], frames: Sequence[PartFrame]) -> None:
        for written, lost in contents.used(frames, self._put):
            for error, pieces in lost:
                self._lost(error, pieces)
            self._result.bytes_written += written
            self._tell()

    def _put(self, results: list[Result[Part]]) -> tuple[int, list[Result[Part]]]:
        """Write what came out of a frame, in a thread; how many bytes, and what did not come."""
        writer, written, lost = PartWriter(self._target), 0, list[Result[Part]]()
        for data, pieces in results:
            if isinstance(data, DamageFound):
                lost.append((data, pieces))
                continue
            view = memoryview(data)
            for piece in pieces:
                writer.write(piece.job, view)
                written += piece.length
        writer.flush()
        return written, lost

    def _prove(self, parts: Iterable[Part]) -> None:
        """Read what was written, in the order of the disk. What differs is written once more."""
        differing = self._read_back(parts)
        if differing:
            self._again(differing)
            differing = self._read_back(differing)
        for part in differing:
            self._result.wrong += 1
            self._note(f"{part.length} bytes at {part.first} differ when read back")

    def _read_back(self, parts: Iterable[Part]) -> list[Part]:
        """The parts that differ, but for those that could not be written."""
        differing: list[Part] = []
        there = (part for part in parts if id(part) not in self._missing)
        for proof in prove(self._target, there, self._keys, self._threads):
            differing += proof.differing
            self._result.bytes_verified += proof.size - sum(p.length for p in proof.differing)
            self._tell()
        return differing

    def _patch(self, patches: Sequence[Patch]) -> None:
        """The ids of a clone, also where the image holds nothing."""
        for patch in patches:
            self._target.write_at(patch.new, patch.offset)
        self._target.sync()
        for patch in patches:
            if self._target.read(patch.offset, len(patch.new)) != patch.old:
                self._result.wrong += 1
                self._note(f"the new ids at {patch.offset} differ when read back")

    def _lost(self, error: Buffer | DamageFound, pieces: Sequence[Piece[Part]]) -> None:
        if isinstance(error, DamageFound):
            for piece in pieces:
                self._missing.add(id(piece.job))
                self._damage(f"{piece.length} bytes at {piece.job.first}", error)

    def _damage(self, what: str, error: DamageFound) -> None:
        self._result.damaged += 1
        self._note(f"{what}: {error}")

    def _note(self, words: str) -> None:
        if len(self._result.where) < _MOST_TOLD:
            self._result.where.append(f"{self._name}: {words}")
            self._emit(Finding(Severity.DAMAGE, self._name, words))

    def _tell(self) -> None:
        result = self._result
        done = result.bytes_written + result.bytes_kept + result.bytes_verified
        self._emit(Progress(done, 0))


def _by_size(frames: Sequence[PartFrame], size: int) -> Iterator[list[PartFrame]]:
    """Frames in groups of about so many bytes."""
    group: list[PartFrame] = []
    held = 0
    for frame in frames:
        group.append(frame)
        held += sum(piece.length for piece in frame.pieces())
        if held >= size:
            yield group
            group, held = [], 0
    if group:
        yield group
