"""Damaged tables and containers: FormatError or an answer, in bounded reads, and nothing else.

A few rounds for each kind, on what the tools make here and now; ``tests/fuzz`` does many, on a
stored corpus.
"""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.disk.containers.dirty import PAGE, Change, entry, name_log, put_log
from tests.disk.containers.disks import MIB, make_disk, qemu_img
from tests.disk.mutate import Sample, fuzz
from tests.disk.test_gpt import sgdisk
from tests.disk.test_lvm import Group
from tests.disk.test_lvm import group as _group
from tests.disk.test_mbr import LAYOUT, make
from twofold.disk.base import BlockReader
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers import (
    Extent,
    ImageKind,
    open_container,
    write_qcow2,
    write_vhd,
    write_vhdx,
    write_vmdk,
)
from twofold.disk.containers.vhd import checksum as vhd_checksum
from twofold.disk.containers.vhdx_layout import HEADER_PLACES, HEADER_SIZE, REGION_PLACES, sealed
from twofold.disk.lvm import open_volume_group
from twofold.disk.lvm_label import checksum as lvm_checksum
from twofold.disk.partitions import read_table
from twofold.disk.recognise import recognise

group = _group

QUICK = 100
KINDS = (
    "vhd",
    "vhdx",
    "dirty vhdx",
    "qcow2",
    "vmdk",
    "descriptor",
    "tables",
    "lvm",
    "volumes",
)
_SIZE = 3 * MIB + 512
_READ = 64 * 1024


def read_container(kind: ImageKind) -> Callable[[BlockReader], object]:
    """Open, walk the first extents, read a little of each and at fixed places."""

    def run(reader: BlockReader) -> None:
        container = open_container(reader, kind=kind, sibling=lambda _: MemoryBlocks(bytes(MIB)))
        for offset, length in islice(container.extents(), 64):
            container.read(offset, min(length, _READ))
        for offset in (0, container.size // 2, container.size - 512):
            if offset >= 0:
                container.read(offset, min(container.size - offset, _READ))

    return run


def _written(write: Callable[[BlockReader, list[Extent], BinaryIO], None]) -> bytes:
    data = bytearray(_SIZE)
    for at in (0, MIB + 5, 2 * MIB, _SIZE - 9):
        data[at : at + 4000] = bytes(range(1, 251)) * 16
    out = BytesIO()
    source = MemoryBlocks(bytes(data[:_SIZE]))
    write(source, [Extent(0, _SIZE)], out)
    return out.getvalue()


def _mend_vhd(data: bytearray) -> None:
    for at, size, place in ((0, 512, 64), (512, 1024, 36), (len(data) - 512, 512, 64)):
        total = vhd_checksum(bytes(data[at : at + size]), place)
        data[at + place : at + place + 4] = total.to_bytes(4, "big")


def _mend_vhdx(data: bytearray) -> None:
    for places, size in ((HEADER_PLACES, HEADER_SIZE), (REGION_PLACES, 65536)):
        for at in places:
            data[at : at + size] = sealed(bytes(data[at : at + size]))


def _mend_log(data: bytearray) -> None:
    length = int.from_bytes(data[MIB + 8 : MIB + 12], "little")
    if length <= 16 * PAGE:
        data[MIB : MIB + length] = sealed(bytes(data[MIB : MIB + length]))


def _mend_gpt(data: bytearray) -> None:
    for at in (512, len(data) - 512):
        start, count, size = struct.unpack_from("<QII", data, at + 72)
        if count * size <= 1 << 16 and start * 512 < len(data):
            total = zlib.crc32(data[start * 512 : start * 512 + count * size])
            struct.pack_into("<I", data, at + 88, total)
        length = min(int.from_bytes(data[at + 12 : at + 16], "little"), 512)
        struct.pack_into("<I", data, at + 16, 0)
        struct.pack_into("<I", data, at + 16, zlib.crc32(data[at : at + length]))


def _mend_lvm(data: bytearray) -> None:
    data[528:532] = lvm_checksum(bytes(data[532:1024])).to_bytes(4, "little")
    offset, length = struct.unpack_from("<QQ", data, 4096 + 40)
    if offset + length <= MIB:
        total = lvm_checksum(bytes(data[4096 + offset : 4096 + offset + length]))
        struct.pack_into("<I", data, 4096 + 56, total)
    data[4096:4100] = lvm_checksum(bytes(data[4100:4608])).to_bytes(4, "little")


def _vhd() -> list[Sample]:
    data = _written(write_vhd)
    ranges = [(0, 2048), (1536, 1600), (len(data) - 512, len(data))]
    return [Sample(data, ranges, _mend_vhd)]


def _vhdx() -> list[Sample]:
    data = _written(write_vhdx)
    ranges = [
        (65536, 65536 + 80),
        (192 * 1024, 192 * 1024 + 80),
        (2 * MIB, 2 * MIB + 200),
        (2 * MIB + 65536, 2 * MIB + 65536 + 40),
        (3 * MIB, 3 * MIB + 64),
    ]
    return [Sample(data, ranges, _mend_vhdx)]


def _dirty_vhdx() -> list[Sample]:
    data = bytearray(_written(write_vhdx))
    page = bytes(data[3 * MIB : 3 * MIB + PAGE])
    changes = [Change(3 * MIB, page), Change(4 * MIB, length=2 * PAGE)]
    put_log(data, 0, [entry(9, 0, changes, len(data))])
    name_log(data)
    ranges = [(MIB, MIB + 128), (MIB, MIB + 3 * PAGE), (65536 + 48, 65536 + 80)]

    def mend(data: bytearray) -> None:
        _mend_log(data)
        _mend_vhdx(data)

    return [Sample(bytes(data), ranges, mend)]


def _qcow2(folder: Path) -> list[Sample]:
    samples = [Sample(_written(write_qcow2), [(0, 112), (65536, 65536 + 16), (0, 1 << 19)])]
    raw = make_disk(folder / "raw", _SIZE, [(0, 70_000), (2 * MIB, 5000)])
    for index, words in enumerate(("-c", "-c -o compression_type=zstd", "-o cluster_size=512")):
        image = folder / f"{index}.qcow2"
        qemu_img("convert", "-f", "raw", "-O", "qcow2", *words.split(), raw, image)
        data = image.read_bytes()
        samples.append(Sample(data, [(0, 112), (0, len(data)), (0, len(data))]))
    return samples


def _vmdk() -> list[Sample]:
    sparse = _written(write_vmdk)

    def streamed(source: BlockReader, extents: list[Extent], out: BinaryIO) -> None:
        write_vmdk(source, extents, out, stream_optimised=True)

    other = _written(streamed)
    return [
        Sample(sparse, [(0, 80), (512, 1024), (21 * 512, 40 * 512)]),
        Sample(other, [(0, 80), (len(other) - 4096, len(other)), (65536, len(other))]),
    ]


def _descriptor() -> list[Sample]:
    text = b'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="x"\n'
    text += b'RW 900 FLAT "a.vmdk" 0\nRW 7 ZERO\nRW 900 FLAT "b.vmdk" 512\nddb.x = "1"\n'
    return [Sample(text)]


def _tables(folder: Path) -> list[Sample]:
    path = folder / "gpt"
    path.write_bytes(bytes(2 * MIB))
    sgdisk(path, "-a", "1", "-n", "1:40:+100K", "-n", "2:500:+1M", "-c", "1:name")
    gpt = Sample(path.read_bytes(), [(446, 512), (512, 604), (1024, 1280)], _mend_gpt)
    mbr = make(folder / "mbr", LAYOUT)
    records = [at for at in range(0, len(mbr), 512) if mbr[at + 510 : at + 512] == b"\x55\xaa"]
    return [gpt, Sample(mbr, [(at + 446, at + 512) for at in records])]


def _run_lvm(reader: BlockReader) -> None:
    for volume in open_volume_group([reader]).volumes:
        if volume.reader and volume.size:
            volume.reader.read(0, min(volume.size, _READ))


def _run_volumes(reader: BlockReader) -> None:
    recognise(reader)
    read_table(reader)


def _samples(kind: str, folder: Path, group: Group) -> list[Sample]:
    """What is stored for a kind, made by its builder."""
    lvm = Sample(group.data[0][: MIB + _READ], [(512, 700), (4096, 4700), (4608, 9000)], _mend_lvm)
    builders: dict[str, Callable[[], list[Sample]]] = {
        "vhd": _vhd,
        "vhdx": _vhdx,
        "dirty vhdx": _dirty_vhdx,
        "qcow2": lambda: _qcow2(folder),
        "vmdk": _vmdk,
        "descriptor": _descriptor,
        "tables": lambda: _tables(folder),
        "lvm": lambda: [lvm],
        "volumes": lambda: [Sample(bytes(range(256)) * 300), *_tables(folder)],
    }
    return builders[kind]()


_RUNS: dict[str, Callable[[BlockReader], object]] = {
    "vhd": read_container(ImageKind.VHD),
    "vhdx": read_container(ImageKind.VHDX),
    "dirty vhdx": read_container(ImageKind.VHDX),
    "qcow2": read_container(ImageKind.QCOW2),
    "vmdk": read_container(ImageKind.VMDK),
    "descriptor": read_container(ImageKind.VMDK),
    "tables": read_table,
    "lvm": _run_lvm,
    "volumes": _run_volumes,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_few(kind: str, tmp_path: Path, group: Group) -> None:
    """Some of the damage must be noticed, and not all of it matters."""
    rounds = QUICK // 10 if "vhdx" in kind else QUICK
    refused = fuzz(_samples(kind, tmp_path, group), _RUNS[kind], rounds)
    assert refused < rounds
    assert refused > 0 or kind in ("tables", "volumes")


def test_the_loop_finds_a_fault() -> None:
    """A parser that trusts a length is caught."""

    def careless(reader: BlockReader) -> None:
        data = reader.read(0, min(reader.size, 16))
        assert data[:1] != b"\xff"

    with pytest.raises(AssertionError, match="round"):
        fuzz([Sample(bytes(16))], careless, 2000)


def test_the_loop_stops_a_parser_that_asks_without_end() -> None:
    def endless(reader: BlockReader) -> None:
        while True:
            reader.read(0, 0)

    with pytest.raises(AssertionError, match="round 0"):
        fuzz([Sample(bytes(16))], endless, 1)
