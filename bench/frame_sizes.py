"""What frame size and zstd level cost and save on a tree, in walk order.

    .venv/bin/python -m bench.frame_sizes /usr [--every 1] [--sizes 1 2 4] [--levels 1 2 3]

For each pair: bytes stored, parity included, and processor seconds of compressing and of
decompressing (a backup does both, as it proves each frame). Then, for each frame size, the cost of
one small file: bytes to fetch and milliseconds to decompress, averaged over the frames of several
blobs, weighted by their blobs. Blobs of half a frame and more have one of their own; "+ 0.5": those
of 512 KiB and more.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import blake3

from bench.stored import KEY, PARITY, Framer, contents, files
from twofold.chunker import Chunker, cut_whole
from twofold.format.compression import Compressor, decompress
from twofold.format.envelope import TAG_SIZE
from twofold.format.layout import Buffer
from twofold.format.pack import SECTION

MIB = 1 << 20


@dataclass
class Cost:
    """Totals of one frame size and level; ``fetched`` and ``opened`` are summed over blobs."""

    stored: float = 0.0
    packing: float = 0.0
    opening: float = 0.0
    shared: int = 0
    fetched: int = 0
    opened: float = 0.0

    def seal(self, frame: Buffer, blobs: int, level: int) -> None:
        """Compress a frame and open it again."""
        start = time.thread_time()
        encoding, packed = Compressor(level).compress(frame)
        middle = time.thread_time()
        decompress(encoding, packed, len(frame))
        spent = time.thread_time() - middle
        self.stored += (len(packed) + SECTION.size + TAG_SIZE) * PARITY
        self.packing += middle - start
        self.opening += spent
        if blobs > 1:
            self.shared += blobs
            self.fetched += blobs * len(packed)
            self.opened += blobs * spent


@dataclass
class Trial:
    """One way to make frames, under several levels."""

    name: str
    size: int
    alone: int
    levels: list[int]
    costs: dict[int, Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.costs = {level: Cost() for level in self.levels}
        self.framer = Framer(self.size, self._sink, self.alone)

    def _sink(self, frame: Buffer, blobs: int) -> None:
        for level, cost in self.costs.items():
            cost.seal(frame, blobs, level)

    def report(self) -> None:
        """Print its lines."""
        self.framer.flush()
        for level, cost in self.costs.items():
            blobs = cost.shared or 1
            print(
                f"  {self.name:8} level {level}: {cost.stored / 1e6:8.1f} MB,"
                f" compress {cost.packing:6.2f} s, decompress {cost.opening:5.2f} s;"
                f" one small file: {cost.fetched / blobs / 1024:5.0f} KiB,"
                f" {cost.opened / blobs * 1e3:.2f} ms"
            )


def main() -> None:
    """One pass over the tree for all of them."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("root", type=Path)
    words.add_argument("--every", type=int, default=1, help="take one folder in so many")
    words.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4])
    words.add_argument("--levels", type=int, nargs="+", default=[1, 2, 3])
    given = words.parse_args()
    sizes: list[int] = [size * MIB for size in given.sizes]
    trials = [Trial(f"{size >> 20} MiB", size, size // 2, given.levels) for size in sizes]
    larger = [size for size in sizes if size > MIB]
    trials += [Trial(f"{size >> 20} + 0.5", size, MIB // 2, given.levels) for size in larger]
    known: set[bytes] = set()
    chunker, folders, read = Chunker(KEY), dict[Path, bool](), 0
    for path in files(given.root):
        if not folders.setdefault(path.parent, len(folders) % given.every == 0):
            continue
        for piece in cut_whole(chunker, contents(path)):
            ident = blake3.blake3(piece.data).digest() if piece.data is not None else b""
            if piece.data is not None and ident not in known:
                known.add(ident)
                read += piece.length
                for trial in trials:
                    trial.framer.add(piece.data)
    print(f"{given.root}: {read / 1e6:.1f} MB of {len(known)} different chunks")
    for trial in trials:
        trial.report()


if __name__ == "__main__":
    main()
