"""What e2fsprogs and the kernel say about an ext volume, in plain data."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.disk.ext_volumes import debugfs, run

_PIECE = re.compile(r"\((\d+)(?:-(\d+))?(\[u\])?\):(\d+)(?:-(\d+))?")


def header(image: Path) -> dict[str, str]:
    """``dumpe2fs -h`` by the name of the field."""
    lines = run("dumpe2fs", "-h", image).splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def free_blocks(image: Path) -> set[int]:
    """Every block that dumpe2fs lists as free, in units of clusters when there are some."""
    free: set[int] = set()
    for line in run("dumpe2fs", image).splitlines():
        if line.startswith("  Free blocks: "):
            for part in line.partition(": ")[2].replace(",", " ").split():
                first, _, last = part.partition("-")
                free.update(range(int(first), int(last or first) + 1))
    return free


@dataclass
class Stat:
    """An inode as ``debugfs stat`` shows it."""

    kind: str = ""
    mode: int = 0
    flags: int = 0
    size: int = 0
    links: int = 0
    uid: int = 0
    gid: int = 0
    blocks: dict[int, int] = field(default_factory=dict)
    """Logical → physical, only written ones."""
    unwritten: dict[int, int] = field(default_factory=dict)


def stats(image: Path, inodes: set[int]) -> dict[int, Stat]:
    """``debugfs stat`` of all inodes."""
    found: dict[int, Stat] = {}
    for part in debugfs(image, [f"stat <{inode}>" for inode in sorted(inodes)]).split(
        "debugfs: stat <"
    )[1:]:
        found[int(part.partition(">")[0])] = _stat(part.partition("\n")[2])
    assert set(found) == inodes
    return found


def _stat(text: str) -> Stat:
    stat = Stat()
    head = re.search(r"Type: (.*?)\s+Mode:\s+(\d+)\s+Flags: (0x[0-9a-f]+)", text)
    assert head, text
    stat.kind, stat.mode, stat.flags = head[1], int(head[2], 8), int(head[3], 16)
    stat.links = int(_number(r"Links: (\d+)", text))
    owner = re.search(r"User:\s+(\d+)\s+Group:\s+(\d+)", text)
    size = re.search(r"Size: (\d+)", text)
    stat.size = int(size[1]) if size else 0
    if owner:
        stat.uid, stat.gid = int(owner[1]), int(owner[2])
    for logical, last, unwritten, physical, _ in _PIECE.findall(_blocks_part(text)):
        for step in range(int(last or logical) - int(logical) + 1):
            place = stat.unwritten if unwritten else stat.blocks
            place[int(logical) + step] = int(physical) + step
    return stat


def _number(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[1]


def _blocks_part(text: str) -> str:
    for heading in ("\nEXTENTS:\n", "\nBLOCKS:\n"):
        if heading in text:
            return text.partition(heading)[2].partition("\nTOTAL:")[0]
    return ""


def tree_of(place: Path) -> dict[bytes, os.stat_result]:
    """Every path below a folder, relative, with its lstat."""
    found = {}
    waiting = [b""]
    top = os.fsencode(place)
    while waiting:
        folder = waiting.pop()
        for entry in os.scandir(os.path.join(top, folder)):
            path = os.path.join(folder, entry.name)
            found[path] = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
    return found


def xattrs_of(path: bytes) -> dict[bytes, bytes]:
    """As the kernel shows them."""
    names = os.listxattr(path, follow_symlinks=False)
    return {os.fsencode(name): os.getxattr(path, name, follow_symlinks=False) for name in names}


def extracted(image: Path, place: Path) -> Path:
    """The whole tree as debugfs copies it out."""
    place.mkdir()
    debugfs(image, [f'rdump / "{place}"'])
    return place
