"""What chunk sizes cost and save: bytes stored, chunks, processor time of cutting and hashing.

    .venv/bin/python -m bench.chunk_sizes tree --root /usr      a tree, and again after edits
    .venv/bin/python -m bench.chunk_sizes mixed --scale 0.5     the benchmark's mixed tree
    .venv/bin/python -m bench.chunk_sizes large --gib 1         noise with scattered edits
    .venv/bin/python -m bench.chunk_sizes pair --gib 1          two NTFS volumes (root, ntfs-3g)

Each set of sizes sees the same contents. "then" is what the second state stores in addition: of a
tree, a few files with a byte put before the first one and a few with 4 KiB overwritten; of a large
file, 200 blocks of 4 KiB overwritten, and after that 20 insertions of up to 64 bytes.
"""

import argparse
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import inputs, ntfs_pair
from bench.contents import MIB, noise
from bench.stored import Store, contents, files
from twofold.chunker import ChunkerParams
from twofold.format.layout import Buffer

KIB = 1024
SETS = {
    "64K/128K/512K": ChunkerParams(64 * KIB, 128 * KIB, 512 * KIB, 3),
    "128K/256K/1M": ChunkerParams(128 * KIB, 256 * KIB, MIB, 3),
    "256K/435K/2M": ChunkerParams(256 * KIB, 435 * KIB, 2 * MIB, 3),
    "256K/512K/2M": ChunkerParams(256 * KIB, 512 * KIB, 2 * MIB, 3),
    "512K/870K/4M": ChunkerParams(512 * KIB, 870 * KIB, 4 * MIB, 3),
}
EDITED = 0.02  # of the files of a tree
BLOCK = 4096


def feed(stores: dict[str, Store], states: Iterator[tuple[str, Iterator[Buffer]]]) -> None:
    """Give every state to every store; print what each has stored after it."""
    for state, pieces in states:
        before = {name: (store.stored(), store.chunks) for name, store in stores.items()}
        read = 0
        for data in pieces:
            read += len(data)
            for store in stores.values():
                store.add(data)
        print(f"{state}: {read / 1e6:.1f} MB given")
        for name, store in stores.items():
            stored, chunks = store.stored() - before[name][0], store.chunks - before[name][1]
            cost = f"{store.seconds:.2f} s cutting and hashing in all"
            print(f"  {name:14} {stored / 1e6:9.1f} MB {chunks:8} chunks, {cost}", flush=True)


def tree_states(root: Path, every: int) -> Iterator[tuple[str, Iterator[Buffer]]]:
    """A tree, then those of its files that were edited; the others store nothing new."""
    paths = list(files(root))[::every]
    yield "tree", map(contents, paths)
    rng = random.Random(inputs.SEED)
    chosen = rng.sample(paths, int(EDITED * len(paths)))
    half = len(chosen) // 2
    yield "then a byte in front", (b"\0" + bytes(contents(path)) for path in chosen[:half])
    yield "then 4 KiB anew", (overwritten(contents(path), 1, rng) for path in chosen[half:])


def large_states(size: int) -> Iterator[tuple[str, Iterator[Buffer]]]:
    """Noise, and the same with scattered edits."""
    rng = random.Random(inputs.SEED)
    data = bytearray().join(noise(rng, size))
    yield "large", iter([data])
    yield "then 200 blocks of 4 KiB", iter([overwritten(data, 200, rng)])
    yield "then 20 insertions", iter([inserted(data, 20, rng)])


def overwritten(data: Buffer, count: int, rng: random.Random) -> bytearray:
    """With so many aligned blocks of noise in random places."""
    changed = bytearray(data)
    for _ in range(count):
        at = rng.randrange(len(data) // BLOCK + 1) * BLOCK
        size = min(BLOCK, len(data) - at)
        changed[at : at + size] = rng.randbytes(size)
    return changed


def inserted(data: Buffer, count: int, rng: random.Random) -> bytes:
    """With so many insertions of 1 to 64 bytes."""
    places = sorted(rng.randrange(len(data)) for _ in range(count))
    parts: list[Buffer] = []
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        parts += [memoryview(data)[start:end], rng.randbytes(rng.randrange(1, 65))]
    return b"".join(parts[:-1])


def mixed_states(folder: Path, scale: float) -> Iterator[tuple[str, Iterator[Buffer]]]:
    """The mixed tree and its edits."""
    return tree_states(inputs.ensure(inputs.TREES["mixed"], folder, scale), 1)


def main() -> None:
    """Measure what was asked for."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("input", choices=("tree", "mixed", "large", "pair"))
    words.add_argument("--root", type=Path, default=Path("/usr"))
    words.add_argument("--every", type=int, default=1, help="take one file in so many")
    words.add_argument("--scale", type=float, default=0.5)
    words.add_argument("--gib", type=float, default=1.0)
    given = words.parse_args()
    size = int(given.gib * 1024) * MIB
    stores = {name: Store(params) for name, params in SETS.items()}
    with tempfile.TemporaryDirectory() as place:
        if given.input == "tree":
            feed(stores, tree_states(given.root, given.every))
        elif given.input == "mixed":
            feed(stores, mixed_states(Path(place), given.scale))
        elif given.input == "large":
            feed(stores, large_states(size))
        else:
            ntfs_pair.measure(SETS, Path(place), size)


if __name__ == "__main__":
    main()
