"""What is special about single ext files: each against what made it."""

import base64
import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.disk import ext_oracles as oracles
from tests.disk.ext_damage import inode_offset, patched, small
from tests.disk.ext_volumes import (
    FALLOC_KEEP_SIZE,
    FALLOC_PUNCH_HOLE,
    debugfs,
    fallocate,
    may_mount,
    mounted,
    run,
)
from twofold.disk import HOLE, Role, Stream, bitmap
from twofold.disk.blocks import FileBlocks, MemoryBlocks
from twofold.disk.ext import ExtVolume, open_ext
from twofold.errors import FormatError

needs_mounts = pytest.mark.skipif(not may_mount(), reason="may not mount")
_SMALL = "-t ext4 -b 1024 -O ^has_journal,^metadata_csum,^resize_inode"


def _blank(folder: Path, words: str, mebibytes: int = 24) -> Path:
    image = folder / "volume.img"
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    run("mke2fs", "-q", "-F", *words.split(), image)
    return image


def _open(image: Path) -> ExtVolume:
    return open_ext(MemoryBlocks(image.read_bytes()))


def _number(volume: ExtVolume, name: bytes, directory: int = 2) -> int:
    return next(entry.file for entry in volume.entries(directory) if entry.name == name)


def _streams(volume: ExtVolume, number: int) -> dict[bytes, Stream]:
    return {stream.name: stream for stream in volume.streams() if stream.owner == number}


def _whole(volume: ExtVolume, number: int) -> bytes:
    content = volume.open(number)
    return content.read(0, content.size)


def _claimed(streams: list[Stream]) -> set[int]:
    return {
        run_.first + step
        for stream in streams
        for run_ in stream.runs
        if run_.first != HOLE
        for step in range(run_.units)
    }


@needs_mounts
def test_reserved_blocks_read_as_zeros_and_are_kept_by_the_map(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-t ext4 -b 1024")
    with mounted(image, tmp_path / "mnt") as place:
        (place / "file").write_bytes(b"a" * 3000)
        assert fallocate(place / "file", 0, 3000, 50_000)
        content = (place / "file").read_bytes()
    volume = _open(image)
    number = _number(volume, b"file")
    (stream,) = _streams(volume, number).values()
    shown = oracles.stats(image, {number})[number]
    assert len(shown.blocks) == 3
    assert len(shown.unwritten) == 49
    assert _whole(volume, number) == content
    assert [run_.units for run_ in stream.runs if run_.first == HOLE] == [49]
    bits = volume.allocation()
    reserved = {block - 1 for block in shown.unwritten.values()}
    assert all(bits[unit // 8] >> unit % 8 & 1 for unit in reserved)
    assert not reserved & _claimed(list(volume.streams()))


@needs_mounts
def test_a_cluster_written_in_part_makes_a_file_coded(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-t ext4 -b 1024 -O bigalloc -C 16384")
    names = ("part", "head", "end", "tail", "short")
    with mounted(image, tmp_path / "mnt") as place:
        for name, first, end in (("part", 5, 21), ("head", 5, 32), ("end", 0, 7), ("tail", 0, 16)):
            path = place / name
            path.touch()
            assert fallocate(path, 0, 0, 32 * 1024)
            with path.open("r+b") as file:
                file.seek(first * 1024)
                file.write(b"w" * (end - first) * 1024)
        (place / "short").write_bytes(b"s" * 3 * 1024)
        contents = {name: (place / name).read_bytes() for name in names}
    volume = _open(image)
    roles = {}
    for name, content in contents.items():
        number = _number(volume, name.encode())
        assert _whole(volume, number) == content
        roles[name] = _streams(volume, number)[b""].role
    coded = dict.fromkeys(("part", "head", "end"), Role.CODED)
    assert roles == coded | {"tail": Role.FILE, "short": Role.FILE}


@needs_mounts
@pytest.mark.parametrize("words", ["-t ext4 -b 1024", "-t ext2 -b 1024"])
def test_deep_maps(tmp_path: Path, words: str) -> None:
    image = _blank(tmp_path, words)
    with mounted(image, tmp_path / "mnt") as place:
        with (place / "far").open("wb") as file:
            for offset in (0, 20 << 10, 400 << 10, 80 << 20, 5 << 30, 12 << 30):
                file.seek(offset)
                file.write(os.urandom(3000))
        (place / "holes").write_bytes(os.urandom(1500 << 10))
        for block in range(1, 1500, 2):
            fallocate(place / "holes", FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, block << 10, 1024)
        holes = (place / "holes").read_bytes()
        far = (place / "far").open("rb")
        far.seek(80 << 20)
        expected = far.read(3000)
        far.close()
    volume = _open(image)
    numbers = {_number(volume, b"far"), _number(volume, b"holes")}
    assert _whole(volume, _number(volume, b"holes")) == holes
    assert volume.open(_number(volume, b"far")).read(80 << 20, 3000) == expected
    words_of = debugfs(image, [f"stat <{number}>" for number in numbers])
    assert "TIND" in words_of if "ext2" in words else "(ETB1)" in words_of
    for number, shown in oracles.stats(image, numbers).items():
        assert _claimed(list(_streams(volume, number).values())) == {
            block - 1 for block in shown.blocks.values()
        }


@needs_mounts
def test_large_attributes_and_lists_of_access(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-t ext4 -b 4096 -O ea_inode")
    with mounted(image, tmp_path / "mnt") as place:
        (place / "file").touch()
        os.setxattr(place / "file", "user.large", b"l" * 40_000)
        os.setxattr(place / "file", "user.small", b"s")
        run("setfacl", "-m", "u:1000:rw,g:2000:r,m::rwx", place / "file")
        expected = oracles.xattrs_of(os.fsencode(place / "file"))
    volume = _open(image)
    found = volume.facts_of(_number(volume, b"file"))
    assert dict(found.xattrs) == expected
    assert len(expected) == 3
    large = [stream for stream in volume.streams() if stream.size == 40_000]
    assert [stream.role for stream in large] == [Role.META]


@needs_mounts
def test_content_in_the_inode_and_its_continuation(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-t ext4 -b 4096 -I 256 -O inline_data")
    with mounted(image, tmp_path / "mnt") as place:
        for size in (0, 1, 59, 60, 61, 100, 120):
            (place / f"size {size}").write_bytes(bytes(range(size)))
        (place / "folder").mkdir()
        for number in range(7):
            (place / "folder" / f"name{number}").touch()
        (place / "link").symlink_to("y" * 90)
    volume = _open(image)
    for size in (0, 1, 59, 60, 61, 100, 120):
        number = _number(volume, b"size %d" % size)
        assert _whole(volume, number) == bytes(range(size))
        assert not _streams(volume, number)
    folder = _number(volume, b"folder")
    assert not _streams(volume, folder)
    assert sorted(entry.name for entry in volume.entries(folder)) == [
        b"name%d" % n for n in range(7)
    ]
    assert volume.facts_of(_number(volume, b"link")).target == b"y" * 90


def test_the_hash_tree_behind_a_verity_file_is_metadata(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-t ext4 -b 1024 -O verity")
    (tmp_path / "source").write_bytes(bytes(range(256)) * 100)
    debugfs(
        image,
        [f"write {tmp_path / 'source'} file", "sif file flags 0x180000", "sif file size 10000"],
        write=True,
    )
    volume = _open(image)
    number = _number(volume, b"file")
    found = _streams(volume, number)
    assert (found[b""].role, found[b""].size) == (Role.FILE, 10_000)
    assert (found[b"verity"].role, found[b"verity"].size) == (Role.META, 15 * 1024)
    blocks = oracles.stats(image, {number})[number].blocks
    assert _claimed([found[b""]]) == {blocks[at] - 1 for at in range(10)}
    assert _claimed([found[b"verity"]]) == {blocks[at] - 1 for at in range(10, 25)}


def test_encrypted_files_are_coded_and_cannot_be_read(tmp_path: Path) -> None:
    data = small(_SMALL, tmp_path)
    (tmp_path / "crypt.img").write_bytes(data)
    debugfs(tmp_path / "crypt.img", ["feature encrypt", "sif large flags 0x80800"], write=True)
    volume = _open(tmp_path / "crypt.img")
    number = _number(volume, b"large")
    assert _streams(volume, number)[b""].role is Role.CODED
    assert volume.facts_of(number).encrypted
    assert any("encrypted" in note for note in volume.facts.notes)
    with pytest.raises(FormatError, match="encrypted"):
        volume.open(number)


def test_names_in_encrypted_folders_are_spelled_in_letters(tmp_path: Path) -> None:
    """As stored they may hold any byte; Linux writes them in base 64, too."""
    stored = [b"a/b\0c/\xff%02d " % number + b"x" * 9 for number in range(3)] + [b"\0" * 200]
    (tmp_path / "tree" / "sealed").mkdir(parents=True)
    for number, name in enumerate(stored):
        (tmp_path / "tree" / "sealed" / (b"%02d" % number).decode().rjust(len(name), "n")).touch()
    image = tmp_path / "sealed.img"
    image.write_bytes(bytes(4 << 20))
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "tree", image], check=True)
    data = image.read_bytes()
    for number, name in enumerate(stored):
        data = data.replace((b"%02d" % number).rjust(len(name), b"n"), name)
    image.write_bytes(data)
    debugfs(image, ["feature encrypt", "sif sealed flags 0x80800"], write=True)
    volume = _open(image)
    names = [entry.name for entry in volume.entries(_number(volume, b"sealed"))]
    told = {base64.urlsafe_b64decode(name + b"=" * (-len(name) % 4)) for name in names}
    assert told == {*stored[:3], stored[3][:149] + hashlib.sha256(stored[3][149:]).digest()}
    assert max(map(len, names)) <= 255


def test_bad_blocks_are_claimed_and_wanted_by_nobody(tmp_path: Path) -> None:
    bad = set(range(3000, 3050, 3)) | {4000, 5000}
    (tmp_path / "bad").write_text("".join(f"{block}\n" for block in sorted(bad)))
    image = _blank(tmp_path, f"-t ext2 -b 1024 -l {tmp_path / 'bad'}")
    (stream,) = _streams(_open(image), 1).values()
    assert stream.discard
    assert _claimed([stream]) == {block - 1 for block in bad}


def test_the_files_of_the_file_system_itself_are_metadata(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-t ext4 -b 1024 -O quota,project,orphan_file")
    told = oracles.header(image)
    names = ("User quota inode", "Group quota inode", "Project quota inode", "Orphan file inode")
    numbers = {int(told[name]) for name in names} | {8}
    streams = {stream.owner: stream for stream in _open(image).streams() if stream.owner in numbers}
    assert set(streams) == numbers
    assert {stream.role for stream in streams.values()} == {Role.META}


@needs_mounts
def test_a_copy_of_a_mounted_volume_is_not_clean(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-t ext4 -b 1024")
    with mounted(image, tmp_path / "mnt") as place:
        (place / "file").write_bytes(b"x" * 3000)
        os.sync()
        shutil.copyfile(image, tmp_path / "copy.img")
    volume = _open(tmp_path / "copy.img")
    assert not volume.facts.clean
    assert any("journal" in note for note in volume.facts.notes)
    assert not any(stream.stamp for stream in volume.streams())
    assert _open(image).facts.clean


def test_a_journal_on_its_own_is_no_file_system(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-O journal_dev -b 1024")
    with pytest.raises(FormatError, match="journal"):
        _open(image)


@pytest.mark.parametrize(
    "words",
    ["-t ext2 -b 1024", "-t ext4 -b 1024", "-t ext4 -b 4096", "-t ext4 -b 1024 -O bigalloc",
     "-t ext4 -b 2048 -O sparse_super2,^resize_inode", "-t ext4 -b 1024 -O meta_bg,^resize_inode"],
)  # fmt: skip
def test_a_copy_of_the_superblock_serves_when_the_first_is_lost(tmp_path: Path, words: str) -> None:
    image = _blank(tmp_path, words, 300)
    debugfs(image, ["mkdir folder"], write=True)
    with image.open("r+b") as file:
        sound = open_ext(FileBlocks(file))
        streams = list(sound.streams())
        file.seek(1024 + 4)
        file.write(b"\xff" * 40)
        file.flush()
        _serves(open_ext(FileBlocks(file)), sound, streams)
        file.seek(1024)
        file.write(bytes(1024))
        file.flush()
        with pytest.raises(FormatError, match="no ext superblock"):
            open_ext(FileBlocks(file))
        _serves(open_ext(FileBlocks(file), search=True), sound, streams)


def _serves(volume: ExtVolume, sound: ExtVolume, streams: list[Stream]) -> None:
    assert (volume.facts.units, volume.facts.unit) == (sound.facts.units, sound.facts.unit)
    assert any("superblock is damaged" in note for note in volume.facts.notes)
    assert not volume.facts.clean
    assert volume.allocation() == bitmap.full(volume.facts.units), "its state is not known"
    plain = [stream._replace(stamp=b"") for stream in streams]
    assert [stream._replace(stamp=b"") for stream in volume.streams()] == plain


@pytest.mark.parametrize(
    "words", ["-t ext4 -b 1024", "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg"]
)
def test_groups_with_damaged_descriptors_are_kept_whole(tmp_path: Path, words: str) -> None:
    image = _blank(tmp_path, words)
    data = image.read_bytes()
    sound = open_ext(MemoryBlocks(data))
    size = 64 if "64bit" in sound.facts.version else 32
    damaged = open_ext(MemoryBlocks(patched(data, 2048 + size + 4, b"\xff\xff")))
    assert any("descriptors of 1 groups" in note for note in damaged.facts.notes)
    assert not damaged.facts.clean
    bits, whole = sound.allocation(), damaged.allocation()
    assert whole[1024:2048] == b"\xff" * 1024
    assert whole[:1024] == bits[:1024]
    assert whole[2048:] == bits[2048:]
    assert list(damaged.streams()) == list(sound.streams())


@pytest.mark.parametrize(
    "words",
    ["-t ext4 -b 1024", "-t ext4 -b 1024 -O ^resize_inode", "-t ext3 -b 1024", "-t ext4 -b 4096"],
)
def test_volumes_that_grew_and_shrank(tmp_path: Path, words: str) -> None:
    image = _blank(tmp_path, words, 40)
    for mebibytes in (600, 25):
        run("e2fsck", "-fy", image)
        run("resize2fs", image, f"{mebibytes}M")
        volume = open_ext(FileBlocks(image.open("rb")))
        used = sum(byte.bit_count() for byte in volume.allocation())
        told = oracles.header(image)
        assert volume.facts.units == int(told["Block count"]) - int(told["First block"])
        assert volume.facts.units - used == int(told["Free blocks"])


def test_a_block_of_spread_descriptors_is_replaced_by_its_copies(tmp_path: Path) -> None:
    data = _blank(tmp_path, "-t ext4 -b 1024 -g 512 -O meta_bg,^resize_inode,^flex_bg").read_bytes()
    sound = open_ext(MemoryBlocks(data))
    places = [at for at in range(2048, len(data), 1024) if data[at : at + 12] == data[2048:2060]]
    assert len(places) == 3, "the first block of descriptors and two copies"
    lost = patched(data, 2048, bytes(1024))
    for other in (places[1], places[2], None):
        worse = patched(lost, other, bytes(1024)) if other else lost
        volume = open_ext(MemoryBlocks(worse))
        assert list(volume.streams()) == list(sound.streams())
        assert volume.allocation()[: 16 * 64] == b"\xff" * 16 * 64
        assert volume.allocation()[16 * 64 :] == sound.allocation()[16 * 64 :]
    bare = patched(patched(lost, places[1], bytes(1024)), places[2], bytes(1024))
    assert len(list(open_ext(MemoryBlocks(bare)).streams())) < len(list(sound.streams()))


def test_entries_of_directories_in_blocks_of_64_kib(tmp_path: Path) -> None:
    data = small("-t ext2 -b 65536 -O ^resize_inode", tmp_path, 4096)
    volume = open_ext(MemoryBlocks(data))
    # Of lost+found, whole blocks are one unused entry each: a length that 16 bits cannot hold.
    (tmp_path / "tree" / "lost+found").mkdir()
    for name in ("", "crowd", "sub", "lost+found"):
        number = _number(volume, name.encode()) if name else 2
        found = sorted(entry.name for entry in volume.entries(number))
        assert found == sorted(os.listdir(os.fsencode(tmp_path / "tree" / name)))


def test_devices_have_the_numbers_that_stat_shows(tmp_path: Path) -> None:
    image = _blank(tmp_path, "-t ext2 -b 1024")
    debugfs(image, ["mknod tape c 5 7", "mknod disk b 8 200", "mknod pipe p"], write=True)
    volume = _open(image)
    expected = {b"tape": (stat.S_IFCHR, os.makedev(5, 7)), b"disk": (stat.S_IFBLK, 0x8C8)}
    for name, told in (expected | {b"pipe": (stat.S_IFIFO, None)}).items():
        facts = volume.facts_of(_number(volume, name))
        assert (stat.S_IFMT(facts.mode or 0), facts.device) == told


def test_an_inode_whose_attributes_are_damaged_says_so(tmp_path: Path) -> None:
    data = small(_SMALL, tmp_path)
    place = inode_offset(data, "tiny", tmp_path)
    volume = open_ext(MemoryBlocks(patched(data, place + 104, b"\xff\xff\xff\x7f")))
    with pytest.raises(FormatError, match="outside"):
        volume.facts_of(_number(volume, b"tiny"))
    sound = open_ext(MemoryBlocks(data)).facts_of(_number(volume, b"tiny"))
    assert dict(sound.xattrs) == {b"user." + name: name * 40 for name in (b"one", b"two", b"three")}
