"""Volumes that were not unmounted: what their journal promises must come back as well.

The image is of a volume at the instant when the power fails: files were written and synced, and the
tables that lead to them stand in the journal only. The kernel replays it, once on a copy of the
volume and once on what was restored; both then hold the same.
"""

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.disk.ext_volumes import Recipe, blank, may_mount, mounted, run
from tests.disk.used_blocks import contents
from tests.imaging.world import ImageWorld
from tests.restorer.place import Place
from twofold.disk import Kind, Role
from twofold.disk.blocks import FileBlocks
from twofold.disk.ext import ExtVolume, open_ext

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not mount")

FEW = [("-t ext4 -b 4096", "loop"), ("-t ext4 -b 1024 -O ^metadata_csum,^64bit", "loop")]
MORE = [
    ("-t ext3 -b 1024", "loop"),
    ("-t ext4 -b 4096", "loop,data=journal"),
    ("-t ext4 -b 4096 -O bigalloc -C 16384", "loop"),
    ("-t ext4 -b 2048 -O ^metadata_csum,uninit_bg,64bit", "loop"),
    ("-t ext4 -b 1024 -O meta_bg,^resize_inode -J size=1", "loop"),
    ("-t ext4 -b 4096 -O fast_commit", "loop"),
]


def crashed(folder: Path, words: str, options: str, seed: int = 1) -> Path:
    """A volume as it is on the disk while files are being written."""
    rng = random.Random(seed)
    image = blank(Recipe(words, 48, seed), folder)
    with mounted(image, folder / "mnt", options) as place:
        for number in range(60):
            _write(place / f"early {number}", rng.randbytes(rng.randrange(90_000)))
        os.sync()
        for number in range(0, 60, 2):
            (place / f"early {number}").unlink()
        for number in range(50):
            below = place / f"late {number % 5}"
            below.mkdir(exist_ok=True)
            _write(below / f"file {number}", rng.randbytes(rng.randrange(1, 150_000)))
        for number in range(1, 60, 4):
            data = rng.randbytes((place / f"early {number}").stat().st_size)
            _write(place / f"early {number}", data, "r+b")
        shutil.copyfile(image, folder / "crashed.img")
    return folder / "crashed.img"


def _write(path: Path, data: bytes, mode: str = "wb") -> None:
    with path.open(mode) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replayed(image: Path, folder: Path) -> dict[bytes, bytes]:
    """What a copy holds after the kernel has replayed its journal."""
    copy = folder / "replayed.img"
    shutil.copyfile(image, copy)
    with mounted(copy, folder / "mnt") as place:
        found = contents(place)
    run("e2fsck", "-fn", copy)
    return found


def read_by_us(volume: ExtVolume) -> dict[bytes, bytes]:
    """The contents of files by our parser, which does not write; all else is empty."""
    found: dict[bytes, bytes] = {}
    waiting = [(b"", volume.root())]
    while waiting:
        path, number = waiting.pop()
        for entry in volume.entries(number):
            below = os.path.join(path, entry.name)
            found[below] = b""
            if entry.kind is Kind.DIRECTORY:
                waiting.append((below, entry.file))
            elif entry.kind is Kind.FILE:
                content = volume.open(entry.file)
                found[below] = content.read(0, content.size)
    return found


def only_in_the_journal(image: Path) -> None:
    """Spoil the content that the journal has too, as where it was not yet written in place."""
    with image.open("r+b") as file:
        volume = open_ext(FileBlocks(file))
        unit, newer = volume.facts.unit, volume._replay.newer
        assert newer is not None
        runs = [run for each in volume.streams() if each.role is Role.CODED for run in each.runs]
        blocks = [at for first, count in runs for at in range(first, first + count) if first >= 0]
        spoiled = [block for block in blocks if newer.covers(block, 1)]
        assert len(spoiled) > 50
        for block in spoiled:
            file.seek(block * unit)
            file.write(b"stale" + bytes(unit - 5))


def check(folder: Path, world: ImageWorld, words: str, options: str) -> None:
    image = crashed(folder, words, options)
    if "data=journal" in options:
        only_in_the_journal(image)
    expected = replayed(image, folder)
    assert sum(path.startswith(b"late") for path in expected) == 55
    with image.open("rb") as file:
        volume = open_ext(FileBlocks(file))
        assert not volume.facts.clean
        if "fast_commit" not in words:
            found = read_by_us(volume)
            assert found.keys() == expected.keys()
            assert {path: found[path] or expected[path] for path in found} == expected
    outcome, _ = world.image(image)
    everything = outcome.root.bytes_total == image.stat().st_size
    assert everything == ("fast_commit" in words), "free units are left out, if all is understood"
    if not everything:
        Place(world.base, world.key).restore("latest:p1:/", target=os.fsencode(folder / "out"))
        restored = contents(folder / "out")
        assert restored.keys() == expected.keys()
        assert [path for path in expected if restored[path] != expected[path]] == []
    result = world.restore_image(folder / "back")
    assert (result.damaged, result.wrong) == (0, 0)
    found = replayed(folder / "back", folder)
    assert [path for path in expected if found.get(path) != expected[path]] == []
    assert found == expected


@pytest.fixture
def world(room: Path) -> ImageWorld:
    made = ImageWorld.make(room / "world")
    assert isinstance(made, ImageWorld)
    return made


@pytest.mark.parametrize(("words", "options"), FEW)
def test_synced_files_come_back(room: Path, world: ImageWorld, words: str, options: str) -> None:
    check(room / "ext", world, words, options)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "options"), MORE)
def test_synced_files_come_back_of_all_kinds(
    room: Path, world: ImageWorld, words: str, options: str
) -> None:
    check(room / "ext", world, words, options)
