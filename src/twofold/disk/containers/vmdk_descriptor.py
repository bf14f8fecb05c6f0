"""The descriptor of a VMDK: a text that says what the disk is made of.

    createType="twoGbMaxExtentFlat"
    RW 4192256 FLAT "disk-f001.vmdk" 0

An extent is a number of sectors kept in a file (flat: as they are; sparse: in grains) or nowhere
(zero). File names must be plain names of the descriptor's own folder: a descriptor may come from
anybody, and must not make us read elsewhere.
"""

import re
from typing import NamedTuple

from twofold.disk.containers.base import SECTOR, refused
from twofold.errors import FormatError

TEXT_LIMIT = 1024 * 1024
_EXTENT_LIMIT = 4096
_NO_PARENT = "ffffffff"
_EXTENT = re.compile(
    r"^(?:RW|RDONLY|NOACCESS)[ \t]+(\d{1,18})[ \t]+([A-Z0-9]+)"
    r'(?:[ \t]+"([^"]*)"(?:[ \t]+(\d{1,18}))?)?'
)
_SETTING = re.compile(r'^([\w.]+)\s*=\s*"?([^"]*)"?\s*$', re.ASCII)


class ExtentLine(NamedTuple):
    """One extent: sizes and offsets in bytes."""

    size: int
    kind: str
    """``FLAT``, ``SPARSE``, ``ZERO``, ``VMFS``, ..."""
    file: str
    offset: int
    """Where a flat extent begins in its file."""


class Descriptor(NamedTuple):
    """What the disk is made of, in order."""

    settings: dict[str, str]
    extents: tuple[ExtentLine, ...]


def parse_descriptor(data: bytes) -> Descriptor:
    """Read a descriptor; FormatError for names that lead elsewhere and for differencing disks."""
    settings: dict[str, str] = {}
    extents: list[ExtentLine] = []
    for line in data[:TEXT_LIMIT].split(b"\0", 1)[0].decode("utf-8", "replace").splitlines():
        if match := _EXTENT.match(line.strip()):
            sectors, kind, name, offset = match.groups()
            extents.append(
                ExtentLine(int(sectors) * SECTOR, kind, name or "", int(offset or 0) * SECTOR)
            )
        elif match := _SETTING.match(line.strip()):
            settings[match[1].lower()] = match[2]
    if settings.get("parentcid", _NO_PARENT).lower() != _NO_PARENT:
        raise refused("this VMDK holds only the changes to another disk image, its parent")
    if len(extents) > _EXTENT_LIMIT:
        raise FormatError("the descriptor of the VMDK names too many extents")
    return Descriptor(settings, tuple(extents))


def plain_name(name: str) -> str:
    """The name, when it is that of a file in the descriptor's folder; FormatError otherwise."""
    if name in ("", ".", "..") or set(name) & set('/\\:\0"') or not name.isprintable():
        raise FormatError(f"the VMDK names a file outside of its folder: {name!r}")
    return name
