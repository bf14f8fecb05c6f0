"""Every kind of image that qemu-img writes reads as the raw disk that went into it."""

import subprocess
from pathlib import Path

import pytest

from tests.disk.containers.disks import (
    GIB,
    MIB,
    SMALL,
    assert_same,
    make_disk,
    open_image,
    qemu_img,
    small_places,
)
from twofold.disk.containers import Extent, ImageKind
from twofold.errors import FormatError

KINDS = [  # file name, format for qemu-img, its options
    ("v3.qcow2", "qcow2", ""),
    ("v2.qcow2", "qcow2", "-o compat=0.10"),
    ("deflate.qcow2", "qcow2", "-c"),
    ("zstd.qcow2", "qcow2", "-c -o compression_type=zstd"),
    ("tiny.qcow2", "qcow2", "-o cluster_size=512"),
    ("huge.qcow2", "qcow2", "-c -o cluster_size=2M"),
    ("whole.qcow2", "qcow2", "-o preallocation=metadata"),
    ("dynamic.vhd", "vpc", "-o force_size=on"),
    ("rounded.vhd", "vpc", ""),
    ("fixed.vhd", "vpc", "-o subformat=fixed,force_size=on"),
    ("dynamic.vhdx", "vhdx", ""),
    ("small.vhdx", "vhdx", "-o block_size=1M"),
    ("fixed.vhdx", "vhdx", "-o subformat=fixed"),
    ("sparse.vmdk", "vmdk", "-o subformat=monolithicSparse"),
    ("zeroed.vmdk", "vmdk", "-o subformat=monolithicSparse,zeroed_grain=on"),
    ("flat.vmdk", "vmdk", "-o subformat=monolithicFlat"),
    ("split.vmdk", "vmdk", "-o subformat=twoGbMaxExtentSparse"),
    ("splitflat.vmdk", "vmdk", "-o subformat=twoGbMaxExtentFlat"),
    ("stream.vmdk", "vmdk", "-o subformat=streamOptimized"),
]
WITHOUT_HOLES = {"whole.qcow2", "fixed.vhd", "flat.vmdk", "splitflat.vmdk"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_disk(tmp_path_factory.mktemp("raw") / "raw", SMALL, small_places())


@pytest.mark.parametrize(("name", "kind", "options"), KINDS, ids=[kind[0] for kind in KINDS])
def test_reads_what_qemu_wrote(
    raw: Path, tmp_path: Path, name: str, kind: str, options: str
) -> None:
    image = tmp_path / name
    qemu_img("convert", "-f", "raw", "-O", kind, *options.split(), raw, image)
    container = open_image(image)
    rounding = 17 * 63 * 512 * 16 if name == "rounded.vhd" else 0
    assert 0 <= container.size - SMALL <= rounding
    assert container.notes == ()
    assert_same(container, raw)
    stored = sum(extent.length for extent in container.extents())
    assert stored == container.size if name in WITHOUT_HOLES else stored < SMALL - 8 * MIB


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("qcow2", ""),
        ("vpc", "-o force_size=on"),
        ("vhdx", "-o block_size=1M"),
        ("vmdk", ""),
        ("vmdk", "-o subformat=twoGbMaxExtentSparse"),
    ],
)
def test_far_places_of_a_large_disk(tmp_path: Path, kind: str, options: str) -> None:
    """Behind tables of the second level, entries for bitmaps (4 GiB) and further files (2 GiB)."""
    size = 9 * GIB + 512
    places = [(at * GIB - 40_000, 90_000) for at in (1, 2, 4, 8)] + [(size - 100, 100)]
    raw = make_disk(tmp_path / "raw", size, places)
    image = tmp_path / "image.vmdk"
    qemu_img("convert", "-f", "raw", "-O", kind, *options.split(), raw, image)
    container = open_image(image)
    assert container.size == size
    stored = list(container.extents())
    with raw.open("rb") as file:
        for offset, length in places:
            file.seek(offset)
            assert container.read(offset, length) == file.read(length)
            assert any(e.offset <= offset and offset + length <= e.end for e in stored)
    assert sum(extent.length for extent in stored) <= len(places) * 2 * 2 * MIB
    assert container.read(6 * GIB, MIB) == bytes(MIB)


def test_raw_is_one_extent(raw: Path) -> None:
    container = open_image(raw)
    assert list(container.extents()) == [Extent(0, SMALL)]
    assert_same(container, raw)


@pytest.mark.parametrize(
    ("kind", "options"), [("qcow2", ""), ("vmdk", "-o zeroed_grain=on"), ("vhdx", "")]
)
def test_what_was_set_to_zeros(raw: Path, tmp_path: Path, kind: str, options: str) -> None:
    """Data that are still there, but no longer count."""
    image, zeroed = tmp_path / "image", tmp_path / "zeroed"
    qemu_img("convert", "-f", "raw", "-O", kind, *options.split(), raw, image)
    change = ["qemu-io", "-f", kind, "-c", "write -z 33M 1M", str(image)]
    subprocess.run(change, check=True, capture_output=True)
    qemu_img("convert", "-f", kind, "-O", "raw", image, zeroed)
    assert_same(open_image(image), zeroed)
    assert open_image(image).read(33 * MIB, MIB) == bytes(MIB)


def test_a_sector_outside_is_refused(raw: Path, tmp_path: Path) -> None:
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, tmp_path / "image")
    container = open_image(tmp_path / "image")
    with pytest.raises(FormatError, match="outside"):
        container.read(SMALL - 1, 2)
    with pytest.raises(FormatError, match="outside"):
        container.read(-1, 1)


def test_the_kind_named_counts(raw: Path, tmp_path: Path) -> None:
    """Whoever may write to a raw disk can make it look like an image of another kind."""
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, tmp_path / "image")
    assert open_image(tmp_path / "image").size == SMALL
    as_raw = open_image(tmp_path / "image", ImageKind.RAW)
    assert as_raw.read(0, 4) == b"QFI\xfb"


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("qcow2", ["-b", "base", "-F", "raw"], "backing file"),
        ("vmdk", ["-b", "base.vmdk", "-F", "vmdk"], "parent"),
        ("qcow2", ["-o", "extended_l2=on"], "extended tables"),
        ("qcow2", ["-o", "data_file=other"], "another file"),
        (
            "qcow2",
            [
                "--object",
                "secret,id=s,data=x",
                "-o",
                "encrypt.format=aes,encrypt.key-secret=s",
            ],
            "encrypted",
        ),
    ],
)
def test_images_that_are_not_whole_are_refused(
    tmp_path: Path, kind: str, options: list[str], words: str
) -> None:
    qemu_img("create", "-f", "raw", tmp_path / "base", "4M")
    qemu_img("create", "-f", "vmdk", tmp_path / "base.vmdk", "4M")
    options = [str(tmp_path / word) if word in ("base", "base.vmdk") else word for word in options]
    options = [word.replace("=other", f"={tmp_path / 'other'}") for word in options]
    qemu_img("create", "-f", kind, *options, tmp_path / "image", "4M")
    with pytest.raises(FormatError, match=words):
        open_image(tmp_path / "image")


def test_snapshots_inside_are_ignored(raw: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, image)
    qemu_img("snapshot", "-c", "before", image)
    assert_same(open_image(image), raw)


@pytest.mark.parametrize("name", ["../flat", "/etc/passwd", "a\\b", "c:flat", "..", "x\x07"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    text = f'# Disk DescriptorFile\nparentCID=ffffffff\nRW 8 FLAT "{name}" 0\n'
    (tmp_path / "disk.vmdk").write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match="outside of its folder"):
        open_image(tmp_path / "disk.vmdk")


def test_a_flat_file_that_is_too_short_is_refused(tmp_path: Path) -> None:
    qemu_img("create", "-f", "vmdk", "-o", "subformat=monolithicFlat", tmp_path / "d.vmdk", "1M")
    with (tmp_path / "d-flat.vmdk").open("r+b") as file:
        file.truncate(MIB - 1)
    with pytest.raises(FormatError, match="shorter"):
        open_image(tmp_path / "d.vmdk")
