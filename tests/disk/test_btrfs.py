"""What btrfs has in use, against btrfs-progs; the rest may be zeroed."""

import random
import re
import shutil
from pathlib import Path

import pytest

from tests.disk.ext_volumes import may_mount, mounted, run
from tests.disk.used_blocks import Edited, contents, populate, sparse, units, zeroed
from twofold.disk.blocks import FileBlocks
from twofold.disk.btrfs import BtrfsUsed, open_btrfs
from twofold.disk.crc32c import crc32c
from twofold.errors import FormatError

pytestmark = pytest.mark.skipif(
    not may_mount() or "btrfs" not in Path("/proc/filesystems").read_text(), reason="may not mount"
)
_SUPER = 64 << 10
_WORDS = [
    "--csum sha256",
    pytest.param("--csum blake2", marks=pytest.mark.slow),
    "",
    pytest.param("-m single", marks=pytest.mark.slow),
    pytest.param("-M -n 4096", marks=pytest.mark.slow),
    pytest.param(
        "-O ^skinny-metadata,^extref,^no-holes -R ^free-space-tree", marks=pytest.mark.slow
    ),
    pytest.param("-n 65536 -m dup -d dup", marks=pytest.mark.slow),
]


def _volume(folder: Path, words: str) -> Path:
    image = sparse(folder / "volume.img", 320)
    run("mkfs.btrfs", "-q", "-f", "-L", "a volume", *words.split(), image)
    return image


def _open(image: Path) -> BtrfsUsed:
    return open_btrfs(FileBlocks(image.open("rb")))


def _dump(image: Path, tree: str) -> str:
    return run("btrfs", "inspect-internal", "dump-tree", "-t", tree, image)


def _stripes(image: Path) -> list[tuple[int, int, int]]:
    """(logical, length, place) of every stripe."""
    found = []
    for part in re.split(r"CHUNK_ITEM (?=\d+\))", _dump(image, "chunk"))[1:]:
        logical = int(part.partition(")")[0])
        length = int(re.findall(r"length (\d+)", part)[0])
        places = re.findall(r"stripe \d+ devid 1 offset (\d+)", part)
        found += [(logical, length, int(place)) for place in places]
    return found


def _expected(image: Path, node: int) -> set[int]:
    """Sectors that the text of the dumps puts in use."""
    used = set(range(256)) | set(range((64 << 20) // 4096, (64 << 20) // 4096 + 16))
    stripes = _stripes(image)
    for logical, kind, number in re.findall(
        r"key \((\d+) (EXTENT_ITEM|METADATA_ITEM) (\d+)\)", _dump(image, "extent")
    ):
        length = int(number) if kind == "EXTENT_ITEM" else node
        for start, size, place in stripes:
            if start <= int(logical) < start + size:
                first = (place + int(logical) - start) // 4096
                used.update(range(first, first + length // 4096))
    return used


@pytest.mark.parametrize("words", _WORDS)
def test_used_sectors_are_those_of_the_oracle(tmp_path: Path, words: str) -> None:
    image = _volume(tmp_path, words)
    with mounted(image, tmp_path / "mnt") as place:
        populate(place, random.Random(1))
        expected = contents(place)
    volume = _open(image)
    facts, used = volume.facts, units(volume.allocation())
    assert (facts.kind, facts.label, facts.clean, facts.unit) == ("btrfs", "a volume", True, 4096)
    assert facts.serial in run("blkid", "-p", image)
    assert not volume.facts.notes
    told = run("btrfs", "inspect-internal", "dump-super", image)
    node = int(re.findall(r"nodesize\s+(\d+)", told)[0])
    assert used == _expected(image, node)
    bare = zeroed(image, tmp_path / "bare.img", volume.allocation(), facts)
    run("btrfs", "check", "--check-data-csum", bare)
    with mounted(bare, tmp_path / "mnt") as place:
        assert contents(place) == expected


def test_a_log_that_waits_keeps_all_chunks(tmp_path: Path) -> None:
    image = _volume(tmp_path, "")
    with mounted(image, tmp_path / "mnt") as place:
        populate(place, random.Random(2), files=30)
        run("sync", "-f", place)
        path = place / "synced"
        path.write_bytes(b"synced" * 40_000)
        run("sync", path)
        shutil.copyfile(image, tmp_path / "copy.img")
    volume = _open(tmp_path / "copy.img")
    assert volume.allocation()
    assert not volume.facts.clean
    assert any("log" in note for note in volume.facts.notes)
    facts = volume.facts
    bare = zeroed(tmp_path / "copy.img", tmp_path / "bare.img", volume.allocation(), facts)
    with mounted(bare, tmp_path / "mnt") as place:
        assert (place / "synced").read_bytes() == b"synced" * 40_000


def test_an_extent_tree_that_is_not_complete_keeps_all_chunks(tmp_path: Path) -> None:
    image = _volume(tmp_path, "")
    used = int.from_bytes(FileBlocks(image.open("rb")).read(_SUPER + 120, 8), "little")
    volume = open_btrfs(Edited(image, {_SUPER + 120: (used + 4096).to_bytes(8, "little")}))
    found = units(volume.allocation())
    assert any("not complete" in note for note in volume.facts.notes)
    chunks = {
        place // 4096 + step for _, size, place in _stripes(image) for step in range(size // 4096)
    }
    assert found == units(_open(image).allocation()) | chunks


@pytest.mark.parametrize("was_lost", [False, True])
def test_the_second_copy_of_a_node_is_read_where_the_first_is_not_right(
    tmp_path: Path, was_lost: bool
) -> None:
    """The first has other extents: by decay, or as it is of before and in order by itself."""
    image = _volume(tmp_path, "-m dup")
    with mounted(image, tmp_path / "mnt") as place:
        populate(place, random.Random(5), files=20)
    (node,) = re.findall(r"^(?:leaf|node) (\d+) ", _dump(image, "extent"), re.MULTILINE)[:1]
    places = [
        place + int(node) - logical
        for logical, size, place in _stripes(image)
        if logical <= int(node) < logical + size
    ]
    assert len(places) == 2
    raw = bytearray(FileBlocks(image.open("rb")).read(places[0], 16384))
    raw[102] ^= 0x10  # of the first address
    if was_lost:
        raw[80:88] = (int.from_bytes(raw[80:88], "little") - 1).to_bytes(8, "little")
        raw[:4] = crc32c(bytes(raw[32:])).to_bytes(4, "little")
    volume = open_btrfs(Edited(image, {places[0]: bytes(raw)}, budget=1 << 30))
    assert volume.allocation() == _open(image).allocation()
    assert not volume.facts.notes
    alone = open_btrfs(Edited(image, dict.fromkeys(places, bytes(raw)), budget=1 << 30))
    alone.allocation()
    assert any("a btrfs node is damaged" in note for note in alone.facts.notes)


def test_several_devices_and_striping_are_refused(tmp_path: Path) -> None:
    first, second = sparse(tmp_path / "1.img", 320), sparse(tmp_path / "2.img", 320)
    run("mkfs.btrfs", "-q", "-f", "-d", "raid0", "-m", "raid1", first, second)
    with pytest.raises(FormatError, match="several devices"):
        _open(first)


def test_changed_bytes_lead_to_nothing_but_format_errors(tmp_path: Path) -> None:
    image = _volume(tmp_path, "-n 4096 --csum xxhash")  # which is not computed here
    used = sorted(units(_open(image).allocation()) - set(range(256)))
    rng = random.Random(4)
    understood = 0
    for _ in range(600):
        tree = rng.random() < 0.8
        edits = {
            rng.choice(used) * 4096 + rng.randrange(48, 4096)
            if tree
            else _SUPER + rng.randrange(48, 1000): bytes([rng.choice([0, 255, rng.randrange(256)])])
            for _ in range(4)
        }
        try:
            open_btrfs(Edited(image, edits)).allocation()
            understood += 1
        except FormatError:
            pass
    assert understood > 50
