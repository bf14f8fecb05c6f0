"""Reading a share of the packs: in turn, everything, and the bad ones every time."""

import random
from pathlib import Path

import pytest

from tests.repository.damages import find_target
from tests.repository.sample import Lab
from twofold import clock
from twofold.events import Event, Phase, Progress
from twofold.repository import Rotation, remember_lost
from twofold.repository.rotation import lost_packs

PACKS = {random.Random(n).randbytes(16): 1000 + n for n in range(200)}


@pytest.fixture(autouse=True)
def _memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(tmp_path / "memory"))


def turn(
    percent: float, packs: dict[bytes, int], bad: frozenset[bytes] = frozenset()
) -> list[bytes]:
    rotation = Rotation(b"r", percent)
    chosen = rotation.choose(packs)
    for pack in chosen:
        rotation.read(pack, bad=pack in bad)
    rotation.save(packs)
    return chosen


@pytest.mark.parametrize("percent", [1, 5, 7.5, 30, 100])
def test_everything_is_read_in_as_many_turns_as_it_takes(percent: float) -> None:
    turns = -(-100 // percent)
    read = [pack for _ in range(int(turns)) for pack in turn(percent, PACKS)]
    assert set(read) == set(PACKS)
    assert len(read) <= turns * (len(PACKS) * percent / 100 + 1)


def test_packs_made_meanwhile_are_read_before_the_second_round() -> None:
    packs = dict(PACKS)
    read: set[bytes] = set()
    for number in range(40):
        packs[random.Random(-1 - number).randbytes(16)] = 1000
        read.update(turn(5, packs))
    assert set(PACKS) <= read


def test_bad_packs_are_read_every_time_until_they_are_good() -> None:
    first = turn(5, PACKS)
    bad = first[3]
    assert turn(5, PACKS, frozenset()) != first
    turn(100, PACKS, frozenset({bad}))
    for _ in range(3):
        assert turn(5, PACKS, frozenset({bad}))[0] == bad
    turn(5, PACKS)
    assert bad not in turn(1, PACKS)


def test_a_bad_pack_that_is_gone_is_forgotten() -> None:
    bad = sorted(PACKS)[0]
    turn(100, PACKS, frozenset({bad}))
    left = {pack: size for pack, size in PACKS.items() if pack != bad}
    turn(5, left)
    turn(5, PACKS)
    assert turn(1, PACKS)[0] != bad


def test_a_computer_without_memory_starts_elsewhere_every_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: set[bytes] = set()
    for day in range(21):
        monkeypatch.setattr(clock, "now_ns", lambda day=day: day * 86_400 * 10**9)
        read.update(Rotation(b"forgetful", 5).choose(PACKS))
    assert read == set(PACKS)


def test_an_interrupted_turn_goes_on_where_it_stopped() -> None:
    rotation = Rotation(b"r", 50)
    chosen = rotation.choose(PACKS)
    for pack in chosen[:7]:
        rotation.read(pack, bad=False)
    rotation.save(PACKS)
    assert Rotation(b"r", 50).choose(PACKS)[:5] == chosen[7:12]


def test_check_reads_shares_in_turn(lab: Lab) -> None:
    sample = lab.sample
    counts = [sample.check(read_data=True, subset=30.0).packs_read for _ in range(4)]
    assert sum(counts) >= 8 and max(counts) < 8


def test_check_of_a_share_finds_damage_within_one_round_and_keeps_finding_it(lab: Lab) -> None:
    name = find_target("data-pack", lab, lab).name
    data = bytearray(lab.files[name])
    data[5000] ^= 1
    lab.write(name, bytes(data))
    codes = [lab.sample.check(read_data=True, subset=20.0).exit_code for _ in range(6)]
    first = codes.index(5)
    assert codes[first:] == [5] * len(codes[first:])


def test_what_is_lost_is_remembered_until_it_is_there_again(lab: Lab) -> None:
    """What redundancy covers is bad and not lost."""
    name = find_target("data-pack", lab, lab).name
    pack, whole = bytes.fromhex(name.rpartition("/")[2]), lab.files[name]
    with lab.sample.open() as repository:
        ident = repository.id
    at = len(whole) // 2
    for size, lost in ((4096, frozenset()), (len(whole) // 3, frozenset({pack})), (0, frozenset())):
        lab.write(name, whole[:at] + bytes(size) + whole[at + size :])
        assert lab.sample.check(read_data=True).exit_code == (5 if size else 0)
        assert lost_packs(ident) == lost
    remember_lost(ident, {pack})
    assert Rotation(ident, 1).choose({pack: 1, b"other": 1000})[0] == pack
    lab.path(name).unlink()
    lab.sample.check(read_data=True)
    assert pack not in lost_packs(ident), "what is not there needs no memory"


def test_any_check_remembers_metadata_that_it_cannot_read(lab: Lab) -> None:
    name = find_target("metadata-pack", lab, lab).name
    lab.write(name, bytes(len(lab.files[name])))
    assert lab.sample.check().exit_code == 5
    with lab.sample.open() as repository:
        assert lost_packs(repository.id) == {bytes.fromhex(name.rpartition("/")[2])}
        assert repository.load_index().lost == lost_packs(repository.id)


def test_progress_reaches_its_total(lab: Lab) -> None:
    from twofold.commands import check

    told: list[Event] = []
    check.run(check.CheckOptions(access=lab.sample.access, read_data=True), told.append)
    phases = [event for event in told if isinstance(event, Phase)]
    assert [phase.name for phase in phases] == [
        "checking objects",
        "reading packs",
        "following every backup",
    ]
    place = told.index(phases[1])
    steps = [event for event in told[place : told.index(phases[2])] if isinstance(event, Progress)]
    assert (steps[-1].done_bytes, steps[-1].done_items) == (
        phases[1].total_bytes,
        phases[1].total_items,
    )
    assert [step.done_items for step in steps] == list(range(1, len(steps) + 1))
