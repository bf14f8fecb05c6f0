"""What is known of single files, as it was set through ntfs-3g or by hand."""

import os
import random
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk import ntfs_patches as patches
from tests.disk import ntfs_volumes as volumes
from tests.disk import wim_resources
from twofold.disk import HOLE, FileFacts, Kind, Role, Run, Stream
from twofold.disk.blocks import FileBlocks
from twofold.disk.ntfs import Ntfs, open_ntfs
from twofold.disk.ntfs.table import Table
from twofold.errors import FormatError

TEXT = b"".join(b"%d is a number\n" % number for number in range(3000))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "volume.img"
    volumes.make(path, size=16 << 20, cluster=4096, label="Ä label")
    return path


@pytest.fixture
def opened(image: Path) -> Iterator[Ntfs]:
    """The volume as it is when first used."""
    with image.open("rb") as file:
        yield open_ntfs(FileBlocks(file))


def number_of(fs: Ntfs, path: bytes) -> int:
    at = fs.root()
    for name in path.split(b"/"):
        at = next(entry.file for entry in fs.entries(at) if entry.name == name)
    return at


def facts(image: Path, path: bytes) -> FileFacts:
    with image.open("rb") as file:
        fs = open_ntfs(FileBlocks(file))
        return fs.facts_of(number_of(fs, path))


def streams(image: Path) -> list[Stream]:
    with image.open("rb") as file:
        return list(open_ntfs(FileBlocks(file)).streams())


def content(image: Path, path: bytes, stream: bytes = b"") -> bytes:
    with image.open("rb") as file:
        fs = open_ntfs(FileBlocks(file))
        found = fs.open(number_of(fs, path), stream)
        return found.read(0, found.size)


def test_volume(image: Path) -> None:
    """Serial number as blkid tells it; ntfsfix marks a volume as dirty."""
    words = ["blkid", "-p", "-o", "value", "-s", "UUID", str(image)]
    serial = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    with image.open("rb") as file:
        found = open_ntfs(FileBlocks(file)).facts
    assert (found.serial, found.label, found.clean) == (serial, "Ä label", True)
    subprocess.run(["ntfsfix", str(image)], check=True, capture_output=True)
    with image.open("rb") as file:
        assert not open_ntfs(FileBlocks(file)).facts.clean


def test_short_name(image: Path) -> None:
    with volumes.mounted(image) as folder:
        (folder / "long name.text").write_bytes(b"x")
        os.setxattr(folder / "long name.text", "system.ntfs_dos_name", b"LONGNA~1.TEX")
    found = facts(image, b"long name.text")
    assert (found.short_name, found.links) == (b"LONGNA~1.TEX", 1)


def _link(tag: int, substitute: str, shown: str, flags: bytes = b"") -> bytes:
    one, two = substitute.encode("utf-16-le"), shown.encode("utf-16-le")
    data = struct.pack("<HHHH", 0, len(one), len(one), len(two)) + flags + one + two
    return struct.pack("<IHH", tag, len(data), 0) + data


REPARSE = {
    "junction": (_link(0xA0000003, "\\??\\C:\\Users", "C:\\Users"), Kind.LINK, b"\\??\\C:\\Users"),
    "symlink": (_link(0xA000000C, "..\\ü", "..\\ü", b"\1\0\0\0"), Kind.LINK, "..\\ü".encode()),
    "wsl": (struct.pack("<IHHI", 0xA000001D, 8, 0, 2) + b"/etc", Kind.LINK, b"/etc"),
    "cloud": (struct.pack("<IHH", 0x9000701A, 4, 0) + b"data", Kind.FILE, None),
}


@pytest.mark.parametrize("name", REPARSE)
def test_reparse_points(name: str, image: Path) -> None:
    value, kind, target = REPARSE[name]
    with volumes.mounted(image) as folder:
        if name == "junction":
            (folder / name).mkdir()
        else:
            (folder / name).touch()
        os.setxattr(folder / name, "system.ntfs_reparse_data", value)
    found = facts(image, name.encode())
    assert (found.kind, found.target) == (kind, target)
    assert found.reparse == (int.from_bytes(value[:4], "little"), value[8:])
    with image.open("rb") as file:
        fs = open_ntfs(FileBlocks(file))
        assert [e.kind for e in fs.entries(fs.root()) if e.name == name.encode()] == [kind]


def _descriptor(number: int) -> bytes:
    """Self-relative: an owner and a group, both local accounts, and no lists."""
    sid = struct.pack("<BB6sIIIII", 1, 5, b"\0\0\0\0\0\5", 21, number, number * 7, 9, 1000)
    return struct.pack("<BBHIIII", 1, 0, 0x8000, 20, 20 + len(sid), 0, 0) + sid + sid


def test_security_descriptors(image: Path) -> None:
    """So many that the index of $Secure has levels."""
    with volumes.mounted(image) as folder:
        for number in range(250):
            (folder / f"{number}").touch()
            os.setxattr(folder / f"{number}", "system.ntfs_acl", _descriptor(number))
    with image.open("rb") as file:
        fs = open_ntfs(FileBlocks(file))
        owned = {e.name: fs.facts_of(e.file).security for e in fs.entries(fs.root())}
    assert owned == {b"%d" % number: _descriptor(number) for number in range(250)}
    names = [s.name for s in streams(image) if s.owner == 9]
    assert b"$SII:$INDEX_ALLOCATION" in names


def test_damaged_descriptor_is_had_from_the_copy(image: Path) -> None:
    with volumes.mounted(image) as folder:
        (folder / "file").touch()
        os.setxattr(folder / "file", "system.ntfs_acl", _descriptor(1))
    data = bytearray(image.read_bytes())
    first = next(s.runs[0].first for s in streams(image) if s.name == b"$SDS") * 4096
    data[first : first + 4096] = bytes(4096)
    image.write_bytes(data)
    assert facts(image, b"file").security == _descriptor(1)


def test_lost_descriptors_are_noted(image: Path) -> None:
    """$Secure without its stream: files can be read all the same."""
    with volumes.mounted(image) as folder:
        (folder / "file").write_bytes(b"content")
        os.setxattr(folder / "file", "system.ntfs_acl", _descriptor(1))

    def rename(record: bytearray, at: int, length: int) -> None:
        record[at + record[at + 10]] = ord("?")

    patches.edit_attribute(image, 9, 0x80, rename, "$SDS")
    assert content(image, b"file") == b"content"
    with image.open("rb") as file:
        fs = open_ntfs(FileBlocks(file))
        assert fs.facts_of(number_of(fs, b"file")).security is None
        assert "security descriptor" in fs.facts.notes[0]


def test_times_attributes_and_more(image: Path) -> None:
    """Creation time, attributes, object id, extended attributes."""
    created = 131_000_000_000_000_000
    attribute = struct.pack("<IBBH", 0, 0, 4, 5) + b"NAME\0value"
    attribute = struct.pack("<I", len(attribute) + 2) + attribute[4:] + b"\0\0"
    with volumes.mounted(image) as folder:
        (folder / "file").write_bytes(b"1234")
        os.utime(folder / "file", ns=(1, 1_500_000_000_123_456_700))
        os.setxattr(folder / "file", "system.ntfs_times", struct.pack("<Q", created))
        os.setxattr(folder / "file", "system.ntfs_attrib", struct.pack("<I", 0x3))
        os.setxattr(folder / "file", "system.ntfs_object_id", bytes(range(16)))
        os.setxattr(folder / "file", "system.ntfs_ea", attribute)
    found = facts(image, b"file")
    assert found.created_ns == (created - 116_444_736_000_000_000) * 100
    assert found.modified_ns == 1_500_000_000_123_456_700
    assert found.attributes == 0x3
    assert dict(found.xattrs)[b"NAME"] == b"value"
    assert dict(found.xattrs)[b"system.ntfs_object_id"][:16] == bytes(range(16))


@pytest.mark.parametrize(
    ("method", "chunk", "name"),
    [(0, 4096, "XPRESS"), (1, 32768, "LZX"), (2, 8192, "XPRESS"), (3, 16384, "XPRESS")],
)
def test_file_compressed_by_windows(
    method: int, chunk: int, name: str, image: Path, tmp_path: Path
) -> None:
    """The main stream is a hole of the file's size, the bytes are in WofCompressedData."""
    _make_wof(image, method, wim_resources.compress(TEXT, tmp_path, chunk, name))
    assert content(image, b"file") == TEXT
    found = facts(image, b"file")
    assert (found.kind, found.size) == (Kind.FILE, len(TEXT))


def test_a_method_that_is_not_known_is_told(image: Path) -> None:
    _make_wof(image, 4, b"packed")
    with pytest.raises(FormatError, match="method 4"):
        content(image, b"file")
    assert content(image, b"file", b"WofCompressedData") == b"packed"


def _make_wof(image: Path, method: int, stored: bytes) -> None:
    value = struct.pack("<IHHIIII", 0x80000017, 16, 0, 1, 2, 1, method)
    with volumes.mounted(image) as folder:
        (folder / "file").touch()
        (folder / "file:WofCompressedData").write_bytes(stored)
        os.truncate(folder / "file", len(TEXT))
        os.setxattr(folder / "file", "system.ntfs_reparse_data", value)


def test_what_is_beyond_the_valid_length_reads_zeros(image: Path) -> None:
    with volumes.mounted(image) as folder:
        (folder / "file").write_bytes(TEXT)
        number = (folder / "file").stat().st_ino

    def shorten(record: bytearray, at: int, length: int) -> None:
        record[at + 56 : at + 64] = (5001).to_bytes(8, "little")

    patches.edit_attribute(image, number, 0x80, shorten)
    with volumes.mounted(image, "ro") as folder:
        expected = (folder / "file").read_bytes()
    assert expected == TEXT[:5001] + bytes(len(TEXT) - 5001)
    assert content(image, b"file") == expected
    stream = next(s for s in streams(image) if s.owner == number)
    assert (stream.size, stream.valid) == (len(TEXT), 5001)


def test_encrypted(image: Path) -> None:
    """Told as it lies in its clusters, and not to be read."""
    with volumes.mounted(image) as folder:
        (folder / "file").write_bytes(TEXT)
        number = (folder / "file").stat().st_ino

    def encrypt(record: bytearray, at: int, length: int) -> None:
        record[at + 13] |= 0x40

    patches.edit_attribute(image, number, 0x80, encrypt)
    assert facts(image, b"file").encrypted
    with pytest.raises(FormatError, match="encrypted"):
        content(image, b"file")
    stream = next(s for s in streams(image) if s.owner == number)
    assert (stream.role, stream.size) == (Role.CODED, -(-len(TEXT) // 4096) * 4096)


def test_bad_clusters_are_told_but_not_wanted(image: Path, opened: Ntfs) -> None:
    """Without any, $BadClus claims nothing; with some, only these."""
    assert not [s for s in opened.streams() if s.owner == 8]
    units = opened.facts.units

    def break_some(record: bytearray, at: int, length: int) -> None:
        place = at + int.from_bytes(record[at + 32 : at + 34], "little")
        holes = (units - 1003).to_bytes(3, "little", signed=True)
        packed = bytes.fromhex("02e803 2103e803 03".replace(" ", "")) + holes + b"\0"
        record[place:] = packed + bytes(8) + b"\xff\xff\xff\xff" + bytes(len(record))
        del record[1024:]
        length = -(-(place + len(packed) - at) // 8) * 8
        record[at + 4 : at + 8] = length.to_bytes(4, "little")
        record[at + length : at + length + 8] = b"\xff\xff\xff\xff\0\0\0\0"
        record[24:28] = (at + length + 8).to_bytes(4, "little")

    patches.edit_attribute(image, 8, 0x80, break_some, "$Bad")
    info = subprocess.run(
        ["ntfsinfo", "-v", "-i", "8", str(image)], check=True, capture_output=True, text=True
    ).stdout
    assert "0x3e8" in info
    (bad,) = [s for s in streams(image) if s.owner == 8]
    assert bad.runs == (Run(HOLE, 1000), Run(1000, 3), Run(HOLE, units - 1003))
    assert bad.discard


def test_page_files_and_shadow_copies_are_not_wanted(image: Path) -> None:
    """Only where Windows puts them, and only as system files."""
    shadow = "{01234567-89ab-cdef-0123-456789abcdef}{3808876b-c176-4e48-b7ae-04046e6cc752}"
    wanted = ["sub/pagefile.sys", "hiberfil.sys", "System Volume Information/tracking.log"]
    unwanted = ["PageFile.sys", "swapfile.sys", f"System Volume Information/{shadow}"]
    with volumes.mounted(image) as folder:
        (folder / "sub").mkdir()
        (folder / "System Volume Information").mkdir()
        for path in [*wanted, *unwanted]:
            (folder / path).write_bytes(TEXT)
            if path != "hiberfil.sys":
                os.setxattr(folder / path, "system.ntfs_attrib", struct.pack("<I", 0x26))
        numbers = {path: (folder / path).stat().st_ino for path in [*wanted, *unwanted]}
    found = {s.owner: s for s in streams(image)}
    assert [path for path, number in numbers.items() if found[number].discard] == unwanted
    proven = [path for path, number in numbers.items() if found[number].stamp]
    assert proven == wanted, "Windows writes the others past the file system"


def test_files_below_extend_are_the_system_s(image: Path) -> None:
    """As $UsnJrnl, which changes without its times; here a file takes the place of $ObjId."""
    with volumes.mounted(image) as folder:
        (folder / "file").write_bytes(TEXT)
        number = (folder / "file").stat().st_ino

    def replace_first(record: bytearray, at: int, length: int) -> None:
        entry = at + int.from_bytes(record[at + 20 : at + 22], "little") + 32
        record[entry : entry + 6] = number.to_bytes(6, "little")

    assert [s.role for s in streams(image) if s.owner == number] == [Role.FILE]
    patches.edit_attribute(image, 11, 0x90, replace_first, "$I30")
    assert [(s.role, s.stamp) for s in streams(image) if s.owner == number] == [(Role.META, b"")]


def test_metafiles_are_no_entries(opened: Ntfs) -> None:
    """But can be opened by number, as all attributes by name."""
    assert list(opened.entries(opened.root())) == []
    assert opened.open(7).read(3, 4) == b"NTFS"
    assert opened.open(5, b"$I30:$INDEX_ROOT").read(0, 4) == b"\x30\0\0\0"


def test_file_of_many_streams_is_put_together_once(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are read a few times each, and not all of a file's for each of its streams."""
    with volumes.mounted(image) as folder:
        (folder / "many").write_bytes(b"main")
        for number in range(400):
            (folder / f"many:stream {number}").write_bytes(b"%d" % number * 100)
    asked: Counter[int] = Counter()
    record = Table.record
    monkeypatch.setattr(Table, "record", lambda table, n: asked.update([n]) or record(table, n))
    with image.open("rb") as file:
        fs = open_ntfs(FileBlocks(file))
        number = number_of(fs, b"many")
        names = list(fs.facts_of(number).streams)
        found = {name: fs.open(number, name).read(0, 1000) for name in names}
    assert found == {b"stream %d" % n: b"%d" % n * 100 for n in range(400)}
    assert len(asked) > 50
    assert max(asked.values()) < 10


def test_stamps(image: Path) -> None:
    """A write in place changes the stamp; reading and a change elsewhere do not."""
    rng = random.Random(1)
    with volumes.mounted(image) as folder:
        (folder / "a").write_bytes(rng.randbytes(10_000))
        (folder / "b").write_bytes(rng.randbytes(10_000))
        first, second = ((folder / name).stat().st_ino for name in "ab")
    before = {s.owner: s for s in streams(image)}
    with volumes.mounted(image, "noatime") as folder, (folder / "a").open("r+b") as file:
        file.write(b"changed")
        (folder / "b").read_bytes()
    after = {s.owner: s for s in streams(image)}
    assert after[first].runs == before[first].runs
    assert after[first].stamp != before[first].stamp != b""
    assert after[second] == before[second]


def test_compressed_files_of_noise_are_plain(image: Path) -> None:
    """What could not be made smaller lies as it is, and is found again in a file backup."""
    noise = random.Random(3).randbytes(8 * 65536)
    with volumes.mounted(image) as folder:
        os.setxattr(folder, "system.ntfs_attrib", struct.pack("<I", 0x810))
        (folder / "text").write_bytes(TEXT)
        (folder / "noise").write_bytes(noise)
        number = {name: (folder / name).stat().st_ino for name in ("text", "noise")}
    found = {s.owner: s for s in streams(image)}
    assert found[number["text"]].role is Role.CODED
    assert found[number["noise"]].role is Role.FILE
    assert facts(image, b"noise").attributes == 0x820
    stored = b"".join(
        image.read_bytes()[first * 4096 : (first + units) * 4096]
        for first, units in found[number["noise"]].runs
    )
    assert stored == noise
