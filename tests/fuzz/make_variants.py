"""More samples of what has many faces, made by the tools of the formats with other options.

Each is as small as the tool makes it. ``make_corpus`` stores them beside its own.
"""

import random
import re
import struct
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.disk import hives, test_hive_log, wim_resources
from tests.disk.containers.disks import MIB, make_disk, qemu_img
from tests.disk.ext_volumes import mounted, run
from tests.disk.md_builder import md_0, md_1
from tests.disk.test_gpt import sgdisk
from tests.disk.test_lvm import Group

Made = Iterator[tuple[str, bytes]]
_SIZE = 3 * MIB + 512
_MOST = 64 << 10  # bytes of a text

_QCOW2 = {
    "old": "-o compat=0.10",
    "large clusters": "-o cluster_size=2M",
    "refcounts of a bit": "-o refcount_bits=1",
    "refcounts of 64 bits": "-o refcount_bits=64,cluster_size=4096",
    "subclusters": "-o extended_l2=on,cluster_size=16k",
    "lazy": "-o lazy_refcounts=on",
    "allocated": "-o preallocation=metadata",
}
_VMDK = ("monolithicSparse", "streamOptimized")
_GPT = {
    "many": ["-a", "1", *(f"-n{n}:{100 + 20 * n}:+4K" for n in range(1, 30))],
    "types": ["-a", "1", "-n1:64:+64K", "-t1:ef00", "-n2:300:+64K", "-t2:8e00", "-A2:set:2"],
    "short": ["-S", "16", "-a", "1", "-n1:50:+9K"],
    "hybrid": ["-a", "1", "-n1:64:+64K", "-n2:300:+64K", "-h", "1:2"],
}
_MBR = {
    "chain": ["start=64,size=64,type=83", "start=200,type=f"]
    + [f"start={300 + 100 * n},size=50,type=83" for n in range(12)],
    "four": [f"start={100 + 300 * n},size=200,type={7 + n:x}" for n in range(4)],
}


def qcow2(folder: Path) -> Made:
    """By qemu: cluster sizes, widths of refcounts, subclusters, a snapshot inside."""
    raw = make_disk(folder / "raw", _SIZE, [(0, 300), (2 * MIB, 200)])
    for name, words in _QCOW2.items():
        image = folder / name
        qemu_img("convert", "-f", "raw", "-O", "qcow2", *words.split(), raw, image)
        yield name.replace(" ", "-"), image.read_bytes()
    qemu_img("snapshot", "-c", "before", folder / "old")
    yield "snapshot", (folder / "old").read_bytes()
    backed = folder / "backed"
    qemu_img("create", "-f", "qcow2", "-b", folder / "old", "-F", "qcow2", backed)
    yield "backed", backed.read_bytes()


def vhd(folder: Path) -> Made:
    """By qemu: dynamic, sparse and empty."""
    for name, pieces in (("qemu", [(0, 700), (2 * MIB, 90)]), ("empty", [])):
        raw = make_disk(folder / name, _SIZE, pieces)
        qemu_img("convert", "-f", "raw", "-O", "vpc", raw, folder / f"{name}.vhd")
        yield name, (folder / f"{name}.vhd").read_bytes()


def vhdx(folder: Path) -> Made:
    """By qemu: dynamic, fixed, with other blocks and a short log."""
    raw = make_disk(folder / "raw", _SIZE, [(0, 700), (2 * MIB, 90)])
    for name, words in (
        ("qemu", "subformat=dynamic"),
        ("fixed", "subformat=fixed"),
        ("large-blocks", "subformat=dynamic,block_size=33554432,log_size=1048576"),
    ):
        qemu_img("convert", "-f", "raw", "-O", "vhdx", "-o", words, raw, folder / name)
        yield name, (folder / name).read_bytes()


def vmdk(folder: Path) -> Made:
    """By qemu: sparse, streamed, an old adapter; texts that name several files."""
    raw = make_disk(folder / "raw", _SIZE, [(0, 700), (2 * MIB, 90)])
    for form in _VMDK:
        image = folder / f"{form}.vmdk"
        qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={form}", raw, image)
        yield form, image.read_bytes()
    yield from _vmdk_texts(folder)


def vmdk_text(folder: Path) -> Made:
    """The texts alone."""
    yield from _vmdk_texts(folder)


def _vmdk_texts(folder: Path) -> Made:
    raw = make_disk(folder / "raw", _SIZE, [(0, 700)])
    for form in ("twoGbMaxExtentSparse", "monolithicFlat", "twoGbMaxExtentFlat"):
        image = folder / f"{form}.vmdk"
        words = f"subformat={form},adapter_type=lsilogic"
        qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", words, raw, image)
        yield f"text-{form}", image.read_bytes()[:_MOST]


def gpt(folder: Path) -> Made:
    """By sgdisk: many, few and named partitions, a short table, a hybrid."""
    for name, words in _GPT.items():
        path = _sparse(folder / name, MIB)
        sgdisk(path, *words)
        yield name, path.read_bytes()


def mbr(folder: Path) -> Made:
    """By sfdisk: a long chain, four primary ones."""
    for name, lines in _MBR.items():
        path = _sparse(folder / name, MIB)
        script = "\n".join(["label: dos", *lines, ""])
        subprocess.run(["sfdisk", path], input=script, text=True, check=True, capture_output=True)
        yield name, path.read_bytes()


def md(folder: Path) -> Made:
    """Superblocks at all places that there are; little else is read."""
    size = 256 * 1024 + 512 * 3
    blocks = {"0.90": md_0(size)} | {v: md_1(size, v) for v in ("1.0", "1.1", "1.2")}
    for name, (place, block) in blocks.items():
        data = bytearray(size)
        data[place : place + len(block)] = block
        yield name, bytes(data)


def xfs(folder: Path) -> Made:
    """With reverse maps, without sparse inodes, without checksums."""
    for name, words in (
        ("rmap", "-m rmapbt=1,reflink=1"),
        ("sparse", "-i sparse=0 -b size=2048"),
    ):
        yield name, _volume(folder, f"mkfs.xfs -q -f {words}", 320, 25)
    image = _sparse(folder / "old", 320 * MIB)  # newer kernels do not mount it
    run("mkfs.xfs", "-q", "-f", "-m", "crc=0,finobt=0", image)
    yield "old", image.read_bytes()


def btrfs(folder: Path) -> Made:
    """Data and metadata in the same chunks; small nodes."""
    for name, words in (("mixed", "--mixed -n 4096"), ("nodes", "-m single -n 4096 -s 4096")):
        yield name, _volume(folder, f"mkfs.btrfs -q -f {words}", 120, 25)


def _volume(folder: Path, words: str, mib: int, files: int) -> bytes:
    image = _sparse(folder / "volume", mib * MIB)
    run(*words.split(), image)
    with mounted(image, folder / "mount") as place:
        for number in range(files):
            (place / f"file {number}").write_bytes(b"text " * (number * number * 9))
        (place / "file 3").unlink()
    return image.read_bytes()


def fat(folder: Path) -> Made:
    """By mkfs.fat and mtools: long names, folders, files in pieces."""
    for bits, mib in ((12, 1), (16, 9)):
        image = _sparse(folder / f"fat{bits}", mib * MIB)
        run("mkfs.fat", "-F", bits, "-s", 2 if bits == 12 else 4, "-n", "LABEL", image)
        _copied(folder, image)
        yield f"mtools-{bits}", image.read_bytes()


def _copied(folder: Path, image: Path) -> None:
    tree = folder / "tree"
    (tree / "Sub folder").mkdir(parents=True, exist_ok=True)
    for name, size in (("a long name of a file.text", 5000), ("SHORT.TXT", 10), ("empty", 0)):
        (tree / name).write_bytes(b"x" * size)
        (tree / "Sub folder" / f"{name} \u00e9\u2603").write_bytes(b"y" * size)
    run("mcopy", "-s", "-i", image, *sorted(tree.iterdir()), "::")
    run("mdel", "-i", image, "::SHORT.TXT")


def fat_entries(folder: Path) -> Made:
    """The folders of such a volume."""
    data = dict(fat(folder))["mtools-12"]
    reserved, tables, roots, table = struct.unpack_from("<HBH5xH", data[:64], 14)[:4]
    start = (reserved + tables * table - 0) * 512
    yield "root", data[start : start + min(32 * roots, 640)]
    at = data.find(b".          \x10")
    yield "folder", data[at : at + 512]


def exfat_sets(folder: Path) -> Made:
    """The root of a volume as mkfs.exfat leaves it."""
    image = _sparse(folder / "tool", 8 * MIB)
    run("mkfs.exfat", "-L", "label", image)
    data = image.read_bytes()
    (heap,), (root,) = struct.unpack_from("<I", data, 88), struct.unpack_from("<I", data, 96)
    shift, clusters = data[108], data[109]
    start = (heap << shift) + (root - 2 << shift + clusters)
    yield "tool", data[start : start + 256]


def lvm_text(folder: Path) -> Made:
    """What LVM's tools wrote into a metadata area, first and last."""
    area = Group(folder).data[0][4096 + 512 : MIB]
    texts = re.findall(rb"test \{\n.*?(?=\0)", area, re.DOTALL)
    yield from (("first", texts[0]), ("last", max(texts, key=len)))


def hive_log(folder: Path) -> Made:
    """A hive of one small bin and logs of it: one entry, two, and of the old kind."""
    path = hives.made(folder / "hive", {"N": {"who": "string:first"}})
    first = path.read_bytes()
    names = ["first".encode("utf-16-le"), "other".encode("utf-16-le"), "third".encode("utf-16-le")]
    assert names[0] in first
    states = [first.replace(names[0], name) for name in names]
    dirty = bytes(hives.rewritten(states[0], primary=100, secondary=99))
    entries = [
        test_hive_log.entry(100 + n, len(new) - 4096, test_hive_log.changes(old, new, 512))
        for n, (old, new) in enumerate(pairwise(states))
    ]
    for name, count in (("small", 1), ("two-entries", 2)):
        yield name, _with_log(dirty, test_hive_log.log(states[0], entries[:count]))
    yield "old", _with_log(dirty, _old_log(dirty, states[1]))


def _with_log(hive: bytes, log: bytes) -> bytes:
    return struct.pack("<I", len(hive)) + hive + log


def _old_log(dirty: bytes, new: bytes) -> bytes:
    """DIRT, a bit for each 512 bytes of the bins, and those that differ."""
    count = (len(new) - 4096) // 512
    changed = dict(test_hive_log.changes(dirty, new, 512))
    vector = sum(1 << place // 512 for place in changed).to_bytes(-(-count // 8), "little")
    head = bytes(hives.rewritten(dirty[:512], type=1, primary=100, secondary=100))
    return head + (b"DIRT" + vector).ljust(512, b"\0") + b"".join(changed.values())


def _words(length: int, lines: int) -> bytes:
    text = b"".join(b"line %d of a file\n" % number for number in range(lines))
    return (text + b"text " * length)[:length]


def xpress(folder: Path) -> Made:
    """Single chunks with copies near and far, long ones and literal bytes."""
    chance = random.Random(5)
    for name, content in (
        ("lines", _words(1000, 30)),
        ("long", _words(4096, 12)),
        ("bytes", chance.randbytes(60) + b"one two three " * 40),
    ):
        below = folder / name
        below.mkdir()
        yield (
            name,
            struct.pack("<H", len(content) - 1) + wim_resources.compress(content, below, 4096),
        )


def wof(folder: Path) -> Made:
    """Files of a few chunks, most of which are long copies."""
    for chunk, method, size in ((4096, 0, 9000), (8192, 2, 8492), (16384, 3, 16700)):
        below = folder / f"wof-{chunk}"
        below.mkdir()
        content = _words(size, 12)
        stored = wim_resources.compress(content, below, chunk)
        head = struct.pack("<IIII", 1, 2, 1, method) + len(content).to_bytes(5, "little")
        yield f"small-{chunk}", head + stored


def _sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


IMAGES = (qcow2, vhd, vhdx, vmdk, gpt, mbr, md, xfs, btrfs, fat)
TEXTS = (vmdk_text, fat_entries, exfat_sets, lvm_text, hive_log, xpress, wof)


def texts(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """(target, name, input) of the small decoders."""
    for build in TEXTS:
        kind = build.__name__.replace("_", " ")
        below = folder / kind
        below.mkdir()
        for name, data in build(below):
            yield kind, name, data
