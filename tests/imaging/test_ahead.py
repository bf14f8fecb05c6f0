"""Windows read ahead: the bytes that are there, in order, in memory that others may have after."""

import errno
import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from twofold.disk.base import BlockReader
from twofold.disk.blocks import MemoryBlocks, Pieces, Window
from twofold.imaging.ahead import Ahead
from twofold.imaging.patient import PatientReader
from twofold.platform import current

MIB = 1 << 20
SIZE = 24 * MIB
Place = tuple[int, int]


@pytest.fixture(scope="module")
def data() -> bytes:
    return random.Random(3).randbytes(SIZE)


@pytest.fixture(scope="module")
def path(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("disk") / "disk.raw"
    file.write_bytes(data)
    return file


@pytest.fixture
def disk(path: Path) -> Iterator[BlockReader]:
    with closing(current().open_disk(os.fsencode(path))) as opened:
        yield opened


def identity(place: Place) -> Place:
    return place


def places(seed: int) -> list[Place]:
    """Some to be read, aligned or not, one longer than a window is, one of nothing."""
    chance = random.Random(seed)
    found = [(chance.randrange(16 * MIB) // 512 * 512, chance.randrange(4 * MIB)) for _ in range(9)]
    return [*found, (4096, 10 * MIB), (0, 0), (MIB, 2 * MIB), (SIZE - 70_000, 70_000)]


def test_windows_hold_what_is_there(disk: BlockReader, data: bytes) -> None:
    runs = [(12 * MIB, 12 * MIB), (512, 12 * MIB - 512)]
    shapes = {
        "disk": (disk, data),
        "part": (Window(disk, 1536, SIZE - 1536), data[1536:]),
        "pieces": (Pieces(disk, 0, runs), data[12 * MIB :] + data[512 : 12 * MIB]),
        "patient": (PatientReader(disk), data),
    }
    for seed, (name, (reader, want)) in enumerate(shapes.items()):
        asked = [each for each in places(seed) if sum(each) <= reader.size]
        told: list[int] = []
        with Ahead(2, told.append) as ahead:
            for (wanted, lease), place in zip(
                ahead.windows(reader, iter(asked), identity), asked, strict=True
            ):
                assert wanted == place
                start, length = place
                assert (lease is not None) == (length > 0)
                if lease is not None:
                    assert lease.view[:length] == want[start : start + length], name
                    lease.release()
        assert told == [length for _, length in asked if length]


def test_a_window_stays_as_it_is_until_it_is_given_back(disk: BlockReader, data: bytes) -> None:
    asked = [(at, MIB) for at in range(0, 20 * MIB, MIB)]
    with Ahead(1, lambda _: None) as ahead:
        held = []
        for place, lease in ahead.windows(disk, asked, identity):
            assert lease is not None
            held.append((place, lease))
            if len(held) == 3:  # of the five that there are, one being filled and one waiting
                for (start, length), kept in held:
                    assert kept.view[:length] == data[start : start + length]
                    kept.release()
                held.clear()


def test_who_cannot_fill_memory_is_asked_again(data: bytes) -> None:
    told: list[int] = []
    with Ahead(2, told.append) as ahead:
        found = list(ahead.windows(MemoryBlocks(data), [(0, 10), (10, 10)], identity))
    assert found == [((0, 10), None), ((10, 10), None)]
    assert not told


class Failing:
    """A disk of which one half fails, and how often it did."""

    size, sector_size = SIZE, 512

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.failed = 0

    def read(self, offset: int, length: int) -> bytes:
        if offset + length > SIZE // 2:
            self.failed += 1
            raise OSError(errno.EIO, "Input/output error")
        return self.data[offset : offset + length]

    def fill(self, offset: int, view: memoryview) -> bool:
        view[:] = self.read(offset, len(view))
        return True


def test_a_refusal_ends_reading_ahead_and_is_left_to_patience(data: bytes) -> None:
    refused: list[int] = []
    disk = Failing(data)
    reader = PatientReader(disk, refused=refused.append)
    view = memoryview(bytearray(MIB))
    assert reader.fill(MIB, view)
    assert view == data[MIB : 2 * MIB]
    assert not reader.fill(SIZE - MIB, view)
    assert (reader.is_clean, refused) == (True, [])  # told by whom the engine's thread asks
    assert reader.glance(SIZE - MIB, MIB) is None
    assert refused == [SIZE - MIB]
    failed = disk.failed
    assert not reader.fill(SIZE - MIB, view)
    assert not reader.fill(0, view)  # from now on one request after the other
    assert disk.failed == failed
    assert reader.glance(0, MIB) == data[:MIB]
