"""Mutated FAT and exFAT volumes: nothing but FormatError, and no more reading than is due."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random

import pytest

from tests.disk.fat_builder import FatBuilder, long_slots, slot
from tests.disk.test_exfat_files import Exfat, entry, sealed
from twofold.disk import FileSystem, Kind
from twofold.disk.blocks import check_range
from twofold.disk.exfat import open_exfat
from twofold.disk.fat import open_fat
from twofold.errors import FormatError

FEW = 400


@dataclass
class Counting:
    """Bytes in memory that know how many were read."""

    data: bytearray
    sector_size: int = 512
    was_read: int = 0

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        check_range(self, offset, length)
        self.was_read += length
        return bytes(self.data[offset : offset + length])


@cache
def fat(bits: int) -> tuple[bytes, tuple[int, ...]]:
    """A small volume with some of everything, and the places worth changing."""
    builder = FatBuilder(bits, 4200 if bits == 16 else 120)
    builder.root(
        slot(b"LABEL", 8),
        *long_slots("a long name of a file".encode("utf-16-le"), b"ALONGN~1"),
        slot(b"ALONGN~1", first=builder.chain(10, 11, 15, 14, 20), size=2500),
        slot(b"SUB", 0x10, builder.chain(30, 33)),
        slot(b"EMPTY"),
    )
    builder.directory(
        30, slot(b"INNER", 0x10, builder.chain(40)), slot(b"F", first=builder.chain(50), size=77)
    )
    builder.directory(40, slot(b"G", first=builder.chain(60, 61, 62), size=1500), above=30)
    raw = builder.disk.read(0, builder.disk.size)
    places = [at for at, byte in enumerate(raw) if byte or at < 90]
    return raw, tuple(places)


@cache
def exfat() -> tuple[bytes, tuple[int, ...]]:
    """The same of exFAT; only the boot sector, FAT and directories are worth changing."""
    volume = Exfat()
    volume.link(1000, 1001, 1005)
    volume.append(entry("chained file with a long name", 1000, 1300))
    volume.append(entry("contiguous", 1010, 1300, flags=3, valid=5))
    volume.append(entry("sub", 1100, 1024, attributes=0x10, flags=3))
    start = volume.offset(1100)
    inner = b"".join(entry(f"file {n}", 1200 + n, 500, flags=3) for n in range(8))
    volume.raw[start : start + len(inner)] = inner
    table = volume.fat * 512
    places = [
        *range(72, 114),
        *range(table, table + 64),
        *range(table + 4000, table + 4032),
        *range(volume.root_offset, volume.used),
        *range(start, start + len(inner)),
    ]
    return bytes(volume.raw), tuple(places)


def mutate(random: Random, raw: bytes, places: tuple[int, ...]) -> bytearray:
    """Change a few bytes, single ones or words."""
    data = bytearray(raw)
    for _ in range(random.choice((1, 1, 2, 3, 5, 10, 30))):
        at = random.choice(places)
        kind = random.randrange(4)
        if kind == 0:
            data[at] = random.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 2:
            data[at] = random.choice((0, 1, 2, 0x7F, 0x80, 0xE5, 0xF7, 0xFF))
        else:
            other = random.choice(places)
            data[at : at + 4] = data[other : other + 4]
    return data


def reseal(data: bytearray) -> None:
    """Make checksums of exFAT right again, so that mutations get past them."""
    volume = Exfat()
    volume.raw = data
    volume.seal()
    for at in range(volume.root_offset, volume.offset(1300), 32):
        if data[at] == 0x85 and data[at + 1] < 19:
            length = 32 * (data[at + 1] + 1)
            data[at : at + length] = sealed([bytes(data[at : at + length])])


def use(fs: FileSystem) -> None:
    """Everything a caller can do with it."""
    units = fs.facts.units
    assert len(fs.allocation()) == (units + 7) // 8
    claimed: set[int] = set()
    for stream in fs.streams():
        assert 0 <= stream.valid <= stream.size <= fs.facts.unit * sum(r.units for r in stream.runs)
        for first, count in stream.runs:
            run = set(range(first, first + count))
            assert first >= 0 and first + count <= units and not run & claimed
            claimed |= run
    walk(fs)
    assert len(fs.facts.notes) < 40


def walk(fs: FileSystem) -> None:
    """Every path down to some depth, for directories may contain each other."""
    pending = [(0, fs.root())]
    visits = 0
    while pending and visits < 60:
        depth, number = pending.pop()
        visits += 1
        try:
            for found in fs.entries(number):
                assert found.name not in (b"", b".", b"..") and b"/" not in found.name
                if found.kind is Kind.DIRECTORY and depth < 3:
                    pending.append((depth + 1, found.file))
                elif visits < 20:
                    look(fs, found.file)
        except FormatError:
            continue


def look(fs: FileSystem, number: int) -> None:
    """One file."""
    assert fs.facts_of(number).size >= 0
    try:
        content = fs.open(number)
    except FormatError:
        return
    assert len(content.read(0, 3000)) == min(3000, content.size)
    assert len(content.read(content.size - 1, 100)) == 1 if content.size else True


def exercise(opener: Callable[[Counting], FileSystem], data: bytearray) -> bool:
    """Open and use a volume; whether that went to the end."""
    reader = Counting(data)
    try:
        use(opener(reader))
    except FormatError:
        return False
    finally:
        # a pass over tables and directories; each visit and each file adds chain and content
        assert reader.was_read < 40 * reader.size + (4 << 20)
    return True


def fuzz_fat(bits: int, seeds: range) -> int:
    raw, places = fat(bits)
    return sum(exercise(open_fat, mutate(Random(seed), raw, places)) for seed in seeds)


def fuzz_exfat(seeds: range) -> int:
    raw, places = exfat()
    whole = 0
    for seed in seeds:
        data = mutate(Random(seed), raw, places)
        if seed % 8:
            reseal(data)
        whole += exercise(open_exfat, data)
    return whole


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_mutated_fat(bits: int) -> None:
    assert FEW // 10 < fuzz_fat(bits, range(FEW)) < FEW


def test_mutated_exfat() -> None:
    count = FEW // 4
    assert count // 10 < fuzz_exfat(range(count)) < count


def test_random_bytes_behind_a_good_boot_sector() -> None:
    """Directories and tables of noise."""
    for seed in range(30):
        random = Random(seed)
        raw = bytearray(fat(32 if seed % 2 else 12)[0])
        start = 8 * 512 if seed % 2 else 512
        raw[start:] = random.randbytes(len(raw) - start)
        exercise(open_fat, raw)
