"""File systems are recognised, and nothing else is."""

import os
from pathlib import Path

import pytest

from tests.disk.fat_builder import FatBuilder
from tests.disk.fat_world import run
from tests.disk.test_exfat_files import template
from twofold.disk.blocks import FileBlocks, MemoryBlocks
from twofold.disk.probe import open_file_system, open_used_blocks
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
        (131_032, bytes.fromhex("117a0cb17ada1002")),
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


_FIRST_SECTORS = [
    "echo 2048,1M,83 | sfdisk -q -X dos $0",
    "echo 2048,1M | sfdisk -q -X gpt $0",
    "mkfs.vfat $0",
    "mkntfs -q -F -f $0",
    "mkfs.exfat $0",
]


@pytest.mark.parametrize("command", _FIRST_SECTORS)
@pytest.mark.parametrize("kind", ["ext", "btrfs"])
def test_of_two_things_one_is_old(tmp_path: Path, kind: str, command: str) -> None:
    """Left in a logical volume, say, that is the disk of a virtual machine now."""
    file, first = tmp_path / "volume", tmp_path / "first"
    for path, size in ((file, 128 << 20), (first, 4 << 20)):
        path.write_bytes(b"")
        os.truncate(path, size)
    run(*(["mke2fs", "-q"] if kind == "ext" else ["mkfs.btrfs", "-q", "-f"]), file)
    run("sh", "-c", command, first)
    opened = open_file_system if kind == "ext" else open_used_blocks
    with file.open("r+b") as whole:
        assert opened(FileBlocks(whole)) is not None
        whole.seek(0)
        whole.write(first.read_bytes()[:512])
        whole.flush()
        with pytest.raises(FormatError, match="one of the two is old"):
            opened(FileBlocks(whole))


def test_a_boot_loader_is_no_other_thing(tmp_path: Path) -> None:
    file = tmp_path / "volume"
    file.write_bytes(bytes(4 << 20))
    run("mke2fs", "-q", file)
    raw = bytearray(file.read_bytes())
    raw[:512] = b"\xeb\x63\x90".ljust(446, b"\x90") + bytes(64) + b"\x55\xaa"
    assert open_file_system(MemoryBlocks(bytes(raw))) is not None
