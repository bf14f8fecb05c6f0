"""The disk of an image, byte for byte, against the raw disk it was made of."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.disk.containers.disks import make_disk
from tests.disk.ext_volumes import run
from tests.restorer.place import Place, changed
from tests.view.images import Builder, crafted, image_of, partitioned
from twofold.errors import FormatError, SnapshotNotFound, UsageError
from twofold.format.image import EntryRole, ExtentEntry, ImagePage, pack_runs
from twofold.graph import PageStore
from twofold.view import ImageDisk
from twofold.view.spans import Spans

MIB = 1 << 20


@contextmanager
def opened(place: Place) -> Iterator[ImageDisk]:
    """The newest image."""
    with place.open() as repository:
        root = repository.snapshots()[-1].root
        yield ImageDisk(PageStore(repository.blob_reader(repository.load_index())), root)


@pytest.fixture(scope="module")
def ext_volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file system with files in pieces."""
    folder = tmp_path_factory.mktemp("ext")
    tree = folder / "tree"
    tree.mkdir()
    chance = random.Random(1)
    for number in range(120):
        (tree / f"file {number}").write_bytes(chance.randbytes(chance.randrange(30_000)))
    (tree / "large").write_bytes(chance.randbytes(700_000) + bytes(900_000) + b"end")
    volume = folder / "volume"
    with volume.open("wb") as file:
        file.truncate(12 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "a label", "-d", tree, volume)
    return volume


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, ext_volume: Path) -> Path:
    """Two partitions: a file system, and data that nobody understands."""
    folder = tmp_path_factory.mktemp("disk")
    noise = make_disk(folder / "noise", 70 * MIB, [(1000, 5000), (67 * MIB, 2 * MIB)])
    return partitioned(folder / "disk.img", ext_volume, noise)


@pytest.mark.parametrize("files", [True, False], ids=["along files", "raw"])
def test_every_byte_of_the_disk_is_there(place: Place, disk: Path, files: bool) -> None:
    image_of(place, disk, files=files)
    there = disk.read_bytes()
    chance = random.Random(3)
    with opened(place) as image:
        assert image.size == len(there)
        assert image.read(0, image.size) == there
        for _ in range(300):
            offset = chance.randrange(len(there))
            length = min(int(2 ** chance.uniform(0, 18)), len(there) - offset)
            assert image.read(offset, length) == there[offset : offset + length]
        with pytest.raises(FormatError):
            image.read(image.size - 1, 2)


def test_extents_are_what_is_not_zero(place: Place, disk: Path) -> None:
    image_of(place, disk)
    left = bytearray(disk.read_bytes())
    with opened(place) as image:
        extents = list(image.extents())
        assert sum(length for _, length in extents) < 20 * MIB  # of more than 80
    before = -1
    for offset, length in extents:
        assert offset > before  # ascending and apart
        before = offset + length
        left[offset:before] = bytes(length)
    assert not any(left)


def test_runs_of_zeros_of_raw_space_are_no_extents(place: Place, tmp_path: Path) -> None:
    """A disk may be terabytes of them, and whoever copies it goes along the extents."""
    disk, there = tmp_path / "disk.img", random.Random(5).randbytes(5000)
    with disk.open("wb") as file:
        file.write(there)
        file.seek(700 << 20)
        file.write(there)
        file.truncate(900 << 20)
    image_of(place, disk)
    with opened(place) as image:
        extents = list(image.extents())
        assert sum(length for _, length in extents) < 1 << 20
        for at in (0, 700 << 20):
            (found,) = [each for each in extents if each.offset <= at < each.end]
            assert found.end >= at + 5000
            assert image.read(at, 5000) == there


def test_partitions_are_read_by_number(place: Place, disk: Path, ext_volume: Path) -> None:
    image_of(place, disk)
    with opened(place) as image:
        first = image.volume(1)
        assert first.read(0, first.size) == ext_volume.read_bytes()
        assert [each.number for each in image.partitions] == [1, 2]
        assert image.partitions[0].label == "a label"
        with pytest.raises(SnapshotNotFound, match="no partition 3"):
            image.volume(3)


def test_an_index_takes_little_memory(place: Place) -> None:
    """28 bytes for each span, a few for each entry."""

    def entries(builder: Builder) -> Iterator[ExtentEntry]:
        for number in range(2000):
            runs = [(3 * number, 1), (2_000_000 - number * 3, 1)]
            yield builder.entry(EntryRole.FILE, number, b"", b"x" * 8000, runs)

    crafted(place, entries, size=2_000_100 * 4096)
    with opened(place) as image:
        spans = image.volume(1).streams.spans
        assert len(spans) == 4000
        arrays = [spans._starts, spans._ends, spans._entries, spans._places]
        assert sum(each.itemsize for each in arrays) <= 32


def test_behind_its_end_an_entry_is_zeros_up_to_the_unit(place: Place) -> None:
    def entries(builder: Builder) -> Iterator[ExtentEntry]:
        yield builder.entry(EntryRole.FILE, 5, b"", b"f" * 5000, [(2, 1), (-1, 1), (7, 3)])
        yield builder.entry(EntryRole.META, 1, b"", b"m" * 10_000, [(8, 3)])
        raw = [(2 * 4096 + 100, 10), (10 * 4096 + 4000, 20)]
        yield builder.entry(EntryRole.RAW, 0, b"", b"r" * 30, raw)

    crafted(place, entries)
    expected = bytearray(MIB)
    expected[2 * 4096 : 3 * 4096] = b"f" * 4096  # the hole takes the rest of the content
    expected[8 * 4096 : 11 * 4096] = (b"m" * 10_000).ljust(3 * 4096, b"\0")
    expected[2 * 4096 + 100 : 2 * 4096 + 110] = b"r" * 10
    expected[10 * 4096 + 4000 : 10 * 4096 + 4020] = b"r" * 20
    with opened(place) as image:
        assert image.read(0, MIB) == expected
        assert list(image.extents()) == [(2 * 4096, 4096), (8 * 4096, 3 * 4096)]


def test_the_later_of_two_entries_counts(place: Place) -> None:
    def entries(builder: Builder) -> Iterator[ExtentEntry]:
        yield builder.entry(EntryRole.FILE, 1, b"", b"1" * 40_960, [(10, 10)])
        yield builder.entry(EntryRole.FILE, 2, b"", b"2" * 40_960, [(5, 10)])
        yield builder.entry(EntryRole.CODED, 1, b"", b"3" * 4096, [(12, 1)])

    crafted(place, entries)
    with opened(place) as image:
        seen = image.read(0, MIB)[::4096]
    assert seen[:21].replace(b"\0", b".") == b".....2222222322" + b"11111."


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(0, 5)).map(
            lambda each: (each[0], each[0] + each[1], each[2])
        ),
        max_size=12,
    )
)
def test_painting_is_what_writing_in_order_does(added: list[tuple[int, int, int]]) -> None:
    spans, written = Spans(), [(-1, -1)] * 90
    for number, (start, end, at) in enumerate(added):
        spans.add(start, end, number, at)
        for byte in range(start, end):
            written[byte] = (number, at + byte - start)
    painted = spans.painted()
    seen, last = [(-1, -1)] * 90, 0
    for start, end, entry, at in painted.within(0, 90):
        assert last <= start < end
        last = end
        for byte in range(start, end):
            seen[byte] = (entry, at + byte - start)
    assert seen == written


# what an enemy may write


HOSTILE: dict[str, dict[str, Any]] = {
    "a run beyond the volume": {"runs": pack_runs([(255, 2)])},
    "runs too short": {"runs": pack_runs([(1, 1)])},
    "no runs": {"runs": b""},
    "runs cut short": {"runs": pack_runs([(1, 2)])[:-1]},
    "an endless hole": {"runs": pack_runs([(-1, 1 << 61), (-1, 1 << 61), (1, 2)])},
    "a size of its own": {"size": 8193},
    "a shorter size": {"size": 5000},
    "an absurd size": {"size": 1 << 62},
    "a negative size": {"size": -1},
    "an unknown role": {"role": 5},
    "a file before the first": {"owner": -1},
    "content that is none": {"content": b"\3junk"},
    "a blob longer than it is": {"content": None},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_entry_is_a_format_error(place: Place, what: str) -> None:
    def entries(builder: Builder) -> Iterator[ExtentEntry]:
        entry = builder.entry(EntryRole.FILE, 1, b"", b"x" * 8192, [(1, 2)])
        fields = dict(HOSTILE[what])
        if "content" in fields and fields["content"] is None:
            fields = {"content": entry.content[:-4] + (1 << 20).to_bytes(4, "little"), "size": MIB}
            fields["runs"] = pack_runs([(0, 256)])
        yield msgspec.structs.replace(entry, **fields)

    crafted(place, entries)
    with opened(place) as image, pytest.raises(FormatError):
        image.read(0, image.size)


def test_raw_bytes_outside_of_their_window_are_refused(place: Place) -> None:
    def entries(builder: Builder) -> Iterator[ExtentEntry]:
        yield builder.entry(EntryRole.RAW, 0, b"", b"x" * 100, [((64 << 20) - 50, 100)])

    crafted(place, entries, size=65 << 20)
    with opened(place) as image, pytest.raises(FormatError, match="window"):
        image.read(0, 1)


def test_entries_out_of_order_are_refused(place: Place) -> None:
    def entries(builder: Builder) -> Iterator[ExtentEntry]:
        for owner in (3, 2):
            yield builder.entry(EntryRole.FILE, owner, b"", b"x", [(owner, 1)])

    crafted(place, entries)
    with opened(place) as image, pytest.raises(FormatError, match="order"):
        image.read(0, 1)


VOLUMES: dict[str, dict[str, Any]] = {
    "beyond the disk": {"start": 1},
    "before the disk": {"start": -512},
    "no bytes in a unit": {"unit": 0},
    "more units than bytes": {"units": 257},
    "units moved out": {"origin": 1},
    "endless": {"size": 1 << 63},
}


@pytest.mark.parametrize("what", VOLUMES)
def test_a_hostile_volume_is_a_format_error(place: Place, what: str, tmp_path: Path) -> None:
    def spoil(page: ImagePage) -> ImagePage:
        frame, volume = page.volumes
        volume = msgspec.structs.replace(volume, **{"unit": 4096, "units": 256, **VOLUMES[what]})
        return msgspec.structs.replace(page, volumes=[frame, volume])

    raw = make_disk(tmp_path / "raw", MIB, [(0, MIB)])
    image_of(place, raw, change_page=spoil)
    with opened(place) as image, pytest.raises(FormatError):
        image.read(0, image.size)


def test_partitions_that_overlap_are_read_one_by_one(place: Place, tmp_path: Path) -> None:
    raw = make_disk(tmp_path / "raw", MIB, [(0, MIB)])

    def twice(page: ImagePage) -> ImagePage:
        frame, volume = page.volumes
        return msgspec.structs.replace(
            page, volumes=[frame, volume, msgspec.structs.replace(volume, number=2)]
        )

    image_of(place, raw, change_page=twice)
    with opened(place) as image:
        assert image.volume(2).read(0, MIB) == raw.read_bytes()
        with pytest.raises(FormatError, match="partition"):
            image.read(0, 1)
        with pytest.raises(FormatError, match="partition"):
            list(image.extents())


def test_a_backup_of_files_has_no_disk(place: Place) -> None:
    place.craft(lambda craft: craft.directory(changed(craft.file(b"a", b"1"))))
    with pytest.raises(UsageError, match="files"), opened(place):
        pass
