"""Details of VHD: footers and their copy, bitmaps, kinds that are refused, geometry."""

from pathlib import Path

import pytest

from tests.disk.containers.disks import MIB, assert_same, make_disk, open_image, qemu_img
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers import Container, ImageKind, open_container
from twofold.disk.containers.vhd import FOOTER, Footer, checksum
from twofold.disk.containers.vhd_write import geometry
from twofold.errors import FormatError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_disk(tmp_path / "raw", 6 * MIB, [(100, 9000), (5 * MIB, 3)])


@pytest.fixture
def image(raw: Path) -> Path:
    path = raw.with_name("image")
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", raw, path)
    return path


def _open(data: bytes) -> Container:
    return open_container(MemoryBlocks(data), kind=ImageKind.VHD)


def test_a_lost_footer_is_had_from_its_copy(image: Path, raw: Path) -> None:
    image.write_bytes(image.read_bytes()[:-512])
    container = open_image(image)
    assert "footer" in container.notes[0]
    assert_same(container, raw)


def test_without_any_footer_it_is_refused(image: Path) -> None:
    data = bytearray(image.read_bytes()[:-512])
    data[70] ^= 1
    with pytest.raises(FormatError, match="footer"):
        _open(bytes(data))


def test_footers_of_511_bytes(tmp_path: Path, raw: Path) -> None:
    path = tmp_path / "fixed"
    qemu_img("convert", "-O", "vpc", "-o", "subformat=fixed,force_size=on", "-f", "raw", raw, path)
    path.write_bytes(path.read_bytes()[:-1])
    assert_same(open_image(path), raw)


def test_sectors_that_were_never_written_are_zeros(image: Path) -> None:
    """Whatever lies where they would be: their bit in the bitmap of the block is not set."""
    data = bytearray(image.read_bytes())
    block = int.from_bytes(data[1536:1540], "big") * 512
    assert data[block : block + 512] == b"\xff" * 512
    data[block] = 0b11011111
    data[block + 512 + 2 * 512 : block + 512 + 3 * 512] = b"\xee" * 512
    container = _open(bytes(data))
    assert container.read(512, 2048) == (
        data[block + 1024 : block + 1536] + bytes(512) + data[block + 2048 : block + 3072]
    )
    starts = [extent.offset for extent in container.extents()]
    assert starts[:2] == [0, 3 * 512]


def test_a_last_block_may_be_short(tmp_path: Path) -> None:
    """What of it is behind the end of the disk need not be stored: another block is there."""
    raw = make_disk(tmp_path / "raw", 3 * MIB, [(0, 3 * MIB)])
    qemu_img("convert", "-O", "vpc", "-o", "force_size=on", "-f", "raw", raw, tmp_path / "image")
    data = (tmp_path / "image").read_bytes()
    first, last = (int.from_bytes(data[at : at + 4], "big") for at in (1536, 1540))
    start, end = first * 512, last * 512
    table = (first + 1 + 2048).to_bytes(4, "big") + first.to_bytes(4, "big")
    head = data[:1536] + table + data[1544:start]
    short = data[end : end + 512 + MIB]
    image = tmp_path / "short"
    image.write_bytes(head + short + data[start:end] + data[-512:])
    qemu_img("compare", "-f", "raw", "-F", "vpc", raw, image)
    assert_same(open_image(image), raw)


def test_differencing_disks_are_refused(image: Path) -> None:
    data = image.read_bytes()
    footer = Footer(*FOOTER.unpack(data[-512:]))._replace(kind=4)
    sealed = footer._replace(checksum=checksum(FOOTER.pack(*footer), 64))
    with pytest.raises(FormatError, match="parent"):
        _open(data[:-512] + FOOTER.pack(*sealed))


@pytest.mark.parametrize("mib", [3, 40, 127, 503, 504, 600, 1500, 4000, 8063, 40_000, 127_000])
def test_geometry(tmp_path: Path, mib: int) -> None:
    """As QEMU computes it: its sizes are rounded to what its geometry says."""
    qemu_img("create", "-f", "vpc", tmp_path / "image", f"{mib}M")
    with (tmp_path / "image").open("rb") as file:
        footer = Footer(*FOOTER.unpack(file.read(512)))
    assert geometry(footer.size // 512) == (footer.cylinders, footer.heads, footer.sectors)
