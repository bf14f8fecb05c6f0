"""What a repository would take for given contents, counted without writing one.

Contents are cut, hashed and put into frames as the engine does it, and every frame is compressed,
so that what is counted is what packs would hold: frames with header and tag, parity, and for each
blob its rows in the pack's table (twice), in the index and in the list of its file. Processor time
is that of the calling thread.
"""

import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import blake3

from twofold.chunker import Chunker, ChunkerParams, cut_whole
from twofold.format.compression import compress
from twofold.format.config import Config
from twofold.format.envelope import TAG_SIZE
from twofold.format.layout import Buffer
from twofold.format.pack import SECTION
from twofold.pipeline.flow import ALONE, FRAME_BLOBS

KEY = bytes(range(16))
PARITY = 1.0315  # of a pack of 32 MiB, docs/format/parity.md
BLOB_ROWS = 2 * 36 + 44 + 37  # bytes: pack table and its copy, index, segment
FRAME_SIZE = Config(created_ns=0, writer="").frame_size


def files(root: Path) -> Iterator[Path]:
    """Regular files in walk order, by name, on one file system."""
    device = root.stat().st_dev
    for folder, names, found in os.walk(root):
        names[:] = sorted(n for n in names if os.lstat(Path(folder, n)).st_dev == device)
        for name in sorted(found):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def contents(path: Path) -> Buffer:
    """A file's bytes; large ones are mapped."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < 64 << 20:
            return file.read()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class Framer:
    """Puts blobs together as ``pipeline.flow.Worker`` does.

    ``alone``: size in bytes from which a blob has a frame of its own; 0 for what the engine does.
    """

    def __init__(self, size: int, sink: Callable[[Buffer, int], None], alone: int = 0) -> None:
        self._size, self._sink = size, sink
        self._alone = alone or -(-size // ALONE)
        self._frame, self._count = bytearray(), 0

    def add(self, data: Buffer) -> None:
        """One blob more."""
        if len(data) >= self._alone:
            self._sink(data, 1)
            return
        if len(self._frame) + len(data) > self._size or self._count >= FRAME_BLOBS:
            self.flush()
        self._frame += data
        self._count += 1

    def flush(self) -> None:
        """Seal what is open."""
        if self._count:
            frame, count = self._frame, self._count
            self._frame, self._count = bytearray(), 0
            self._sink(frame, count)


class Store:
    """Everything that one set of chunk sizes would store, and what cutting and hashing took."""

    def __init__(self, params: ChunkerParams) -> None:
        self._chunker = Chunker(KEY, params)
        self._framer = Framer(FRAME_SIZE, self._seal)
        self._known: set[bytes] = set()
        self.chunks = 0
        self.seconds = 0.0
        self._bytes = 0.0

    def add(self, data: Buffer) -> None:
        """The contents of one file."""
        started = time.thread_time()
        pieces = [piece.data for piece in cut_whole(self._chunker, data) if piece.data is not None]
        ids = [blake3.blake3(piece).digest() for piece in pieces]
        self.seconds += time.thread_time() - started
        for ident, piece in zip(ids, pieces, strict=True):
            if ident not in self._known:
                self._known.add(ident)
                self.chunks += 1
                self._framer.add(piece)

    def _seal(self, frame: Buffer, blobs: int) -> None:
        packed = len(compress(frame)[1]) + SECTION.size + TAG_SIZE
        self._bytes += packed * PARITY + blobs * BLOB_ROWS

    def stored(self) -> float:
        """Bytes stored up to now, the open frame included."""
        self._framer.flush()
        return self._bytes
