"""The trees that are backed up, made from a seed, once, by all cores.

    small     130,000 files of 9 kB on average in 13,000 folders: text and some noise
    large     four files of 1 GiB of noise; its second state has 100 scattered edits in one of them
    mixed     documents, pictures (some of them twice), a database, a sparse disk file
    tiny      1,000,000 files of 0 to 1,000 bytes

A scale below 1 makes fewer files, or smaller ones where there are only few. A stamp beside each
tree says what it was made of; a tree without its stamp is made anew.
"""

import multiprocessing
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contents import MIB, NAMES, Text, edited, noise, small_size

SEED = 20260101
EDITION = 1  # another number makes every tree anew
BATCH = 4000  # files made by one job
Job = tuple[Callable[[Path, int, int], None], Path, int, int]


@dataclass(frozen=True, slots=True)
class Tree:
    """One input: the jobs that make it, and whether it has a second state beside it."""

    name: str
    title: str
    jobs: Callable[[Path, float], list[Job]]
    has_second: bool = False


def ensure(tree: Tree, folder: Path, scale: float) -> Path:
    """The root of a tree below a folder, made when it is not there yet."""
    root = folder / tree.name
    stamp, wanted = folder / f"{tree.name}.stamp", f"{EDITION} {SEED} {scale}"
    whole = stamp.exists() and not _first_file(root).exists()
    if whole and stamp.read_text("utf-8") == wanted:
        return root
    _first_file(root).unlink(missing_ok=True)
    stamp.unlink(missing_ok=True)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        pool.starmap(_call, tree.jobs(root, scale), chunksize=1)
    stamp.write_text(wanted, "utf-8")
    return root


@contextmanager
def second_state(tree: Tree, root: Path) -> Iterator[None]:
    """Within this the tree is in its second state: its edited file is in place of the first one."""
    if not tree.has_second:
        raise ValueError(f"{tree.name} has one state only")
    first, second, aside = root / "1.bin", second_file(root), _first_file(root)
    first.rename(aside)
    second.rename(first)
    try:
        yield
    finally:
        first.rename(second)
        aside.rename(first)


def second_file(root: Path) -> Path:
    """Where the edited file waits, outside the tree."""
    return root.with_name(f"{root.name}.second")


def _first_file(root: Path) -> Path:
    """Where the first state's file is while the second state lasts."""
    return root.with_name(f"{root.name}.first")


def _call(make: Callable[[Path, int, int], None], root: Path, first: int, last: int) -> None:
    make(root, first, last)


def _batches(make: Callable[[Path, int, int], None], root: Path, count: int) -> list[Job]:
    starts = range(0, count, BATCH)
    return [(make, root, start, min(start + BATCH, count)) for start in starts]


def _small(root: Path, first: int, last: int) -> None:
    """Ten files a folder, the folders three deep; every twentieth file is noise."""
    text, rng = Text(SEED), random.Random(SEED + first)
    for number in range(first, last):
        leaf = number // 10
        folder = root / f"area-{leaf // 400:02}" / f"group-{leaf // 20 % 20:02}" / f"{leaf % 20:02}"
        if number % 10 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        size = small_size(rng)
        data = rng.randbytes(size) if number % 20 == 7 else text.piece(rng, size)
        write(folder / f"{number % 10}-{NAMES[number % len(NAMES)]}", data)


def _tiny(root: Path, first: int, last: int) -> None:
    """A hundred files a folder, with random text that differs from file to file."""
    rng = random.Random(SEED + first)
    pool = Text(SEED, 3000).piece(rng, 100_000)
    for number in range(first, last):
        folder = root / f"{number // 10_000:03}" / f"{number // 100 % 100:02}"
        if number % 100 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        start = rng.randrange(90_000)
        write(folder / f"{number}", b"%d\n" % number + pool[start : start + rng.randrange(1000)])


def write(path: Path, data: bytes) -> None:
    """Write a small file with the fewest system calls."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(handle, data)
    os.close(handle)


def _noise_file(root: Path, number: int, size: int) -> None:
    rng = random.Random(SEED * 10 + number)
    with open(root / f"{number}.bin", "wb") as file:
        file.writelines(noise(rng, size))


def _edited_file(root: Path, number: int, size: int) -> None:
    """The second state of a noise file, made the same way and edited about every ten MiB."""
    rng, edits = random.Random(SEED * 10 + number), random.Random(SEED)
    with open(second_file(root), "wb") as file:
        for position, piece in enumerate(noise(rng, size)):
            file.write(edited(piece, edits, 1) if position % 10 == 0 else piece)


def _documents(root: Path, first: int, last: int) -> None:
    text, rng = Text(SEED), random.Random(SEED + first)
    for number in range(first, last):
        folder = root / "documents" / f"{2019 + number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"letter {number}.txt", text.piece(rng, rng.randrange(5_000, 100_000)))


def _pictures(root: Path, first: int, last: int) -> None:
    """Pictures of half to two MB; every ninth one is also in another folder."""
    for number in range(first, last):
        data = random.Random(SEED + number).randbytes(500_000 + number * 7919 % 1_500_000)
        folders = ["pictures", "sent"] if number % 9 == 0 else ["pictures"]
        for name in folders:
            (root / name).mkdir(exist_ok=True)
            write(root / name / f"IMG_{number:05}.jpg", data)


def _database(root: Path, number: int, size: int) -> None:
    """Pages of 4 KiB: a third noise, a third text, a third empty."""
    text, rng = Text(SEED, 10_000), random.Random(SEED + number)
    with open(root / f"ledger-{number}.db", "wb") as file:
        for page in range(size // 4096):
            kinds = (rng.randbytes, lambda size: text.piece(rng, size), bytes)
            file.write(kinds[page % 3](4096))


def _sparse(root: Path, number: int, size: int) -> None:
    """A disk file of which one MiB in sixteen is there."""
    rng = random.Random(SEED + number)
    with open(root / f"disk-{number}.img", "wb") as file:
        file.truncate(size)
        for start in range(0, size - MIB, 16 * MIB):
            file.seek(start)
            file.write(rng.randbytes(MIB))


def _small_jobs(root: Path, scale: float) -> list[Job]:
    return _batches(_small, root, max(100, int(130_000 * scale)))


def _tiny_jobs(root: Path, scale: float) -> list[Job]:
    return _batches(_tiny, root, max(100, int(1_000_000 * scale)))


def _large_jobs(root: Path, scale: float) -> list[Job]:
    size = max(MIB, int(1024 * scale) * MIB)
    edited_one: Job = (_edited_file, root, 1, size)
    return [edited_one, *((_noise_file, root, number, size) for number in range(1, 5))]


def _mixed_jobs(root: Path, scale: float) -> list[Job]:
    pictures = max(9, int(200 * scale))
    return [
        (_documents, root, 0, max(20, int(2000 * scale))),
        *((_pictures, root, start, start + pictures // 3) for start in (0, 1000, 2000)),
        (_database, root, 1, max(MIB, int(128 * scale) * MIB)),
        (_sparse, root, 1, max(17 * MIB, int(512 * scale) * MIB)),
    ]


TREES = {
    tree.name: tree
    for tree in (
        Tree("small", "130,000 small files", _small_jobs),
        Tree("large", "4 GiB incompressible in 4 files", _large_jobs, has_second=True),
        Tree("mixed", "documents, pictures, database, sparse file", _mixed_jobs),
        Tree("tiny", "1,000,000 tiny files", _tiny_jobs),
    )
}
