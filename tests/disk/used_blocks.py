"""What tests of used blocks share: filling by the kernel, oracles, and zeroing the rest."""

import os
import random
import subprocess
from pathlib import Path

from tests.disk.ext_oracles import tree_of
from twofold.disk import Facts
from twofold.disk.blocks import FileBlocks


def populate(place: Path, rng: random.Random, *, files: int = 120) -> None:
    """Write, delete and write again, so that free space has holes."""
    for number in range(files):
        folder = place / f"folder {number % 7}"
        folder.mkdir(exist_ok=True)
        (folder / f"file {number}").write_bytes(rng.randbytes(int(2 ** rng.uniform(0, 19))))
    os.sync()
    for number in rng.sample(range(files), files // 2):
        (place / f"folder {number % 7}" / f"file {number}").unlink()
    os.sync()
    for number in range(files // 3):
        (place / f"late {number}").write_bytes(rng.randbytes(int(2 ** rng.uniform(0, 16))))


def units(bits: bytearray) -> set[int]:
    return {unit for unit in range(len(bits) * 8) if bits[unit // 8] >> unit % 8 & 1}


def zeroed(image: Path, copy: Path, bits: bytearray, facts: Facts) -> Path:
    """A copy in which every unit that is not in use is zeros."""
    used = units(bits)
    with image.open("rb") as source, copy.open("wb") as target:
        target.write(source.read(facts.origin))
        for number in sorted(used):
            source.seek(facts.origin + number * facts.unit)
            target.seek(facts.origin + number * facts.unit)
            target.write(source.read(facts.unit))
        end = facts.origin + facts.units * facts.unit
        source.seek(end)
        target.seek(end)
        target.write(source.read())
        target.truncate(image.stat().st_size)
    return copy


def contents(place: Path) -> dict[bytes, bytes]:
    found = {}
    for path in tree_of(place):
        whole = Path(os.fsdecode(os.path.join(os.fsencode(place), path)))
        found[path] = whole.read_bytes() if whole.is_file() else b""
    return found


def partclone_domain(kind: str, image: Path) -> set[int]:
    """The 512-byte sectors that partclone would copy."""
    log = image.with_suffix(".domain")
    words = ["-D", "-s", str(image), "-o", str(log), "-L", "/dev/null", "-F", "-q"]
    subprocess.run([f"partclone.{kind}", *words], check=True, capture_output=True)
    found: set[int] = set()
    for line in log.read_text().splitlines():
        parts = line.split()
        if line.startswith("0x") and len(parts) == 3 and parts[2] == "+":
            first, size = (int(part, 16) for part in parts[:2])
            found.update(range(first // 512, (first + size) // 512))
    return found


def sparse(image: Path, mebibytes: int) -> Path:
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    return image


class Edited:
    """A file with other bytes at one place, and a budget for reading it."""

    sector_size = 512

    def __init__(self, image: Path, edits: dict[int, bytes], budget: int = 64 << 20) -> None:
        self._file = FileBlocks(image.open("rb"))
        self._edits = edits
        self.size = self._file.size
        self.left = budget

    def read(self, offset: int, length: int) -> bytes:
        self.left -= length + 16
        assert self.left >= 0, "more was read than any sound volume needs"
        found = bytearray(self._file.read(offset, length))
        for place, new in self._edits.items():
            for step, byte in enumerate(new):
                if offset <= place + step < offset + length:
                    found[place + step - offset] = byte
        return bytes(found)
