"""Volumes that were damaged or made by an enemy: errors of ours, in bounded time and memory.

Time is bounded by what is read: a reader that is asked for too much ends the test.
"""

import os
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.disk import ntfs_patches as patches
from tests.disk import ntfs_volumes as volumes
from twofold.disk import Kind, Stream
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.ntfs import Ntfs, open_ntfs
from twofold.disk.ntfs.attributes import Part, join
from twofold.disk.ntfs.boot import parse_boot
from twofold.disk.ntfs.content import Bytes
from twofold.disk.ntfs.index import Index
from twofold.errors import FormatError

KIB = 1 << 10
MIB = 1 << 20


@dataclass
class Guarded:
    """A volume in memory that may only be read so often."""

    data: bytearray
    sector_size: int = 512
    calls: int = field(default=0)
    total: int = field(default=0)

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > len(self.data):
            raise FormatError("outside")
        self.calls += 1
        self.total += length
        assert self.calls < 20_000
        assert self.total < 64 * len(self.data)
        return bytes(self.data[offset : offset + length])


def _some(folder: Path, rng: random.Random, cluster: int) -> None:
    """A little of everything, among few records."""
    volumes.streams(folder, rng, cluster)
    volumes.sparse(folder, rng, cluster)
    place = folder / "packed"
    place.mkdir()
    if cluster <= 4096:
        os.setxattr(place, "system.ntfs_attrib", struct.pack("<I", 0x810))
    (place / "text").write_bytes(b"one two three " * 3000)
    (folder / "many").mkdir()
    for number in range(90):
        (folder / "many" / f"{'n' * 60}{number}").touch()
    with (folder / "comb").open("wb") as file:
        for number in range(400):
            file.seek(2 * number * cluster)
            file.write(b"x")
    (folder / "link").touch()
    reparse = struct.pack("<IHHHHHHI", 0xA000000C, 16, 0, 0, 2, 2, 2, 1) + b"a\0b\0"
    os.setxattr(folder / "link", "system.ntfs_reparse_data", reparse)
    os.setxattr(folder / "comb", "system.ntfs_object_id", bytes(16))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Volumes to damage."""
    folder = tmp_path_factory.mktemp("corpus")
    found = []
    for cluster, sector in ((512, 512), (4096, 512), (4096, 4096)):
        image = folder / f"{cluster}-{sector}.img"
        size = 3 * MIB if cluster == 512 else 8 * MIB
        volumes.build(image, [_some], size=size, cluster=cluster, sector=sector, seed=4)
        found.append(image.read_bytes())
    return found


def _walk(fs: Ntfs, limit: int) -> Iterator[int]:
    """Files by way of directories; a loop of directories is for whoever walks to notice."""
    seen = {fs.root()}
    waiting = [fs.root()]
    while waiting:
        for entry in fs.entries(waiting.pop()):
            if len(seen) > limit or entry.file in seen:
                continue
            seen.add(entry.file)
            yield entry.file
            if entry.kind is Kind.DIRECTORY:
                waiting.append(entry.file)


def exercise(reader: Guarded, number: int) -> None:
    """Use all that a file system offers, with one file in particular."""
    try:
        fs = open_ntfs(reader)
    except FormatError:
        return
    steps: list[Callable[[], object]] = [
        fs.allocation,
        lambda: list(fs.streams()),
        lambda: list(_walk(fs, 30)),
        lambda: list(fs.entries(number)),
        lambda: fs.facts_of(number),
        lambda: fs.open(number, b"big").read(0, 9000),
        lambda: _ends(fs, number),
    ]
    for step in steps:
        try:
            step()
        except FormatError:
            continue
    assert len(fs.facts.notes) <= 51


def _ends(fs: Ntfs, number: int) -> None:
    content = fs.open(number)
    for offset in (0, content.size // 2, max(0, content.size - 3000)):
        assert len(content.read(offset, 3000)) == min(3000, content.size - offset)


VALUES = [0, 1, 2, 7, 8, 15, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 47]
VALUES += [(1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def mutate(data: bytearray, rng: random.Random, places: list[range]) -> list[tuple[int, bytes]]:
    """Change one to three places of the tables; gives what was there before, to undo it."""
    before = []
    for _ in range(rng.randrange(1, 4)):
        area = rng.choice(places)
        at = rng.choice(area)
        width = rng.choice([1, 1, 1, 2, 4, 8])
        at -= at % width
        before.append((at, bytes(data[at : at + width])))
        value = rng.choice([rng.choice(VALUES), rng.getrandbits(64), data[at] + 1])
        data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    return before[::-1]


def _tables(image: bytes) -> tuple[list[range], int]:
    """Where records in use, blocks of indexes, lists and descriptors lie; bytes of a record."""
    fs = open_ntfs(MemoryBlocks(image))
    unit = fs.facts.unit
    areas = [range(80)]
    size = 0
    for stream in fs.streams():
        if b":" in stream.name or stream.owner in (0, 9):
            for first, units in stream.runs:
                areas.append(range(first * unit, (first + min(units, 4)) * unit))
        if stream.owner == 0 and not stream.name:
            size = parse_boot(image[:512]).record
            start = stream.runs[0].first * unit
            numbers = [*range(12), *range(24, stream.runs[0].units * unit // size)]
            areas += [range(start + n * size, start + n * size + 480) for n in numbers]
    return areas, size


def fuzz(images: list[bytes], rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    for image in images:
        places, size = _tables(image)
        data = bytearray(image)
        table = next(p.start for p in places if image[p.start : p.start + 4] == b"FILE")
        for _ in range(rounds // len(images)):
            before = mutate(data, rng, places)
            near = (before[0][0] - table) // size
            number = near if 0 <= near < 200 else rng.randrange(120)
            exercise(Guarded(data), number)
            for at, old in before:
                data[at : at + len(old)] = old
        assert data == image


def test_some_mutations(corpus: list[bytes]) -> None:
    fuzz(corpus, 150, seed=1)


@pytest.mark.parametrize("keep", [0, 100, 511, 512, 4096, 1 * MIB])
def test_cut_short(corpus: list[bytes], keep: int) -> None:
    with pytest.raises(FormatError):
        open_ntfs(MemoryBlocks(corpus[0][:keep]))


def _boot(**fields: int) -> bytes:
    boot = bytearray(512)
    boot[3:11] = b"NTFS    "
    boot[510:] = b"\x55\xaa"
    known = {"sector": 512, "each": 8, "sectors": 80000, "table": 4, "mirror": 2, "record": 0xF6}
    known |= fields
    struct.pack_into("<HB", boot, 11, known["sector"], known["each"])
    struct.pack_into(
        "<QQQB", boot, 40, *(known[n] for n in ("sectors", "table", "mirror", "record"))
    )
    return bytes(boot)


@pytest.mark.parametrize(
    ("fields", "cluster", "record"),
    [
        ({}, 4096, 1024),
        ({"each": 128}, 65536, 1024),
        ({"each": 0xF4}, 2 * MIB, 1024),
        ({"each": 0xF8}, 128 * KIB, 1024),
        ({"sector": 4096, "each": 1, "record": 1}, 4096, 4096),
        ({"each": 1, "record": 2}, 512, 1024),
    ],
)
def test_sizes_in_boot_sectors(fields: dict[str, int], cluster: int, record: int) -> None:
    found = parse_boot(_boot(**fields))
    assert (found.cluster, found.record) == (cluster, record)


@pytest.mark.parametrize(
    "fields",
    [
        {"sector": 0},
        {"sector": 513},
        {"each": 0},
        {"each": 3},
        {"each": 0xF3},
        {"each": 0x81},
        {"sector": 4096, "each": 0xF4},
        {"table": 10_000},
        {"mirror": (1 << 64) - 1},
        {"record": 0},
        {"record": 0xF7},
        {"record": 0x80},
        {"sectors": (1 << 64) - 1},
    ],
)
def test_boot_sectors_that_make_no_sense(fields: dict[str, int]) -> None:
    with pytest.raises(FormatError):
        parse_boot(_boot(**fields))


@pytest.fixture
def image(tmp_path: Path, corpus: list[bytes]) -> Path:
    path = tmp_path / "volume.img"
    path.write_bytes(corpus[1])
    return path


def _streams(image: Path) -> tuple[list[Stream], tuple[str, ...]]:
    fs = open_ntfs(Guarded(bytearray(image.read_bytes())))
    return list(fs.streams()), fs.facts.notes


def _number(image: Path, name: bytes) -> int:
    fs = open_ntfs(MemoryBlocks(image.read_bytes()))
    return next(entry.file for entry in fs.entries(fs.root()) if entry.name == name)


def _assert_only_this_is_missing(image: Path, before: list[Stream], number: int) -> None:
    after, notes = _streams(image)
    assert after == [stream for stream in before if stream.owner != number]
    assert len(notes) == 1
    assert f"file {number} " in notes[0]


EDITS = {
    "longer than its clusters": (48, (1 << 62).to_bytes(8, "little")),
    "negative size": (48, (1 << 63).to_bytes(8, "little")),
    "first unit is not the first": (16, (5).to_bytes(8, "little")),
    "last unit is not the last": (24, (1 << 62).to_bytes(8, "little")),
    "runs begin behind the attribute": (32, b"\xff\xff"),
    "attribute of no length": (4, bytes(4)),
    "attribute longer than the record": (4, b"\0\xff\0\0"),
    "name behind the attribute": (9, b"\x09\xf0\xf0"),
}


@pytest.mark.parametrize("name", EDITS)
def test_one_damaged_file_is_left_out(name: str, image: Path) -> None:
    """The others are told as before, and a note tells."""
    number = _number(image, b"sparse")
    before, notes = _streams(image)
    assert notes == ()
    place, new = EDITS[name]

    def damage(record: bytearray, at: int, length: int) -> None:
        record[at + place : at + place + len(new)] = new

    patches.edit_attribute(image, number, 0x80, damage)
    _assert_only_this_is_missing(image, before, number)


@pytest.mark.parametrize("packed", ["1101ff", "4101ffffff7f", "f1", "010100", "11"])
def test_run_lists_that_lead_nowhere(packed: str, image: Path) -> None:
    """Before the volume, behind it, cut short, too few units."""
    number = _number(image, b"sparse")
    before, _ = _streams(image)

    def damage(record: bytearray, at: int, length: int) -> None:
        place = at + int.from_bytes(record[at + 32 : at + 34], "little")
        new = bytes.fromhex(packed)
        record[place : at + length] = (new + bytes(length))[: at + length - place]

    patches.edit_attribute(image, number, 0x80, damage)
    _assert_only_this_is_missing(image, before, number)


def test_an_attribute_list_that_names_only_itself(image: Path) -> None:
    number = _number(image, b"comb")
    before, _ = _streams(image)
    runs = next(s.runs for s in before if s.owner == number and s.name == b":$ATTRIBUTE_LIST")
    data = bytearray(image.read_bytes())
    at = runs[0].first * 4096
    while length := int.from_bytes(data[at + 4 : at + 6], "little"):
        data[at + 16 : at + 22] = number.to_bytes(6, "little")
        at += length
    image.write_bytes(data)
    _assert_only_this_is_missing(image, before, number)


def test_an_index_that_leads_back() -> None:
    """A root whose child is a block whose child is itself."""
    last = struct.pack("<8xHHHHQ", 24, 0, 3, 0, 0)
    root = struct.pack("<IIIIIIII", 0x30, 1, 512, 1, 16, 40, 40, 1) + last
    block = struct.pack("<4sHHQQIIII", b"INDX", 40, 2, 0, 0, 24, 48, 48, 1) + bytes(8) + last
    index = Index(root, Bytes(block + bytes(512 - len(block))), 512)
    with pytest.raises(FormatError, match="leads back"):
        list(index.entries())
    with pytest.raises(FormatError, match="leads back"):
        index.find(lambda key: 1)


def test_too_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than memory should hold."""
    monkeypatch.setattr("twofold.disk.ntfs.attributes.MAX_RUNS", 1000)
    count = 1001
    packed = b"\x11\x01\x01" * count + b"\0"
    head = struct.pack(
        "<IIBBHHHQQHBxxxxxQQQ", 0x80, 0, 1, 0, 64, 0, 0, 0, count - 1, 64, 0, 0, 0, 0
    )
    with pytest.raises(FormatError, match="pieces"):
        join([Part(0x80, b"", 0, head + packed)], 1 << 40)


def test_a_torn_record_is_told(image: Path) -> None:
    number = _number(image, b"sparse")
    before, _ = _streams(image)
    fs = open_ntfs(MemoryBlocks(image.read_bytes()))
    runs = next(s.runs for s in fs.streams() if s.owner == 0)
    data = bytearray(image.read_bytes())
    at = runs[0].first * 4096 + number * 1024
    data[at + 1022] ^= 1
    image.write_bytes(data)
    after, notes = _streams(image)
    assert after == [stream for stream in before if stream.owner != number]
    assert notes == (f"record {number} of the table of files was written only in part",)


def test_the_table_is_found_by_its_copy(image: Path) -> None:
    """Record 0 torn: $MFTMirr has the same."""
    before, _ = _streams(image)
    data = bytearray(image.read_bytes())
    at = int.from_bytes(data[48:56], "little") * 4096
    data[at + 510] ^= 0xFF
    image.write_bytes(data)
    after, notes = _streams(image)
    assert after == [stream for stream in before if stream.owner != 0]
    assert len(notes) == 1
