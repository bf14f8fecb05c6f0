"""exFAT beyond what tools make: damage, vendors' entries, TexFAT, sets over the border of clusters.

Volumes are made by mkfs.exfat and changed byte by byte, checksums written by an encoder of our own.
"""

import struct
from calendar import timegm
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest

from tests.disk.exfat_world import dumped
from tests.disk.fat_world import run
from twofold.disk import Role
from twofold.disk.blocks import FileBlocks, MemoryBlocks
from twofold.disk.exfat import open_exfat
from twofold.disk.exfat.volume import ExfatFileSystem
from twofold.errors import FormatError

END = 0xFFFFFFFF


@cache
def template(mib: int = 2, cluster: int = 512) -> bytes:
    """An empty volume by mkfs.exfat."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "image")
        file.write_bytes(bytes(mib << 20))
        run("mkfs.exfat", "-c", str(cluster), "-b", "65536", file)
        return file.read_bytes()


def rotated(total: int, byte: int, bits: int) -> int:
    """One step of exFAT's checksums, as the specification's C code is."""
    top = 1 << bits - 1 if total & 1 else 0
    return (top + (total >> 1) + byte) & (1 << bits) - 1


class Exfat:
    """A volume to be changed."""

    def __init__(self, cluster: int = 512) -> None:
        self.raw = bytearray(template(2, cluster))
        self.fat, self.fat_length, self.heap, self.units, self.root_cluster = struct.unpack_from(
            "<5I", self.raw, 80
        )
        self.unit = cluster
        self.used = self.root_offset + 3 * 32  # bitmap, up-case table, label by mkfs.exfat

    @property
    def root_offset(self) -> int:
        return self.offset(self.root_cluster)

    def offset(self, cluster: int) -> int:
        return int(self.heap) * 512 + (cluster - 2) * self.unit

    def link(self, *clusters: int) -> None:
        for cluster, to in zip(clusters, [*clusters[1:], END], strict=True):
            struct.pack_into("<I", self.raw, self.fat * 512 + 4 * cluster, to)

    def append(self, data: bytes) -> int:
        """Slots behind the root directory's; the number of the first."""
        self.raw[self.used : self.used + len(data)] = data
        self.used += len(data)
        return (self.used - len(data)) // 32

    def seal(self, region: int = 0) -> None:
        """Write the checksum of a boot region."""
        start = region * 12 * 512
        total = 0
        for at in range(11 * 512):
            if at not in (106, 107, 112):
                total = rotated(total, self.raw[start + at], 32)
        self.raw[start + 11 * 512 : start + 12 * 512] = struct.pack("<I", total) * 128

    def open(self) -> ExfatFileSystem:
        return open_exfat(MemoryBlocks(bytes(self.raw)))


def entry(
    name: str,
    first: int = 0,
    size: int = 0,
    *,
    valid: int | None = None,
    flags: int = 1,
    attributes: int = 0x20,
    times: bytes = bytes(17),
    more: tuple[bytes, ...] = (),
    break_at: int | None = None,
) -> bytes:
    """The slots of a file."""
    units = name.encode("utf-16-le", "surrogatepass")
    pieces = [units[at : at + 30].ljust(30, b"\0") for at in range(0, len(units), 30)]
    slots = [
        struct.pack("<BBHHH17s7x", 0x85, 1 + len(pieces) + len(more), 0, attributes, 0, times),
        struct.pack(
            "<BBBBHHQIIQ",
            0xC0,
            flags,
            0,
            len(units) // 2,
            0,
            0,
            size if valid is None else valid,
            0,
            first,
            size,
        ),
        *(b"\xc1\0" + piece for piece in pieces),
        *more,
    ]
    return sealed(slots, break_at)


def sealed(slots: list[bytes], break_at: int | None = None) -> bytes:
    """A set with its checksum."""
    raw = bytearray(b"".join(slots))
    total = 0
    for at, byte in enumerate(raw):
        if at not in (2, 3):
            total = rotated(total, byte, 16)
    raw[2:4] = struct.pack("<H", total)
    if break_at is not None:
        raw[break_at] ^= 1
    return bytes(raw)


def test_chained_contiguous_and_partly_written_files() -> None:
    volume = Exfat()
    volume.link(1000, 1001, 1005)
    volume.append(entry("chained", 1000, 1300))
    volume.append(entry("contiguous", 1010, 1300, flags=3))
    volume.append(entry("half", 1020, 1300, valid=700, flags=3))
    volume.append(entry("unwritten", 1030, 1300, valid=0, flags=3))
    for cluster in range(1000, 1040):
        start = volume.offset(cluster)
        volume.raw[start : start + 512] = bytes([cluster % 256]) * 512
    fs = volume.open()
    streams = [s for s in fs.streams() if s.role is Role.FILE]
    assert [[tuple(r) for r in s.runs] for s in streams] == [
        [(998, 2), (1003, 1)],
        [(1008, 3)],
        [(1018, 3)],
        [(1028, 3)],
    ]
    assert [(s.size, s.valid) for s in streams] == [(1300, v) for v in (1300, 1300, 700, 0)]
    contents = [fs.open(s.owner).read(0, 2000) for s in streams]
    assert contents[0] == bytes([232]) * 512 + bytes([233]) * 512 + bytes([237]) * 276
    assert contents[2] == (bytes([252]) * 512 + bytes([253]) * 188).ljust(1300, b"\0")
    assert contents[3] == bytes(1300)
    assert fs.open(streams[2].owner).read(690, 20) == bytes([253]) * 10 + bytes(10)
    assert fs.facts.notes == ("times without a zone are taken as UTC",)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (entry("x", 1000, 600, break_at=40), "checksum"),
        (entry("x", 1000, 600, break_at=1), "not whole|checksum"),
        (entry("x", 1000, 600, valid=601), "more of a file is written"),
        (entry("x", 1000, 600, flags=0), "none are possible"),
        (entry("a/b", 1000, 600), "name"),
        (entry("..", 1000, 600), "name"),
        (entry("x", 1, 600), "no cluster 1"),
        (entry("x", 0, 600, flags=3), "no cluster 0"),
        (entry("x", 2990, 1 << 40), "more than"),
        (entry("x", 1000, 600), "free"),
        (entry("x", 2, 600, flags=3), "belong to something else"),
        (entry("x", 1000, 6, more=(b"\xc3" + bytes(31),)), "unknown type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_files_are_left_out_and_told(broken: bytes, why: str) -> None:
    volume = Exfat()
    volume.append(broken)
    number = volume.append(entry("good", 1010, 5, flags=3))
    fs = volume.open()
    assert [s.owner for s in fs.streams() if s.role is Role.FILE] == [number]
    notes = [note for note in fs.facts.notes if "left out" in note]
    assert len(notes) == 1
    assert any(part in notes[0] for part in why.split("|"))


def test_a_set_without_its_secondary_entries_does_not_take_the_next_one() -> None:
    volume = Exfat()
    volume.append(entry("cut", 1000, 600)[:32])
    volume.append(entry("good", 1010, 5, flags=3))
    volume.append(b"\x05" + entry("removed")[1:32] + b"\x40" + bytes(31))
    volume.append(entry("last"))
    assert [e.name for e in volume.open().entries(0)] == [b"good", b"last"]


def test_sets_over_the_border_of_clusters_are_found_by_their_number() -> None:
    """In directories of both kinds: sixteen slots fill a cluster."""
    volume = Exfat()
    volume.link(1000, 1008, 1004)
    volume.append(entry("chained", 1000, 1536, attributes=0x10))
    volume.append(entry("contiguous", 1020, 1536, attributes=0x10, flags=3))
    files = b"".join(entry(f"{n} " + "name" * 20) for n in range(5))
    for clusters in ((1000, 1008, 1004), (1020, 1021, 1022)):
        for at, cluster in enumerate(clusters):
            start = volume.offset(cluster)
            piece = files[at * 512 : at * 512 + 512].ljust(512, b"\0")
            volume.raw[start : start + 512] = piece
    fs = volume.open()
    for directory in list(fs.entries(0)):
        entries = list(fs.entries(directory.file))
        assert len(entries) == 5
        assert all(fs.facts_of(e.file).size == 0 for e in entries)
    for number in (-1, 1, entries[0].file + 1, 1 << 50):
        with pytest.raises(FormatError):
            fs.facts_of(number)


def test_a_long_name() -> None:
    volume = Exfat(4096)
    name = "ß😀" * 85
    volume.append(entry(name))
    (found,) = volume.open().entries(0)
    assert found.name == name.encode()


def test_clusters_of_vendors_are_streams_of_their_own() -> None:
    guid = UUID("12345678-1234-5678-1234-567812345678")
    vendor = struct.pack("<BB16sHIQ", 0xE1, 3, guid.bytes_le, 0, 1040, 700)
    note = b"\xe0\0" + guid.bytes_le + bytes(14)
    volume = Exfat()
    volume.append(entry("x", 1000, 5, flags=3, more=(note, vendor)))
    streams = [s for s in volume.open().streams() if s.runs[0].first > 900]
    assert [(s.role, s.name, s.runs[0].first) for s in streams] == [
        (Role.FILE, b"", 998),
        (Role.META, f"vendor {guid} 4".encode(), 1038),
    ]


def test_the_guid_and_unknown_entries_of_the_root_are_told() -> None:
    guid = UUID("00112233-4455-6677-8899-aabbccddeeff")
    volume = Exfat()
    volume.append(sealed([b"\xa0\0\0\0\0\0" + guid.bytes_le + bytes(10)]))
    volume.append(b"\x8f" + bytes(31))
    volume.append(b"\xa2" + bytes(31))
    notes = volume.open().facts.notes
    assert notes == (f"its GUID is {guid}", "the root directory has an entry of the type 8f")


@pytest.mark.parametrize(
    ("zone", "seconds"), [(0x80, 0), (0x84, 3600), (0xF0, -4 * 3600), (0x96, 19800), (0x04, 0)]
)
def test_times_and_their_zones(zone: int, seconds: int) -> None:
    packed = (2024 - 1980) << 25 | 2 << 21 | 29 << 16 | 12 << 11 | 34 << 5 | 28
    times = struct.pack("<IIIBBBBB", packed, packed, 0, 150, 199, zone, zone, 0)
    volume = Exfat()
    number = volume.append(entry("x", times=times))
    facts = volume.open().facts_of(number)
    moment = timegm((2024, 2, 29, 12, 34, 56, 0, 0, 0)) - seconds
    assert facts.created_ns == moment * 10**9 + 1_500_000_000
    assert facts.modified_ns == moment * 10**9 + 1_990_000_000


def test_a_damaged_main_boot_region_is_made_good_by_its_copy() -> None:
    for change in (slice(0, 512), slice(80, 81), slice(11 * 512, 11 * 512 + 1)):
        volume = Exfat()
        before = volume.open().facts
        volume.raw[change] = bytes(b ^ 0x55 for b in volume.raw[change])
        after = volume.open().facts
        assert after.notes == ("the main boot region is damaged, its copy is used",)
        assert (after.units, after.serial, after.origin) == (
            before.units,
            before.serial,
            before.origin,
        )
        volume.raw[12 * 512 + 200] ^= 1
        with pytest.raises(FormatError):
            volume.open()


def test_a_damaged_copy_of_the_boot_region_is_told() -> None:
    volume = Exfat()
    assert volume.open().facts.notes == ()
    volume.raw[106] |= 2  # flags may differ
    assert volume.open().facts.notes == ()
    volume.raw[12 * 512 + 100] ^= 1
    assert volume.open().facts.notes == ("the copy of the boot region is damaged",)
    volume.seal(1)
    assert volume.open().facts.notes == ("the copy of the boot region is damaged",)


def test_flags_of_the_volume() -> None:
    volume = Exfat()
    volume.raw[106] = 2
    assert not volume.open().facts.clean
    volume.raw[106] = 4
    assert volume.open().facts.clean
    assert any("errors" in note for note in volume.open().facts.notes)


def set_field(offset: int, form: str, value: int) -> Callable[[Exfat], None]:
    def change(volume: Exfat) -> None:
        struct.pack_into(form, volume.raw, offset, value)

    return change


@pytest.mark.parametrize(
    "change",
    [
        set_field(72, "<Q", 1 << 40),
        set_field(72, "<Q", 100),
        set_field(80, "<I", 3),
        set_field(84, "<I", 1),
        set_field(88, "<I", 30),
        set_field(92, "<I", 1 << 30),
        set_field(92, "<I", 0),
        set_field(96, "<I", 1),
        set_field(96, "<I", 1 << 31),
        set_field(104, "<H", 0x200),
        set_field(108, "<B", 13),
        set_field(109, "<B", 17),
        set_field(110, "<B", 0),
        set_field(110, "<B", 3),
    ],
)
def test_wrong_fields_under_a_right_checksum_are_refused(change: Callable[[Exfat], None]) -> None:
    volume = Exfat()
    volume.raw[12 * 512 : 24 * 512] = bytes(12 * 512)
    volume.seal()
    volume.open()
    change(volume)
    volume.seal()
    with pytest.raises(FormatError):
        volume.open()


def test_texfat_uses_the_second_fat_and_bitmap() -> None:
    volume = Exfat()
    system = [volume.raw[at : at + 32] for at in range(volume.root_offset, volume.used, 32)]
    (first,) = [slot for slot in system if slot[0] == 0x81]
    (low,) = struct.unpack_from("<I", first, 20)
    (size,) = struct.unpack_from("<Q", first, 24)
    clusters = -(-size // 512)
    second = bytearray(first)
    second[1] = 1
    struct.pack_into("<I", second, 20, 1200)
    volume.append(bytes(second))
    volume.append(entry("x", 1100, 600))
    bitmap = volume.offset(low)
    start = volume.offset(1200)
    volume.raw[start : start + size] = volume.raw[bitmap : bitmap + size]
    volume.raw[start + 100] = 0xFF
    volume.link(*range(1200, 1200 + clusters))
    table = volume.fat * 512
    half = volume.fat_length * 512
    volume.link(1100, 1105)
    in_use = bytes(volume.raw[table : table + 4 * (volume.units + 2)])
    volume.link(1100, 1109)
    struct.pack_into("<I", volume.raw, table + 4 * 1105, 0)
    free = volume.heap * 512 - table
    if free < 2 * half:  # make room for a second table by shortening both
        half = free // 2 // 512 * 512
        struct.pack_into("<I", volume.raw, 84, half // 512)
    volume.raw[table + half : table + half + len(in_use)] = in_use
    volume.raw[110] = 2
    volume.raw[106] |= 1
    volume.seal()
    fs = volume.open()
    assert "it is TexFAT, FAT 1 is in use" in fs.facts.notes
    assert fs.allocation()[100] == 0xFF
    runs = [[tuple(r) for r in s.runs] for s in fs.streams() if s.role is Role.FILE]
    assert runs == [[(1098, 1), (1103, 1)]]


def test_the_allocation_bitmap_must_be_there_and_long_enough() -> None:
    volume = Exfat()
    at = next(a for a in range(volume.root_offset, volume.used, 32) if volume.raw[a] == 0x81)
    struct.pack_into("<Q", volume.raw, at + 24, (volume.units + 7) // 8 - 1)
    with pytest.raises(FormatError, match="too short"):
        volume.open()
    volume.raw[at] = 1
    with pytest.raises(FormatError, match="not to be found"):
        volume.open()


def test_bits_beyond_the_last_cluster_are_not_told() -> None:
    volume = Exfat()
    volume.units -= 3
    struct.pack_into("<I", volume.raw, 92, volume.units)
    volume.seal()
    assert volume.units % 8
    at = next(a for a in range(volume.root_offset, volume.used, 32) if volume.raw[a] == 0x81)
    (cluster,) = struct.unpack_from("<I", volume.raw, at + 20)
    last = volume.offset(cluster) + (volume.units + 7) // 8 - 1
    volume.raw[last] = 0xFF
    assert volume.open().allocation()[-1] == (1 << volume.units % 8) - 1


def test_a_damaged_upcase_table_is_told() -> None:
    volume = Exfat()
    at = next(a for a in range(volume.root_offset, volume.used, 32) if volume.raw[a] == 0x82)
    (cluster,) = struct.unpack_from("<I", volume.raw, at + 20)
    volume.raw[volume.offset(cluster) + 100] ^= 1
    assert volume.open().facts.notes == ("the up-case table is damaged",)


@pytest.mark.parametrize("cluster", [512, 4096, 65536, 1 << 20, 1 << 25])
def test_clusters_of_all_sizes(cluster: int, tmp_path: Path) -> None:
    """Of volumes of 4000 MiB, of which nothing but the system's tables is stored."""
    file = tmp_path / "image"
    with file.open("wb") as stream:
        stream.truncate(4000 << 20)
    run("mkfs.exfat", "-c", str(cluster), file)
    with file.open("rb") as stream:
        fs = open_exfat(FileBlocks(stream))
        said = dumped(file)
        assert fs.facts.unit == cluster
        assert fs.facts.units == said["Cluster Count"]
        used = sum(byte.bit_count() for byte in fs.allocation())
        assert used == fs.facts.units - said["Free Clusters"]
        assert sum(r.units for s in fs.streams() for r in s.runs) == used
