"""Sectors that cannot be read, and contents left out on purpose: marked, told, and never proof.

The oracle is the disk itself: where the bad sectors are is known here, and everything else must
come back as it was.
"""

import errno
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.disk.ntfs_volumes import system_file
from tests.imaging.disks import MIB, make_ext4, make_ntfs, mounted_ntfs, run
from tests.imaging.test_image_round import differing_blocks, free_blocks
from tests.imaging.world import ImageWorld
from tests.restorer.processes import needs_root
from twofold.commands import cat, export, restore
from twofold.disk.blocks import FileBlocks
from twofold.events import Event, Finding, Notice, Severity, SourceWarning
from twofold.format.image import ExtentEntry
from twofold.format.segments import Absence
from twofold.graph import PageStore
from twofold.imaging import ImageRequest, capture, open_source
from twofold.imaging.ranges import Ranges
from twofold.imaging.store import torn
from twofold.imaging.volume import VolumeOptions
from twofold.options import RepositoryAccess, Secret
from twofold.pipeline import Outcome
from twofold.platform import current

SECTOR, BLOCK = 512, 4096
UNREADABLE, LEFT_OUT = Absence.UNREADABLE, Absence.LEFT_OUT


class BadBlocks(FileBlocks):
    """A disk with sectors that cannot be read."""

    bad: frozenset[int] = frozenset()

    def read(self, offset: int, length: int) -> bytes:
        touched = range(offset // SECTOR, -(-(offset + length) // SECTOR))
        if any(touched.start <= sector < touched.stop for sector in self.bad):
            raise OSError(errno.EIO, "Input/output error")
        return super().read(offset, length)


@dataclass
class Broken:
    """A file system, its bad sectors, and the image of it."""

    world: ImageWorld
    disk: Path
    bad: frozenset[int]
    told: list[Event] = field(default_factory=list)

    def image(self, *, healed: bool = False, **options: bool) -> Outcome:
        with open(self.disk, "rb") as file, self.world.open() as repository:
            reader = BadBlocks(file)
            reader.bad = frozenset() if healed else self.bad
            source = open_source(reader)
            request = ImageRequest(path=b"/disk", options=VolumeOptions(**options))
            return capture(repository, current(), source, request, self.told.append).outcome

    def access(self) -> RepositoryAccess:
        return RepositoryAccess(str(self.world.base / "repo"), lambda: Secret(self.world.key))

    def entries(self) -> Iterator[tuple[ExtentEntry, list[tuple[int, int, Absence]]]]:
        """Every entry of the newest image with (offset, length, cause) of what it does not hold."""
        with self.world.open() as repository:
            root = repository.snapshots()[-1].root
            pages = PageStore(repository.blob_reader(repository.load_index()))
            assert root.image is not None
            for volume in pages.image(root.image).volumes:
                for entry in pages.extents(volume.entries):
                    at, missing = 0, []
                    for blob, length in pages.stream(entry):
                        if isinstance(blob, Absence):
                            missing.append((at, length, blob))
                        at += length
                    yield entry, missing


def blocks_of(image: Path, path: str) -> list[int]:
    """The blocks of a file in order, as debugfs tells."""
    return [int(word) for word in run("debugfs", "-R", f"blocks {path}", image).split()]


def inode_of(image: Path, path: str) -> int:
    told = run("debugfs", "-R", f"stat {path}", image).decode()
    return int(re.findall(r"Inode: (\d+)", told)[0])


def fill(world: ImageWorld) -> None:
    for name, size in (("large", 12 * MIB), ("small", 300_000), ("whole", 200_000)):
        (world.source / name).write_bytes(os.urandom(size))
    (world.source / "tail").write_bytes(os.urandom(BLOCK + 100))


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """An ext4 with bad sectors in a large and in a small file, and behind the end of a third."""
    world = ImageWorld.make(tmp_path)
    assert isinstance(world, ImageWorld)
    fill(world)
    disk = tmp_path / "ext4"
    make_ext4(disk, world.source)
    for name in ("large", "small", "whole"):  # so that there are stamps: long before the end
        run("debugfs", "-w", "-R", f"sif /{name} ctime 20200101000000", disk)
    per = BLOCK // SECTOR
    large, small = blocks_of(disk, "/large"), blocks_of(disk, "/small")
    tail = blocks_of(disk, "/tail")
    bad = {large[1000] * per + 3, large[1000] * per + 4, small[10] * per, tail[1] * per + 7}
    return Broken(world, disk, frozenset(bad))


def test_what_could_not_be_read_is_marked_where_it_is(broken: Broken) -> None:
    outcome = broken.image()
    assert not outcome.complete
    found = {entry.owner: (entry, missing) for entry, missing in broken.entries() if missing}
    large, small = (inode_of(broken.disk, path) for path in ("/large", "/small"))
    assert found[large][1] == [(1000 * BLOCK + 3 * SECTOR, 2 * SECTOR, UNREADABLE)]
    assert found[small][1] == [(10 * BLOCK, SECTOR, UNREADABLE)]
    (raw,) = (each for each in found.values() if each[0].role == 4)
    assert [length for _, length, _ in raw[1]] == [SECTOR]  # what is behind the end of ``tail``
    assert len(found) == 3


def test_nothing_that_was_not_read_proves_anything_unchanged(
    broken: Broken, tmp_path: Path
) -> None:
    broken.image()
    stamps = {entry.owner: bool(entry.stamp) for entry, _ in broken.entries() if entry.role == 1}
    numbers = {name: inode_of(broken.disk, f"/{name}") for name in ("large", "small", "whole")}
    assert {name: stamps[number] for name, number in numbers.items()} == {
        "large": False, "small": False, "whole": True,
    }  # fmt: skip
    outcome = broken.image(healed=True, skip_unchanged=True)
    assert outcome.complete and not any(missing for _, missing in broken.entries())
    broken.world.restore_image(tmp_path / "back")
    assert differing_blocks(broken.disk, tmp_path / "back", BLOCK) <= free_blocks(broken.disk)


def test_a_restored_disk_has_zeros_there_and_only_there(broken: Broken, tmp_path: Path) -> None:
    back = tmp_path / "back"
    broken.image()
    result = broken.world.restore_image(back)
    assert (result.damaged, result.wrong) == (0, 0)
    assert result.absent.bytes_of(UNREADABLE) == len(broken.bad) * SECTOR
    assert result.absent.bytes_of(LEFT_OUT) == 0
    per = BLOCK // SECTOR
    free = {block * per + n for block in free_blocks(broken.disk) for n in range(per)}
    differing = differing_blocks(broken.disk, back, SECTOR) - free
    data = broken.disk.read_bytes()
    assert differing == {n for n in broken.bad if data[n * SECTOR :][:SECTOR].strip(b"\0")}
    restored = back.read_bytes()
    assert all(restored[n * SECTOR :][:SECTOR] == bytes(SECTOR) for n in broken.bad)


@pytest.mark.parametrize("exact", [False, True])
def test_thousands_of_bad_sectors_cost_no_readable_one(
    broken: Broken, tmp_path: Path, exact: bool
) -> None:
    """In streams of several windows, in neighbours read together, behind the ends of files."""
    rand = random.Random(11)
    per = BLOCK // SECTOR
    blocks = [*blocks_of(broken.disk, "/large"), *blocks_of(broken.disk, "/small")]
    bad = {rand.choice(blocks) * per + rand.randrange(per) for _ in range(2500)}
    bad |= {block * per + n for block in blocks_of(broken.disk, "/tail")[1:] for n in range(1, per)}
    broken.bad = frozenset(bad)
    assert len(bad) > 2000
    broken.image(exact=exact)
    broken.world.restore_image(tmp_path / "back")
    data, back = broken.disk.read_bytes(), (tmp_path / "back").read_bytes()
    free = set() if exact else free_blocks(broken.disk)
    for number in range(len(data) // SECTOR):
        at = number * SECTOR
        if number // per not in free:
            wanted = bytes(SECTOR) if number in bad else data[at : at + SECTOR]
            assert back[at : at + SECTOR] == wanted, number
    warned = [event for event in broken.told if isinstance(event, SourceWarning)]
    assert len(warned) == sum(sector - 1 not in bad for sector in bad)


def with_zeros(data: bytes, offset: int, length: int) -> bytes:
    return data[:offset] + bytes(length) + data[offset + length :]


def test_files_out_of_it_are_given_and_told(broken: Broken, tmp_path: Path) -> None:
    broken.image()
    told: list[Event] = []
    pieces: list[bytes] = []
    source = broken.world.source
    small = with_zeros((source / "small").read_bytes(), 10 * BLOCK, SECTOR)
    for path, code, content in (
        ("small", 3, small),
        ("whole", 0, (source / "whole").read_bytes()),
    ):
        pieces.clear()
        options = cat.CatOptions(
            access=broken.access(),
            address=f"latest:p1:/{path}",
            write=lambda data: pieces.append(bytes(data)),
        )
        assert cat.run(options, told.append).exit_code == code
        assert b"".join(pieces) == content
    assert warnings(told) == ["/small"]

    for run_number in (1, 2):  # and again over what was restored
        told.clear()
        wanted = restore.RestoreOptions(
            access=broken.access(), snapshot="latest:p1:/", target=os.fsencode(tmp_path / "to")
        )
        result = restore.run(wanted, told.append)
        assert (result.exit_code, result.lacking) == (3, 2), run_number
        assert sorted(warnings(told)) == ["/large", "/small"]
        assert "512 bytes could not be read" in " ".join(
            event.message for event in told if isinstance(event, Finding)
        )
        assert (tmp_path / "to" / "small").read_bytes() == small
        assert (tmp_path / "to" / "tail").read_bytes() == (source / "tail").read_bytes()


def warnings(told: list[Event]) -> list[str]:
    return [
        event.subject
        for event in told
        if isinstance(event, Finding) and event.severity is Severity.WARNING
    ]


def test_an_export_tells_it(broken: Broken, tmp_path: Path) -> None:
    broken.image()
    told: list[Event] = []
    file = tmp_path / "disk.raw"
    options = export.ExportOptions(access=broken.access(), snapshot="latest", file=str(file))
    result = export.run(options, told.append)
    assert (result.exit_code, result.bytes_left_out) == (3, 0)
    assert result.bytes_unreadable == len(broken.bad) * SECTOR
    assert warnings(told) == [str(file)]


def test_a_disk_of_nothing_known_is_marked_too(tmp_path: Path) -> None:
    """Raw entries: a sector, a stretch over the border of a window, one near the end."""
    world = ImageWorld.make(tmp_path)
    assert isinstance(world, ImageWorld)
    disk = tmp_path / "disk"
    data = os.urandom(64 * MIB + 3 * MIB)
    disk.write_bytes(data)
    border, last = 64 * MIB // SECTOR, len(data) // SECTOR - 40
    broken = Broken(world, disk, frozenset({7, border - 1, border, border + 1, last}))
    broken.image()
    result = world.restore_image(tmp_path / "back")
    for sector in broken.bad:
        data = with_zeros(data, sector * SECTOR, SECTOR)
    assert (tmp_path / "back").read_bytes() == data
    assert result.absent.bytes_of(UNREADABLE) == 5 * SECTOR
    assert [missing for entry, missing in broken.entries() if entry.size] == [
        [(7 * SECTOR, SECTOR, UNREADABLE), (64 * MIB - SECTOR, SECTOR, UNREADABLE)],
        [(0, 2 * SECTOR, UNREADABLE), (3 * MIB - 40 * SECTOR, SECTOR, UNREADABLE)],
    ]


def make_paged_ntfs(image: Path, source: Path, folder: Path) -> None:
    """A volume with a page file of one MiB, marked as Windows marks it."""
    make_ntfs(image, source, folder, 32 * MIB)
    with mounted_ntfs(image, folder) as top:
        system_file(top / "pagefile.sys", os.urandom(MIB))


@needs_root
def test_a_page_file_is_left_out_and_told(tmp_path: Path) -> None:
    world = ImageWorld.make(tmp_path)
    assert isinstance(world, ImageWorld)
    (world.source / "file").write_bytes(os.urandom(100_000))
    disk, file = tmp_path / "ntfs", tmp_path / "disk.raw"
    make_paged_ntfs(disk, world.source, tmp_path / "mnt")
    broken = Broken(world, disk, frozenset())
    assert broken.image().complete
    assert [missing for _, missing in broken.entries() if missing] == [[(0, MIB, LEFT_OUT)]]
    assert world.restore_image(tmp_path / "back").absent.bytes_of(LEFT_OUT) == MIB
    told: list[Event] = []
    options = export.ExportOptions(access=broken.access(), snapshot="latest", file=str(file))
    result = export.run(options, told.append)
    assert (result.exit_code, result.bytes_left_out, result.bytes_unreadable) == (0, MIB, 0)
    assert any("on purpose" in event.text for event in told if isinstance(event, Notice))
    address = "latest:p1:/pagefile.sys"
    asked = cat.CatOptions(access=broken.access(), address=address, write=lambda _: None)
    assert cat.run(asked, told.append).exit_code == 3
    assert warnings(told) == ["/pagefile.sys"]
    broken.image(keep_discardable=True)
    assert not any(missing for _, missing in broken.entries())
    write_past_the_file_system(disk)
    broken.image(keep_discardable=True, skip_unchanged=True)
    world.restore_image(tmp_path / "back")
    pages = run("ntfscat", tmp_path / "back", "pagefile.sys")
    assert pages == run("ntfscat", disk, "pagefile.sys")
    assert pages.startswith(b"other pages")


def write_past_the_file_system(disk: Path) -> None:
    """Into the page file, as Windows does it."""
    pages = run("ntfscat", disk, "pagefile.sys")
    at = disk.read_bytes().index(pages[:4096])
    with disk.open("r+b") as file:
        file.seek(at)
        file.write(b"other pages")


SPAN = st.tuples(st.integers(0, 60), st.integers(1, 20))


@given(st.lists(st.tuples(st.booleans(), SPAN), max_size=12), SPAN)
def test_ranges_are_a_set(
    steps: list[tuple[bool, tuple[int, int]]], window: tuple[int, int]
) -> None:
    """Joined, taken out and looked at, against a set of numbers."""
    ranges, numbers = Ranges(), set[int]()
    for added, (start, length) in steps:
        if added:
            ranges.add(start, start + length)
            numbers |= set(range(start, start + length))
        else:
            ranges.remove(start, start + length)
            numbers -= set(range(start, start + length))
    assert bool(ranges) == bool(numbers)
    found = ranges.within(0, 100)
    assert {n for first, count in found for n in range(first, first + count)} == numbers
    assert all(one[0] + one[1] < other[0] for one, other in pairwise(found))
    start, length = window
    clipped = ranges.within(start, start + length)
    inside = {n for first, count in clipped for n in range(first, first + count)}
    assert inside == numbers & set(range(start, start + length))
    pieces = list(torn(start, length, found))
    assert [n for first, count, _ in pieces for n in range(first, first + count)] == list(
        range(start, start + length)
    )
    lost = {n for first, count, absent in pieces if absent for n in range(first, first + count)}
    assert lost == inside and all(count for _, count, _ in pieces)
