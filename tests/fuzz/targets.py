"""The targets by name, each with its corpus below ``corpus/`` and with its bounds."""

import random
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.fuzz import mends
from tests.fuzz.codecs import CHANGES, CODECS, Change, Decode
from tests.fuzz.damage import LONG, Mend, Sample, damage
from tests.fuzz.formats import FORMATS, samples
from tests.fuzz.subject import Meter, Subject, Tracer, load
from tests.fuzz.volumes import (
    VOLUMES,
    anything,
    boot_record,
    container,
    group_places,
    table,
    volume_group,
)
from tests.native.fuzz.mutate import LARGEST, mutated
from twofold.disk.containers import ImageKind
from twofold.errors import FormatError, NewerFormat

CORPUS = Path(__file__).parent / "corpus"
RUNS = 100_000  # of each target in the slow tests
TRACES = 24  # runs on the whole sample, to see what is read of it
PLACES_PER_READ = 400
BYTEWISE = 8  # one run in so many is damaged byte by byte where there is a better way
Run = Callable[[Meter], object]


class Target(Protocol):
    """Something to be fuzzed."""

    name: str
    runs: int
    """How many runs the slow tests make."""

    def attempt(self, number: int) -> bool:
        """The run of that number: whether the input was refused. Raises what must not happen."""
        ...

    def feed(self, data: bytes) -> None:
        """A run on an input that somebody else made up: a coverage-guided fuzzer."""
        ...

    def seeds(self) -> list[bytes]:
        """Inputs for ``feed`` to begin with."""
        ...


class CodecTarget:
    """A function of bytes; inputs have any length."""

    def __init__(
        self,
        name: str,
        decode: Decode,
        corpus: list[bytes],
        runs: int,
        change: Change | None = None,
    ) -> None:
        """``change`` damages an input by its structure; it is used for most of the runs."""
        self.name = name
        self.runs = runs
        self._decode = decode
        self._corpus = corpus
        self._change = change
        self._largest = max(LARGEST, 2 * max(map(len, corpus)))

    def attempt(self, number: int) -> bool:
        """See ``Target``."""
        seed = f"{self.name} {number}"
        if self._change is None or number % BYTEWISE == 0:
            return self._run(mutated(self._corpus, seed, self._largest))
        chance = random.Random(seed)
        return self._run(self._change(chance.choice(self._corpus), chance))

    def _run(self, data: bytes) -> bool:
        try:
            self._decode(data)
        except (FormatError, NewerFormat):
            return True
        return False

    def feed(self, data: bytes) -> None:
        """The input itself."""
        self._run(data)

    def seeds(self) -> list[bytes]:
        """The corpus."""
        return self._corpus


class VolumeTarget:
    """A function of a reader; inputs are samples damaged in place."""

    def __init__(
        self,
        name: str,
        run: Run,
        runs: int,
        *,
        mend: Mend | None = None,
        corpus: str = "",
        most_reads: int = 1 << 15,
        most_bytes: int = 1 << 26,
    ) -> None:
        self.name = name
        self.runs = runs
        self._do = run
        self._mend = mend
        self._folder = CORPUS / (corpus or name).replace(" ", "-")
        self._bounds = (most_reads, most_bytes)
        self._samples: list[Sample] = []

    def attempt(self, number: int) -> bool:
        """See ``Target``."""
        chance = random.Random(number)
        samples = self.samples()
        sample = samples[number % len(samples)]
        try:
            damage(sample, chance, self._mend)
            return self._run(sample.subject, chance.getrandbits(16))
        finally:
            sample.subject.heal()

    def _run(self, subject: Subject, turn: int) -> bool:
        try:
            self._do(Meter(subject, *self._bounds, turn))
        except FormatError:
            return True
        return False

    def feed(self, data: bytes) -> None:
        """Reads as: sample, turn, whether to mend; then place (2), kind, value (8) repeatedly."""
        samples = self.samples()
        sample = samples[data[0] % len(samples)] if data else samples[0]
        try:
            for at in range(3, len(data) - 10, 11):
                self._change(sample, data[at : at + 11])
            if self._mend and len(data) > 2 and data[2] & 7:
                self._mend(sample.subject)
            self._run(sample.subject, data[1] if len(data) > 1 else 0)
        finally:
            sample.subject.heal()

    def _change(self, sample: Sample, words: bytes) -> None:
        place = sample.places[int.from_bytes(words[:2], "little") % len(sample.places)]
        width = 1 << (words[2] & 3)
        value = words[3 : 3 + width]
        if words[2] & 4:
            number = LONG[words[3] % len(LONG)] % (1 << 8 * width)
            value = number.to_bytes(width, "little" if words[2] & 8 else "big")
        sample.subject.put(place - place % width, value)

    def seeds(self) -> list[bytes]:
        """A change or two for each sample."""
        return [bytes([n, n * 31 & 255, 1]) + bytes(range(22)) for n in range(len(self.samples()))]

    def samples(self) -> list[Sample]:
        """The corpus, loaded at the first use."""
        if not self._samples:
            self._samples = [self._sample(path) for path in sorted(self._folder.iterdir())]
        return self._samples

    def _sample(self, path: Path) -> Sample:
        subject = load(path)
        read: dict[tuple[int, int], None] = {}
        for turn in range(TRACES):
            tracer = Tracer(subject, turn * 37)
            with suppress(FormatError):  # some are made to be refused
                self._do(tracer)
            read.update(tracer.read_at)
        return Sample(path.stem, subject, _places(subject, list(read)))


def _places(subject: Subject, reads: list[tuple[int, int]]) -> tuple[int, ...]:
    """Bytes that are read, above all such as are not zero; of each read as many as of another."""
    found: list[int] = []
    for at, length in reads:
        data = subject.part(at, length)
        used = [at + n for n, byte in enumerate(data) if byte] or [at]
        step = -(-len(used) // PLACES_PER_READ)
        found += used[::step]
        found += [at, at + length // 2]
    return tuple(place for place in found if place < subject.size)


def _codecs() -> list[Target]:
    found: list[Target] = []
    for name, decode in CODECS.items():
        folder = CORPUS / name.replace(" ", "-")
        corpus = [path.read_bytes() for path in sorted(folder.iterdir())]
        found.append(CodecTarget(name, decode, corpus, RUNS, CHANGES.get(name)))
    for name, form in FORMATS.items():
        folder = CORPUS / f"format-{name.replace(' ', '-')}"
        stored = [path.read_bytes() for path in sorted(folder.glob("*"))]
        corpus = [*samples(name), *stored]
        found.append(CodecTarget(f"format {name}", form.decode, corpus, RUNS, form.change))
    return found


def _volumes() -> list[Target]:
    mending: dict[str, Mend] = {"exfat": mends.exfat}
    found: list[Target] = [
        VolumeTarget(
            name,
            run,
            RUNS,
            mend=mending.get(name),
            corpus=name.removesuffix(" frozen"),
        )
        for name, run in VOLUMES.items()
    ]
    for name, run, mend in (
        ("gpt", table, mends.gpt),
        ("mbr", table, None),
        ("ebr", boot_record, None),
        ("md", anything, mends.md),
        ("anything", anything, None),
        ("lvm", volume_group, mends.lvm),
        ("lvm places", group_places, mends.lvm),
        ("vhd", container(ImageKind.VHD), mends.vhd),
        ("vhdx", container(ImageKind.VHDX), mends.vhdx),
        ("vhdx log", container(ImageKind.VHDX), mends.vhdx),
        ("qcow2", container(ImageKind.QCOW2), None),
        ("vmdk", container(ImageKind.VMDK), None),
    ):
        corpus = {"ebr": "mbr"}.get(name, name.replace(" places", "-places"))
        found.append(VolumeTarget(name, run, RUNS, mend=mend, corpus=corpus))
    return found


@cache
def targets() -> dict[str, Target]:
    """All there are."""
    return {target.name: target for target in (*_codecs(), *_volumes())}
