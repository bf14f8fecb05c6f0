"""Damaged chains of logical partitions: what they told before stands, and every byte is kept.

sfdisk divides the disk. Every file system comes back whole, by e2fsck and its own bytes, whether
its partition was found or not.
"""

import random
from pathlib import Path

import pytest

from tests.imaging.disks import MIB, make_ext4, run, starts
from tests.imaging.world import ImageWorld
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.mbr import ENTRY
from twofold.events import Notice
from twofold.format.image import VolumeRecord
from twofold.graph import PageStore
from twofold.imaging import Source, open_source

SIZE = 40 * MIB
LAYOUT = """\
label: dos
start=2048, size=16384, type=83
start=20480, size=57344, type=5
start=22528, size=16384, type=83
start=40960, size=16384, type=83
start=59392, size=16384, type=83
"""
NUMBERS = (1, 5, 6, 7)
EXTENDED = 10 * MIB
RECORDS = (EXTENDED, 19 * MIB, 28 * MIB)


@pytest.fixture
def disk(world: ImageWorld, tmp_path: Path) -> Path:
    """A primary and three logical partitions, each an ext4 with random bytes where it is free."""
    for number in range(6):
        data = random.Random(number).randbytes(300_000)
        (world.source / f"{number}").write_bytes(data)
    disk = tmp_path / "disk"
    disk.write_bytes(random.Random(7).randbytes(SIZE))
    with open(disk, "r+b") as file:
        file.write(bytes(MIB))
    run("sh", "-c", f"printf '{LAYOUT}' | sfdisk -q --wipe never '{disk}'")
    for start in (at for number, at in enumerate(starts(disk)) if number != 1):
        make_ext4(tmp_path / "one", world.source, 8 * MIB, "-E", "nodiscard")
        run(
            "dd",
            f"if={tmp_path / 'one'}",
            f"of={disk}",
            f"seek={start // MIB}",
            *"bs=1M conv=notrunc,sparse".split(),
        )
    return disk


def places(disk: Path) -> list[int]:
    return [at for number, at in enumerate(starts(disk)) if number != 1]


def entry(start: int, kind: int = 5, sectors: int = 16384) -> bytes:
    return ENTRY.pack(0, b"\0\0\0", kind, b"\0\0\0", start // 512, sectors)


def patch(disk: Path, at: int, data: bytes) -> None:
    with open(disk, "r+b") as file:
        file.seek(at)
        file.write(data)


def volumes(world: ImageWorld) -> list[VolumeRecord]:
    with world.open() as repository:
        root = repository.snapshots()[-1].root
        assert root.image is not None
        pages = PageStore(repository.blob_reader(repository.load_index()))
        return list(pages.image(root.image).volumes)


BREAKS = {
    "unsigned": (RECORDS[1] + 510, b"\0\0", (1, 5), "is damaged"),
    "zeros": (RECORDS[2], bytes(512), (1, 5, 6), "is damaged"),
    "loop": (RECORDS[1] + 462, entry(0), (1, 5, 6), "loop"),
    "itself": (RECORDS[2] + 462, entry(RECORDS[2] - EXTENDED), NUMBERS, "loop"),
    "astray": (RECORDS[0] + 462, entry(SIZE), (1, 5), "leaves the extended partition"),
    "first": (RECORDS[0] + 446, b"\x55", (1,), "is damaged"),
}


@pytest.mark.parametrize("fault", BREAKS)
@pytest.mark.parametrize("exact", [False, True])
def test_what_was_told_before_stands(
    world: ImageWorld, disk: Path, tmp_path: Path, fault: str, exact: bool
) -> None:
    at, data, numbers, words = BREAKS[fault]
    before, where = disk.read_bytes(), places(disk)
    patch(disk, at, data)
    _, told = world.image(disk, exact=exact)
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert notices[0].startswith("The chain of logical partitions breaks off: ")
    assert words in notices[0]
    assert notices[1].startswith("What else is in the extended partition is kept as it is")
    found = volumes(world)
    assert tuple(volume.number for volume in found[1:]) == numbers
    assert {volume.system for volume in found[1:]} == {"ext4"}
    back = tmp_path / "back"
    result = world.restore_image(back)
    assert (result.damaged, result.wrong) == (0, 0)
    restored = back.read_bytes()
    if exact:
        assert restored == disk.read_bytes()
    for number, start in zip(NUMBERS, where, strict=True):
        slice_ = tmp_path / "slice"
        slice_.write_bytes(restored[start : start + 8 * MIB])
        run("e2fsck", "-fn", slice_)
        if number not in numbers:  # kept as it is, with what is free in it
            assert slice_.read_bytes() == before[start : start + 8 * MIB]


def source(data: bytes) -> Source:
    return open_source(MemoryBlocks(data))


def test_a_damaged_logical_partition_costs_no_primary_one(disk: Path) -> None:
    """It claims the whole disk behind it, and a primary partition begins there."""
    patch(disk, 446 + 32, entry(38 * MIB + 512 * 1024, 0x83, 2048))
    patch(disk, RECORDS[0] + 446, entry(MIB, 0x83, 57344))
    found = source(disk.read_bytes())
    assert [part.number for part in found.parts] == [1, 3, 6, 7]
    assert sum(length for _, length in found.frame) == SIZE - (3 * 8 + 1) * MIB


def test_a_record_inside_of_a_partition_is_kept(
    world: ImageWorld, disk: Path, tmp_path: Path
) -> None:
    """Where a file system has free space, and the chain goes through it all the same."""
    inside = 11 * MIB + 6 * MIB
    record = entry(40 * MIB - inside - MIB, 0x83, 1024) + entry(RECORDS[1] - EXTENDED)
    patch(disk, inside + 446, record + bytes(32) + b"\x55\xaa")
    patch(disk, RECORDS[0] + 462, entry(inside - EXTENDED))
    _, told = world.image(disk)
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert "partition 5 is kept with every sector." in notices
    back = tmp_path / "back"
    world.restore_image(back)
    with open(back, "rb") as file:
        file.seek(inside)
        again = file.read(512)
    assert again[446:] == record + bytes(32) + b"\x55\xaa"


def test_hostile_chains_divide_the_disk_all_the_same() -> None:
    """Records of chance, most of them signed: parts and frame are the disk, and no record twice."""
    sectors = 600
    for seed in range(400):
        chance = random.Random(seed)
        data = bytearray(sectors * 512)
        for at in range(sectors):
            kinds = [chance.choice((5, 0x0F, 0x83, 7, 0)) for _ in range(4)]
            entries = [
                ENTRY.pack(
                    chance.choice((0, 0, 0, 0x80, 9)) if at else 0,
                    b"\0\0\0",
                    kind,
                    b"\0\0\0",
                    chance.randrange(sectors),
                    chance.choice((1, 3, 40, sectors, 1 << 31)),
                )
                for kind in kinds
            ]
            data[at * 512 + 446 : at * 512 + 512] = b"".join(entries) + b"\x55\xaa"
        found = source(bytes(data))
        pieces = [*found.frame, *((part.start, part.size) for part in found.parts)]
        place = 0
        for start, size in sorted(pieces):
            assert start == place and size > 0, seed
            place += size
        assert place == len(data), seed
