"""What Windows calls the pieces of its own system image, and what it says about the volumes in it.

    WindowsImageBackup/<computer>/Backup 2019-02-22 124351/     (in UTC)
        9b9cfbc4-369e-11e9-a17c-806e6f6e6963.vhd                one disk per volume, by its GUID
        Esp.vhdx                                                the EFI system partition
        BackupSpecs.xml                                         which volume had which letter
        <guid>_Components.xml, <guid>_Writer<guid>.xml, ...     what the programs on it had to say
    WindowsImageBackup/<computer>/Catalog, SPPMetadataCache, MediaId

Windows 7 wrote VHD, later ones VHDX; each holds a partition table and one partition. None of this
is documented; it is told by backups that people have shown.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from xml.parsers import expat

from twofold.errors import FormatError

FOLDER = "WindowsImageBackup"
SPECS = "BackupSpecs.xml"
SPECS_LIMIT = 1 << 20
"""Bytes of the largest BackupSpecs.xml that is read; real ones have a thousand."""

_BACKUP = re.compile(r"Backup (\d{4})-(\d\d)-(\d\d) (\d\d)(\d\d)(\d\d)", re.ASCII | re.IGNORECASE)
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DISK = re.compile(rf"(?:({_GUID})|.+)\.vhdx?", re.IGNORECASE | re.DOTALL)
_VOLUME = re.compile(rf"\\\\\?\\Volume\{{({_GUID})\}}\\?", re.IGNORECASE)
_ESP = "esp"
_KNOWN = re.compile(
    rf"Catalog|SPPMetadataCache|MediaId|Logs|BackupSpecs\.xml|{_GUID}_.+\.xml|desktop\.ini",
    re.IGNORECASE | re.DOTALL,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ELEMENTS = 100_000
_DEPTH = 100


class SpecVolume(NamedTuple):
    """A volume as BackupSpecs.xml names it: ``path`` is a drive letter or folder, or empty."""

    guid: str
    path: str


def backup_time(folder: str) -> int | None:
    """When the backup in a folder of this name was made, in ns since 1970.

    None for a folder that holds no backup. ``FormatError`` for a date that there never was.
    """
    match = _BACKUP.fullmatch(folder)
    if match is None:
        return None
    try:
        made = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError as error:
        raise FormatError(f"its name is not a date ({error})") from error
    return (made - _EPOCH) // timedelta(seconds=1) * 10**9


def is_disk(name: str) -> bool:
    """Whether a file of this name holds a volume."""
    return _DISK.fullmatch(name) is not None


def is_known(name: str) -> bool:
    """Whether Windows is known to put an entry of this name beside the disks and backups."""
    return _KNOWN.fullmatch(name) is not None


def volume_guid(name: str) -> str:
    """The GUID in the name of a disk, in small letters; empty for one that has none."""
    match = _DISK.fullmatch(name)
    return (match[1] or "").lower() if match else ""


def volume_name(name: str, path: str, label: str) -> str:
    """What people call the volume in a disk: by its letter, or so that it is told from others.

    ``path`` is what BackupSpecs.xml says of it, ``label`` what its file system does.
    """
    if path:
        return path
    stem = name.rpartition(".")[0]
    if stem.lower() == _ESP:
        return "EFI system partition"
    return f"{label} {volume_guid(name)[:8] or stem}".strip()


def parse_specs(data: bytes) -> list[SpecVolume]:
    """The volumes that BackupSpecs.xml names.

    ``FormatError`` for what is no such file; entities and document types are refused, so that no
    few bytes stand for many.
    """
    if len(data) > SPECS_LIMIT:
        raise FormatError(f"it has more than {SPECS_LIMIT} bytes")
    found = _Volumes()
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = found.begin
    parser.EndElementHandler = found.end
    try:
        parser.Parse(_text(data).encode("utf-8"), True)
    except (expat.ExpatError, UnicodeError) as error:
        raise FormatError(f"it is not XML ({error})") from error
    if not found.is_specs:
        raise FormatError("it does not say what was backed up")
    return found.volumes


class _Volumes:
    """Collects what matters out of the elements."""

    def __init__(self) -> None:
        self.volumes: list[SpecVolume] = []
        self.is_specs = False
        self._elements = self._depth = 0

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > _ELEMENTS or self._depth > _DEPTH:
            raise FormatError("it has more elements than any such file")
        if self._depth == 1:
            self.is_specs = tag == "BackupSpecs"
        match = _VOLUME.fullmatch(attributes.get("Name", ""))
        if tag == "Volume" and match:
            path = attributes.get("AccessPath") or attributes.get("OriginalAccessPath") or ""
            self.volumes.append(SpecVolume(match[1].lower(), path.rstrip("\\")))

    def end(self, tag: str) -> None:
        del tag
        self._depth -= 1


def _refuse(*_declared: object) -> None:
    raise FormatError("it declares a document type or entities, as no such file does")


def _text(data: bytes) -> str:
    """Windows writes UTF-16 with a mark; without one it is told by the first character."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    if data[:2] == b"<\0":
        return data.decode("utf-16-le")
    return data.decode("utf-8-sig")
