"""The log of a VHDX is carried out as QEMU carries it out, and without touching the file."""

import random
import shutil
from pathlib import Path
from uuid import UUID

import pytest

from tests.disk.containers.dirty import (
    LOG_SIZE,
    PAGE,
    Change,
    entry,
    name_log,
    put_log,
)
from tests.disk.containers.disks import MIB, assert_same, make_disk, open_image, qemu_img
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers import open_container
from twofold.disk.containers.vhdx_layout import BLOCK_TABLE, read_regions, sealed
from twofold.errors import FormatError

OTHER = UUID(int=1)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A VHDX with blocks at several places."""
    raw = make_disk(tmp_path / "raw", 16 * MIB, [(MIB, 2 * MIB), (9 * MIB + 5, 70_000)])
    path = tmp_path / "whole"
    qemu_img("convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", raw, path)
    shutil.copy(path, tmp_path / "image")
    return tmp_path / "image"


def _table(data: bytearray) -> int:
    return read_regions(MemoryBlocks(bytes(data)))[BLOCK_TABLE][0]


def _page(seed: int) -> bytes:
    return random.Random(seed).randbytes(PAGE)


def _replayed_by_qemu(image: Path, data: bytearray) -> Path:
    """The disk after QEMU has carried out the log."""
    other = image.with_name("qemu.vhdx")
    other.write_bytes(data)
    qemu_img("check", "-r", "all", other)
    qemu_img("convert", "-f", "vhdx", "-O", "raw", other, image.with_name("qemu.raw"))
    return image.with_name("qemu.raw")


@pytest.mark.parametrize("start", [0, LOG_SIZE - 3 * PAGE, LOG_SIZE - PAGE])
def test_lost_tables_come_back(image: Path, start: int) -> None:
    """Three entries; the table of blocks was lost.

    Where in the ring they lie makes no difference, but QEMU 7.2 overlooks the first one when the
    ring ends between them: it is asked about the same entries at the start.
    """
    data = _torn(image, start)
    image.write_bytes(data)
    container = open_image(image)
    assert container.notes
    assert_same(container, _replayed_by_qemu(image, _torn(image.with_name("whole"), 0)))
    assert container.read(MIB + PAGE, 2 * PAGE) == bytes(PAGE) + _page(3)
    assert container.read(MIB + 100, 50) == _page(2)[100:150]
    assert image.read_bytes() == data


def _torn(image: Path, start: int) -> bytearray:
    """The image with its table of blocks lost, and a log that brings it back."""
    data = bytearray(image.read_bytes())
    table, size = _table(data), len(data)
    lost = bytes(data[table : table + PAGE])
    data[table : table + PAGE] = bytes(PAGE)
    block = (int.from_bytes(lost[8:16], "little") >> 20) * MIB
    zeroed = Change(block + PAGE, _page(5))  # by the next entry
    entries = [
        entry(41, start, [Change(table, _page(1)), Change(block, _page(2)), zeroed], size),
        entry(42, start, [Change(table), Change(block + PAGE, length=3 * PAGE)], size),
        entry(43, start, [Change(table, lost), Change(block + 2 * PAGE, _page(3))], size),
    ]
    put_log(data, start, entries)
    name_log(data)
    return data


def test_the_newest_sequence_that_is_whole_counts(image: Path) -> None:
    """Entries of another log, older ones, and a newer one that was torn are left alone."""
    data = bytearray(image.read_bytes())
    table, size = _table(data), len(data)
    whole = bytes(data[table : table + PAGE])
    wrong = Change(table, _page(1))
    older, whole_one = entry(7, 0, [wrong], size), entry(9, 3 * PAGE, [Change(table, whole)], size)
    torn = bytearray(entry(10, 3 * PAGE, [wrong], size))
    torn[-100] ^= 1
    put_log(data, 0, [older])
    put_log(data, 3 * PAGE, [whole_one, bytes(torn)])
    put_log(data, 64 * PAGE, [entry(11, 64 * PAGE, [wrong], size, identity=OTHER)])
    data[table : table + PAGE] = bytes(PAGE)
    name_log(data)
    image.write_bytes(data)
    assert_same(open_image(image), _replayed_by_qemu(image, data))
    assert_same(open_image(image), image.with_name("raw"))


def test_the_file_may_grow(image: Path) -> None:
    """A block behind the end of the file: the log says how long the file is to be.

    QEMU is given a file that is as long already.
    """
    data = bytearray(image.read_bytes())
    table, size = _table(data), len(data)
    end = -(-size // MIB) * MIB
    page = bytearray(data[table : table + PAGE])
    page[8 * 12 : 8 * 13] = (end | 6).to_bytes(8, "little")
    changes = [Change(table, bytes(page)), Change(end + PAGE, _page(4))]
    grown = bytearray(entry(5, 0, changes, size))
    grown[56:64] = (end + MIB).to_bytes(8, "little")
    put_log(data, 0, [sealed(bytes(grown))])
    name_log(data)
    container = open_container(MemoryBlocks(bytes(data)))
    assert container.read(12 * MIB, MIB) == (bytes(PAGE) + _page(4)).ljust(MIB, b"\0")
    data.extend(bytes(end + MIB - size))
    assert_same(container, _replayed_by_qemu(image, data))


@pytest.mark.parametrize("way", ["empty", "torn", "gap", "short file", "astray"])
def test_a_damaged_log_is_refused(image: Path, way: str) -> None:
    """The tables cannot be trusted when the log that would mend them is gone."""
    data = bytearray(image.read_bytes())
    table, size = _table(data), len(data)
    change = Change(table, _page(1))
    entries = {
        "empty": [],
        "torn": [entry(3, 0, [change], size)[:-1] + b"\xff"],
        "gap": [entry(3, 0, [change], size), entry(5, 0, [change], size)[: PAGE * 2]],
        "short file": [entry(3, 0, [change], size + 1)],
        "astray": [entry(3, 0, [Change(size, _page(1))], size)],
    }[way]
    if way == "gap":
        entries[0] = entry(3, 8192, [change], size)
    put_log(data, 0, entries)
    name_log(data)
    with pytest.raises(FormatError, match="log"):
        open_container(MemoryBlocks(bytes(data)))
