"""python -m tests.fuzz.make_corpus [NAME]...: makes the stored corpus anew with others' tools.

Run as root on Linux. What is stored is kept in the repository, so that fuzzing needs none of these
tools and a run's number means the same everywhere; making it anew makes other bytes.
"""

import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from backports import zstd

from tests.disk import fat_builder, hives, ntfs_volumes
from tests.disk import test_exfat_files as exfat_files
from tests.disk import test_fat_fuzz as fat_fuzz
from tests.disk.containers.dirty import PAGE, Change, entry, name_log, put_log
from tests.disk.containers.disks import MIB, make_disk, qemu_img
from tests.disk.ext_damage import small
from tests.disk.ext_volumes import mounted, run
from tests.disk.test_gpt import sgdisk
from tests.disk.test_lvm import Group
from tests.disk.test_lvm import lvm as lvm_tool
from tests.disk.test_mbr import LAYOUT, make
from tests.fuzz.make_formats import formats
from tests.fuzz.make_variants import IMAGES, texts
from tests.fuzz.subject import packed
from tests.fuzz.targets import CORPUS
from tests.imaging.pcs import linux
from twofold.disk.base import BlockReader
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers import Extent, write_qcow2, write_vhd, write_vhdx, write_vmdk

Made = Iterator[tuple[str, bytes]]
_SIZE = 3 * MIB + 512
_EXT = (
    "-t ext2 -b 1024 -O ^resize_inode",
    "-t ext4 -b 1024 -O ^has_journal,^metadata_csum,^resize_inode",
    "-t ext4 -b 1024 -O ^has_journal,inline_data,ea_inode,^resize_inode",
    "-t ext4 -b 1024 -C 4096 -O bigalloc,^has_journal,^metadata_csum,^resize_inode",
    "-t ext4 -b 1024 -g 512 -O meta_bg,^has_journal,^metadata_csum,^resize_inode",
)


def ntfs(folder: Path) -> Made:
    """A little of everything among few records, in clusters of three sizes."""
    for cluster, sector, mib in ((512, 512, 2), (4096, 512, 3), (4096, 4096, 3)):
        image = folder / f"{cluster}-{sector}"
        size = mib * MIB
        ntfs_volumes.build(image, [_filling], size=size, cluster=cluster, sector=sector, seed=4)
        yield image.name, image.read_bytes()


def _filling(folder: Path, rng: random.Random, cluster: int) -> None:
    (folder / "text").write_bytes(b"text " * 300)
    (folder / "text:stream").write_bytes(b"stream" * 30)
    (folder / "text:big").write_bytes(b"big" * cluster)
    place = folder / "packed"
    place.mkdir()
    if cluster <= 4096:
        os.setxattr(place, "system.ntfs_attrib", struct.pack("<I", 0x810))
    (place / "text").write_bytes(b"one two three " * 3000)
    for number in range(40):
        (place / f"{'n' * 60}{number}").touch()
    with (folder / "comb").open("wb") as file:
        for number in range(120):
            file.seek(2 * number * cluster)
            file.write(b"x")
    (folder / "link").touch()
    reparse = struct.pack("<IHHHHHHI", 0xA000000C, 16, 0, 0, 2, 2, 2, 1) + b"a\0b\0"
    os.setxattr(folder / "link", "system.ntfs_reparse_data", reparse)
    os.setxattr(folder / "comb", "system.ntfs_object_id", bytes(16))


def ext(folder: Path) -> Made:
    """Old and new ones, each structure once."""
    for number, words in enumerate(_EXT):
        below = folder / str(number)
        below.mkdir()
        yield str(number), small(words, below)


def fat(folder: Path) -> Made:
    """The three of them."""
    for bits in (12, 16, 32):
        yield str(bits), fat_fuzz.fat(bits)[0]


def exfat(folder: Path) -> Made:
    """One made by hand, one by the tool."""
    yield "made", fat_fuzz.exfat()[0]
    image = _sparse(folder / "tool", 8)
    run("mkfs.exfat", "-L", "label", image)
    yield "tool", image.read_bytes()


def _sparse(path: Path, mib: int) -> Path:
    with path.open("wb") as file:
        file.truncate(mib << 20)
    return path


def _files(place: Path) -> None:
    for number in range(60):
        (place / f"file {number}").write_bytes(b"text " * (number * number * 7))
    os.sync()
    for number in range(0, 60, 3):
        (place / f"file {number}").unlink()


def _mapped(folder: Path, words: str, mib: int) -> bytes:
    image = _sparse(folder / "volume", mib)
    run(*words.split(), image)
    mount = folder / "mount"
    mount.mkdir(exist_ok=True)
    with mounted(image, mount) as place:
        _files(place)
    return image.read_bytes()


def xfs(folder: Path) -> Made:
    """With blocks of two sizes."""
    for size in (1024, 4096):
        yield str(size), _mapped(folder, f"mkfs.xfs -q -f -b size={size}", 320)


def btrfs(folder: Path) -> Made:
    """Metadata twice and once."""
    for profile in ("dup", "single"):
        yield profile, _mapped(folder, f"mkfs.btrfs -q -f -m {profile}", 128)


def gpt(folder: Path) -> Made:
    """Two partitions."""
    path = _sparse(folder / "gpt", 2)
    sgdisk(path, "-a", "1", "-n", "1:40:+100K", "-n", "2:500:+1M", "-c", "1:name")
    yield "two", path.read_bytes()


def mbr(folder: Path) -> Made:
    """Primary and logical partitions, and an unpartitioned volume."""
    yield "logical", make(folder / "mbr", LAYOUT)
    yield "none", fat_fuzz.fat(12)[0]


def anything(folder: Path) -> Made:
    """A volume of each kind that signatures tell."""
    key = folder / "key"
    key.write_text("secret")
    luks = f"cryptsetup -q luksFormat --pbkdf-force-iterations 1000 --pbkdf pbkdf2 -d {key} --type"
    commands = {
        "swap": ("mkswap", 1),
        "luks1": (f"{luks} luks1", 16),
        "luks2": (f"{luks} luks2", 32),
        "journal": ("mkfs.ext4 -q -O journal_dev", 16),
    }
    for name, (words, mib) in commands.items():
        image = _sparse(folder / name, mib)
        subprocess.run([*words.split(), str(image)], check=True, capture_output=True)
        yield name, image.read_bytes()[: 64 << 10].ljust(MIB, b"\0")  # behind it: key material
    for name, places in (
        ("bitlocker", {0: b"\xeb\x58\x90-FVE-FS-", 510: b"\x55\xaa"}),
        ("refs", {3: b"ReFS\0\0\0\0", 16: b"FSRS"}),
        ("iso", {32768: b"\x01CD001\x01", 32808: b"DISC"}),
    ):
        data = bytearray(MIB)
        for at, piece in places.items():
            data[at : at + len(piece)] = piece
        yield name, bytes(data)
    yield "ext", small(_EXT[1], folder)
    yield "fat", fat_fuzz.fat(16)[0]


def lvm(folder: Path) -> Made:
    """A group with linear, striped and other volumes, cut short behind its metadata."""
    yield "group", Group(folder).data[0][: MIB + 65536]


def lvm_places(folder: Path) -> Made:
    """A whole group on one physical volume, one of its volumes in two pieces."""
    image = linux.blank(folder / "pv", 2)
    with linux.attached(image) as loop:
        for words in (
            f"pvcreate -y -ff {loop}",
            f"vgcreate -s 64k one {loop}",
            f"lvcreate -an -Zn -Wn -y -l 3 -n root one {loop}",
            f"lvcreate -an -Zn -Wn -y -l 2 -n swap one {loop}",
            f"lvextend -l +4 one/root {loop}",
            "lvcreate -an -Zn -Wn -y -l 2 --type error -n other one",
        ):
            lvm_tool(words, loop)
    yield "group", image.read_bytes()


def _written(write: Callable[[BlockReader, list[Extent], BinaryIO], None]) -> bytes:
    data = bytearray(_SIZE)
    for at in (0, MIB + 5, 2 * MIB, _SIZE - 9):
        data[at : at + 4000] = bytes(range(1, 251)) * 16
    out = BytesIO()
    write(MemoryBlocks(bytes(data[:_SIZE])), [Extent(0, _SIZE)], out)
    return out.getvalue()


def vhd(folder: Path) -> Made:
    """Dynamic and fixed."""
    yield "dynamic", _written(write_vhd)
    raw = make_disk(folder / "raw", _SIZE, [(0, 700)])
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed", raw, folder / "fixed")
    yield "fixed", (folder / "fixed").read_bytes()


def vhdx(folder: Path) -> Made:
    """One that was closed."""
    yield "clean", _written(write_vhdx)


def vhdx_log(folder: Path) -> Made:
    """One whose log waits."""
    data = bytearray(_written(write_vhdx))
    page = bytes(data[3 * MIB : 3 * MIB + PAGE])
    changes = [Change(3 * MIB, page), Change(4 * MIB, length=2 * PAGE)]
    put_log(data, 0, [entry(9, 0, changes, len(data))])
    name_log(data)
    yield "dirty", bytes(data)


def qcow2(folder: Path) -> Made:
    """Ours and qemu's, plain and packed."""
    yield "ours", _written(write_qcow2)
    raw = make_disk(folder / "raw", _SIZE, [(0, 9_000), (2 * MIB, 5000)])
    for name, words in (
        ("deflate", "-c"),
        ("zstd", "-c -o compression_type=zstd"),
        ("small", "-o cluster_size=512"),
    ):
        image = folder / name
        qemu_img("convert", "-f", "raw", "-O", "qcow2", *words.split(), raw, image)
        yield name, image.read_bytes()


def vmdk(folder: Path) -> Made:
    """Sparse, streamed, and a text that names others."""
    yield "sparse", _written(write_vmdk)
    yield "streamed", _written(lambda *words: write_vmdk(*words, stream_optimised=True))
    yield "text", _DESCRIPTOR


_DESCRIPTOR = (
    b'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="x"\n'
    b'RW 900 FLAT "a.vmdk" 0\nRW 7 ZERO\nRW 900 FLAT "b.vmdk" 512\nddb.x = "1"\n'
)
_LVM = (
    b'vg { id = "a-b" seqno = 3 status = ["READ", "WRITE"] extent_size = 8192 # words\n'
    b'physical_volumes { pv0 { id = "x" pe_start = 2048 pe_count = 9 } }\n'
    b'logical_volumes { root { segment1 { type = "striped" stripes = ["pv0", 0] f = 1.5 } } } }\n'
)
_LZNT1 = bytes.fromhex(  # the example of [MS-XCA] 3.3
    "38b08846232000204720410010a24701a0452044000845015079"
    "00c045200524138805b4024a44ef0358028c0916014845"
    "00be009e000401189000"
)
_WORDS = b"".join(b"line %d of a file\n" % number for number in range(900))


def codecs(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """(target, name, input) of the small decoders."""
    (folder / "ntfs").mkdir()
    volume = dict(ntfs(folder / "ntfs"))["4096-512"]
    yield "ntfs boot", "mkntfs", volume[:512]
    table = int.from_bytes(volume[48:56], "little") * 4096
    records = [volume[table + n * 1024 : table + n * 1024 + 1024] for n in range(80)]
    used = [n for n, record in enumerate(records) if record[:4] == b"FILE" and record[22] & 1]
    for number in (0, 3, 5, 9, *[n for n in used if n >= 24][:8]):
        yield "ntfs record", f"{number}", records[number]
    yield "ntfs fixups", "three", b"".join(records[:3])
    yield "ntfs fixups", "one torn", records[0] + b"BAAD" + records[1][4:]
    yield (
        "ntfs values",
        "times",
        struct.pack("<QQQQI", *[133_000_000_000_000_000] * 4, 32).ljust(72, b"\1"),
    )
    name = "a name".encode("utf-16-le")
    key = struct.pack("<Q48xIIBB", 5, 32, 0, len(name) // 2, 1) + name
    yield "ntfs values", "name", key
    yield (
        "ntfs values",
        "attributes",
        struct.pack("<IBBH", 16, 0, 3, 4)
        + b"key\0value..."
        + struct.pack("<IBBH", 0, 0, 1, 1)
        + b"k\0v",
    )
    yield "ntfs values", "list", struct.pack("<IHBBQQH6x", 0x80, 32, 0, 26, 0, 77, 1) * 2
    yield "ntfs runs", "some", b"\x20" + bytes.fromhex("2118345621081001081131203801e0212011ff00")
    yield "ntfs runs", "holes", b"\x3f" + bytes.fromhex("01100110410101020304017f00")
    yield "ntfs index", "root", _index(key)
    log = bytearray(4096 * 2)
    log[:4], log[4:8], log[24:26] = b"RSTR", struct.pack("<HH", 30, 9), struct.pack("<H", 48)
    log[48:64] = struct.pack("<QIHH", 7, 0, 0xFFFF, 2)
    yield "ntfs log", "clean", bytes(log)
    yield "ntfs log", "new", b"\xff" * 8192
    yield "lznt1", "words", _LZNT1
    yield (
        "lznt1",
        "plain",
        struct.pack("<H", 0x3000 | 99) + bytes(range(100)) + struct.pack("<HBB", 0xB001, 0, 65),
    )
    yield from _others(folder)


def _others(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    yield from _hives(folder)
    yield (
        "reparse",
        "symlink",
        struct.pack("<IHHHHHHI", 0xA000000C, 16, 0, 0, 2, 2, 2, 1) + b"a\0b\0",
    )
    yield "reparse", "junction", struct.pack("<IHHHHHH", 0xA0000003, 12, 0, 0, 2, 2, 2) + b"a\0b\0"
    yield "reparse", "wsl", struct.pack("<IHHI", 0xA000001D, 8, 0, 2) + b"path"
    block = small(_EXT[1], folder)
    yield "ext superblock", "ext4", block[1024:2048]
    yield "ext superblock", "ext2", small(_EXT[0], folder)[1024:2048]
    yield "ext directory", "block", _ext_block(folder)
    yield (
        "ext acl",
        "one",
        bytes.fromhex("01000000 01000600 02000700e8030000 04000400 10000700 20000000"),
    )
    yield (
        "fat entries",
        "some",
        b"".join(
            [
                fat_builder.slot(b"LABEL", 8),
                *fat_builder.long_slots("a long name of a file".encode("utf-16-le"), b"ALONGN~1"),
                fat_builder.slot(b"ALONGN~1", first=10, size=2500),
                fat_builder.slot(b"SUB", 0x10, 30),
            ]
        ),
    )
    yield "fat boot", "fat16", fat_fuzz.fat(16)[0][:512]
    yield "fat boot", "fat32", fat_fuzz.fat(32)[0][:512]
    made = exfat_files.Exfat()
    made.append(exfat_files.entry("chained file with a long name", 1000, 1300))
    made.append(exfat_files.entry("sub", 1100, 1024, attributes=0x10, flags=3))
    yield "exfat sets", "root", bytes(made.raw[made.root_offset : made.used])
    yield "lvm text", "group", _LVM
    yield "vmdk text", "descriptor", _DESCRIPTOR
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    yield "deflate", "words", packer.compress(_WORDS[:5000]) + packer.flush()
    yield "zstd", "words", zstd.compress(_WORDS[:5000])


def _hives(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    path = hives.made(folder / "hive", {"Names": {"who": "string:first", "many": "dword:5"}})
    old = path.read_bytes()
    hives.fill(path, {"Step": {"text": "string:" + "x" * 100, "": "string:default"}})
    new = path.read_bytes()
    yield "hive", "small", old
    yield "hive", "changed", new


def _index(key: bytes) -> bytes:
    """A root with one entry and one child, and the child's block."""
    size = 16 + len(key) + 7 & ~7
    entry = struct.pack("<QHHHH", 40, size, len(key), 0, 0) + key
    entry = entry.ljust(size, b"\0")
    last = struct.pack("<QHHHHQ", 0, 24, 0, 3, 0, 0)
    node = struct.pack("<IIIB3x", 16, 16 + size + 24, 16 + size + 24, 1)
    root = struct.pack("<IIIB3x", 0x30, 1, 4096, 1) + node + entry + last
    block = bytearray(4096)
    block[:24] = b"INDX" + struct.pack("<HHQQ", 40, 9, 0, 0)
    leaf = entry + struct.pack("<QHHHH", 0, 16, 0, 2, 0)
    block[24:40] = struct.pack("<IIIB3x", 64, 64 + len(leaf), 4000, 0)
    block[88 : 88 + len(leaf)] = leaf
    return struct.pack("<H", len(root)) + root + bytes(block)


def _ext_block(folder: Path) -> bytes:
    rows = []
    for number, name in enumerate((b".", b"..", b"file", b"a longer name", b"link")):
        size = 8 + len(name) + 3 & ~3
        rows.append(
            struct.pack("<IHBB", 2 + number, size, len(name), 1 + number % 3)
            + name.ljust(size - 8, b"\0")
        )
    rest = 1024 - sum(map(len, rows))
    return b"".join(rows) + struct.pack("<IHBB", 0, rest, 0, 0).ljust(rest, b"\0")


VOLUMES = (
    ntfs, ext, fat, exfat, xfs, btrfs, gpt, mbr, anything, lvm, lvm_places,
    vhd, vhdx, vhdx_log, qcow2, vmdk
)  # fmt: skip


def main(names: list[str]) -> None:
    """All, or those named."""
    for build in (*VOLUMES, *IMAGES):
        kind = build.__name__.replace("_", "-")
        if not names or kind in names:
            with tempfile.TemporaryDirectory() as folder:
                for name, data in build(Path(folder)):
                    _store(kind, f"{name}.xz", packed(data))
    for source in (codecs, formats, texts):
        if not names or not set(names) <= {build.__name__ for build in (*VOLUMES, *IMAGES)}:
            with tempfile.TemporaryDirectory() as folder:
                for kind, name, data in source(Path(folder)):
                    if not names or kind in names:
                        _store(kind.replace(" ", "-"), name.replace(" ", "-"), data)


def _store(kind: str, name: str, data: bytes) -> None:
    folder = CORPUS / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    sys.stdout.write(f"{kind}/{name}: {len(data)} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
