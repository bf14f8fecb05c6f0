"""How far a restore onto a disk has come, remembered on this computer and never on the target.

One small file for each snapshot, part and target. It is written after what it tells was made
durable on the target, and removed when all is done. It saves work and is never relied on: a restore
that goes on compares what an earlier one wrote, and writes again what is not as it should be.

    remembered  identity of the target, rounds and frames written, some parts of it as samples

Samples are looked at before anything else: if one of them is gone, so may be the rest, and the
restore begins anew.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b

import msgspec

from twofold.disk.base import HOLE
from twofold.errors import TwofoldError, words_of
from twofold.events import Emit, Notice
from twofold.format.layout import Buffer
from twofold.imaging.placing import Part
from twofold.imaging.writing import DiskTarget
from twofold.repository import dismiss, recall, remember

PURPOSE = "restore-disk"
_VERSION = 1
_SAMPLES = 16
_LARGEST_SAMPLE = 8 << 20


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The file. ``fresh``: before the restore began, the target held nothing but zeros."""

    version: int
    target: str
    fresh: bool
    round: int
    frames: int
    samples: list[tuple[int, int, bytes]]


class Journal:
    """Of one restore; without an identity nothing is remembered."""

    def __init__(
        self, repository: bytes, snapshot: bytes, part: int | None, target: str, emit: Emit
    ) -> None:
        self._repository = repository
        self._target = target
        self._emit = emit
        about = f"{snapshot.hex()} {part} {target}".encode()
        self._item = blake2b(about, digest_size=16).hexdigest() if target else ""
        self._samples: list[tuple[int, int, bytes]] = []
        self._passed, self._every = 0, 1
        self._fresh = False
        self.recorded = self._recall()

    def _recall(self) -> Recorded | None:
        if not self._item:
            return None
        found = recall(PURPOSE, self._repository, Recorded, self._item)
        right = found is not None and (found.version, found.target) == (_VERSION, self._target)
        return found if right else None

    def matches(self, target: DiskTarget, blob_id: Callable[[Buffer], bytes]) -> bool:
        """Whether the target still holds what the samples tell, and there are any."""
        samples = self.recorded.samples if self.recorded is not None else []
        return bool(samples) and all(_holds(target, blob_id, *sample) for sample in samples)

    def anew(self) -> None:
        """Forget what was done."""
        self.recorded = None
        if self._item:
            with suppress(OSError):
                dismiss(PURPOSE, self._repository, self._item)

    def begin(self, *, fresh: bool) -> None:
        """The restore begins, or goes on."""
        self._fresh = fresh
        self._samples = list(self.recorded.samples) if self.recorded is not None else []
        if self.recorded is None:
            self.reached(0, 0)

    def done(self, number: int, frames: int) -> int:
        """How many of the frames of a round were written before."""
        if self.recorded is None or number > self.recorded.round:
            return 0
        return frames if number < self.recorded.round else min(frames, self.recorded.frames)

    def sample(self, part: Part) -> None:
        """A part that was written, one of many; a few are kept, from all over the disk."""
        span = part.spans[0]
        right = part.blob is not None and len(part.spans) == 1 and span.offset != HOLE
        if not right or part.length > _LARGEST_SAMPLE:
            return
        self._passed += 1
        if self._passed % self._every == 0:
            if len(self._samples) >= _SAMPLES:
                del self._samples[1::2]
                self._every *= 2
            self._samples.append((span.offset, span.length, part.blob or b""))

    def reached(self, number: int, frames: int) -> None:
        """So many frames of a round, and all rounds before it, are durable on the target."""
        if not self._item:
            return
        record = Recorded(
            version=_VERSION,
            target=self._target,
            fresh=self._fresh,
            round=number,
            frames=frames,
            samples=self._samples,
        )
        try:
            remember(PURPOSE, self._repository, record, self._item)
        except OSError as error:
            self._item = ""
            why = words_of(error)
            self._emit(Notice(f"if it is cut off, this restore cannot go on later: {why}"))


def _holds(
    target: DiskTarget, blob_id: Callable[[Buffer], bytes], offset: int, length: int, blob: bytes
) -> bool:
    if not 0 < length <= _LARGEST_SAMPLE:
        return False
    try:
        return blob_id(target.read(offset, length)) == blob
    except (OSError, TwofoldError):
        return False
