"""Disks put together from file systems: sfdisk writes the table and says where things are."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.imaging.disks import MIB, run

FILL = 0xA5


@dataclass(frozen=True)
class Volume:
    """A file system in a file, and what the table is to say of it."""

    kind: str
    """Who judges it: ntfs, ext, vfat, exfat, xfs, btrfs, swap, lvm, raw."""
    image: Path
    type: str
    """GUID, or hexadecimal digits of an MBR; as sfdisk takes them."""
    name: str = ""
    guid: str = ""
    attributes: str = ""
    discarded: tuple[str, ...] = ()
    """Files that an image need not keep."""

    @property
    def size(self) -> int:
        return self.image.stat().st_size


@dataclass(frozen=True)
class Part:
    """Where a volume is: its number on the disk, and its first byte."""

    volume: Volume
    number: int
    start: int


@dataclass(frozen=True)
class Disk:
    """A disk in a file."""

    path: Path
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def part(self, kind: str) -> Part:
        """The first part of a kind."""
        return next(part for part in self.parts if part.volume.kind == kind)


def gpt(path: Path, volumes: Sequence[Volume], guid: str) -> Disk:
    """A disk with a GPT; what lies between the partitions is not empty."""
    lines = ["label: gpt", f"label-id: {guid}"]
    start = MIB
    for volume in volumes:
        line = f"start={start // 512}, size={volume.size // 512}, type={volume.type}"
        for field, value in (("uuid", volume.guid), ("name", volume.name)):
            line += f', {field}="{value}"' if value else ""
        line += f', attrs="{volume.attributes}"' if volume.attributes else ""
        lines.append(line)
        start += _rounded(volume.size) + MIB
    return _made(path, volumes, lines, start + MIB, range(1, len(volumes) + 1))


def mbr(path: Path, primary: Sequence[Volume], logical: Sequence[Volume] = ()) -> Disk:
    """A disk with an MBR; logical partitions lie in an extended one behind the primary ones."""
    lines = ["label: dos", "label-id: 0x2f01d5ca"]
    start = MIB
    for volume in primary:
        lines.append(f"start={start // 512}, size={volume.size // 512}, type={volume.type}")
        start += _rounded(volume.size)
    lines[2] += ", bootable"
    if logical:
        room = sum(MIB + _rounded(volume.size) for volume in logical)
        number = len(primary) + 1
        lines.append(f"p{number} : start={start // 512}, size={room // 512}, type=f")
        for number, volume in enumerate(logical, 5):
            at = (start + MIB) // 512
            lines.append(f"p{number} : start={at}, size={volume.size // 512}, type={volume.type}")
            start += MIB + _rounded(volume.size)
    numbers = [*range(1, len(primary) + 1), *range(5, 5 + len(logical))]
    return _made(path, [*primary, *logical], lines, start + 2 * MIB, numbers)


def undivided(volume: Volume) -> Disk:
    """A stick without a table."""
    return Disk(volume.image, (Part(volume, 1, 0),))


def _rounded(size: int) -> int:
    return -(-size // MIB) * MIB


def _made(
    path: Path,
    volumes: Sequence[Volume],
    lines: Sequence[str],
    size: int,
    numbers: Sequence[int],
) -> Disk:
    path.write_bytes(b"")
    os.truncate(path, size)
    subprocess.run(
        ["sfdisk", "-q", path], input="\n".join(lines).encode(), check=True, capture_output=True
    )
    told = starts(path)
    parts = [
        Part(volume, number, told[number]) for number, volume in zip(numbers, volumes, strict=True)
    ]
    for part in parts:
        words = (f"seek={part.start}", "oflag=seek_bytes", "conv=notrunc,sparse")
        run("dd", f"if={part.volume.image}", f"of={path}", "bs=1M", *words)
    with path.open("r+b") as file:  # between the first partition and what is before it
        file.seek(MIB - 4096)
        file.write(b"a boot loader that lies before the first partition")
    return Disk(path, tuple(parts))


def starts(path: Path) -> dict[int, int]:
    """The first byte of each partition, as sfdisk says."""
    told = run("sfdisk", "-d", path).decode()
    name = re.escape(str(path))
    found = re.findall(rf"^{name}(?:p|-part)?(\d+) : start= *(\d+)", told, re.MULTILINE)
    return {int(number): int(start) * 512 for number, start in found}


def filled(path: Path, size: int) -> Path:
    """A file to restore onto that is full of something else."""
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(bytes([FILL]) * min(MIB, size - at))
    return path


@contextmanager
def device(path: Path, start: int, size: int, *, writable: bool = False) -> Iterator[Path]:
    """A part of a file as a block device."""
    words = ["losetup", "-f", "--show", "-o", str(start), "--sizelimit", str(size)]
    words += [] if writable else ["-r"]
    loop = run(*words, path).decode().strip()
    try:
        yield Path(loop)
    finally:
        run("losetup", "-d", loop)
