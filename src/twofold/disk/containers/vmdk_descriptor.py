"""The descriptor of a VMDK: a text that says what the disk is made of.

    createType="twoGbMaxExtentFlat"
    RW 4192256 FLAT "disk-f001.vmdk" 0

An extent is a number of sectors kept in a file (flat: as they are; sparse: in grains) or nowhere
(zero). File names must be plain names of the descriptor's own folder: a descriptor may come from
anybody, and must not make us read elsewhere. A line that is not understood is an error: it may be
an extent, without which all that follows would lie elsewhere on the disk.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from twofold.disk.containers.base import SECTOR, refused
from twofold.errors import FormatError

TEXT_LIMIT = 1024 * 1024
_EXTENT_LIMIT = 4096
_NO_PARENT = "ffffffff"
_ACCESS = r"(?:RW|RDONLY|NOACCESS)"
_EXTENT = re.compile(
    rf"{_ACCESS}[ \t]+(\d{{1,18}})[ \t]+([A-Z0-9]+)"
    r'(?:[ \t]+"([^"]*)"(?:[ \t]+(\d{1,18}))?(?![^ \t])|$)',
    re.ASCII | re.IGNORECASE,
)
_SETTING = re.compile(r'([\w.]+)\s*=\s*"?([^"]*)"?\s*$', re.ASCII)
_OTHER = re.compile(rf"$|#|ddb\.|(?!{_ACCESS}\s)[^=]+=", re.ASCII | re.IGNORECASE)
"""How lines begin that are no extents: nothing, a comment, a setting of whatever form."""
_LINE_END = re.compile(r"\r\n?|\n")
_ENCODING = re.compile(rb'^\s*encoding\s*=\s*"?([\w-]+)', re.MULTILINE)


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
    """Read a descriptor; FormatError for lines that make no sense and for differencing disks."""
    settings: dict[str, str] = {}
    extents: list[ExtentLine] = []
    for line in _lines(data[:TEXT_LIMIT].split(b"\0", 1)[0]):
        if match := _EXTENT.match(line):
            sectors, kind, name, offset = match.groups()
            size, start = int(sectors) * SECTOR, int(offset or 0) * SECTOR
            extents.append(ExtentLine(size, kind.upper(), name or "", start))
        elif match := _SETTING.match(line):
            settings[match[1].lower()] = match[2]
        elif not _OTHER.match(line):
            raise FormatError(f"a line of the descriptor of the VMDK makes no sense: {line[:80]!r}")
    if settings.get("parentcid", _NO_PARENT).lower() != _NO_PARENT:
        raise refused("this VMDK holds only the changes to another disk image, its parent")
    if len(extents) > _EXTENT_LIMIT:
        raise FormatError("the descriptor of the VMDK names too many extents")
    return Descriptor(settings, tuple(extents))


def _lines(data: bytes) -> Iterator[str]:
    """The lines without what stands around them, in the encoding that the descriptor names."""
    named = _ENCODING.search(data)
    try:
        text = data.decode(named[1].decode() if named else "utf-8", "replace")
    except (LookupError, UnicodeError):
        text = data.decode("utf-8", "replace")
    return (line.strip(" \t\ufeff") for line in _LINE_END.split(text))


def plain_name(name: str) -> str:
    """The name, when it is that of a file in the descriptor's folder; FormatError otherwise."""
    if name in ("", ".", "..") or set(name) & set('/\\:\0"') or not name.isprintable():
        raise FormatError(f"the VMDK names a file outside of its folder: {name!r}")
    return name
