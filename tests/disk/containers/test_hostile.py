"""Containers made to cost: what they claim must not be what it takes to find out."""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO

import pytest

from tests.disk.containers.disks import GIB, MIB
from tests.disk.mutate import Metered
from twofold.disk.base import BlockReader
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers import (
    Extent,
    open_container,
    write_qcow2,
    write_vhd,
    write_vhdx,
    write_vmdk,
)
from twofold.errors import FormatError

TIB = 1 << 40
Write = Callable[[BlockReader, list[Extent], BinaryIO], None]


class Zeros:
    """An empty disk of any size."""

    sector_size = 512

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        return bytes(length)


def _written(write: Write, source: BlockReader, extents: list[Extent]) -> bytearray:
    out = BytesIO()
    write(source, extents, out)
    return bytearray(out.getvalue())


@pytest.mark.parametrize(
    ("write", "size"),
    [
        (write_vhdx, 16 * TIB),
        (write_qcow2, 256 * TIB),
        (write_vhd, 2040 * GIB),
        (write_vmdk, 64 * GIB),
    ],
)
def test_a_vast_empty_disk_is_walked_in_few_reads(write: Write, size: int) -> None:
    data = _written(write, Zeros(size), [])
    reader = Metered(bytes(data), most_bytes=40 * MIB, most_reads=3000)
    container = open_container(reader)
    assert container.size == size
    if write is write_vmdk:  # its tables all exist: half of them is enough of a walk
        assert container.read(size // 2, MIB) == bytes(MIB)
    else:
        assert list(container.extents()) == []


def test_one_qcow2_table_for_the_whole_disk() -> None:
    """A few bytes that would describe petabytes of the same."""
    data = _written(write_qcow2, MemoryBlocks(b"\x01" * 512), [Extent(0, 512)])
    table = data[65536 : 65536 + 8]
    struct.pack_into(">Q", data, 24, 512 * MIB * 1000)
    struct.pack_into(">I", data, 36, 1000)
    data[65536 : 65536 + 8000] = table * 1000
    container = open_container(MemoryBlocks(bytes(data)))
    with pytest.raises(FormatError, match="used twice"):
        list(container.extents())


def test_one_vmdk_table_for_the_whole_disk() -> None:
    size = 64 * MIB
    data = _written(write_vmdk, MemoryBlocks(b"\x01" * size), [Extent(0, 512)])
    directory = struct.unpack_from("<Q", data, 56)[0] * 512
    data[directory + 4 : directory + 8] = data[directory : directory + 4]
    container = open_container(MemoryBlocks(bytes(data)))
    with pytest.raises(FormatError, match="used twice"):
        list(container.extents())


@pytest.mark.parametrize(("write", "size"), [(write_vhd, 2 * MIB), (write_vhdx, MIB)])
def test_one_block_for_the_whole_disk(write: Write, size: int) -> None:
    """Each entry of 4 or 8 bytes would be megabytes to read."""
    data = _written(write, MemoryBlocks(b"\x01" * 6 * size), [Extent(0, 512), Extent(size, 512)])
    table, width = (1536, 4) if write is write_vhd else (3 * MIB, 8)
    assert open_container(MemoryBlocks(bytes(data))).read(size, 512) == b"\x01" * 512
    data[table + width : table + 2 * width] = data[table : table + width]
    container = open_container(MemoryBlocks(bytes(data)))
    assert container.read(0, size)[:513] == b"\x01" * 512 + b"\0"
    with pytest.raises(FormatError, match="one place"):
        list(container.extents())


def test_a_large_qcow2_of_small_clusters() -> None:
    """Its first table may have 32 MiB, as in QEMU."""
    data = _written(write_qcow2, MemoryBlocks(b""), [])
    entries = 1 << 22
    struct.pack_into(">IQ", data, 20, 9, entries * 32 * 1024)
    struct.pack_into(">I", data, 36, entries)
    data += bytes(65536 + entries * 8 - len(data))
    data[65536:] = bytes(entries * 8)
    container = open_container(MemoryBlocks(bytes(data)))
    assert (container.size, list(container.extents())) == (128 * GIB, [])


@pytest.mark.parametrize("size", [1 << 49, 1 << 62, 999_999_999_999_999_999 * 512])
def test_a_disk_larger_than_any(size: int) -> None:
    """Nothing of it need be stored: few bytes would be looked at for days."""
    text = f"# Disk DescriptorFile\nRW {size // 512} ZERO\n"
    with pytest.raises(FormatError, match="larger than any"):
        open_container(MemoryBlocks(text.encode()))


@pytest.mark.parametrize(
    ("at", "field", "value"),
    [
        (24, ">Q", 1 << 62),  # size
        (24, ">Q", 1 << 50),
        (36, ">I", 0),  # entries of the first table
        (40, ">Q", 1 << 60),  # its place
        (20, ">I", 8),  # cluster bits
        (20, ">I", 22),
        (20, ">I", 0xFFFFFFFF),
        (100, ">I", 0),  # length of the header
        (72, ">Q", 1 << 40),  # features
    ],
)
def test_impossible_qcow2_headers(at: int, field: str, value: int) -> None:
    data = _written(write_qcow2, MemoryBlocks(b"\x01" * MIB), [Extent(0, MIB)])
    struct.pack_into(field, data, at, value)
    with pytest.raises(FormatError):
        open_container(MemoryBlocks(bytes(data)))


@pytest.mark.parametrize(
    ("at", "field", "value"),
    [
        (12, "<Q", 1 << 60),  # capacity
        (20, "<Q", 0),  # grain
        (20, "<Q", 1 << 40),
        (44, "<I", 0),  # entries of a table
        (44, "<I", 1 << 31),
        (56, "<Q", 1 << 50),  # directory
        (4, "<I", 9),  # version
        (73, "<B", 13),  # line ends
    ],
)
def test_impossible_vmdk_headers(at: int, field: str, value: int) -> None:
    data = _written(write_vmdk, MemoryBlocks(b"\x01" * MIB), [Extent(0, MIB)])
    struct.pack_into(field, data, at, value)
    with pytest.raises(FormatError):
        open_container(MemoryBlocks(bytes(data)))


@pytest.mark.parametrize("write", [write_qcow2, write_vhd, write_vhdx, write_vmdk])
def test_a_file_that_was_cut_short(write: Write) -> None:
    """Never zeros instead of what is lost."""
    data = bytes(_written(write, MemoryBlocks(b"\x01" * 3 * MIB), [Extent(0, 3 * MIB)]))
    whole = open_container(MemoryBlocks(data)).read(0, 3 * MIB)
    for length in (0, 100, 600, 70_000, MIB, len(data) // 2, len(data) - 66_000):
        if length < 8 and write is not write_vhd:
            continue
        try:
            found = open_container(MemoryBlocks(data[:length]))
            if found.size == length:
                continue  # nothing is left that tells it from a raw image
            assert found.read(0, found.size) == whole
        except FormatError:
            pass
