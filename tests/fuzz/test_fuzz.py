"""Every target: a few runs always, a third of what the target says when slow tests are asked for.

The loop itself must find faults: planted ones are told with the number that repeats them.
"""

import pytest

from tests.fuzz.damage import Sample
from tests.fuzz.formats import FORMATS, samples
from tests.fuzz.loop import SECONDS, bounded, run_range, tell
from tests.fuzz.subject import Meter, Subject, packed, subject_of, unpacked
from tests.fuzz.targets import CORPUS, CodecTarget, VolumeTarget, targets

QUICK = 60
SHARE = 3  # all of them, and more, run apart: docs/fuzzing.md
NAMES = tuple(targets())


@pytest.mark.parametrize("name", NAMES)
def test_a_few_runs(name: str) -> None:
    tally = run_range(targets()[name], 0, QUICK)
    assert not tally.crashes, tell(tally)
    assert tally.runs == QUICK


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(targets()[n], VolumeTarget)])
def test_samples_come_through_whole(name: str) -> None:
    """The places worth damaging are known, and after a run nothing of the damage is left."""
    target = targets()[name]
    assert isinstance(target, VolumeTarget)
    before = [sample.subject.whole() for sample in target.samples()]
    run_range(target, 0, 3 * len(before))
    for sample, data in zip(target.samples(), before, strict=True):
        assert len(sample.places) > 10
        assert sample.subject.whole() == data


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_runs(name: str) -> None:
    target = targets()[name]
    tally = run_range(target, 0, target.runs // SHARE)
    assert not tally.crashes, tell(tally)
    assert tally.refused < tally.runs


@pytest.mark.parametrize("name", NAMES)
def test_guided_inputs_are_taken(name: str) -> None:
    """What a coverage-guided fuzzer begins with, and what it may come to."""
    target = targets()[name]
    for data in (*target.seeds(), b"", b"\0", bytes(50), b"\xff" * 300):
        target.feed(data)


def _planted(run: object) -> VolumeTarget:
    target = VolumeTarget("planted", run, 0)  # type: ignore[arg-type]
    subject = subject_of(bytes(range(256)) * 20)
    target._samples = [Sample("one", subject, tuple(range(64)))]
    return target


def test_a_parser_that_trusts_a_number_is_caught() -> None:
    def careless(reader: Meter) -> None:
        length = int.from_bytes(reader.read(8, 4), "little")
        assert length != 0xFFFFFFFF

    tally = run_range(_planted(careless), 0, 5000)
    assert len(tally.crashes) == 1
    number = tally.crashes[0].number
    again = run_range(_planted(careless), number, number + 1)
    assert [crash.number for crash in again.crashes] == [number]


def test_a_parser_that_asks_without_end_is_stopped() -> None:
    def endless(reader: Meter) -> None:
        while True:
            reader.read(0, 0)

    assert "TooMuch" in tell(run_range(_planted(endless), 0, 1))


def test_a_parser_that_takes_memory_is_stopped() -> None:
    tally = run_range(_planted(lambda reader: bytes(1 << 30)), 0, 1)
    assert "MemoryError" in tell(tally)


def test_a_parser_that_never_comes_back_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def loop(data: bytes) -> None:
        while True:
            pass

    assert SECONDS <= 30
    monkeypatch.setattr("tests.fuzz.loop.SECONDS", 0.05)
    assert "processor time" in tell(run_range(CodecTarget("loop", loop, [b"x"], 1), 0, 1))


def test_bounds_are_lifted_afterwards() -> None:
    with bounded(), pytest.raises(MemoryError):
        bytes(1 << 30)
    assert len(bytes(1 << 29)) == 1 << 29


def test_subjects_are_their_bytes() -> None:
    """Against a bytearray: pages, borders between them, what is kept of emptiness."""
    data = bytearray(300_000)
    data[65_530:65_545] = b"across a border"
    data[-3:] = b"end"
    subject = unpacked(packed(bytes(data)))
    assert subject.whole() == bytes(data)
    for at, piece in ((131_070, b"abcdef"), (0, b"x" * 70_000), (299_999, b"too long")):
        subject.put(at, piece)
        data[at : at + len(piece)] = piece
        del data[300_000:]
        assert subject.whole() == bytes(data)
        assert subject.changed(at, at + 1)
    subject.size = 10
    subject.heal()
    assert subject.whole() == unpacked(packed(subject.whole())).whole()
    assert subject.part(65_530, 15) == b"across a border"
    assert not subject.changed(0, 300_000)
    assert isinstance(subject, Subject)


@pytest.mark.parametrize("name", FORMATS)
def test_samples_of_the_format_are_taken(name: str) -> None:
    """A change of the format makes samples useless: then ``make_corpus`` is to be run again."""
    stored = sorted((CORPUS / f"format-{name.replace(' ', '-')}").glob("*"))
    for data in (*samples(name), *(path.read_bytes() for path in stored)):
        FORMATS[name].decode(data)


@pytest.mark.parametrize("name", FORMATS)
def test_damage_by_structure_gets_past_the_first_check(name: str) -> None:
    tally = run_range(targets()[f"format {name}"], 0, 400)
    assert tally.refused < 0.85 * tally.runs
