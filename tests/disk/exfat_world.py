"""exFAT file systems made by mkfs.exfat and filled through exfat-fuse on a loop device."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from tests.disk.fat_world import run

_ODD = "äöüßéñŁőжЯЩאبक漢字かカ한€№→ﬁ😀🎵🇦"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFG0123456789 ._-+=,;[]~"


@dataclass(frozen=True)
class Shape:
    """A file system to make."""

    mib: int
    cluster: int
    sector: int = 512
    full: bool = False

    def __str__(self) -> str:
        return f"{self.mib}m-{self.sector}-{self.cluster}{'-full' if self.full else ''}"


@contextmanager
def loop_device(image: Path, sector: int = 512) -> Iterator[str]:
    """A block device of the image; mounting through exfat-fuse needs one."""
    device = run("losetup", "-f", "--show", "-b", str(sector), image).strip()
    try:
        yield device
    finally:
        run("losetup", "-d", device)


@contextmanager
def mounted(device: str, place: Path) -> Iterator[Path]:
    """The file system at a place."""
    place.mkdir(exist_ok=True)
    run("mount.exfat-fuse", device, place)
    try:
        yield place
    finally:
        run("umount", place)


class ExfatWorld:
    """An exFAT file system in an image file, and what its own tools say is in it."""

    def __init__(self, folder: Path, shape: Shape, seed: int = 0) -> None:
        self.shape = shape
        self.image = folder / f"exfat-{shape}-{seed}.img"
        self.random = Random(f"exfat-{shape}-{seed}")
        self.tree: dict[str, str | None] = {}
        """Path -> SHA-256 as read through the mount, None for directories."""
        with self.image.open("wb") as file:
            file.truncate(shape.mib << 20)
        with loop_device(self.image, shape.sector) as device:
            run("mkfs.exfat", "-L", f"label é{seed}", "-c", str(shape.cluster), device)
            with mounted(device, folder / "mount") as place:
                self._fill(place)
            with mounted(device, folder / "mount") as place:
                self.tree = {
                    f"/{path.relative_to(place)}": None
                    if path.is_dir()
                    else sha256(path.read_bytes()).hexdigest()
                    for path in place.rglob("*")
                }

    def _fill(self, place: Path) -> None:
        mean = min(self.shape.mib << 20, 32 << 20) // 200
        folders = self._folders(place)
        files = [self.random.choice(folders) / self._name() for _ in range(70)]
        for file in files:  # whole ones: contiguous
            file.write_bytes(self.random.randbytes(self._size(mean)))
        for file in files:
            if self.random.random() < 0.4:
                file.unlink(missing_ok=True)
        growing = [self.random.choice(folders) / self._name() for _ in range(8)]
        for _ in range(12):  # grown in turns: chained
            for file in growing:
                with file.open("ab") as stream:
                    stream.write(self.random.randbytes(self._size(mean // 2)))
        with (place / "holes").open("wb") as stream:
            stream.truncate(3 * mean)
        if self.shape.full:
            self._stuff(place, (self.shape.mib << 20) // 40)

    def _folders(self, place: Path) -> list[Path]:
        folders = [place]
        for _ in range(12):
            folder = self.random.choice(folders[-3:]) / self._name()
            if len(str(folder)) < 900 and not folder.exists():
                folder.mkdir()
                folders.append(folder)
        return folders

    def _stuff(self, place: Path, length: int) -> None:
        """Files until there is no room."""
        try:
            for number in range(200):
                (place / f"stuff {number}").write_bytes(self.random.randbytes(length))
        except OSError as error:
            assert error.errno == 28, error

    def _size(self, mean: int) -> int:
        return 0 if self.random.random() < 0.1 else self.random.randrange(2 * mean)

    def _name(self) -> str:
        base = "".join(self.random.choices(_LETTERS, k=self.random.randint(3, 60)))
        odd = "".join(self.random.choices(_ODD, k=self.random.randint(0, 12)))
        return f"x{base}{odd}{self.random.randrange(10**6)}"


def fsck_counts(image: Path) -> tuple[int, int]:
    """Directories and files by fsck.exfat, which must find nothing wrong."""
    said = run("fsck.exfat", "-n", image)
    found = re.search(r": clean\. directories (\d+), files (\d+)", said)
    assert found is not None, said
    return int(found[1]), int(found[2])


def dumped(image: Path) -> dict[str, int]:
    """The numbers that dump.exfat prints."""
    said = run("dump.exfat", image)
    return {
        name.strip(): int(value, 0)
        for name, value in re.findall(r"^([^:\n]+):\s+(0x[0-9a-f]+|\d+)\s*$", said, re.MULTILINE)
    }
