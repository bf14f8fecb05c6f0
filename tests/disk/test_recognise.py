"""Volumes made by the tools of their own, and superblocks that mdadm and blkid accept."""

import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from tests.disk.containers.disks import MIB, blocks
from tests.disk.md_builder import UUID_OF_ARRAY, md_0, md_1
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.recognise import Recognised, recognise

_UUID = "11111111-2222-3333-4444-555555555555"
_KEY = "cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file {key}"
MAKERS = [  # kind, command, MiB, label, serial (None: as blkid says)
    ("ntfs", "mkfs.ntfs -F -Q -q -L Daten", 16, "", None),
    ("ext2", f"mkfs.ext2 -q -L root -U {_UUID}", 16, "root", _UUID),
    ("ext3", f"mkfs.ext3 -q -L root -U {_UUID}", 16, "root", _UUID),
    ("ext4", f"mkfs.ext4 -q -L root -U {_UUID}", 16, "root", _UUID),
    ("ext-journal", f"mkfs.ext4 -q -O journal_dev -U {_UUID}", 16, "", _UUID),
    ("fat12", "mkfs.vfat -F 12 -n STICK -i 1234abcd", 2, "STICK", "1234-ABCD"),
    ("fat16", "mkfs.vfat -F 16 -n STICK -i 1234abcd", 16, "STICK", "1234-ABCD"),
    ("fat32", "mkfs.vfat -F 32 -i 1234abcd", 64, "", "1234-ABCD"),
    ("exfat", "mkfs.exfat", 16, "", None),
    ("xfs", f"mkfs.xfs -q -L data -m uuid={_UUID}", 320, "data", _UUID),
    ("btrfs", f"mkfs.btrfs -q -L data -U {_UUID}", 128, "data", _UUID),
    ("swap", f"mkswap -L swp -U {_UUID}", 16, "swp", _UUID),
    ("swap", f"mkswap -p 65536 -U {_UUID}", 16, "", _UUID),
    ("luks1", f"{_KEY} --type luks1 --uuid {_UUID}", 16, "", _UUID),
    ("luks2", f"{_KEY} --type luks2 --label key --uuid {_UUID}", 32, "key", _UUID),
]


@pytest.mark.parametrize(("kind", "command", "mib", "label", "serial"), MAKERS)
def test_what_tools_make(
    tmp_path: Path, kind: str, command: str, mib: int, label: str, serial: str | None
) -> None:
    path = tmp_path / "volume"
    with path.open("wb") as file:
        file.truncate(mib * MIB)
    (tmp_path / "key").write_text("secret", encoding="ascii")
    words = command.format(key=tmp_path / "key").split()
    subprocess.run([*words, str(path)], check=True, capture_output=True)
    found = recognise(blocks(path))
    assert (found.kind, found.label) == (kind, label)
    assert found.serial == (serial or _blkid(path, "UUID"))
    assert found.sentence.endswith(".")


def _blkid(path: Path, tag: str) -> str:
    words = ["blkid", "-p", "-o", "value", "-s", tag, str(path)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_iso9660(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content", encoding="ascii")
    words = ["genisoimage", "-quiet", "-V", "DISC", "-o", str(tmp_path / "iso")]
    subprocess.run([*words, str(tmp_path / "file")], check=True, capture_output=True)
    found = recognise(blocks(tmp_path / "iso"))
    assert (found.kind, found.label) == ("iso9660", "DISC")


@pytest.mark.parametrize(
    ("kind", "pieces"),
    [
        ("bitlocker", [(0, b"\xeb\x58\x90-FVE-FS-"), (510, b"\x55\xaa")]),
        (
            "bitlocker",
            [
                (0, b"\xeb\x58\x90MSWIN4.1"),
                (424, UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001").bytes_le),
            ],
        ),
        ("zfs", [(0, b"XFSB"), (131_032, bytes.fromhex("117a0cb17ada1002"))]),
        ("refs", [(3, b"ReFS\0\0\0\0"), (16, b"FSRS")]),
        ("swap", [(4086, b"S1SUSPEND\0")]),
    ],
)
def test_what_no_tool_here_makes(
    kind: str, pieces: list[tuple[int, bytes]], tmp_path: Path
) -> None:
    """Signatures as they are published; blkid knows BitLocker and ReFS as well."""
    data = bytearray(MIB)
    for at, piece in pieces:
        data[at : at + len(piece)] = piece
    assert recognise(MemoryBlocks(bytes(data))).kind == kind


@pytest.mark.parametrize("version", ["0.90", "1.0", "1.1", "1.2"])
def test_members_of_arrays(tmp_path: Path, version: str) -> None:
    """Also over a file system, which shows through where the superblock is at the end."""
    path = tmp_path / "member"
    with path.open("wb") as file:
        file.truncate(4 * MIB + 65536 + 512 * 3)
    subprocess.run(["mkfs.ext4", "-q", str(path)], check=True, capture_output=True)
    size = path.stat().st_size
    place, block = md_0(size) if version == "0.90" else md_1(size, version)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(block)
    told = subprocess.run(
        ["mdadm", "--examine", str(path)], check=True, capture_output=True, text=True
    ).stdout
    assert f"Version : {version[:3]}" in told
    assert "Raid Level : raid1" in told
    assert "- correct" in told
    found = recognise(blocks(path))
    assert found.kind == "md"
    assert f"RAID 1, metadata {version}" in found.sentence
    assert found.serial.replace("-", "") == UUID_OF_ARRAY.replace("-", "")
    assert found.label == ("" if version == "0.90" else "host:name")
    with path.open("r+b") as file:
        file.seek(place + 80)
        file.write(b"\x99")
    assert recognise(blocks(path)).kind == "ext4"


def test_a_superblock_that_says_it_is_elsewhere() -> None:
    """As in a copy of another volume's start."""
    _, block = md_1(4 * MIB, "1.2")
    assert recognise(MemoryBlocks(block.ljust(4 * MIB, b"\0"))).kind == "unknown"
    placed = bytes(4096) + block
    assert recognise(MemoryBlocks(placed.ljust(4 * MIB, b"\0"))).kind == "md"


def test_nothing_and_something_unknown() -> None:
    assert recognise(MemoryBlocks(bytes(3 * MIB))).kind == "empty"
    assert recognise(MemoryBlocks(b"")).kind == "empty"
    for at in (0, 5000, 3 * MIB - 1):
        data = bytearray(3 * MIB)
        data[at] = 1
        assert recognise(MemoryBlocks(bytes(data))).kind == "unknown"


def test_short_volumes_have_no_signatures() -> None:
    data = bytes(1080) + b"\x53\xef" + bytes(900)
    assert recognise(MemoryBlocks(data)).kind == "ext2"
    for size in (0, 1, 100, 511, 1000, 1081):
        assert isinstance(recognise(MemoryBlocks(data[:size])), Recognised)
        assert recognise(MemoryBlocks(data[:size])).kind != "ext2"
