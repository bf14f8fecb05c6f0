"""Disk → image → disk: the tools of the file systems find every used block the same."""

import errno
import os
from pathlib import Path

import pytest

from tests.imaging.disks import (
    MIB,
    cut_out,
    gpt_disk,
    make_ext4,
    make_ntfs,
    mounted_loop,
    mounted_ntfs,
    run,
    tree,
)
from tests.imaging.world import FileTarget, ImageWorld
from tests.restorer.processes import needs_root
from twofold.format.layout import Buffer


@pytest.fixture
def source(world: ImageWorld) -> Path:
    tree(world.source)
    return world.source


def differing_blocks(one: Path, other: Path, unit: int) -> set[int]:
    """Numbers of the blocks that differ between two files."""
    with open(one, "rb") as a, open(other, "rb") as b:
        found, number = set(), 0
        while block := a.read(unit):
            if block != b.read(unit):
                found.add(number)
            number += 1
        return found


def free_blocks(image: Path) -> set[int]:
    """Block numbers that dumpe2fs tells are free."""
    free: set[int] = set()
    for line in run("dumpe2fs", image).decode().splitlines():
        words = line.removeprefix("  Free blocks: ")
        if words != line:
            for part in words.split(", "):
                low, _, high = part.partition("-")
                if low:
                    free.update(range(int(low), int(high or low) + 1))
    return free


@needs_root
def test_a_linux_disk(world: ImageWorld, source: Path, tmp_path: Path) -> None:
    part, disk, back = tmp_path / "ext4", tmp_path / "disk", tmp_path / "back"
    make_ext4(part, source)
    gpt_disk(disk, [(part, "8300")])
    outcome, _ = world.image(disk)
    assert outcome.complete
    result = world.restore_image(back)
    assert (result.damaged, result.wrong) == (0, 0)
    assert b"No problems found" in run("sgdisk", "-v", back)
    restored = cut_out(back, 1, part.stat().st_size, tmp_path / "part")
    assert differing_blocks(part, restored, 4096) <= free_blocks(part)
    run("e2fsck", "-fn", restored)
    with mounted_loop(restored, tmp_path / "mnt") as folder:
        assert run("diff", "-r", "--no-dereference", "-x", "lost+found", source, folder) == b""
        with mounted_loop(part, tmp_path / "original") as original:
            words = ("rsync", "-aHAXnic", "--delete")
            assert run(*words, f"{original}/", f"{folder}/") == b""


@needs_root
def test_a_windows_volume(world: ImageWorld, source: Path, tmp_path: Path) -> None:
    part, back = tmp_path / "ntfs", tmp_path / "back"
    make_ntfs(part, source, tmp_path / "mnt")
    world.image(part)
    result = world.restore_image(back)
    assert (result.damaged, result.wrong) == (0, 0)
    same = run("ntfsclone", "-s", "-O", "-", part), run("ntfsclone", "-s", "-O", "-", back)
    assert same[0] == same[1]
    run("ntfsfix", "-n", back)
    with mounted_ntfs(back, tmp_path / "mnt") as folder:
        assert run("diff", "-r", "--no-dereference", source, folder) == b""


@needs_root
@pytest.mark.parametrize("kind", ["ext4", "ntfs"])
def test_an_image_after_the_files_costs_little(
    world: ImageWorld, source: Path, tmp_path: Path, kind: str
) -> None:
    part = tmp_path / kind
    if kind == "ext4":
        make_ext4(part, source)
    else:
        make_ntfs(part, source, tmp_path / "mnt")
    first = world.backup()
    outcome, _ = world.image(part)
    assert first.root.bytes_stored > 20 * MIB
    assert outcome.root.bytes_stored < 0.06 * outcome.root.bytes_total


def test_exact_keeps_every_byte(world: ImageWorld, source: Path, tmp_path: Path) -> None:
    part, disk, back = tmp_path / "ext4", tmp_path / "disk", tmp_path / "back"
    make_ext4(part, source)
    free = min(free_blocks(part) - {0})
    with open(part, "r+b") as file:
        file.seek(free * 4096)
        file.write(b"left over in a free block")
    gpt_disk(disk, [(part, "8300")])
    world.image(disk, exact=True)
    world.restore_image(back)
    assert differing_blocks(disk, back, 512) == set()


@pytest.mark.parametrize("exact", [False, True])
def test_a_cluster_on_the_border_of_two_windows(
    world: ImageWorld, tmp_path: Path, exact: bool
) -> None:
    """Clusters of FAT begin anywhere, so one begins before a multiple of 64 MiB and ends behind."""
    stick, back = tmp_path / "fat", tmp_path / "back"
    stick.write_bytes(b"")
    os.truncate(stick, 66 * MIB)
    run("mkfs.vfat", "-F", "16", "-s", "8", "-a", "-R", "35", stick)
    raw = stick.read_bytes()
    per_fat, fats = int.from_bytes(raw[22:24], "little"), raw[16]
    origin = (35 + fats * per_fat + int.from_bytes(raw[17:19], "little") * 32 // 512) * 512
    number = (64 * MIB - origin) // 4096
    start = origin + number * 4096
    assert start < 64 * MIB < start + 4096
    lost = b"a lost chain" * 341
    with open(stick, "r+b") as file:
        for copy in range(fats):
            file.seek((35 + copy * per_fat) * 512 + 2 * (number + 2))
            file.write(b"\xff\xff")
        file.seek(start)
        file.write(lost)
    world.image(stick, exact=exact)
    world.restore_image(back)
    assert back.read_bytes()[start : start + len(lost)] == lost
    assert (back.read_bytes() == stick.read_bytes()) is exact


def test_what_is_no_file_system_is_kept(world: ImageWorld, tmp_path: Path) -> None:
    disk, back = tmp_path / "disk", tmp_path / "back"
    disk.write_bytes(os.urandom(3 * MIB) + bytes(5 * MIB) + os.urandom(MIB + 512))
    world.image(disk)
    world.restore_image(back)
    assert back.read_bytes() == disk.read_bytes()


def test_a_target_that_fails_ends_the_restore(
    world: ImageWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(os.urandom(24 * MIB))
    world.image(disk)
    write, written = FileTarget.write_at, []

    def full(self: FileTarget, data: Buffer, offset: int) -> None:
        written.append(len(data))
        if sum(written) > 6 * MIB:
            raise OSError(errno.EIO, "unplugged")
        write(self, data, offset)

    monkeypatch.setattr(FileTarget, "write_at", full)
    with pytest.raises(OSError, match="unplugged"):
        world.restore_image(tmp_path / "back")


def test_what_went_wrong_once_is_written_again(
    world: ImageWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, back = tmp_path / "disk", tmp_path / "back"
    disk.write_bytes(os.urandom(6 * MIB) + bytes(MIB))
    world.image(disk)
    write = FileTarget.write_at
    spoiled: list[int] = []

    def once(self: FileTarget, data: Buffer, offset: int) -> None:
        if offset >= 3 * MIB and not spoiled:
            spoiled.append(offset)
            data = bytes(len(data))
        write(self, data, offset)

    monkeypatch.setattr(FileTarget, "write_at", once)
    result = world.restore_image(back)
    assert spoiled
    assert (result.wrong, result.damaged) == (0, 0)
    assert back.read_bytes() == disk.read_bytes()


@pytest.mark.slow
def test_a_target_that_lies_is_found_out(
    world: ImageWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte of any block in use, read back wrong: also behind the end of files, and in zeros."""
    part, back = tmp_path / "ext4", tmp_path / "back"
    tree(world.source, files=40)
    (world.source / "zeros").write_bytes(b"a" + bytes(400_000))
    make_ext4(part, world.source, 48 * MIB)
    world.image(part)
    used = sorted(set(range(48 * MIB // 4096)) - free_blocks(part))
    read = FileTarget.read
    for block in used[:: len(used) // 24]:
        lie = block * 4096 + 4095

        def flipped(self: FileTarget, offset: int, length: int, lie: int = lie) -> bytes:
            data = bytearray(read(self, offset, length))
            if offset <= lie < offset + length:
                data[lie - offset] ^= 1
            return bytes(data)

        monkeypatch.setattr(FileTarget, "read", flipped)
        result = world.restore_image(back)
        assert result.wrong == 1, block
        assert result.damaged == 0
