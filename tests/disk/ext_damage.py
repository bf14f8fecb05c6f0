"""Ext volumes in memory, edited byte by byte, and a reader that counts what is asked of it."""

import re
from pathlib import Path

from tests.disk.ext_volumes import debugfs, run
from twofold.disk import Kind, Stream
from twofold.disk.blocks import check_range
from twofold.disk.ext import ExtVolume
from twofold.errors import FormatError


class TooMuch(AssertionError):
    """More was read than any sound volume needs."""


class Counting:
    """Bytes in memory; reading more than a budget is a failure of the test."""

    sector_size = 512

    def __init__(self, data: bytes | bytearray, budget: int) -> None:
        self._data = data
        self.size = len(data)
        self.left = budget

    def read(self, offset: int, length: int) -> bytes:
        # A read has a price even if it is short.
        self.left -= length + 16
        if self.left < 0:
            raise TooMuch
        check_range(self, offset, length)
        return bytes(self._data[offset : offset + length])


def small(words: str, folder: Path, kibibytes: int = 1024) -> bytes:
    """A small volume that has every structure once."""
    tree = folder / "tree"
    if not tree.exists():
        (tree / "sub" / "below").mkdir(parents=True)
        (tree / "crowd").mkdir()
        (tree / "large").write_bytes(b"large" * 30_000)
        (tree / "punched").write_bytes(b"punch" * 10_000)
        (tree / "tiny").write_bytes(b"tiny")
        (tree / "link").symlink_to("x" * 100)
        (tree / "fast").symlink_to("tiny")
        for number in range(40):
            (tree / "crowd" / f"someone with a long name {number}").touch()
    image = folder / "small.img"
    image.write_bytes(bytes(kibibytes << 10))
    run("mke2fs", "-q", "-F", "-N", "96", *words.split(), "-d", tree, image)
    debugfs(
        image,
        [f"punch punched {block} {block}" for block in range(1, 40, 2)]
        + [f"ea_set tiny user.{name} {name * 40}" for name in ("one", "two", "three")],
        write=True,
    )
    return image.read_bytes()


def inode_offset(data: bytes, path: str, folder: Path) -> int:
    """The byte where the inode of a path begins, as debugfs tells."""
    image = folder / "asked.img"
    image.write_bytes(data)
    told = debugfs(image, [f"imap {path}"])
    found = re.search(r"located at block (\d+), offset (0x[0-9a-f]+)", told)
    assert found, told
    block_size = 1024 << int.from_bytes(data[1048:1052], "little")
    return int(found[1]) * block_size + int(found[2], 16)


def patched(data: bytes, offset: int, new: bytes) -> bytes:
    """With other bytes at an offset."""
    return data[:offset] + new + data[offset + len(new) :]


def exercise(volume: ExtVolume) -> list[Stream]:
    """Ask a volume everything; what is damaged may say so, and nothing else may happen."""
    volume.allocation()
    streams = list(volume.streams())
    seen = {volume.root()}
    waiting = [volume.root()]
    while waiting:
        number = waiting.pop()
        _exercise_file(volume, number)
        try:
            for entry in volume.entries(number):
                if entry.file not in seen:
                    seen.add(entry.file)
                    if entry.kind is Kind.DIRECTORY:
                        waiting.append(entry.file)
                    else:
                        _exercise_file(volume, entry.file)
        except FormatError:
            continue
    assert volume.facts.units > 0
    return streams


def _exercise_file(volume: ExtVolume, number: int) -> None:
    for ask in (volume.facts_of, lambda it: volume.open(it).read(0, 1 << 16)):
        try:
            ask(number)
        except FormatError:
            continue
