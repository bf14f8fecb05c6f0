"""Whole ext volumes of many kinds against e2fsprogs, the kernel and The Sleuth Kit.

For each: the facts, the units in use, the blocks of every file, every byte of every file, and what
``lstat`` and ``listxattr`` say.
"""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.disk import ext_oracles as oracles
from tests.disk.ext_volumes import Recipe, make, mountable, mounted, run
from tests.disk.used_blocks import zeroed
from twofold.disk import HOLE, Kind, Role, Stream
from twofold.disk.blocks import FileBlocks
from twofold.disk.ext import ExtVolume, open_ext

FEW = [
    Recipe("-t ext2 -b 1024"),
    Recipe("-t ext3 -b 4096 -I 128"),
    Recipe("-t ext4 -b 1024 -O inline_data,ea_inode,quota,project -I 512"),
    Recipe("-t ext4 -b 4096 -O bigalloc,64bit -C 16384"),
    Recipe("-t ext4 -b 2048 -O meta_bg,^resize_inode -g 2048"),
]
_FEATURES = (
    "-t ext2",
    "-t ext2 -O ^sparse_super,^resize_inode -r 0 -I 128",
    "-t ext2 -O ^filetype,^dir_index",
    "-t ext3",
    "-t ext3 -O sparse_super2,^resize_inode",
    "-t ext4",
    "-t ext4 -O ^has_journal,^extent,^64bit",
    "-t ext4 -O 64bit,metadata_csum_seed,metadata_csum",
    "-t ext4 -O ^64bit,^metadata_csum,uninit_bg",
    "-t ext4 -O ^flex_bg,sparse_super2,^resize_inode",
    "-t ext4 -O meta_bg,^resize_inode",
    "-t ext4 -O inline_data,ea_inode,large_dir",
    "-t ext4 -O quota,project,orphan_file,verity,encrypt",
    "-t ext4 -O casefold,inline_data,stable_inodes",
    "-t ext4 -O bigalloc",
    "-t ext4 -O bigalloc,^64bit,meta_bg,^resize_inode,inline_data -I 1024",
)
_GROUPS = {1024: "-g 1024", 2048: "-g 2048", 4096: "-g 1024"}


def _many() -> Iterator[Recipe]:
    for seed, block_size in enumerate((1024, 2048, 4096, 8192, 32768, 65536)):
        for features in _FEATURES:
            words = f"{features} -b {block_size}"
            if seed % 2 == 0 and "bigalloc" not in features and "flex_bg" not in features:
                words += " " + _GROUPS.get(block_size, "")
            if "bigalloc" in features:
                words += f" -C {block_size * 4}"
            yield Recipe(words.strip(), 24 if block_size < 8192 else 96, seed)
    yield Recipe("-t ext4 -O mmp")


@pytest.mark.parametrize("recipe", FEW, ids=str)
def test_a_volume_is_understood(recipe: Recipe, tmp_path: Path) -> None:
    understood(recipe, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", list(_many()), ids=str)
def test_many_volumes_are_understood(recipe: Recipe, tmp_path: Path) -> None:
    understood(recipe, tmp_path)


def understood(recipe: Recipe, folder: Path) -> None:
    """Make a volume below the folder and compare everything."""
    image = make(recipe, folder)
    run("e2fsck", "-fn", image)
    with image.open("rb") as file:
        volume = open_ext(FileBlocks(file))
        _facts_are_right(volume, image)
        used = _used_is_right(volume, image)
        streams = list(volume.streams())
        _streams_are_right(volume, image, streams, used)
        bare = zeroed(image, folder / "bare.img", volume.allocation(), volume.facts)
        run("e2fsck", "-fn", bare)
        if mountable(recipe):
            with mounted(bare, folder / "mnt", "loop,ro") as place:
                _tree_is_right(volume, place)
                _metadata_is_right(volume, place)
        else:
            # debugfs copies no devices and pipes.
            place = oracles.extracted(bare, folder / "extracted")
            _tree_is_right(volume, place, leave={Kind.OTHER})


def _facts_are_right(volume: ExtVolume, image: Path) -> None:
    told, facts = oracles.header(image), volume.facts
    assert facts.kind in run("blkid", "-p", "-o", "value", "-s", "TYPE", image).split()
    assert facts.label == told["Filesystem volume name"] == "a volume"
    assert facts.serial == told["Filesystem UUID"]
    assert facts.clean == (told["Filesystem state"] == "clean") is True
    features = told["Filesystem features"].replace("(none)", "no features")
    assert facts.version.partition(": ")[2] == features
    assert not [note for note in facts.notes if "left out" in note or "damaged" in note]
    assert facts.unit == int(told.get("Cluster size", told["Block size"]))
    assert facts.origin == int(told["First block"]) * int(told["Block size"])


def _in_use(volume: ExtVolume) -> set[int]:
    bits = volume.allocation()
    assert len(bits) == -(-volume.facts.units // 8)
    found = {unit for unit in range(len(bits) * 8) if bits[unit // 8] >> unit % 8 & 1}
    assert not found or max(found) < volume.facts.units
    return found


def _used_is_right(volume: ExtVolume, image: Path) -> set[int]:
    used, told = _in_use(volume), oracles.header(image)
    ratio = volume.facts.unit // int(told["Block size"])
    first = int(told["First block"])
    free = {(block - first) // ratio for block in oracles.free_blocks(image)}
    assert used == set(range(volume.facts.units)) - free
    assert volume.facts.units - len(used) == int(told["Free blocks"]) // ratio
    return used


def _units(stream: Stream) -> list[int]:
    """The unit of each logical unit, ``HOLE`` for those not stored."""
    return [
        HOLE if run_.first == HOLE else run_.first + step
        for run_ in stream.runs
        for step in range(run_.units)
    ]


def _streams_are_right(
    volume: ExtVolume, image: Path, streams: list[Stream], used: set[int]
) -> None:
    told = oracles.header(image)
    block_size, first = int(told["Block size"]), int(told["First block"])
    ratio = volume.facts.unit // block_size
    of_files = {stream.owner: stream for stream in streams if stream.owner and not stream.name}
    claimed: list[int] = []
    for stream in streams:
        units = _units(stream)
        assert len(units) * volume.facts.unit >= stream.size >= stream.valid
        claimed += [unit for unit in units if unit != HOLE]
    assert len(claimed) == len(set(claimed)), "a unit is claimed twice"
    assert set(claimed) <= used
    for inode, shown in oracles.stats(image, set(_numbers(volume))).items():
        assert volume.facts_of(inode).size == shown.size
        blocks = -(-shown.size // block_size)
        if shown.kind not in {"regular", "directory", "symlink"} or shown.flags & 0x10000000:
            assert inode not in of_files
            continue
        units = _units(of_files[inode]) if inode in of_files else []
        expected = {
            logical // ratio: (physical - first) // ratio
            for logical, physical in shown.blocks.items()
            if logical < blocks
        }
        assert {at: unit for at, unit in enumerate(units) if unit != HOLE} == expected
        if units:
            assert of_files[inode].size == shown.size
    roles = {stream.role for stream in streams}
    assert roles >= {Role.FILE, Role.META}


def _numbers(volume: ExtVolume) -> list[int]:
    return [number for number, _ in _walk(volume).values()]


def _walk(volume: ExtVolume) -> dict[bytes, tuple[int, Kind]]:
    found: dict[bytes, tuple[int, Kind]] = {}
    waiting = [(b"", volume.root())]
    while waiting:
        path, number = waiting.pop()
        for entry in volume.entries(number):
            below = os.path.join(path, entry.name)
            found[below] = entry.file, entry.kind
            if entry.kind is Kind.DIRECTORY:
                waiting.append((below, entry.file))
    return found


def _tree_is_right(volume: ExtVolume, place: Path, leave: Collection[Kind] = ()) -> None:
    """Names, kinds and contents, whoever made the copy."""
    expected = oracles.tree_of(place)
    found = {path: it for path, it in _walk(volume).items() if it[1] not in leave}
    assert sorted(found) == sorted(expected)
    for path, told in expected.items():
        number, kind = found[path]
        facts = volume.facts_of(number)
        assert facts.kind is kind
        assert facts.mode == told.st_mode
        if stat.S_ISREG(told.st_mode):
            content = volume.open(number)
            copy = (place / os.fsdecode(path)).read_bytes()
            # debugfs fills up what stands in an inode; sizes are compared elsewhere.
            assert not any(copy[content.size :])
            assert content.read(0, content.size + 1) == copy[: content.size]
        elif stat.S_ISLNK(told.st_mode):
            assert facts.target == os.readlink(os.path.join(os.fsencode(place), path))


def _metadata_is_right(volume: ExtVolume, place: Path) -> None:
    """What only the kernel shows."""
    found = _walk(volume)
    for path, told in oracles.tree_of(place).items():
        facts = volume.facts_of(found[path][0])
        assert found[path][0] == told.st_ino
        if stat.S_ISREG(told.st_mode):
            assert volume.open(found[path][0]).size == told.st_size
        assert (facts.size, facts.links) == (told.st_size, told.st_nlink)
        assert (facts.uid, facts.gid) == (told.st_uid, told.st_gid)
        assert (facts.modified_ns, facts.changed_ns) == (told.st_mtime_ns, told.st_ctime_ns)
        assert (facts.device or 0) == told.st_rdev
        assert dict(facts.xattrs) == oracles.xattrs_of(os.path.join(os.fsencode(place), path))
