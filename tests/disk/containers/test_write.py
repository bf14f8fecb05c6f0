"""What is written passes qemu-img's check and compares equal to the raw disk."""

import json
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.disk.containers.disks import (
    GIB,
    MIB,
    SMALL,
    assert_same,
    blocks,
    make_disk,
    open_image,
    qemu_img,
    small_places,
)
from twofold.disk.base import BlockReader
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers import (
    Extent,
    ImageKind,
    open_container,
    write_qcow2,
    write_raw,
    write_vhd,
    write_vhdx,
    write_vmdk,
)
from twofold.disk.containers.grains import GRAIN, grains
from twofold.errors import FormatError, RefusedUnsafe, UsageError

Write = Callable[[BlockReader, list[Extent], BinaryIO], None]
WRITERS: list[tuple[str, str, Any]] = [
    ("raw", "raw", write_raw),
    ("vhd", "vpc", write_vhd),
    ("fixed vhd", "vpc", partial(write_vhd, fixed=True)),
    ("vhdx", "vhdx", write_vhdx),
    ("qcow2", "qcow2", write_qcow2),
    ("vmdk", "vmdk", write_vmdk),
    ("streamed vmdk", "vmdk", partial(write_vmdk, stream_optimised=True)),
]
writers = pytest.mark.parametrize(("name", "kind", "write"), WRITERS, ids=[w[0] for w in WRITERS])


def _export(write: Write, raw: Path, image: Path, extents: list[Extent]) -> None:
    with image.open("wb") as out:
        write(blocks(raw), extents, out)


def _verify(kind: str, raw: Path, image: Path) -> None:
    if kind in ("qcow2", "vhdx", "vmdk"):
        qemu_img("check", "-f", kind, image)
    assert "identical" in qemu_img("compare", "-f", "raw", "-F", kind, raw, image)


@writers
def test_a_small_disk(tmp_path: Path, name: str, kind: str, write: Write) -> None:
    raw = make_disk(tmp_path / "raw", SMALL, small_places())
    image = tmp_path / "image"
    _export(write, raw, image, [Extent(0, SMALL)])
    _verify(kind, raw, image)
    told = json.loads(qemu_img("info", "--output=json", "-f", kind, image))
    assert told["virtual-size"] == SMALL
    assert_same(open_image(image), raw)
    holes = 0 if "fixed" in name else SMALL // 2
    assert image.stat().st_blocks * 512 < SMALL - holes


@pytest.mark.slow
@writers
def test_a_large_disk_with_little_on_it(tmp_path: Path, name: str, kind: str, write: Write) -> None:
    """Far behind the first tables."""
    size = 200 * GIB
    places = [(at * GIB - 40_000, 90_000) for at in (1, 2, 4, 8, 128)] + [(size - 100, 100)]
    raw = make_disk(tmp_path / "raw", size, places)
    image = tmp_path / "image"
    _export(write, raw, image, [Extent(*place) for place in places])
    assert image.stat().st_blocks * 512 < 40 * MIB
    if kind in ("qcow2", "vhdx", "vmdk"):
        qemu_img("check", "-f", kind, image)
    told = json.loads(qemu_img("map", "--output=json", "-f", kind, image))
    for offset, _ in places:
        assert any(
            part["data"] and part["start"] <= offset < part["start"] + part["length"]
            for part in told
        )
    with raw.open("rb") as file:
        for offset, length in places:
            file.seek(offset)
            assert open_image(image).read(offset, length) == file.read(length)


@writers
@pytest.mark.parametrize("size", [0, 1, 511, 512, 65536, 65537, 2 * MIB + 1])
def test_any_size(tmp_path: Path, name: str, kind: str, write: Write, size: int) -> None:
    """Containers count in sectors: a disk that does not is rounded up with zeros, never down."""
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(size // 2) + b"\x07" * (size - size // 2))
    image = tmp_path / "image"
    _export(write, raw, image, [Extent(0, size)])
    rounded = size if kind == "raw" else -(-size // 512) * 512
    with image.open("rb") as file:
        container = open_container(MemoryBlocks(file.read()), kind=_kind(kind))
    assert container.size == rounded
    assert container.read(0, rounded) == raw.read_bytes().ljust(rounded, b"\0")
    if size == 65537:  # qemu opens no empty disks of some kinds
        _verify(kind, raw, image)


def _kind(kind: str) -> ImageKind:
    return ImageKind.VHD if kind == "vpc" else ImageKind(kind)


@pytest.mark.parametrize("sector", [512, 4096])
def test_vhdx_keeps_the_sector_size(tmp_path: Path, sector: int) -> None:
    raw = make_disk(tmp_path / "raw", 8 * MIB, [(4096, 5)])
    with (tmp_path / "image").open("wb") as out:
        write_vhdx(blocks(raw, sector), [Extent(0, 8 * MIB)], out)
    container = open_image(tmp_path / "image")
    assert container.sector_size == sector
    assert_same(container, raw)
    if sector == 512:  # qemu opens no others
        _verify("vhdx", raw, tmp_path / "image")


@writers
def test_what_is_not_in_an_extent_is_left_out(
    tmp_path: Path, name: str, kind: str, write: Write
) -> None:
    raw = make_disk(tmp_path / "raw", 4 * MIB, [(0, 4 * MIB)])
    wanted = [(1000, 70_000), (MIB - 1, 2), (3 * MIB + 5, 900)]
    image = tmp_path / "image"
    _export(write, raw, image, [Extent(*place) for place in wanted])
    expected = tmp_path / "expected"
    with raw.open("rb") as source, expected.open("wb") as file:
        file.truncate(4 * MIB)
        for offset, length in wanted:
            source.seek(offset)
            file.seek(offset)
            file.write(source.read(length))
    _verify(kind, expected, image)


@writers
def test_nothing_is_written_over(tmp_path: Path, name: str, kind: str, write: Write) -> None:
    out = BytesIO(b"something")
    with pytest.raises(RefusedUnsafe):
        write(MemoryBlocks(bytes(512)), [], out)
    assert out.getvalue() == b"something"


def test_too_large_a_disk_is_refused() -> None:
    class Large(MemoryBlocks, frozen=True):
        @property
        def size(self) -> int:
            return 65 * 1024**4

    for write in (write_vhd, write_vhdx, write_vmdk):
        out = BytesIO()
        with pytest.raises(UsageError, match="iB"):
            write(Large(b""), [], out)
        assert not out.getvalue()


@pytest.mark.parametrize(
    "extents",
    [
        [Extent(512, 512), Extent(0, 512)],
        [Extent(0, 600), Extent(512, 512)],
        [Extent(0, 4 * MIB + 1)],
        [Extent(0, -1)],
    ],
)
def test_extents_that_are_not_in_order_are_refused(extents: list[Extent]) -> None:
    with pytest.raises(FormatError, match="not in order"):
        write_raw(MemoryBlocks(bytes(4 * MIB)), extents, BytesIO())


@given(
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 150_000)), min_size=1, max_size=12)
)
def test_grains_are_what_the_extents_hold(steps: list[tuple[int, int]]) -> None:
    """Against a plain picture of the disk: grains come once, in order, whole, and never zero."""
    size = sum(gap + length for gap, length in steps) + 777
    expected = bytearray(size)
    extents, place = [], 0
    for gap, length in steps:
        extents.append(Extent(place + gap, length))
        expected[place + gap : place + gap + length] = b"\xab" * length
        place += gap + length
    source = MemoryBlocks(b"\xab" * size)
    rebuilt, before = bytearray(size), -1
    for offset, data in grains(source, extents):
        assert offset > before and offset % GRAIN == 0
        assert any(data) and len(data) == min(GRAIN, size - offset)
        rebuilt[offset : offset + len(data)] = data
        before = offset
    assert rebuilt == expected
