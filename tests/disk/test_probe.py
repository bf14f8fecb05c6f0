"""File systems are recognised, and nothing else is."""

from pathlib import Path

import pytest

from tests.disk.fat_builder import FatBuilder
from tests.disk.fat_world import run
from tests.disk.test_exfat_files import template
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.probe import open_file_system
from twofold.errors import FormatError


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_fat(bits: int) -> None:
    fs = open_file_system(FatBuilder(bits, 5000 if bits == 16 else 100).disk)
    assert fs is not None and fs.facts.kind == f"fat{bits}"


def test_exfat() -> None:
    fs = open_file_system(MemoryBlocks(template()))
    assert fs is not None and fs.facts.kind == "exfat"


@pytest.mark.parametrize("raw", [b"", bytes(511), bytes(1 << 20), bytes(510) + b"\x55\xaa"])
def test_nothing(raw: bytes) -> None:
    assert open_file_system(MemoryBlocks(raw)) is None


def test_a_partition_table_is_no_file_system(tmp_path: Path) -> None:
    file = tmp_path / "disk"
    file.write_bytes(bytes(4 << 20))
    run("sfdisk", "-q", file, stdin="label: dos\n,,c\n")
    assert open_file_system(MemoryBlocks(file.read_bytes())) is None


def test_a_recognised_file_system_that_is_damaged_is_told() -> None:
    raw = bytearray(template())
    raw[200] ^= 1
    raw[12 * 512 + 200] ^= 1
    with pytest.raises(FormatError):
        open_file_system(MemoryBlocks(bytes(raw)))


@pytest.mark.parametrize(
    ("at", "header"),
    [
        (0, b"LUKS\xba\xbe\0\1"),
        (3, b"-FVE-FS-"),
        (3, b"ReFS\0\0\0\0\0\0\0\0\0FSRS"),
        (512, b"LABELONE".ljust(24, b"\0") + b"LVM2 001"),
    ],
)
def test_what_was_there_before_shows_through(tmp_path: Path, at: int, header: bytes) -> None:
    """A volume that hides what it holds leaves the superblock of ext alone, 1024 bytes from 0."""
    file = tmp_path / "volume"
    file.write_bytes(bytes(4 << 20))
    run("mke2fs", "-q", file)
    raw = bytearray(file.read_bytes())
    assert open_file_system(MemoryBlocks(bytes(raw))) is not None
    raw[at : at + len(header)] = header
    assert open_file_system(MemoryBlocks(bytes(raw))) is None
