"""Two NTFS volumes that hold the same files in another layout, imaged after a backup of the files.

The files are taken from /usr/share. On A they were written one after another; on B in random order
and into the gaps of a volume from which every second of many small files was deleted. So whatever
the images store beyond the file backup is metadata, or contents that were cut in another way.
Needs root, mkntfs and ntfs-3g.
"""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.images_mounts import mounted_ntfs
from bench.stored import files
from twofold.archiver import BackupRequest, RuleOptions, backup
from twofold.backend import create_backend
from twofold.chunker import ChunkerParams
from twofold.disk.blocks import FileBlocks
from twofold.events import ignore
from twofold.imaging import ImageRequest, capture, open_source
from twofold.pipeline import Outcome
from twofold.platform import current
from twofold.repository import Repository, create_repository

SEED = 1
FILL = 0.5  # of the volume: files
GAPS = 0.3  # of the volume: what makes gaps, before half of it is deleted
FILLER = 64 << 10  # bytes of each file that only makes gaps
FOLDER = 100  # files in one


def measure(sets: dict[str, ChunkerParams], place: Path, size: int) -> None:
    """Make the volumes once; back up and image them under each set of sizes; print it."""
    source = place / "files"
    names = copy_files(Path("/usr/share"), source, int(size * FILL))
    volumes = [place / "A", place / "B"]
    for volume in volumes:
        make(volume, size, place / "mounted", source, names)
    for name, params in sets.items():
        started = time.process_time()
        outcomes = run(params, place / "repository", source, volumes)
        cpu = time.process_time() - started
        told = [(kind, each.root) for kind, each in outcomes.items()]
        figures = (
            f"{kind} {root.bytes_read / 1e6:.1f} read, {root.bytes_stored / 1e6:.1f} stored"
            for kind, root in told
        )
        print(f"  {name:14} MB: {'; '.join(figures)}; {cpu:.1f} CPU s", flush=True)


def copy_files(root: Path, target: Path, size: int) -> list[str]:
    """Copy files until they have ``size`` bytes in all; their names below the target."""
    paths = list(files(root))
    random.Random(SEED).shuffle(paths)
    names: list[str] = []
    for path in paths:
        size -= path.stat().st_size
        if size < 0:
            break
        name = f"{len(names) // FOLDER}/{len(names)}"
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / name)
        names.append(name)
    return names


def make(volume: Path, size: int, folder: Path, source: Path, names: Sequence[str]) -> None:
    """A volume with the files; B gets gaps and another order."""
    volume.write_bytes(b"")
    os.truncate(volume, size)
    tool("mkntfs", "-q", "-F", "-f", "-L", volume.name, volume)
    with mounted_ntfs(volume, folder):
        order = list(names)
        if volume.name == "B":
            random.Random(SEED).shuffle(order)
            make_gaps(folder, int(size * GAPS) // FILLER)
        for name in order:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        for number in range(0, int(size * GAPS) // FILLER, 2):
            (folder / f"gap {number}").unlink(missing_ok=True)


def make_gaps(folder: Path, count: int) -> None:
    """Many files of which every second one is deleted."""
    rng = random.Random(SEED)
    for number in range(count):
        (folder / f"gap {number}").write_bytes(rng.randbytes(FILLER))
    for number in range(1, count, 2):
        (folder / f"gap {number}").unlink()


def tool(*words: str | Path) -> None:
    """A command that must succeed."""
    subprocess.run(words, check=True, capture_output=True)


def run(
    params: ChunkerParams, place: Path, source: Path, volumes: Sequence[Path]
) -> dict[str, Outcome]:
    """The file backup, then the images, into a new repository that is deleted again."""
    created = create_repository(create_backend(str(place)), b"bench")
    with created.repository as repository:
        repository.config = msgspec.structs.replace(
            repository.config,
            chunk_min=params.minimum,
            chunk_normal=params.normal,
            chunk_max=params.maximum,
            chunk_nc=params.normalization,
        )
        request = BackupRequest(sources=(os.fsencode(source),), rules=RuleOptions())
        outcomes = {"files": backup(repository, current(), request, ignore)}
        for volume in volumes:
            outcomes[volume.name] = image(repository, volume)
    shutil.rmtree(place)
    return outcomes


def image(repository: Repository, volume: Path) -> Outcome:
    """An image of one volume."""
    with open(volume, "rb") as file:
        source = open_source(FileBlocks(file))
        request = ImageRequest(path=os.fsencode(volume))
        return capture(repository, current(), source, request, ignore).outcome
