"""Logical volumes whose pieces are no multiple of anything: groups made by hand, there and back."""

import os
import random
from pathlib import Path

import pytest

from tests.disk.lvm_builder import PE_START, SECTOR, Group, Logical
from tests.format.volumes import volume_of
from tests.imaging.disks import MIB, make_ext4, run, tree
from tests.imaging.world import ImageWorld
from twofold.events import Notice
from twofold.format.image import EntryRole, ExtentEntry, pack_runs
from twofold.format.segments import pack_blob
from twofold.graph import PageStore
from twofold.imaging.placing import Part, Pieces, Span, parts_of
from twofold.view import ImageDisk
from twofold.view.open import files_of

ID = bytes(32)


@pytest.fixture
def world(tmp_path: Path) -> ImageWorld:
    made = ImageWorld.make(tmp_path / "home")
    assert isinstance(made, ImageWorld)
    return made


def in_pieces(folder: Path, inside: bytes, seed: int) -> tuple[Path, Group]:
    """A physical volume with these bytes in a logical volume of many odd pieces; noise around."""
    chance = random.Random(seed)
    sectors, pieces, at = len(inside) // SECTOR, list[tuple[int, int]](), 0
    while sectors:
        count = min(sectors, chance.randrange(1, 4000))
        at += chance.randrange(0, 9)
        pieces.append((at, count))
        at, sectors = at + count, sectors - count
    chance.shuffle(pieces)
    root = Logical("root", pieces)
    group = Group([root, Logical("rest", [(at + 5, 77)])], sectors=1)
    disk = group.put(bytearray(PE_START) + chance.randbytes((at + 100) * SECTOR))
    place = 0
    for start, size in group.places(root):
        disk[start : start + size] = inside[place : place + size]
        place += size
    path = folder / "disk"
    path.write_bytes(disk)
    return path, group


@pytest.fixture
def ext4(tmp_path: Path) -> bytes:
    source, image = tmp_path / "source", tmp_path / "ext4"
    source.mkdir()
    tree(source, files=60)
    make_ext4(image, source, 48 * MIB)
    return image.read_bytes()


def test_units_that_lie_in_two_pieces_come_back(
    world: ImageWorld, tmp_path: Path, ext4: bytes
) -> None:
    """Blocks of 4 KiB over pieces of odd sectors; as a disk that is read, and as one restored."""
    path, group = in_pieces(tmp_path, ext4, 1)
    world.image(path)
    back = tmp_path / "back"
    done = world.restore_image(back)
    assert (done.wrong, done.damaged) == (0, 0)
    theirs = path_of(tmp_path / "theirs", back.read_bytes(), group)
    run("e2fsck", "-fn", theirs)
    ours = tmp_path / "ext4"
    for file in ("large", "text", "holes"):
        words = ("debugfs", "-R", f"cat /{file}")
        assert run(*words, ours) == run(*words, theirs)
    whole = path.read_bytes()
    taken = sorted(piece for volume in group.volumes for piece in group.places(volume))
    restored, at = back.read_bytes(), 0
    for start, size in [*taken, (len(whole), 0)]:
        assert restored[at:start] == whole[at:start]
        at = start + size


def path_of(path: Path, disk: bytes, group: Group) -> Path:
    """The logical volume ``root`` in a file."""
    path.write_bytes(b"".join(disk[at : at + n] for at, n in group.places(group.volumes[0])))
    return path


def test_the_disk_of_an_exact_image_reads_as_it_was(
    world: ImageWorld, tmp_path: Path, ext4: bytes
) -> None:
    path, _ = in_pieces(tmp_path, ext4, 2)
    world.image(path, exact=True)
    whole = path.read_bytes()
    with world.open() as repository:
        root = repository.snapshots()[-1].root
        pages = PageStore(repository.blob_reader(repository.load_index()))
        disk = ImageDisk(pages, root)
        assert [each.called for each in disk.partitions] == [1, "1.root", "1.rest"]
        assert disk.volume("1.root").read(0, len(ext4)) == ext4
        chance = random.Random(3)
        for _ in range(200):
            start = chance.randrange(len(whole))
            length = chance.randrange(min(2 * MIB, len(whole) - start))
            assert disk.read(start, length) == whole[start : start + length]
            assert disk.volume(1).read(start, length) == whole[start : start + length]
        held = bytearray(len(whole))
        end = 0
        for offset, length in disk.extents():
            assert offset > end or not end
            end = offset + length
            held[offset:end] = disk.read(offset, length)
        assert held == whole
        files = files_of(pages, root, disk, "1.root")
        assert files is not None and files.find((b"large",)) is not None
    back = tmp_path / "back"
    world.restore_image(back)
    assert back.read_bytes() == whole


def test_the_same_volume_elsewhere_is_proven_unchanged(
    world: ImageWorld, tmp_path: Path, ext4: bytes
) -> None:
    """Stamps are about the volume: where its pieces lie changes nothing."""
    image = tmp_path / "ext4"
    run("debugfs", "-w", "-R", "sif /large ctime 20200101000000", image)
    inside = image.read_bytes()
    path, _ = in_pieces(tmp_path, inside, 4)
    world.image(path)
    os.rename(path, tmp_path / "before")
    path, _ = in_pieces(tmp_path, inside, 5)
    everything = world.image(path)[0].root.bytes_read
    skipped = world.image(path, skip_unchanged=True)[0].root.bytes_read
    assert everything - skipped >= 12 * MIB


def test_a_group_that_cannot_be_is_kept_and_told(world: ImageWorld, tmp_path: Path) -> None:
    group = Group([Logical("one", [(0, 9)]), Logical("two", [(8, 9)])])
    disk = bytes(group.put(bytearray(random.Random(6).randbytes(PE_START + MIB))))
    assert_kept_and_told(disk, "share bytes", world, tmp_path)


def assert_kept_and_told(disk: bytes, words: str, world: ImageWorld, tmp_path: Path) -> None:
    path, back = tmp_path / "disk", tmp_path / "back"
    path.write_bytes(disk)
    _, told = world.image(path)
    assert any(words in event.text for event in told if isinstance(event, Notice))
    world.restore_image(back)
    assert back.read_bytes() == disk


def test_metadata_that_are_damaged_are_kept_and_told(world: ImageWorld, tmp_path: Path) -> None:
    disk = Group([Logical("one", [(0, 9)])]).put(bytearray(PE_START + MIB))
    disk[4096 + 512 + 5] ^= 1
    assert_kept_and_told(bytes(disk), "volume group is kept as it is", world, tmp_path)


# where parts of a stream lie


def test_parts_are_cut_where_pieces_end() -> None:
    """Bytes of the stream, and the zeros behind its end, each where they belong."""
    pieces = Pieces([(1000, 700), (5000, 100), (200, 1248)])
    entry = ExtentEntry(5, b"", EntryRole.FILE, 900, pack_runs([(0, 2)]), pack_blob(ID, 900))
    found = list(parts_of(PageStore(None), volume_of(2048, 512), entry, 0, pieces))  # type: ignore[arg-type]
    assert found == [Part(ID, 900, (Span(1000, 700), Span(5000, 100), Span(200, 100)), 124)]


def test_zeros_behind_a_stream_may_lie_apart() -> None:
    pieces = Pieces([(1000, 950), (5000, 50), (200, 1048)])
    entry = ExtentEntry(5, b"", EntryRole.FILE, 900, pack_runs([(0, 2)]), pack_blob(ID, 900))
    found = list(parts_of(PageStore(None), volume_of(2048, 512), entry, 0, pieces))  # type: ignore[arg-type]
    assert found == [
        Part(ID, 900, (Span(1000, 900),)),
        Part(None, 124, (Span(1900, 50), Span(5000, 50), Span(200, 24))),
    ]
