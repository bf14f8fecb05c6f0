"""``WindowsImageBackup`` folders as Windows leaves them, made of real NTFS volumes.

Names, nesting and encodings follow listings and files that people have shown of theirs: one virtual
disk per volume with an MBR and one partition, XML in UTF-16 with a mark and without line ends.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from tests.disk.containers.disks import qemu_img
from tests.imaging.disks import make_ntfs, run

MIB = 1 << 20
_START = 128
"""First sector of the one partition in a virtual disk."""
_WRITERS = (
    "4dc3bdd4-ab48-4d07-adb0-3bee2926fd7f",
    "afbab4a2-367d-4d15-a586-71dbb18f8485",
    "be000cbe-11fe-4426-9c58-531aa6355fc4",
)


@dataclass(frozen=True)
class Volume:
    """A volume of the computer; ``letter`` is empty for one without, ``guid`` for the ESP."""

    content: Path
    guid: str
    letter: str = ""

    @property
    def stem(self) -> str:
        return self.guid or "Esp"


def guid_of(name: str) -> str:
    """A GUID that is the same in every run."""
    return str(uuid5(NAMESPACE_OID, name))


def ntfs_volume(path: Path, files: dict[str, bytes], size: int = 24 * MIB) -> Path:
    """An NTFS volume labelled ``Windows`` with these files, written through ntfs-3g."""
    tree = path.with_suffix(".tree")
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    make_ntfs(path, tree, path.with_suffix(".mount"), size)
    return path


def virtual_disk(volume: Path, to: Path) -> Path:
    """A volume as the one partition of a VHD or VHDX file, by its ending; the raw disk beside."""
    raw = raw_of(to)
    sectors = volume.stat().st_size // 512
    with raw.open("wb") as file:
        file.truncate((_START + sectors + 2048) * 512)
    script = f"label: dos\nlabel-id: 0x9b9cfbc3\nstart={_START}, size={sectors}, type=7\n"
    subprocess.run(["sfdisk", "-q", str(raw)], input=script.encode(), check=True)
    run("dd", f"if={volume}", f"of={raw}", f"seek={_START}", "conv=notrunc,sparse", "bs=512")
    kind = ["vhdx"] if to.suffix.lower() == ".vhdx" else ["vpc", "-o", "force_size=on"]
    qemu_img("convert", "-f", "raw", "-O", *kind, raw, to)
    return to


def raw_of(disk: Path) -> Path:
    """Where the raw disk is kept of which a virtual one was made: outside of the backup."""
    top = next(each.parent for each in disk.parents if each.name.startswith("WindowsImageBackup"))
    folder = top / "raw"
    folder.mkdir(exist_ok=True)
    return folder / "-".join(disk.parts[-3:])


def make_backup(
    top: Path, host: str, made: str, volumes: list[Volume], ending: str = ".vhdx"
) -> Path:
    """One backup below ``top``/WindowsImageBackup; ``made`` is as in ``2019-02-22 124351``."""
    computer = top / "WindowsImageBackup" / host
    folder = computer / f"Backup {made}"
    folder.mkdir(parents=True)
    for volume in volumes:
        virtual_disk(volume.content, folder / f"{volume.stem}{ending}")
    one = guid_of(f"{host} {made}")
    (folder / "BackupSpecs.xml").write_bytes(specs(volumes))
    others = ["AdditionalFilesc3b9f3c7-5e52-4d5e-8b20-19adc95a34c7", "Components"]
    others += ["RegistryExcludes", *(f"Writer{each}" for each in _WRITERS)]
    for name in others:
        (folder / f"{one}_{name}.xml").write_bytes(utf16("<Nothing/>"))
    _beside(computer, one)
    return folder


def _beside(computer: Path, backup: str) -> None:
    (computer / "MediaId").write_bytes(os.urandom(16))
    for name in ("Catalog/BackupGlobalCatalog", "Catalog/GlobalCatalog"):
        (computer / name).parent.mkdir(exist_ok=True)
        (computer / name).write_bytes(os.urandom(5698))
    cache = computer / "SPPMetadataCache"
    cache.mkdir(exist_ok=True)
    (cache / f"{{{backup}}}").write_bytes(os.urandom(57848))


def specs(volumes: list[Volume]) -> bytes:
    """BackupSpecs.xml: the volumes that have a GUID, with their letters."""
    parts = ["<BackupSpecs><FileSpecs>"]
    for volume in volumes:
        if not volume.guid:
            continue
        name = rf"\\?\Volume{{{volume.guid}}}" + "\\"
        where = f'AccessPath="{volume.letter}" OriginalAccessPath="{volume.letter}"'
        path = volume.letter + "\\" if volume.letter else name
        parts.append(f'<Volume Name="{name}" {where} Label="" OriginalLabel="" >')
        parts.append(f'<FileSpec FilePath="{path}" FileName="*" IsRecursive="true" ')
        parts.append('IsInclude="true" /></Volume>')
    parts.append('</FileSpecs><SystemState IsPresent="false" />')
    parts.append('<AllCritical IsPresent="true" /></BackupSpecs>')
    return utf16("".join(parts))


def utf16(text: str) -> bytes:
    """Text as Windows writes it."""
    return b"\xff\xfe" + text.encode("utf-16-le")
