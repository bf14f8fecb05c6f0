"""Makes ext volumes to read: by mke2fs from a tree, then used and fragmented.

Volumes that the kernel can mount are used by it; those with blocks larger than its pages, or when
the tests may not mount, by debugfs.
"""

import ctypes
import os
import random
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FALLOC_KEEP_SIZE = 1
FALLOC_PUNCH_HOLE = 2


@dataclass(frozen=True)
class Recipe:
    """Words for mke2fs, and how large a volume."""

    words: str
    mebibytes: int = 24
    seed: int = 0

    @property
    def block_size(self) -> int:
        words = self.words.split()
        return int(words[words.index("-b") + 1]) if "-b" in words else 1024

    def __str__(self) -> str:
        return f"{self.words.replace(' ', '')}-{self.mebibytes}M-{self.seed}"


def run(*words: object, stdin: str | None = None) -> str:
    """Run a tool to its end and return what it printed."""
    done = subprocess.run(
        [os.fspath(word) if isinstance(word, Path) else str(word) for word in words],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
        input=stdin,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def make(recipe: Recipe, folder: Path) -> Path:
    """A volume as the recipe says, filled and aged."""
    image = blank(recipe, folder)
    if mountable(recipe):
        with mounted(image, folder / "mnt") as place:
            age(place, random.Random(recipe.seed + 1))
    else:
        age_by_debugfs(image, folder, random.Random(recipe.seed + 1))
    return image


def blank(recipe: Recipe, folder: Path) -> Path:
    """A volume that mke2fs filled from a tree."""
    tree = folder / "tree"
    tree.mkdir(parents=True)
    fill(tree, random.Random(recipe.seed))
    image = folder / "volume.img"
    with image.open("wb") as file:
        file.truncate(recipe.mebibytes << 20)
    run("mke2fs", "-q", "-F", "-L", "a volume", *recipe.words.split(), "-d", tree, image)
    return image


@cache
def may_mount() -> bool:
    """Whether this process may mount an ext4 volume through a loop device."""
    return os.geteuid() == 0 and "ext4" in Path("/proc/filesystems").read_text()


def mountable(recipe: Recipe) -> bool:
    """Whether the kernel takes it: blocks no larger than pages, features it was built with."""
    plain = not any(word in recipe.words for word in ("casefold", "quota", "project"))
    return may_mount() and recipe.block_size <= 4096 and plain


@contextmanager
def mounted(image: Path, place: Path, options: str = "loop") -> Iterator[Path]:
    """Mount a volume."""
    place.mkdir(exist_ok=True)
    run("mount", "-o", options, image, place)
    try:
        yield place
    finally:
        run("umount", place)


def fill(tree: Path, rng: random.Random) -> None:
    """A small tree with one of everything that mke2fs takes."""
    for number in range(40):
        size = int(2 ** rng.uniform(0, 17))
        (tree / f"file {number}").write_bytes(rng.randbytes(size))
    deep = tree
    for number in range(12):
        deep /= f"deep {number}"
        deep.mkdir()
    (deep / ("long" * 63)).write_bytes(b"")
    (deep / "empty").touch()
    (deep / "tiny").write_bytes(b"only a few bytes")
    os.link(deep / "tiny", tree / "another name of tiny")
    (tree / "short link").symlink_to("file 1")
    (tree / "long link").symlink_to("deep 0/" + "x" * 200)
    (tree / "ümläut 名前").write_bytes(b"names are bytes")
    _sparse(tree / "sparse", rng)
    crowd = tree / "crowd"
    crowd.mkdir()
    for number in range(300):
        (crowd / f"one of the crowd, number {number}").touch()
    _special(tree)


def _sparse(path: Path, rng: random.Random) -> None:
    with path.open("wb") as file:
        for start in (0, 70_000, 1_000_000, 3_000_000):
            file.seek(start)
            file.write(rng.randbytes(5000))
        file.truncate(5_000_000)


def _special(tree: Path) -> None:
    os.setxattr(tree / "file 1", "user.note", b"an attribute")
    os.setxattr(tree / "file 2", "user.large", b"L" * 700)
    os.mkfifo(tree / "pipe", 0o640)
    if os.geteuid() == 0:
        os.mknod(tree / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod(tree / "large device", stat.S_IFBLK | 0o600, os.makedev(300, 70000))
        (tree / "owned").touch()
        os.chown(tree / "owned", 70_000, 80_000)


def age(place: Path, rng: random.Random) -> None:
    """Use a mounted volume: delete, append in turns, reserve, punch, and set attributes."""
    files = sorted(path for path in place.iterdir() if path.is_file() and not path.is_symlink())
    for path in rng.sample(files, 12):
        path.unlink()
    growing = [place / f"growing {number}" for number in range(6)]
    for _ in range(25):
        for path in growing:
            with path.open("ab") as file:
                file.write(rng.randbytes(rng.randrange(1, 5000)))
                file.flush()
                os.fsync(file.fileno())
    for number in range(0, 300, 2):
        (place / "crowd" / f"one of the crowd, number {number}").unlink()
    _reserve(place, rng)
    _attributes(place)


def fallocate(path: Path, mode: int, offset: int, length: int) -> bool:
    """Reserve or punch; False where the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    with path.open("r+b") as file:
        return bool(libc.fallocate(file.fileno(), mode, offset, length) == 0)


def _reserve(place: Path, rng: random.Random) -> None:
    reserved = place / "reserved"
    reserved.write_bytes(rng.randbytes(10_000))
    fallocate(reserved, 0, 20_000, 100_000)
    with reserved.open("r+b") as file:
        file.seek(50_000)
        file.write(rng.randbytes(3000))
    kept = place / "reserved behind its end"
    kept.write_bytes(rng.randbytes(3000))
    fallocate(kept, FALLOC_KEEP_SIZE, 0, 200_000)
    punched = place / "punched"
    punched.write_bytes(rng.randbytes(60_000))
    fallocate(punched, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 9000, 30_000)


def _attributes(place: Path) -> None:
    path = place / "attributed"
    path.write_bytes(b"x" * 100)
    os.setxattr(path, "user.one", b"1")
    os.setxattr(path, "trusted.two", b"22")
    os.setxattr(path, "security.three", b"333")
    os.setxattr(path, "user.empty", b"")
    run("setfacl", "-m", "u:12:rw,g:34:r", path)
    run("setfacl", "-d", "-m", "u:12:rwx", place / "deep 0")
    late = place / "late"
    late.write_bytes(b"2" * 10)
    os.utime(late, ns=(4_000_000_000_123_456_789, 4_100_000_000_987_654_321))
    early = place / "early"
    early.write_bytes(b"1" * 10)
    os.utime(early, ns=(-1_000_000_001, -2_000_000_001))


def age_by_debugfs(image: Path, folder: Path, rng: random.Random) -> None:
    """Use a volume with nothing but debugfs."""
    commands = [f'rm "/file {number}"' for number in rng.sample(range(3, 40), 12)]
    for number in range(8):
        path = folder / f"new{number}"
        path.write_bytes(rng.randbytes(int(2 ** rng.uniform(0, 18))))
        commands.append(f"write {path} new{number}")
    commands += [
        f'ea_set "/file 1" user.more {"m" * 90}',
        "rm new3",
        "symlink another_link some/where",
        "mkdir made",
        "punch new5 1 2",
    ]
    debugfs(image, commands, write=True)
    # Neither mke2fs nor debugfs keeps the quota files up to date.
    subprocess.run(["e2fsck", "-fy", image], capture_output=True, check=False)


def debugfs(image: Path, commands: list[str], *, write: bool = False) -> str:
    """Run commands of debugfs; its words go to standard output."""
    words = ["debugfs", *(["-w"] if write else []), "-f", "-", image]
    return run(*words, stdin="\n".join(commands) + "\n")
