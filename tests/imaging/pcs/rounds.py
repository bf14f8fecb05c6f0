"""Images and restores through the program, onto files that are full of something else."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cli.world import COMMAND, Program
from tests.imaging.pcs.disk import FILL, Disk, device, filled
from tests.imaging.pcs.judges import judge, judge_part
from tests.imaging.pcs.trees import Tree, tree

MIB = 1 << 20


def image(twofold: Program, path: Path, *words: str) -> dict[str, int]:
    """Make an image; what the program says of it."""
    (told,) = twofold("image", str(path), *words, "--json", code=0).of("disk")
    assert told["failed"] == 0
    return {name: value for name, value in told.items() if isinstance(value, int)}


def restore(twofold: Program, address: str, target: Path, size: int) -> Path:
    """Write an image, or a partition of it, onto a file."""
    filled(target, size)
    done = twofold("restore-disk", address, "--to", str(target), "--yes", "--json", code=0)
    assert (done.summary["wrong"], done.summary["damaged"]) == (0, 0)
    return target


def comes_back(twofold: Program, disk: Disk, room: Path) -> None:
    """The whole of a disk, there and back, is what it was by every judge."""
    image(twofold, disk.path)
    judge(disk, restore(twofold, "latest", room / "back", disk.size), room / "judge")
    (room / "back").unlink()


def comes_back_exactly(twofold: Program, disk: Disk, room: Path) -> None:
    """With ``--exact`` every byte is the same, those in no use included."""
    image(twofold, disk.path, "--exact")
    back = restore(twofold, "latest", room / "back", disk.size)
    subprocess.run(["cmp", disk.path, back], check=True)
    back.unlink()


def comes_back_alone(twofold: Program, disk: Disk, number: int, room: Path) -> None:
    """One partition, onto a file that is larger: what is behind it there is left alone.

    But for the last MiB, where something may tell of what was there before.
    """
    (part,) = (part for part in disk.parts if part.number == number)
    size, more = part.volume.size, 3 * MIB + 5 * 512 * 7
    image(twofold, disk.path)
    back = restore(twofold, f"latest:p{number}", room / "back", size + more)
    judge_part(disk, part, back, 0, room / "judge")
    assert back.stat().st_size == size + more
    with back.open("rb") as file:
        file.seek(size)
        assert file.read() == bytes([FILL]) * (more - MIB) + bytes(MIB)
    back.unlink()


def comes_back_onto_a_larger_one(twofold: Program, disk: Disk, room: Path) -> None:
    """Every partition is where it was and what it was; the end of the disk is left alone."""
    image(twofold, disk.path)
    back = restore(twofold, "latest", room / "back", disk.size + 5_000_192)
    for part in disk.parts:
        judge_part(disk, part, back, part.start, room / "judge")
    back.unlink()


def files_come_out(
    twofold: Program, disk: Disk, number: int, room: Path, *, refused: Sequence[bytes] = ()
) -> Tree:
    """``restore`` and ``cat`` give the files that a mount shows; the tree that it showed."""
    (part,) = (part for part in disk.parts if part.number == number)
    kind = part.volume.kind
    room.mkdir(exist_ok=True)
    with device(disk.path, part.start, part.volume.size) as place:
        expected = tree(kind, place, room / "mnt", skip=part.volume.discarded)
    wanted = {path: seen.digest for path, seen in expected.items() if seen.digest}
    target = room / "out"
    twofold("restore", f"latest:p{number}:/", "--to", str(target), code=1 if refused else 0)
    for path, digest in wanted.items():
        if path not in refused:
            assert digest_below(os.fsencode(target), path) == digest, path
    for path in sample(wanted, 6):
        out = subprocess.run(
            [*COMMAND, "cat", b"latest:p%d:" % number + path],
            env=twofold.env,
            cwd=twofold.place,
            capture_output=True,
            check=True,
        ).stdout
        assert hashlib.sha256(out).hexdigest() == wanted[path], path
    return expected


def digest_below(top: bytes, path: bytes) -> str:
    with open(top + path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sample(wanted: dict[bytes, str], count: int) -> list[bytes]:
    """Some names, spread over all."""
    names = sorted(wanted)
    return names[:: max(1, len(names) // count)][:count]
