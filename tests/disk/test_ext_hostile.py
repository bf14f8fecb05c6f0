"""Damaged and hostile ext volumes: FormatError, or one inode left out, and bounded work.

Work is bounded by counting what is read, never by a clock.
"""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disk.ext_damage import Counting, exercise, inode_offset, patched, small
from twofold.disk import Role
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.ext import open_ext
from twofold.errors import FormatError

_KINDS = (
    "-t ext2 -b 1024 -O ^resize_inode",
    "-t ext4 -b 1024 -O ^has_journal,^metadata_csum,^resize_inode",
    "-t ext4 -b 1024 -O ^has_journal,inline_data,ea_inode,^resize_inode",
    "-t ext4 -b 1024 -C 4096 -O bigalloc,^has_journal,^metadata_csum,^resize_inode",
    "-t ext4 -b 1024 -g 512 -O meta_bg,^has_journal,^metadata_csum,^resize_inode",
)
_BUDGET = 64 << 20


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return [small(words, tmp_path_factory.mktemp("small")) for words in _KINDS]


def _mutate(data: bytes, tables: int, rng: random.Random) -> bytes:
    """Change a few bytes where the tables are, seldom elsewhere."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        whole = rng.random() < 0.1
        place = rng.randrange(1024, len(data) - 8 if whole else tables)
        match rng.randrange(3):
            case 0:
                changed[place] = rng.randrange(256)
            case 1:
                changed[place] ^= 1 << rng.randrange(8)
            case _:
                number = rng.choice([0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(1 << 20)])
                changed[place & ~3 : (place & ~3) + 4] = number.to_bytes(4, "little")
    return bytes(changed)


def _fuzz(volumes: list[bytes], count: int, seed: int) -> int:
    rng = random.Random(seed)
    understood = 0
    for turn in range(count):
        data = _mutate(volumes[turn % len(volumes)], 64 << 10, rng)
        try:
            exercise(open_ext(Counting(data, _BUDGET), search=turn % 2 == 0))
            understood += 1
        except FormatError:
            continue
    return understood


def test_changed_bytes_lead_to_nothing_but_format_errors(volumes: list[bytes]) -> None:
    assert _fuzz(volumes, 200, 1) > 50


def test_every_shortened_volume_is_refused(volumes: list[bytes]) -> None:
    for data in volumes:
        for size in [*range(0, 4096, 128), len(data) - 1024, len(data) - 1]:
            with pytest.raises(FormatError):
                open_ext(MemoryBlocks(data[:size]))


def _left_out(data: bytes) -> str:
    """What is said of the one inode that is left out."""
    volume = open_ext(Counting(data, _BUDGET))
    exercise(volume)
    (note,) = [note for note in volume.facts.notes if "left out" in note]
    return note


def _node(depth: int, block: int, count: int = 1, most: int = 84) -> bytes:
    """A node of an extent tree whose entries all lead to one block."""
    entry = struct.pack("<IIHH", 0, block, 0, 0)
    return struct.pack("<HHHHI", 0xF30A, count, most, depth, 0) + entry * count


Patch = Callable[[int], bytes]
_BAD_ROOTS: dict[str, tuple[bytes, str]] = {
    "too deep": (_node(6, 300), "too deep"),
    "itself": (_node(1, 300), "damaged"),
    "outside": (_node(1, 1 << 30), "cannot belong"),
    "too many": (_node(0, 300, 4)[:2] + b"\xff" + _node(0, 300, 4)[3:], "damaged"),
    "extent outside": (
        struct.pack("<HHHHIIHHI", 0xF30A, 1, 4, 0, 0, 0, 100, 0, 1000),
        "claims blocks",
    ),
    "twice": (
        struct.pack("<HHHHI", 0xF30A, 2, 4, 0, 0) + struct.pack("<IHHI", 5, 9, 0, 300) * 2,
        "claims blocks",
    ),
    "empty": (struct.pack("<HHHHIIHHI", 0xF30A, 1, 4, 0, 0, 0, 0, 0, 300), "empty"),
    "magic": (bytes(12), "damaged"),
}


@pytest.mark.parametrize("name", _BAD_ROOTS)
def test_bad_extent_trees_are_left_out(volumes: list[bytes], tmp_path: Path, name: str) -> None:
    root, why = _BAD_ROOTS[name]
    data = volumes[1]
    place = inode_offset(data, "large", tmp_path)
    assert why in _left_out(patched(data, place + 40, root))


def test_an_extent_tree_that_comes_back_to_itself_ends(
    volumes: list[bytes], tmp_path: Path
) -> None:
    data = volumes[1]
    place = inode_offset(data, "large", tmp_path)
    looped = patched(data, 500 << 10, _node(4, 500, 84))
    assert "damaged" in _left_out(patched(looped, place + 40, _node(5, 500)))


def test_trees_of_many_inodes_share_one_budget(volumes: list[bytes], tmp_path: Path) -> None:
    """Every inode of a crowd leads to one tree of empty leaves that is larger than the volume."""
    data = volumes[1]
    data = patched(data, 501 << 10, _node(2, 502, 84))
    data = patched(data, 502 << 10, _node(1, 503, 84))
    data = patched(data, 503 << 10, _node(0, 0, 0))
    for number in range(40):
        place = inode_offset(data, f'"crowd/someone with a long name {number}"', tmp_path)
        data = patched(data, place + 40, _node(3, 501, 1, 4))
    reader = Counting(data, _BUDGET)
    volume = open_ext(reader)
    list(volume.streams())
    assert _BUDGET - reader.left < 4 * len(data)
    assert len([note for note in volume.facts.notes if "cannot belong" in note]) >= 20


@pytest.mark.parametrize("level", [12, 13, 14])
def test_block_maps_that_come_back_to_themselves_end(
    volumes: list[bytes], tmp_path: Path, level: int
) -> None:
    data = volumes[0]
    place = inode_offset(data, "large", tmp_path)
    looped = patched(data, 500 << 10, struct.pack("<I", 500) * 256)
    looped = patched(looped, place + 40 + level * 4, struct.pack("<I", 500))
    if level == 12:
        # A map block that lists itself 256 times is only wrong in what it claims twice.
        assert [s for s in exercise(open_ext(Counting(looped, _BUDGET))) if s.role is Role.FILE]
    else:
        assert "claims blocks" in _left_out(looped)


@pytest.mark.parametrize("size", [1 << 63, (1 << 32) * 1024 + 1])
def test_a_file_larger_than_files_can_be_is_left_out(
    volumes: list[bytes], tmp_path: Path, size: int
) -> None:
    data = volumes[1]
    place = inode_offset(data, "large", tmp_path)
    data = patched(data, place + 4, (size & 0xFFFFFFFF).to_bytes(4, "little"))
    assert "larger than" in _left_out(
        patched(data, place + 108, (size >> 32).to_bytes(4, "little"))
    )


def test_the_largest_possible_file_costs_nothing(volumes: list[bytes], tmp_path: Path) -> None:
    data = volumes[1]
    place = inode_offset(data, "large", tmp_path)
    data = patched(data, place + 108, (1000).to_bytes(4, "little"))
    volume = open_ext(Counting(data, _BUDGET))
    (large,) = [stream for stream in exercise(volume) if stream.size > 1 << 40]
    assert volume.open(large.owner).read(1 << 40, 5) == bytes(5)
    assert sum(run.units for run in large.runs) * 1024 >= large.size


def test_a_directory_that_names_itself_and_the_root_does_not(volumes: list[bytes]) -> None:
    data = volumes[0]
    volume = open_ext(MemoryBlocks(data))
    sub = next(entry for entry in volume.entries(2) if entry.name == b"sub")
    name = b"\x05\x02below"
    assert data.count(name) == 1
    place = data.index(name) - 6
    for number in (sub.file, 2):
        looped = open_ext(MemoryBlocks(patched(data, place, number.to_bytes(4, "little"))))
        assert not list(looped.entries(sub.file))


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (0, 0xFFFFFFFF),  # inodes
        (4, 0xFFFFFFFF),  # blocks
        (4, 0),
        (20, 7),  # first block
        (24, 7),  # size of blocks
        (24, 0xFFFFFFFF),
        (32, 0),  # blocks per group
        (32, 8),
        (32, 0xFFFFFFF8),
        (40, 0),  # inodes per group
        (40, 0xFFFFFFFF),
        (88, 0),  # size of inodes
        (88, 192),
        (96, 0x80000000),  # a feature nobody knows
        (96, 0x8),  # a journal's own device
    ],
)
def test_impossible_superblocks_are_refused(volumes: list[bytes], offset: int, value: int) -> None:
    data = patched(volumes[0], 1024 + offset, value.to_bytes(4, "little"))
    with pytest.raises(FormatError):
        open_ext(Counting(data, _BUDGET))
