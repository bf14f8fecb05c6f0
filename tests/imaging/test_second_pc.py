"""What a second PC with the same Windows adds, and what virtual machines add to their host.

The figures are logged (``pytest -o log_cli=true --log-cli-level=info``), and bounded.
"""

import logging
import os
import random
from pathlib import Path

import pytest

from tests.cli.world import Program
from tests.disk.ext_volumes import Recipe, may_mount, mounted
from tests.imaging.disks import MIB, run
from tests.imaging.pcs import linux, rounds, windows
from tests.imaging.pcs.disk import Disk, device
from tests.imaging.pcs.judges import judge
from tests.imaging.pcs.trees import KINDS, tree
from tests.imaging.pcs.windows import Pc

_FIGURES = logging.getLogger("figures")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not may_mount(), reason="may not mount")]


def test_a_second_pc_adds_little(twofold: Program, room: Path) -> None:
    """Same system, other GUIDs, serials, registry, user: only what is its own is stored."""
    disks = [windows.build(room / name, Pc(name)) for name in ("DESKTOP-A", "DESKTOP-B")]
    first, second = (rounds.image(twofold, disk.path) for disk in disks)
    own = bytes_of_its_own(disks, room)
    for each in (first, second):
        used, stored = each["bytes_total"] / MIB, each["bytes_stored"] / MIB
        _FIGURES.info("%.1f MiB in use, %.1f stored", used, stored)
    _FIGURES.info("%.1f MiB in files of the second that the first has not", own / MIB)
    assert second["bytes_stored"] < own + 0.04 * second["bytes_total"]
    for disk, snapshot in zip(disks, ("latest~1", "latest"), strict=True):
        back = rounds.restore(twofold, snapshot, room / "back", disk.size)
        judge(disk, back, room / "judge")
        back.unlink()


def bytes_of_its_own(disks: list[Disk], room: Path) -> int:
    """In files and streams of the second PC that the first one has not."""
    seen: list[dict[str, int]] = []
    for disk in disks:
        sizes: dict[str, int] = {}
        for part in disk.parts:
            if part.volume.kind in KINDS:
                with device(disk.path, part.start, part.volume.size) as place:
                    for it in tree(part.volume.kind, place, room / "mnt").values():
                        sizes |= {it.digest: it.room} if it.digest else {}
                        sizes |= dict.fromkeys(it.streams.values(), 0)
        seen.append(sizes)
    return sum(size for digest, size in seen[1].items() if digest not in seen[0])


def host(room: Path, machine: Path) -> Path:
    """An ext4 whose home holds the disk of a virtual machine, and letters."""
    tree = room / "home"
    (tree / "letters").mkdir(parents=True)
    (tree / "letters/one").write_bytes(random.Random(1).randbytes(3 * MIB))
    run("cp", "--sparse=always", machine, tree / "machine")
    image = linux.blank(room / "host.img", 400)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, image)
    return image


def machines_disk(room: Path) -> Path:
    """Small files, and four of 48 MiB, each in one run whenever the system writes back."""
    raw = linux.ext(room, Recipe("-t ext4 -b 4096", 256, 6))
    with mounted(raw, room / "mnt") as place:
        for number in range(4):
            with (place / f"large {number}").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, 48 * MIB)
                file.write(random.Random(number).randbytes(48 * MIB))
    return raw


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_virtual_machines(twofold: Program, room: Path, kind: str) -> None:
    """The disk of a machine: as a file of the host's image, backed up as a file, and imaged."""
    raw = machines_disk(room)
    machine = room / f"machine.{kind}"
    run("qemu-img", "convert", "-O", kind, raw, machine)
    steps = [("image of the host", rounds.image(twofold, host(room, machine)))]
    backup = twofold("backup", str(machine), "--json", code=0).summary
    steps += [("the machine's file backed up", backup)]
    steps += [("image of the machine's disk", rounds.image(twofold, machine))]
    for name, told in steps:
        _FIGURES.info("%s, %s: %.2f MiB stored", kind, name, told["bytes_stored"] / MIB)
    back = rounds.restore(twofold, "latest", room / "back", raw.stat().st_size)
    run("e2fsck", "-fn", back)
    stored = [told["bytes_stored"] for _, told in steps]
    assert stored[1] < 0.05 * stored[0], "a file of an image is the same file in a backup"
    assert stored[2] < 0.5 * stored[0], "larger files are found again"
