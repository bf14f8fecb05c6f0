"""Disk-image containers: what is in a raw, VHD, VHDX, QCOW2 or VMDK file, and how to write one.

Reading goes by places (``base``), writing by grains (``grains``); both know holes. The kind of a
file is told by its first bytes or its last ones. A raw image could be made to look like another
kind by whoever may write to that disk: name the kind where that matters.
"""

from collections.abc import Callable
from enum import Enum

from twofold.disk.base import BlockReader
from twofold.disk.containers import limits, qcow2, vhd, vhdx, vhdx_layout, vmdk
from twofold.disk.containers.base import Container, Extent, SparseReader
from twofold.disk.containers.qcow2_write import write_qcow2
from twofold.disk.containers.raw import RawImage, write_raw
from twofold.disk.containers.vhd_write import write_vhd
from twofold.disk.containers.vhdx_write import write_vhdx
from twofold.disk.containers.vmdk import Sibling
from twofold.disk.containers.vmdk_write import Details, write_vmdk
from twofold.errors import FormatError

__all__ = [
    "Container",
    "Details",
    "Extent",
    "ImageKind",
    "Sibling",
    "SparseReader",
    "kind_of",
    "open_container",
    "refuse_larger",
    "write_qcow2",
    "write_raw",
    "write_vhd",
    "write_vhdx",
    "write_vmdk",
]


class ImageKind(Enum):
    """The kinds of disk-image files."""

    RAW = "raw"
    VHD = "vhd"
    VHDX = "vhdx"
    QCOW2 = "qcow2"
    VMDK = "vmdk"


_OPENERS: dict[ImageKind, Callable[[BlockReader], Container]] = {
    ImageKind.RAW: RawImage,
    ImageKind.VHD: vhd.open_vhd,
    ImageKind.VHDX: vhdx.open_vhdx,
    ImageKind.QCOW2: qcow2.open_qcow2,
}
_LIMITS = {
    ImageKind.VHD: limits.VHD,
    ImageKind.VHDX: limits.VHDX,
    ImageKind.VMDK: limits.VMDK,
}
_LARGEST = 1 << 48
"""Bytes that a small file may claim to hold: what is empty costs time and memory, too."""
_MAGICS = (
    (vhdx_layout.IDENTIFIER, ImageKind.VHDX),
    (qcow2.MAGIC, ImageKind.QCOW2),
    (vmdk.MAGIC, ImageKind.VMDK),
    (vmdk.TEXT_MAGIC, ImageKind.VMDK),
    (vhd.COOKIE, ImageKind.VHD),
)


def kind_of(reader: BlockReader) -> ImageKind:
    """The kind of a disk-image file by its signature; raw when it has none."""
    start = reader.read(0, min(reader.size, 64))
    for magic, kind in _MAGICS:
        if start.startswith(magic):
            return kind
    return ImageKind.VHD if vhd.find_footer(reader) else ImageKind.RAW


def refuse_larger(kind: ImageKind, size: int) -> None:
    """``UsageError`` for a disk of more bytes than can be written as a file of this kind."""
    if kind in _LIMITS:
        _LIMITS[kind].check(size)


def open_container(
    reader: BlockReader, *, kind: ImageKind | None = None, sibling: Sibling | None = None
) -> Container:
    """The disk in an image file, of the kind given or told by its signature.

    ``sibling`` opens further files of the same folder, which some VMDK consist of. FormatError on
    damage, and for images that are encrypted or hold only changes to another one.
    """
    kind = kind or kind_of(reader)
    is_vmdk = kind is ImageKind.VMDK
    disk = vmdk.open_vmdk(reader, sibling) if is_vmdk else _OPENERS[kind](reader)
    if disk.size > max(_LARGEST, reader.size):
        raise FormatError(f"a disk of {disk.size:,} bytes is larger than any that there is")
    return disk
