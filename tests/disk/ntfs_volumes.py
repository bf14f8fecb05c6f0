"""NTFS volumes made by mkntfs and filled through ntfs-3g, in every shape the parser must know.

A filling is a function that writes into a mounted folder. All are deterministic by their seed.
"""

import errno
import hashlib
import os
import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20

Filling = Callable[[Path, random.Random, int], None]
"""Folder, source of randomness, bytes of a cluster."""


@contextmanager
def mounted(
    image: Path,
    options: str = "streams_interface=windows,compression",
    folder: Path | None = None,
) -> Iterator[Path]:
    """The volume's root folder; when left, everything is written."""
    folder = folder or image.with_suffix(".mount")
    folder.mkdir(exist_ok=True)
    ended, held = os.pipe()  # the daemon inherits one end; when it is gone the other end tells
    words = ["ntfs-3g", "-o", options, str(image), str(folder)]
    subprocess.run(words, check=True, pass_fds=[held], capture_output=True)
    os.close(held)
    try:
        yield folder
    finally:
        subprocess.run(["fusermount3", "-u", str(folder)], check=True)
        os.read(ended, 1)
        os.close(ended)


def make(image: Path, *, size: int, cluster: int, sector: int = 512, label: str = "") -> None:
    """An empty volume."""
    with image.open("wb") as file:
        file.truncate(size)
    words = f"mkntfs -F -q -Q -c {cluster} -s {sector} -p 0 -H 16 -S 63".split()
    subprocess.run([*words, "-L", label, str(image)], check=True, capture_output=True)


def build(
    image: Path, fillings: list[Filling], *, size: int, cluster: int, sector: int = 512, seed: int
) -> None:
    """A volume filled with all of these, one after the other."""
    make(image, size=size, cluster=cluster, sector=sector, label=f"Twofold ü {seed}")
    rng = random.Random(seed)
    with mounted(image) as folder:
        for filling in fillings:
            filling(folder, rng, cluster)


def plain(folder: Path, rng: random.Random, cluster: int) -> None:
    """Sizes around what matters: resident, one cluster, one byte more."""
    for size in (0, 1, 100, 600, 700, 800, 1024, cluster - 1, cluster, cluster + 1, 3 * cluster):
        (folder / f"plain {size}").write_bytes(rng.randbytes(size))


def folders(folder: Path, rng: random.Random, cluster: int) -> None:
    """A folder whose names fill a B-tree of several levels, and nested ones."""
    many = folder / "many"
    many.mkdir()
    for number in range(400):
        name = f"{rng.randrange(1 << 30):x}{'n' * rng.randrange(150)}{number}"
        (many / name).write_bytes(rng.randbytes(rng.randrange(50)))
    (folder / "/".join(["deep"] * 20)).mkdir(parents=True)
    for victim in sorted(os.listdir(many))[::3]:
        (many / victim).unlink()


def streams(folder: Path, rng: random.Random, cluster: int) -> None:
    """Alternate streams of files and folders, resident or not."""
    (folder / "streams").write_bytes(b"main")
    (folder / "streamed").mkdir()
    for name in ("Zone.Identifier", "größe", "big"):
        size = 3 * cluster + 5 if name == "big" else 20
        (folder / f"streams:{name}").write_bytes(rng.randbytes(size))
        (folder / f"streamed:{name}").write_bytes(rng.randbytes(size))


def compressed(folder: Path, rng: random.Random, cluster: int) -> None:
    """Text, noise, both by turns, and a sparse file, in a compressed folder."""
    place = folder / "compressed"
    place.mkdir()
    os.setxattr(place, "system.ntfs_attrib_be", struct.pack(">I", 0x810))
    text = b"".join(b"line %d of many\n" % number for number in range(20000))
    noise = rng.randbytes(200_000)
    (place / "text").write_bytes(text)
    (place / "noise").write_bytes(noise)
    (place / "both").write_bytes(text[:70_001] + noise[:70_003] + text[:123_456])
    (place / "zeros").write_bytes(bytes(150_000))
    (place / "tiny").write_bytes(b"resident")
    with (place / "gap").open("wb") as file:
        file.write(text[:5000])
        file.seek(500_000)
        file.write(text[:66_000])


def sparse(folder: Path, rng: random.Random, cluster: int) -> None:
    """Holes at the start, between and at the end, and nothing but a hole."""
    with (folder / "sparse").open("wb") as file:
        for number in (3, 40, 41, 100):
            file.seek(number * cluster + 7)
            file.write(rng.randbytes(cluster))
        file.truncate(4 * MIB)
    with (folder / "hole").open("wb") as file:
        file.truncate(1 << 40)


def links(folder: Path, rng: random.Random, cluster: int) -> None:
    """Hard links, more than fit into one record."""
    (folder / "linked").write_bytes(rng.randbytes(5000))
    (folder / "elsewhere").mkdir()
    for number in range(30):
        os.link(folder / "linked", folder / "elsewhere" / f"link {number}")


def odd_names(folder: Path, rng: random.Random, cluster: int) -> None:
    """Long names, all planes of Unicode, characters that Windows refuses."""
    for name in (
        "a" * 255,
        "日本語" * 30,
        "😀 emoji",
        "e\u0301 é",
        "bad:name"[:3] + "?*<>|",
        " . ",
        "…",
    ):
        (folder / name).write_bytes(name.encode())
    (folder / "Case").write_bytes(b"1")
    (folder / "case").write_bytes(b"2")


def deleted(folder: Path, rng: random.Random, cluster: int) -> None:
    """Files that were there once."""
    for number in range(40):
        (folder / f"deleted {number}").write_bytes(rng.randbytes(2 * cluster))
    for number in range(0, 40, 2):
        (folder / f"deleted {number}").unlink()


def in_pieces(folder: Path, rng: random.Random, cluster: int) -> None:
    """Files that grow by turns, and one with so many runs that it needs an attribute list."""
    with (folder / "turn a").open("wb") as a, (folder / "turn b").open("wb") as b:
        for _ in range(40):
            for file in (a, b):
                file.write(rng.randbytes(cluster))
                file.flush()
    piece = rng.randbytes(100)
    with (folder / "comb").open("wb") as file:
        for number in range(700):
            file.seek(2 * number * cluster)
            file.write(piece)


def full(folder: Path, rng: random.Random, cluster: int) -> None:
    """Fill all, free every third piece, fill again: files and the table of files in fragments."""
    pieces = []
    with _until_full():
        for number in range(100_000):
            piece = folder / f"piece {number}"
            pieces.append(piece)
            piece.write_bytes(rng.randbytes(max(cluster, 1100)))
    for piece in pieces[:-1:3]:  # the last one may not have been made
        piece.unlink()
    with _until_full():
        for number in range(100_000):
            (folder / f"small {number}").write_bytes(b"%d" % number)
    with _until_full(), (folder / "rest").open("wb", buffering=0) as file:
        while True:
            file.write(rng.randbytes(cluster))
    for piece in pieces[1::20]:
        piece.unlink(missing_ok=True)


@contextmanager
def _until_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


ALL: list[Filling] = [
    plain,
    folders,
    streams,
    compressed,
    sparse,
    links,
    odd_names,
    deleted,
    in_pieces,
]


def system_file(path: Path, data: bytes) -> None:
    """A file marked as Windows marks its page file: archive, system, hidden."""
    path.write_bytes(data)
    os.setxattr(path, "system.ntfs_attrib_be", struct.pack(">I", 0x26))


def sleeping(image: Path, memory: bytes, pages: bytes) -> int:
    """Give a volume the hibernation and page files of a Windows; the record of the first."""
    with mounted(image) as folder:
        system_file(folder / "hiberfil.sys", memory)
        system_file(folder / "pagefile.sys", pages)
        return (folder / "hiberfil.sys").stat().st_ino


@dataclass(frozen=True, slots=True)
class Seen:
    """A name as ntfs-3g shows it."""

    number: int
    links: int
    size: int
    modified_ns: int
    digest: str
    target: bytes | None = None


def seen_through_mount(image: Path) -> dict[bytes, Seen]:
    """Everything on a volume by path, read through ntfs-3g."""
    found: dict[bytes, Seen] = {}
    with mounted(image, "ro,streams_interface=windows") as folder:
        waiting = [(b"", os.fsencode(folder))]
        while waiting:
            path, place = waiting.pop()
            for entry in os.scandir(place):
                name = path + b"/" + entry.name
                stat = entry.stat(follow_symlinks=False)
                digest, target = "", None
                if entry.is_symlink():
                    target = os.readlink(entry.path)
                elif entry.is_dir():
                    waiting.append((name, entry.path))
                    digest = "folder"
                elif stat.st_size < 1 << 30:
                    digest = hashlib.sha256(Path(os.fsdecode(entry.path)).read_bytes()).hexdigest()
                found[name] = Seen(
                    stat.st_ino, stat.st_nlink, stat.st_size, stat.st_mtime_ns, digest, target
                )
    return found
