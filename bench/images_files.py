"""What the disks hold: files of the system that this runs on, and made-up ones of a user.

System files are those of folders below /usr, drawn by a seed, so they differ from computer to
computer: figures count only beside each other. User files are pictures (noise) and letters (text),
another set for each user.
"""

import os
import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.contents import MIB, Text, edited, noise

ROOTS = (Path("/usr/bin"), Path("/usr/include"), Path("/usr/lib"), Path("/usr/share"))
SEED = 20260101
USER_PART = 0.15  # of all bytes
PICTURES = 0.9  # of the user's bytes
PRESSED = "pressed"  # the folder for what is compressed where the file system can
GAP = 64 << 10  # bytes of each file that only makes gaps
Items = Mapping[str, Path]  # where a file goes, and where its contents are


def system(size: int) -> dict[str, Path]:
    """Files, folder by folder, of ``size`` bytes in all; each at most a sixteenth of that."""
    folders = [folder for root in ROOTS for folder in _folders(root)]
    random.Random(SEED).shuffle(folders)
    chosen: dict[str, Path] = {}
    left = size
    for folder in folders:
        for path, length in _files(folder, size // 16):
            if left <= 0:
                return chosen
            left -= length
            chosen[f"system{path}"] = path
    return chosen


def _folders(root: Path) -> Iterator[Path]:
    device = root.stat().st_dev
    for folder, names, _ in os.walk(root):
        names[:] = sorted(name for name in names if os.lstat(f"{folder}/{name}").st_dev == device)
        yield Path(folder)


def _files(folder: Path, largest: int) -> Iterator[tuple[Path, int]]:
    """Regular files right in a folder and their sizes, by name."""
    with os.scandir(folder) as entries:
        found = sorted(
            (entry.path, entry.stat().st_size)
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        )
    for path, size in found:
        if size <= largest and os.access(path, os.R_OK):
            yield Path(path), size


def user(number: int, size: int, folder: Path) -> dict[str, Path]:
    """The files of one user, made in a folder."""
    text, rng = Text(SEED), random.Random(SEED + number)
    chosen: dict[str, Path] = {}
    pictures = size * PICTURES
    while size > 0:
        name = f"user-{number}/{'IMG' if size > pictures else 'letter'}_{len(chosen):05}"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            if size > pictures:
                file.write(text.piece(rng, rng.randrange(5_000, 100_000)))
            else:
                file.writelines(noise(rng, rng.randrange(MIB // 4, 3 * MIB)))
            size -= file.tell()
        chosen[name] = path
    return chosen


def pressed(items: Items, every: int) -> dict[str, Path]:
    """The same files, one in so many of those of the system in the folder for compressed ones."""
    return {
        f"{PRESSED}/{name}" if number % every == 0 and name.startswith("system") else name: path
        for number, (name, path) in enumerate(items.items())
    }


def fill(folder: Path, items: Items, gaps: int, seed: int) -> None:
    """Write everything, into a file system that is full of gaps; some files are written again.

    Args:
        folder: where it is mounted.
        items: what is written, in an order by the seed.
        gaps: bytes of files that make gaps; every second one goes before the others are written.
        seed: of this computer.
    """
    rng = random.Random(seed)
    names = list(items)
    groups = sorted({name.rpartition("/")[0] for name in names})
    rng.shuffle(groups)
    order = {group: number for number, group in enumerate(groups)}
    names.sort(key=lambda name: order[name.rpartition("/")[0]])
    fillers = [folder / f"gap-{number}" for number in range(gaps // GAP)]
    for filler in fillers:
        filler.write_bytes(bytes(GAP))
    for filler in fillers[1::2]:
        filler.unlink()
    _copy(folder, items, names)
    for filler in fillers[::2]:
        filler.unlink()
    again = rng.sample(names, len(names) // 20)
    for name in again:
        (folder / name).unlink()
    _copy(folder, items, again)


def _copy(folder: Path, items: Items, names: list[str]) -> None:
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(items[name], target)


def change(folder: Path, items: Items, share: float) -> int:
    """Edit a share of the files, each at one place, and write them anew; their bytes in all."""
    rng, total = random.Random(SEED), 0
    names = rng.sample(sorted(items), max(1, int(len(items) * share)))
    for name in names:
        data = (folder / name).read_bytes()
        after = edited(data, rng, 1) if data else b"no longer empty\n"
        (folder / name).write_bytes(after)
        total += len(after)
    return total
