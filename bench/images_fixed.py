"""How the field keeps images: fixed blocks of 4 MiB, each kept once by its SHA-256, zstd 1.

    python3 -m bench.images_fixed add REPOSITORY SOURCE       a disk, or a folder of files
    python3 -m bench.images_fixed restore REPOSITORY TARGET   the newest disk

Blocks of zeros are not kept, new ones become one zstd stream each time, and nothing is encrypted.
A run's map (N.map) has the disk's size and a digest for every block; ``blocks`` has those of all
kept ones, in the order in which the streams give them back.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bench.images_program import Imager
from bench.measure import Pipeline
from bench.program import World

BLOCK = 4 << 20
DIGEST = 32
RECORD = DIGEST + 4  # of a kept block: digest, length
SIZE = 8  # before the digests of a map
EMPTY = bytes(DIGEST)  # instead of a digest: a block of zeros
ZEROS = bytes(BLOCK)
ROOT = Path(__file__).resolve().parent.parent


class FixedBlocks(Imager):
    """This script as one of the programs."""

    name = "fixed 4 MiB"
    tool = "python3"
    settings = "bench/images_fixed.py: SHA-256, zstd 1, not encrypted, no parity"

    def environment(self, world: World) -> dict[str, str]:
        return world.variables() | {"PYTHONPATH": str(ROOT)}

    def _words(self, *words: str) -> list[str]:
        return [self.command, "-m", "bench.images_fixed", *words]

    def init(self, world: World) -> list[Pipeline]:
        return [[["mkdir", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        return [self._words("add", str(world.repository), str(world.source))]

    def restore(self, world: World) -> Pipeline:
        return [self._words("restore", str(world.repository), str(self.landed(world)))]


def add(repository: Path, source: Path) -> None:
    """Keep a disk with its map, or the blocks of all files of a folder."""
    index = repository / "blocks"
    records = index.read_bytes() if index.exists() else b""
    known = {records[at : at + DIGEST] for at in range(0, len(records), RECORD)}
    number = len(list(repository.glob("*.zst"))) + 1
    pack = ["zstd", "-q", "-1", "-c", "-o", str(repository / f"{number}.zst")]
    with (
        subprocess.Popen(pack, stdin=subprocess.PIPE) as zstd,
        open(index, "ab") as kept,
        open(repository / f"{number}.map", "wb") as mapped,
    ):
        assert zstd.stdin
        mapped.write(source.stat().st_size.to_bytes(SIZE, "big"))
        for block in _blocks(source):
            digest = EMPTY if ZEROS.startswith(block) else hashlib.sha256(block).digest()
            mapped.write(digest)
            if digest != EMPTY and digest not in known:
                known.add(digest)
                kept.write(digest + len(block).to_bytes(4, "big"))
                zstd.stdin.write(block)
        zstd.stdin.close()
    if zstd.returncode:
        raise SystemExit("zstd failed")


def _blocks(source: Path) -> Iterator[bytes]:
    """The blocks of a disk, or of each file below a folder."""
    found = sorted(source.rglob("*")) if source.is_dir() else [source]
    for path in found:
        if path.is_symlink() or not path.is_file():
            continue
        with open(path, "rb", buffering=0) as file:
            while block := file.read(BLOCK):
                yield block


def restore(repository: Path, target: Path) -> None:
    """Write the disk of the newest map: every kept block goes wherever the map has it."""
    number = len(list(repository.glob("*.map")))
    data = (repository / f"{number}.map").read_bytes()
    places: dict[bytes, list[int]] = {}
    for at in range(SIZE, len(data), DIGEST):
        where = (at - SIZE) // DIGEST * BLOCK
        places.setdefault(data[at : at + DIGEST], []).append(where)
    records = (repository / "blocks").read_bytes()
    streams = [str(repository / f"{each}.zst") for each in range(1, number + 1)]
    unpack = subprocess.Popen(["zstd", "-q", "-d", "-c", *streams], stdout=subprocess.PIPE)
    with open(target, "wb") as file, unpack:
        assert unpack.stdout
        file.truncate(int.from_bytes(data[:SIZE], "big"))
        for at in range(0, len(records), RECORD):
            digest, length = records[at : at + DIGEST], records[at + DIGEST : at + RECORD]
            _write(file, unpack.stdout.read(int.from_bytes(length, "big")), places.get(digest, []))


def _write(file: IO[bytes], block: bytes, places: list[int]) -> None:
    for place in places:
        file.seek(place)
        file.write(block)


if __name__ == "__main__":
    {"add": add, "restore": restore}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
