"""How the index scales: time to open, to look up and to claim, and memory, at so many chunks.

    .venv/bin/python bench/index_scale.py 1000000 [--blobs-per-frame 1] [--runs 10]

Makes a repository on the local disk whose index lists random blobs in packs that are not there,
then opens it in fresh processes: without a cache, with one, as a reader and as a writer. Loading is
told in seconds of wall time, single calls in CPU time, and memory is the most that a process ever
held (VmHWM of Linux), next to what it holds without an index.
"""

import argparse
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from twofold.backend import create_backend, open_backend
from twofold.format import names
from twofold.format.index import INDEX_BLOB, INDEX_FRAME, INDEX_HEAD, INDEX_PACK, IndexRun
from twofold.format.names import BlobKind
from twofold.repository import Catalog, Repository, create_repository, open_repository

PASSWORD = b"bench"
CHUNK = 1 << 20
PACK_FRAMES = 32


def contents(blobs: int, per_frame: int) -> bytes:
    """An index object of random blobs in packs of 32 frames."""
    frames = -(-blobs // per_frame)
    packs = -(-frames // PACK_FRAMES)
    rows = [
        INDEX_PACK.pack(
            secrets.token_bytes(16),
            (PACK_FRAMES + 1) * CHUNK * 2,
            pack * PACK_FRAMES,
            min(PACK_FRAMES, frames - pack * PACK_FRAMES),
            bytes(32),
            0,
            1,
        )
        for pack in range(packs)
    ]
    for frame in range(frames):
        ordinal = frame % PACK_FRAMES + 1
        row = INDEX_FRAME.pack(ordinal * CHUNK, CHUNK, CHUNK, ordinal.to_bytes(3, "little"), 0)
        rows.append(row)
    drawn = random.randbytes(32 * blobs)
    rows += sorted(drawn[at : at + 32] for at in range(0, len(drawn), 32))
    length = CHUNK // per_frame
    for blob in range(blobs):
        rows.append(INDEX_BLOB.pack(blob % frames, blob // frames * length, length))
    return INDEX_HEAD.pack(packs, frames, blobs) + b"".join(rows)


def fill(folder: Path, chunks: int, runs: int, per_frame: int) -> None:
    """A repository with that index; ids of one run are kept beside it to ask for."""
    created = create_repository(create_backend(str(folder)), PASSWORD)
    with created.repository as repository:
        for number in range(runs):
            data = contents(chunks // runs, per_frame)
            run = IndexRun(data)
            repository.objects.write(BlobKind.DATA.index_kind, names.INDEX, names.new_id(), data)
            if number == 0:
                ids = random.sample(list(run.ids()), min(20_000, run.count))
                Path(f"{folder}.ids").write_bytes(b"".join(ids))


def known_ids(folder: Path) -> list[bytes]:
    """Ids that are in the index, in random order."""
    data = Path(f"{folder}.ids").read_bytes()
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def cpu_seconds(action: Callable[[], object]) -> float:
    """CPU time of one call."""
    started = time.process_time()
    action()
    return time.process_time() - started


def memory() -> float:
    """The most this process ever held, in MiB."""
    told = Path("/proc/self/status").read_text("ascii")  # getrusage counts the parent's as well
    return int(told.partition("VmHWM:")[2].split()[0]) / 1024


def reader(repository: Repository, ids: list[bytes]) -> Iterator[tuple[str, float]]:
    """What ls or a restore pays."""
    started = time.perf_counter()
    index = repository.load_index()
    yield "load s", time.perf_counter() - started
    for ident in ids[:200]:
        next(index.places(BlobKind.DATA, ident))
    yield "memory after 200 places MiB", memory()
    spent = cpu_seconds(lambda: [next(index.places(BlobKind.DATA, ident)) for ident in ids])
    yield "place µs", spent / len(ids) * 1e6


def writer(repository: Repository, ids: list[bytes]) -> Iterator[tuple[str, float]]:
    """What a backup pays."""
    index = repository.load_index()
    catalog = Catalog(index, set())
    started = time.perf_counter()
    catalog.claim(BlobKind.DATA, bytes(32))
    yield "fill table s", time.perf_counter() - started
    yield "memory then MiB", memory()
    for _ in range(2):  # the second time, its memory is there
        spent = cpu_seconds(lambda: [catalog.claim(BlobKind.DATA, ident) for ident in ids])
        yield "claim known ns", spent / len(ids) * 1e9
    fresh = [secrets.token_bytes(32) for _ in range(200_000)]
    spent = cpu_seconds(lambda: [catalog.claim(BlobKind.DATA, ident) for ident in fresh])
    yield "claim new ns", spent / len(fresh) * 1e9


def nothing(_repository: Repository, _ids: list[bytes]) -> Iterator[tuple[str, float]]:
    """A process that opens the repository and no index."""
    yield from ()


ROLES = {"nothing": nothing, "reader": reader, "writer": writer}


def play(role: str, folder: Path) -> list[tuple[str, float]]:
    """One role, in this process."""
    ids = known_ids(folder)
    with open_repository(open_backend(str(folder)), PASSWORD) as repository:
        return [*ROLES[role](repository, ids), ("memory MiB", memory())]


def main() -> None:
    """Fill, then play all roles in processes of their own."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("chunks", type=int)
    words.add_argument("--runs", type=int, default=0, help="index objects; 0: a million blobs each")
    words.add_argument("--blobs-per-frame", type=int, default=1)
    words.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    words.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.role:
        print(json.dumps(play(given.role, given.folder)))
        return
    for name, figures in measure(given.chunks, given.runs, given.blobs_per_frame):
        print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in figures))


Figures = list[tuple[str, float]]
PLAYED = (
    ("nothing", "nothing"),
    ("reader, no cache", "reader"),
    ("reader, cached", "reader"),
    ("writer, cached", "writer"),
)


def measure(chunks: int, runs: int = 0, blobs_per_frame: int = 1) -> Iterator[tuple[str, Figures]]:
    """Every role with an index of so many chunks, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "repository"
        fill(folder, chunks, runs or -(-chunks // 1_000_000), blobs_per_frame)
        cache = {**os.environ, "TWOFOLD_CACHE_DIR": str(Path(place) / "cache")}
        for name, role in PLAYED:
            command = [sys.executable, __file__, str(chunks), "--role", role]
            done = subprocess.run(
                [*command, "--folder", str(folder)],
                check=True,
                capture_output=True,
                text=True,
                env=cache,
            )
            yield name, json.loads(done.stdout)


def page(scale: float = 1.0) -> str:
    """A section in Markdown: 0.1, 1 and 10 million chunks, or a part of them."""
    lines = ["## Chunks in the index", "", "| chunks | what | figures |", "|---|---|---|"]
    for chunks in (100_000, 1_000_000, 10_000_000):
        count = max(int(chunks * scale), 1000)
        for name, figures in measure(count):
            told = ", ".join(f"{key} {value:.2f}" for key, value in figures)
            lines.append(f"| {count:,} | {name} | {told} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
