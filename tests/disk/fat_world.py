"""FAT file systems made by mkfs.fat and filled by mtools, and what those tools say of them.

A world is filled in rounds: a tree of small files, every other one removed, larger files into the
gaps (so they are fragmented), and on wish as many more as fit.
"""

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.disk.cluster_listing import Item, Listing

_QUIET = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_BUDGET = 6 << 20
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ODD = "äöüßéñŁőжЯЩאبक漢字かカ한€№→ﬁ"


def run(*words: str | Path, check: bool = True, stdin: str = "") -> str:
    """The output of a command."""
    done = subprocess.run(
        [*map(str, words)], input=stdin.encode(), capture_output=True, env=_QUIET, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{words}: {done.returncode}: {done.stdout!r} {done.stderr!r}")
    return done.stdout.decode()


@dataclass(frozen=True)
class Shape:
    """A file system to make."""

    kind: int
    """12, 16 or 32."""
    kib: int
    sector: int = 512
    per_cluster: int = 1
    fats: int = 2
    full: bool = False

    def __str__(self) -> str:
        ending = "-full" if self.full else ""
        return f"fat{self.kind}-{self.kib}k-{self.sector}x{self.per_cluster}-{self.fats}{ending}"


class FatWorld:
    """A FAT file system in an image file."""

    def __init__(self, folder: Path, shape: Shape, seed: int = 0) -> None:
        self.folder = folder
        self.shape = shape
        self.image = folder / f"{shape}-{seed}.img"
        self.random = Random(f"{shape}-{seed}")
        self.serial = self.random.randrange(1 << 32)
        run(
            *f"mkfs.fat -F {shape.kind} -S {shape.sector} -s {shape.per_cluster}".split(),
            *f"-f {shape.fats} -n LABEL{seed} -i {self.serial:08x} -C".split(),
            self.image,
            str(shape.kib),
        )

    def fill(self) -> None:
        """All rounds."""
        budget = min(self.shape.kib << 10, _BUDGET)
        smalls = self._stage("small", 60, budget // 4)
        self.copy_in([self.folder / "small"])
        self.remove([name for name in smalls if self.random.random() < 0.5])
        self._stage("large", 14, budget // 4)
        self.copy_in([self.folder / "large"])
        if self.shape.full:
            self._stuff((self.shape.kib << 10) // 20)

    def copy_in(self, files: Iterable[Path], target: str = "::/", *, check: bool = True) -> None:
        """mcopy, directories with all that is in them."""
        run("mcopy", "-s", "-Q", "-i", self.image, *files, target, check=check)

    def remove(self, paths: Iterable[str]) -> None:
        """mdel."""
        listed = list(paths)
        if listed:
            run("mdel", "-i", self.image, *(f"::/{path}" for path in listed))

    def _stuff(self, size: int) -> None:
        """Files until there is no room."""
        file = self.folder / "stuff"
        for length in (size, size // 16):
            file.write_bytes(self.random.randbytes(length))
            for number in range(400):
                words = ("mcopy", "-Q", "-i", self.image, file, f"::/stuff {length} {number}.bin")
                if subprocess.run(words, capture_output=True, env=_QUIET, check=False).returncode:
                    break

    def _stage(self, name: str, count: int, budget: int) -> list[str]:
        """A tree of files below the folder; their paths relative to it."""
        folders = [self.folder / name]
        folders[0].mkdir()
        paths = []
        for _ in range(count):
            if self.random.random() < 0.2 and len(folders) < 40:
                deeper = self.random.choice(folders[-3:]) / self._name()
                if not deeper.exists():
                    deeper.mkdir()
                    folders.append(deeper)
            file = self.random.choice(folders) / self._name()
            if not file.exists():
                file.write_bytes(self.random.randbytes(self._size(budget // count)))
                paths.append(str(file.relative_to(self.folder)))
        return paths

    def _size(self, mean: int) -> int:
        kind = self.random.random()
        if kind < 0.15:
            return 0
        return self.random.randrange(600) if kind < 0.3 else self.random.randrange(2 * mean)

    def _name(self) -> str:
        """8.3 names in either case, long ones, odd ones; never equal but for their case."""
        random = self.random
        base = "".join(random.choices(_LETTERS, k=random.randint(5, 8)))
        kind = random.randrange(6)
        if kind == 0:
            return f"{base}.{random.choice(['txt', 'c', 'h~1'])}".upper()
        if kind == 1:
            return f"{base}.dat"
        if kind == 2:
            return f"{base}.{'Long name with spaces and. dots ' * random.randint(1, 5)}x"[:200]
        if kind == 3:
            return base + "".join(random.choices(_ODD, k=random.randint(4, 20)))
        if kind == 4:
            return f".{base}+x=,;"
        return f"{base.upper()}.Mixed"


def fsck_counts(image: Path) -> tuple[int, int]:
    """Clusters in use and all clusters, by fsck.fat, which must find nothing wrong."""
    said = run("fsck.fat", "-n", image)
    found = re.search(r": \d+ files, (\d+)/(\d+) clusters", said)
    assert found is not None and len(said.splitlines()) == 2, said
    return int(found[1]), int(found[2])


def mtools_units(image: Path, paths: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The clusters of files and directories by mshowfat."""
    units: dict[str, tuple[int, ...]] = {}
    for path in paths:
        said = run("mshowfat", "-i", image, f"::{path}")
        listed = re.findall(r"<(\d+)(?:-(\d+))?>", said)
        units[path] = tuple(
            u - 2 for low, high in listed for u in range(int(low), int(high or low) + 1)
        )
    return units


def mtools_tree(image: Path, target: Path) -> dict[str, bytes | None]:
    """Path -> content by mcopy, None for directories."""
    target.mkdir()
    run("mcopy", "-s", "-n", "-i", image, "::/", target)
    return {
        f"/{path.relative_to(target)}": None if path.is_dir() else path.read_bytes()
        for path in target.rglob("*")
    }


def claimed(listing: Listing) -> list[int]:
    """All units of all files and directories, in order."""
    return sorted(unit for item in listing.values() for unit in item.units)


__all__ = ["FatWorld", "Item", "Shape", "claimed", "fsck_counts", "mtools_tree", "mtools_units"]
