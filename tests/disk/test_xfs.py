"""What XFS has in use, against partclone, xfs_db and xfs_repair; the rest may be zeroed."""

import random
import re
import shutil
import struct
from pathlib import Path

import pytest

from tests.disk.ext_volumes import may_mount, mounted, run
from tests.disk.used_blocks import (
    Edited,
    contents,
    partclone_domain,
    populate,
    sparse,
    units,
    zeroed,
)
from twofold.disk import xfs_log
from twofold.disk.blocks import FileBlocks, MemoryBlocks
from twofold.disk.xfs import XfsUsed, open_xfs
from twofold.errors import FormatError

pytestmark = pytest.mark.skipif(
    not may_mount() or "xfs" not in Path("/proc/filesystems").read_text(), reason="may not mount"
)
_WORDS = [
    "-b size=4096",
    pytest.param("-b size=1024 -d agcount=2", marks=pytest.mark.slow),
    pytest.param("-m crc=0,finobt=0 -b size=512 -n size=4096", marks=pytest.mark.slow),
    pytest.param("-b size=4096 -l su=32k -m reflink=0,rmapbt=1", marks=pytest.mark.slow),
]


def _volume(folder: Path, words: str) -> Path:
    image = sparse(folder / "volume.img", 320)
    run("mkfs.xfs", "-q", "-f", "-L", "a volume", *words.split(), image)
    return image


def _open(image: Path, *, frozen: bool = False) -> XfsUsed:
    return open_xfs(FileBlocks(image.open("rb")), frozen=frozen)


def _free_lists(image: Path, groups: int) -> int:
    """Blocks on the free lists of all groups."""
    words = [word for group in range(groups) for word in ("-c", f"agf {group}", "-c", "p flcount")]
    return sum(map(int, re.findall(r"flcount = (\d+)", run("xfs_db", "-r", *words, image))))


@pytest.mark.parametrize("words", _WORDS)
def test_used_blocks_are_those_of_the_oracles(tmp_path: Path, words: str) -> None:
    image = _volume(tmp_path, words)
    assert _open(image).facts.clean
    # Linux no longer mounts volumes without check sums.
    expected = None if "crc=0" in words else _use(image, tmp_path / "mnt")
    volume = _open(image)
    facts, used = volume.facts, units(volume.allocation())
    assert (facts.kind, facts.label, facts.clean) == ("xfs", "a volume", True)
    assert facts.serial in run("blkid", "-p", image)
    assert not facts.notes
    domain = {sector * 512 // facts.unit for sector in partclone_domain("xfs", image)}
    groups = int(
        re.findall(r"agcount = (\d+)", run("xfs_db", "-r", "-c", "sb 0", "-c", "p", image))[0]
    )
    lists = _free_lists(image, groups)
    assert domain <= used
    assert len(used - domain) == lists
    free = run("xfs_db", "-r", "-c", "freesp -s", image)
    assert facts.units - len(used) + lists == int(re.findall(r"total free blocks (\d+)", free)[0])
    bare = zeroed(image, tmp_path / "bare.img", volume.allocation(), facts)
    run("xfs_repair", "-n", bare)
    if expected is not None:
        with mounted(bare, tmp_path / "mnt") as place:
            assert contents(place) == expected


def _use(image: Path, place: Path) -> dict[bytes, bytes]:
    with mounted(image, place):
        populate(place, random.Random(1))
        return contents(place)


def test_a_volume_in_use_is_kept_whole_unless_it_was_frozen(tmp_path: Path) -> None:
    image = _volume(tmp_path, "")
    with mounted(image, tmp_path / "mnt") as place:
        populate(place, random.Random(2), files=40)
        expected = contents(place)
        run("fsfreeze", "-f", place)
        shutil.copyfile(image, tmp_path / "copy.img")
        run("fsfreeze", "-u", place)
    careful = _open(tmp_path / "copy.img")
    assert not careful.facts.clean
    assert len(units(careful.allocation())) == careful.facts.units
    assert any("log" in note for note in careful.facts.notes)
    volume = _open(tmp_path / "copy.img", frozen=True)
    used = units(volume.allocation())
    assert len(used) < volume.facts.units // 2
    facts = volume.facts
    bare = zeroed(tmp_path / "copy.img", tmp_path / "bare.img", volume.allocation(), facts)
    with mounted(bare, tmp_path / "mnt") as place:
        assert contents(place) == expected
    run("xfs_repair", "-n", bare)


@pytest.mark.parametrize(
    ("words", "incompat", "told"),
    [
        ("", 1 << 30, "it has features that are not known"),
        ("", 0x10, "it waits to be repaired"),
        ("-l logdev={log},size=64m", 0, "the log is on another device"),
    ],
)
def test_a_volume_that_is_not_understood_is_kept_whole(
    tmp_path: Path, words: str, incompat: int, told: str
) -> None:
    image = _volume(tmp_path, words.format(log=sparse(tmp_path / "log.img", 64)))
    known = int.from_bytes(image.read_bytes()[216:220], "big")
    edits = {216: (known | incompat).to_bytes(4, "big")}
    volume = open_xfs(Edited(image, edits), frozen=bool(incompat))
    assert len(units(volume.allocation())) == volume.facts.units
    assert volume.facts.notes == (f"{told}; all blocks count as in use",)
    assert not volume.facts.clean


def test_a_group_whose_tree_is_damaged_is_kept_whole(tmp_path: Path) -> None:
    image = _volume(tmp_path, "-d agcount=4")
    sound = _open(image)
    per_group = sound.facts.units // 4
    sector = per_group * 4096 + 512
    assert FileBlocks(image.open("rb")).read(sector, 4) == b"XAGF"
    for offset, new in ((0, b"YYYY"), (16, b"\xff\xff\xff\xff"), (55, b"\x01"), (31, b"\x09")):
        damaged = open_xfs(Edited(image, {sector + offset: new}))
        used = units(damaged.allocation())
        second = set(range(per_group, 2 * per_group))
        assert used == units(sound.allocation()) | second
        assert any("group 1" in note for note in damaged.facts.notes)


def _tree_of_group_1(image: Path, units: int) -> tuple[int, int]:
    """Where the group begins, and the root of its tree of free space."""
    group = units // 4 * 4096
    root = int.from_bytes(FileBlocks(image.open("rb")).read(group + 512 + 16, 4), "big")
    return group, group + root * 4096


def test_free_extents_that_overlap_are_not_believed(tmp_path: Path) -> None:
    """Their sum is what the header counts, so that only their order shows it."""
    image = _volume(tmp_path, "-d agcount=4 -m crc=0")
    group, root = _tree_of_group_1(image, _open(image).facts.units)
    raw = FileBlocks(image.open("rb")).read(root, 72)
    assert (raw[:4], raw[4:8]) == (b"ABTB", b"\0\0\0\1"), "one record"
    first, count = struct.unpack_from(">II", raw, 16)
    records = struct.pack(">IIII", first, count - 100, first + 50, 100)
    volume = open_xfs(Edited(image, {root + 6: b"\0\2", root + 16: records}))
    used = units(volume.allocation())
    assert set(range(group // 4096, group // 4096 * 2)) <= used
    assert any("group 1" in note for note in volume.facts.notes)


def test_a_free_extent_that_has_decayed_is_not_believed(tmp_path: Path) -> None:
    """As many blocks as before, and one of them is in use: only the check sum shows it."""
    image = _volume(tmp_path, "-d agcount=4")
    group, root = _tree_of_group_1(image, _open(image).facts.units)
    raw = FileBlocks(image.open("rb")).read(root, 72)
    assert (raw[:4], raw[4:8]) == (b"AB3B", b"\0\0\0\1"), "one record"
    (first,) = struct.unpack_from(">I", raw, 56)
    volume = open_xfs(Edited(image, {root + 56: struct.pack(">I", first - 1)}))
    assert group // 4096 + first - 1 in units(volume.allocation())
    assert any("group 1" in note for note in volume.facts.notes)


def test_changed_bytes_lead_to_nothing_but_format_errors(tmp_path: Path) -> None:
    image = _volume(tmp_path, "-d agcount=4 -m crc=0")
    group = image.stat().st_size // 4
    places = [*range(512), *(g * group + at for g in range(4) for at in range(512, 24 << 10))]
    rng = random.Random(3)
    understood = 0
    for _ in range(400):
        spots = [rng.choice(places if rng.random() < 0.7 else places[:512]) for _ in range(4)]
        edits = {spot: bytes([rng.choice([0, 255, rng.randrange(256)])]) for spot in spots}
        try:
            open_xfs(Edited(image, edits), frozen=rng.random() < 0.5).allocation()
            understood += 1
        except FormatError:
            pass
    assert understood > 50


def test_an_empty_record_at_the_end_of_the_log_is_no_unmounting() -> None:
    """A header that says that nothing follows it, and one operation all the same."""
    block = struct.pack(">I", 7).ljust(512, b"\0")
    header = bytearray(struct.pack(">IIII", 0xFEEDBABE, 7, 1, 0).ljust(512, b"\0"))
    struct.pack_into(">I", header, 40, 1)
    log = MemoryBlocks(block * 3 + bytes(header))
    assert not xfs_log.is_clean(log, 0, log.size)
