"""Reading around bad sectors: everything else is right, and each is told of once."""

import errno
import random

import pytest

from twofold.imaging.patient import PatientReader

SECTOR = 512
SECTORS = 4096


class Disk:
    """A disk of noise with bad sectors, that counts the requests it refused."""

    size = SECTORS * SECTOR
    sector_size = SECTOR

    def __init__(self, rand: random.Random, bad: set[int]) -> None:
        self.data = bytearray(rand.randbytes(self.size))
        self.bad = bad
        self.refused: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        sectors = range(offset // SECTOR, -(-(offset + length) // SECTOR))
        if not self.bad.isdisjoint(sectors):
            self.refused.append((offset, length))
            raise OSError(errno.EIO, "Input/output error")
        return bytes(self.data[offset : offset + length])


@pytest.mark.parametrize("seed", range(20))
def test_only_bad_sectors_are_zeros_and_each_is_told_once(seed: int) -> None:
    rand = random.Random(seed)
    bad = {rand.randrange(SECTORS) for _ in range(rand.randint(1, 6))}
    bad |= {sector + 1 for sector in bad if sector + 1 < SECTORS and rand.random() < 0.5}
    disk = Disk(rand, bad)
    told: list[int] = []

    def tell(offset: int, length: int) -> None:
        assert offset % SECTOR == length % SECTOR == 0
        told.extend(range(offset // SECTOR, (offset + length) // SECTOR))

    reader = PatientReader(disk, tell)
    wanted = bytearray(disk.data)
    for sector in bad:
        wanted[sector * SECTOR : (sector + 1) * SECTOR] = bytes(SECTOR)
    for _ in range(20):
        offset = rand.randrange(disk.size)
        length = min(rand.choice((2, 500, 4096, 1 << 20)), disk.size - offset)
        assert reader.read(offset, length) == wanted[offset : offset + length]
    assert reader.read(0, disk.size) == wanted
    assert sorted(told) == sorted(bad)


def test_it_gives_up_a_disk_that_refuses_too_often() -> None:
    disk = Disk(random.Random(0), set(range(SECTORS // 2)))
    told: list[tuple[int, int]] = []
    reader = PatientReader(disk, lambda offset, length: told.append((offset, length)))
    assert reader.read(0, disk.size // 2) == bytes(disk.size // 2)
    assert len(disk.refused) < 1100
    assert told == [(0, disk.size // 2)]
    assert reader.read(disk.size // 2, 5000) == disk.data[disk.size // 2 :][:5000]
