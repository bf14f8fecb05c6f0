"""Reading around bad sectors: everything else is right, and each is told of once.

Where the bad sectors are is known here, and a clock that only refusals move says what they cost.
"""

import errno
import random
from itertools import pairwise

import pytest

from twofold.errors import SourceDamaged
from twofold.imaging.patient import Fate, PatientReader

SECTOR = 512
SECTORS = 4096
WINDOW = 256 << 10
SECONDS = 3.0
"""What a refusal costs."""


class Disk:
    """A disk of noise with bad sectors, and the requests it refused."""

    sector_size = SECTOR

    def __init__(self, rand: random.Random, bad: set[int], sectors: int = SECTORS) -> None:
        self.size = sectors * SECTOR
        self.data = bytearray(rand.randbytes(self.size))
        self.bad = bad
        self.refused: list[tuple[int, int]] = []
        self.asked: set[int] = set()

    def read(self, offset: int, length: int) -> bytes:
        sectors = range(offset // SECTOR, -(-(offset + length) // SECTOR))
        self.asked.update(sectors)
        if not self.bad.isdisjoint(sectors):
            self.refused.append((offset, length))
            raise OSError(errno.EIO, "Input/output error")
        return bytes(self.data[offset : offset + length])

    def without(self, sectors: set[int]) -> bytes:
        """What it holds, with zeros for some."""
        data = bytearray(self.data)
        for sector in sectors:
            data[sector * SECTOR : (sector + 1) * SECTOR] = bytes(SECTOR)
        return bytes(data)

    def now(self) -> float:
        return SECONDS * len(self.refused)


def patient(disk: Disk, patience: float = 1e9) -> PatientReader:
    return PatientReader(disk, patience=patience, now=disk.now)


def lost(reader: PatientReader, *fates: Fate) -> set[int]:
    """Sectors that were not had."""
    found = [(first, length) for first, length, fate in reader.lost() if fate in (fates or Fate)]
    assert all(first % SECTOR == length % SECTOR == 0 for first, length in found)
    sectors = [n // SECTOR for first, size in found for n in range(first, first + size, SECTOR)]
    assert len(sectors) == len(set(sectors))
    return set(sectors)


def two_passes(disk: Disk, reader: PatientReader) -> bytes:
    """All of the disk in the way an image reads it."""
    data = bytearray(disk.size)
    later = []
    for at in range(0, disk.size, WINDOW):
        length = min(WINDOW, disk.size - at)
        found = reader.glance(at, length)
        if found is None:
            later.append((at, length))
        else:
            data[at : at + length] = found
    for at, length in reversed(later):
        data[at : at + length] = reader.read(at, length)
    return bytes(data)


@pytest.mark.parametrize("seed", range(20))
def test_only_bad_sectors_are_zeros_and_each_is_told_once(seed: int) -> None:
    rand = random.Random(seed)
    bad = {rand.randrange(SECTORS) for _ in range(rand.randint(1, 6))}
    bad |= {sector + 1 for sector in bad if sector + 1 < SECTORS and rand.random() < 0.5}
    disk = Disk(rand, bad)
    reader = patient(disk)
    assert reader.is_clean
    wanted = disk.without(bad)
    for _ in range(20):
        offset = rand.randrange(disk.size)
        length = min(rand.choice((2, 500, 4096, 1 << 20)), disk.size - offset)
        assert reader.read(offset, length) == wanted[offset : offset + length]
        found = [n for first, size in reader.unread(offset, length) for n in (first, first + size)]
        assert found == sorted(set(found)) and all(offset <= n <= offset + length for n in found)
    assert reader.read(0, disk.size) == wanted
    assert lost(reader, Fate.BAD) == bad and not lost(reader, Fate.UNTRIED)
    assert not reader.is_clean and reader.answered
    told = [(first, length) for first, length, _ in reader.lost()]
    assert all(sum(one) < other[0] for one, other in pairwise(told))
    before = len(disk.refused)
    assert reader.read(0, disk.size) == wanted
    assert len(disk.refused) == before


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_however_many_are_bad_every_other_sector_is_had(share: float) -> None:
    """Far more than a thousand refusals, scattered and in long rows."""
    rand = random.Random(7)
    bad = {n for n in range(SECTORS * 4) if rand.random() < share} | set(range(5000, 7000))
    disk = Disk(rand, bad, SECTORS * 4)
    reader = patient(disk)
    assert two_passes(disk, reader) == disk.without(bad)
    assert lost(reader, Fate.BAD) == bad and not lost(reader, Fate.UNTRIED)
    assert len(disk.refused) == len(set(disk.refused)), "nothing is asked for twice"
    large = [each for each in disk.refused if each[1] > SECTOR]
    assert len(disk.refused) - len(large) == len(bad)
    assert len(large) <= disk.size // WINDOW + disk.size // (64 << 10)


def test_the_whole_disk_is_read_before_anything_is_tried_again() -> None:
    disk = Disk(random.Random(1), {5, 600, 3000}, SECTORS)
    order: list[int] = []
    plain = disk.read

    def read(offset: int, length: int) -> bytes:
        order.append(offset)
        return plain(offset, length)

    disk.read = read  # type: ignore[method-assign]
    two_passes(disk, patient(disk))
    windows = disk.size // WINDOW
    assert order[:windows] == [n * WINDOW for n in range(windows)]
    again = [offset // WINDOW for offset in order[windows:]]
    assert again == sorted(again, reverse=True), "and that goes backwards"


def test_the_edges_of_a_hole_come_before_its_middle() -> None:
    bad = {n for n in range(20, 100) if n % 3 == 0}
    disk = Disk(random.Random(2), bad, 128)
    reader = patient(disk, patience=2 * SECONDS)
    data = reader.read(0, disk.size)
    assert lost(reader, Fate.BAD) == {21, 99}
    assert lost(reader, Fate.UNTRIED) == set(range(22, 99))
    assert data == disk.without(lost(reader))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("refusals", [0, 1, 20, 300])
def test_when_time_is_up_what_was_not_tried_is_known_as_such(seed: int, refusals: int) -> None:
    rand = random.Random(seed)
    bad = {n for start in rand.sample(range(SECTORS), 8) for n in range(start, start + 150)}
    disk = Disk(rand, bad, SECTORS + 150)
    reader = patient(disk, patience=refusals * SECONDS)
    data = two_passes(disk, reader)
    tried, untried = lost(reader, Fate.BAD), lost(reader, Fate.UNTRIED)
    assert data == disk.without(tried | untried)
    assert bad - tried <= untried and tried <= bad
    assert bool(untried) == (refusals < len(bad))
    first_pass = disk.size // WINDOW + 1
    assert len(disk.refused) <= first_pass + refusals + first_pass


def test_a_dead_disk_ends_in_time_and_its_living_end_is_had() -> None:
    """All but the last window: the large pieces take no longer than the small ones may."""
    sectors, living = 64 << 11, 2000
    disk = Disk(random.Random(3), set(range(sectors - living)), sectors)
    patience = 20 * SECONDS
    reader = patient(disk, patience)
    data = two_passes(disk, reader)
    assert len(disk.refused) <= 20 + 20 + 40
    assert data[-living * SECTOR :] == disk.data[-living * SECTOR :]
    assert lost(reader) == set(range(sectors - living))


def test_the_time_is_shared_out_between_the_places() -> None:
    """Two long holes: the one that is tried first does not take all the time."""
    holes = [range(100, 400), range(3000, 3300)]
    disk = Disk(random.Random(4), {n for hole in holes for n in hole})
    reader = patient(disk, patience=60 * SECONDS)
    two_passes(disk, reader)
    tried = lost(reader, Fate.BAD)
    assert all(len(tried & set(hole)) > 10 for hole in holes)


def test_the_first_refusal_is_told_at_once_and_only_once() -> None:
    disk = Disk(random.Random(5), {9, 77})
    told: list[int] = []
    reader = PatientReader(disk, refused=told.append)
    reader.read(8 * SECTOR, SECTOR)
    assert told == []
    reader.read(8 * SECTOR, 4 * SECTOR)
    reader.read(70 * SECTOR, 20 * SECTOR)
    assert told == [8 * SECTOR]


@pytest.mark.parametrize("number", [errno.ENODEV, errno.ENXIO])
def test_a_disk_that_is_taken_away_is_not_tried_piece_by_piece(number: int) -> None:
    disk = Disk(random.Random(1), set(), sectors=64 << 10)
    reader = patient(disk)
    assert reader.glance(0, WINDOW) is not None
    tries = 0

    def gone(_offset: int, _length: int) -> bytes:
        nonlocal tries
        tries += 1
        raise OSError(number, "No such device")

    disk.read = gone  # type: ignore[method-assign, assignment]
    with pytest.raises(SourceDamaged, match="taken away"):
        for offset in range(0, disk.size, WINDOW):
            reader.glance(offset, WINDOW)
    assert tries < 20


def test_a_few_such_answers_are_bad_sectors(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(random.Random(1), {40, 900, 901})
    monkeypatch.setattr(errno, "EIO", errno.ENXIO)
    reader = patient(disk)
    assert reader.read(0, disk.size) == disk.without(disk.bad)
    assert lost(reader) == disk.bad
