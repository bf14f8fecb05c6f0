"""A PC with its root in a logical volume, as installers make it: disk → image → disk and files.

The group is LVM's own work (without device mapper), and LVM's tools say where its pieces are.
"""

import hashlib
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.cli.world import COMMAND, Program
from tests.disk.ext_volumes import may_mount, mounted
from tests.imaging.disks import MIB, run
from tests.imaging.pcs import linux, rounds
from tests.imaging.pcs.disk import FILL, Disk
from tests.imaging.pcs.judges import differing, ext_ranges, judge_part, used_ranges
from twofold.errors import SnapshotNotFound
from twofold.format.image import VolumeRecord
from twofold.format.records import PageRef
from twofold.imaging.part import Part
from twofold.imaging.wiping import HEAD, TAIL

_FIGURES = logging.getLogger("figures")

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not mount")


@dataclass(frozen=True)
class Pc:
    """A disk, and its logical volume ``root``: (first byte on the disk, bytes) of each piece."""

    disk: Disk
    room: Path
    pieces: list[tuple[int, int]]

    @property
    def root(self) -> Path:
        """The bytes of the logical volume."""
        return self.root_of(self.disk.path, self.room / "root")

    def root_of(self, disk: Path, target: Path) -> Path:
        return linux.read_pieces(disk, self.pieces, target)


@pytest.fixture(scope="module")
def fedora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """Made once; nobody writes to it."""
    place = tmp_path_factory.mktemp("fedora")
    yield linux.fedora(place)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def pc(fedora: Disk, room: Path) -> Pc:
    run("cp", "--sparse=always", fedora.path, room / "disk.img")
    disk = replace(fedora, path=room / "disk.img")
    part = disk.part("lvm")
    pieces = linux.logical_volume(part.volume.image)
    assert len(pieces) == 2
    return Pc(disk, room, [(part.start + start, size) for start, size in pieces])


def _digests(image: Path, mount: Path) -> dict[bytes, str]:
    """All files of an ext4, by their paths."""
    with mounted(image, mount, "loop,ro") as top:
        return dict(_below(os.fsencode(top)))


def _below(top: bytes) -> Iterator[tuple[bytes, str]]:
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                yield path[len(top) :], hashlib.file_digest(file, "sha256").hexdigest()


def _back_up_files(twofold: Program, pc: Pc) -> None:
    """Of all file systems: of the ESP from what it was made from, else as they are mounted."""
    esp, boot = pc.disk.parts[:2]
    twofold("backup", str(esp.volume.image.with_suffix("")), code=0)
    for name, image in (("boot", boot.volume.image), ("root", pc.root)):
        with mounted(image, pc.room / f"{name}-mnt", "loop,ro") as top:
            twofold("backup", str(top), code=0)


def _judge(pc: Pc, back: Path) -> None:
    """Every byte in use is what it was, LVM finds its group, e2fsck no fault, files are equal."""
    esp, boot, group = pc.disk.parts
    for part in (esp, boot):
        judge_part(pc.disk, part, back, part.start, pc.room / "judge")
    ours, theirs = pc.root, pc.root_of(back, pc.room / "root-back")
    assert differing(ours, theirs, used_ranges("ext", ours, pc.room)) == []
    run("e2fsck", "-fn", theirs)
    assert _digests(ours, pc.room / "mnt") == _digests(theirs, pc.room / "mnt")
    rest = _without(range(group.start, group.start + group.volume.size), pc.pieces)
    frame = _without(range(pc.disk.size), [(p.start, p.volume.size) for p in pc.disk.parts])
    assert differing(pc.disk.path, back, [*rest, *frame]) == []
    pv = linux.read_pieces(back, [(group.start, group.volume.size)], pc.room / "pv-back")
    assert linux.logical_volume(pv) == linux.logical_volume(group.volume.image)


def _without(whole: range, taken: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found, at = [], whole.start
    for start, size in sorted(taken):
        found.append((at, start - at))
        at = start + size
    return [(at, size) for at, size in [*found, (at, whole.stop - at)] if size]


def test_what_its_files_gave_is_not_stored_again(twofold: Program, pc: Pc) -> None:
    _back_up_files(twofold, pc)
    told = rounds.image(twofold, pc.disk.path)
    _FIGURES.info("%(bytes_stored)d bytes stored of %(bytes_total)d in use", told)
    assert told["bytes_stored"] <= 0.06 * told["bytes_total"]
    _judge(pc, rounds.restore(twofold, "latest", pc.room / "back", pc.disk.size))


def test_free_blocks_of_a_logical_volume_are_left_alone(twofold: Program, pc: Pc) -> None:
    """Neither are they kept, so the target has there what it had, but for what would be known."""
    rounds.image(twofold, pc.disk.path)
    back = rounds.restore(twofold, "latest", pc.room / "back", pc.disk.size)
    root, theirs = pc.root, pc.root_of(back, pc.room / "root-back")
    used = [(start, size) for start, size in ext_ranges(root) if size]
    free = _without(range(root.stat().st_size), used)
    assert sum(size for _, size in free) > 20 * MIB
    whole = root.stat().st_size
    with theirs.open("rb") as file:
        for start, size in free:
            middle = range(max(start, HEAD), min(start + size, whole - TAIL))
            kept = bytes([FILL]) * len(middle)
            file.seek(start)
            before = max(0, min(HEAD - start, size))
            assert file.read(size) == bytes(before) + kept + bytes(size - before - len(kept))


def test_an_exact_image_gives_every_byte(twofold: Program, pc: Pc) -> None:
    rounds.comes_back_exactly(twofold, pc.disk, pc.room)


def test_a_physical_volume_comes_back_alone(twofold: Program, pc: Pc) -> None:
    """With all that is in it, or one logical volume without the group."""
    rounds.image(twofold, pc.disk.path)
    group = pc.disk.part("lvm")
    back = rounds.restore(twofold, "latest:p3", pc.room / "back", group.volume.size)
    pieces = linux.logical_volume(back)
    assert [size for _, size in pieces] == [size for _, size in pc.pieces]
    theirs = linux.read_pieces(back, pieces, pc.room / "theirs")
    alone = rounds.restore(twofold, "latest:p3.root", pc.room / "alone", pc.root.stat().st_size)
    used = used_ranges("ext", pc.root, pc.room)
    for each in (theirs, alone):
        assert differing(pc.root, each, used) == []
        run("e2fsck", "-fn", each)


def test_an_unchanged_image_reads_next_to_nothing(twofold: Program, pc: Pc) -> None:
    first = rounds.image(twofold, pc.disk.path)
    second = rounds.image(twofold, pc.disk.path, "--skip-unchanged")
    read = first["bytes_read"] - second["bytes_read"]
    assert read > 50 * MIB, "files of the logical volume are proven unchanged"
    assert second["bytes_stored"] < MIB
    _judge(pc, rounds.restore(twofold, "latest", pc.room / "back", pc.disk.size))


def test_files_come_out_of_it(twofold: Program, pc: Pc) -> None:
    rounds.image(twofold, pc.disk.path)
    listed = twofold("ls", "latest", "--json", code=0).of("partition")
    members = ("part", "number", "parent", "system")
    assert [tuple(each[name] for name in members) for each in listed] == [
        ("1", 1, 0, "fat32"),
        ("2", 2, 0, "ext4"),
        ("3", 3, 0, "lvm2"),
        ("3.root", None, 3, "ext4"),
        ("3.swap", None, 3, "swap"),
    ]
    wanted = _digests(pc.root, pc.room / "mnt")
    twofold("restore", "latest:p3.root:/", "--to", str(pc.room / "out"), code=0)
    assert dict(_below(os.fsencode(pc.room / "out"))) == wanted
    assert _cat(twofold, b"latest:p3.root:/large") == wanted[b"/large"]
    found = twofold("find", "large", "--json", code=0).of("found")
    assert "3.root" in {each["partition"] for each in found}
    (address,) = (each["address"] for each in found if each["partition"] == "3.root")
    assert _cat(twofold, address.encode()) == wanted[b"/large"]


def _cat(twofold: Program, address: bytes) -> str:
    words: list[str | bytes] = [*COMMAND, "cat", address]
    out = subprocess.run(
        words, env=twofold.env, cwd=twofold.place, capture_output=True, check=True
    ).stdout
    return hashlib.sha256(out).hexdigest()


def test_what_changed_in_it_is_told(twofold: Program, pc: Pc) -> None:
    rounds.image(twofold, pc.disk.path)
    root = pc.root
    with mounted(root, pc.room / "mnt") as top:
        (top / "new file").write_text("new")
    linux.write_pieces(pc.disk.path, pc.pieces, root)
    rounds.image(twofold, pc.disk.path)
    told = twofold("diff", "latest~1", "latest", "--json", code=0).of("difference")
    added = [(each["partition"], each["path"]) for each in told if each["change"] == "added"]
    assert added == [("3.root", "/new file")]
    inside = twofold("diff", "latest~1:p3.root:/", "latest:p3.root:/", "--json", code=0)
    assert "/new file" in {each["path"] for each in inside.of("difference")}
    versions = twofold("versions", "p3.root:/new file", "--json", code=0).of("version")
    assert [each["partition"] for each in versions] == ["3.root"]


@pytest.mark.parametrize("name", ["root", "a b", "a:b", "\x1b[2J", "é"])
def test_an_estimate_calls_it_what_the_image_will(name: str) -> None:
    """Both by a number where the name cannot be typed."""
    part = Part(10_000, 0, 512, "", name, parent=3)
    page = PageRef(bytes(32))
    told = VolumeRecord(10_000, 0, 512, "", name, "", "", "", "", 1, 9, 0, 9, True, page, 3)
    assert part.called == told.called == ("3.root" if name == "root" else 10_000)


def test_a_volume_that_is_not_there(twofold: Program, pc: Pc) -> None:
    rounds.image(twofold, pc.disk.path)
    for address in ("latest:p3.home:/", "latest:p1.root:/"):
        outcome = twofold("ls", address, "--json")
        assert outcome.code == SnapshotNotFound.exit_code
        assert "no partition" in outcome.out


def test_a_disk_that_is_all_one_group(twofold: Program, room: Path) -> None:
    """Without a partition table, with an ext4 that was used and fragmented."""
    group = linux.physical_volume(room)
    pc = Pc(Disk(group, ()), room, linux.logical_volume(group))
    rounds.image(twofold, group)
    back = rounds.restore(twofold, "latest", room / "back", group.stat().st_size)
    theirs = pc.root_of(back, room / "root-back")
    assert differing(pc.root, theirs, used_ranges("ext", pc.root, room)) == []
    run("e2fsck", "-fn", theirs)
    assert linux.logical_volume(back) == pc.pieces
    twofold("restore", "latest:p1.root:/", "--to", str(room / "out"), code=0)
    exported = room / "root.raw"
    twofold("export", "latest:p1.root", str(exported), code=0)
    assert differing(pc.root, exported, used_ranges("ext", pc.root, room)) == []


@pytest.mark.slow
def test_a_used_volume_comes_back(twofold: Program, room: Path) -> None:
    disk = linux.in_groups(room)
    part = disk.parts[1]
    rounds.image(twofold, disk.path)
    back = rounds.restore(twofold, "latest:p2", room / "back", part.volume.size)
    pieces = linux.logical_volume(back)
    assert pieces == linux.logical_volume(part.volume.image)
    inside = linux.read_pieces(back, pieces, room / "inside")
    ours = linux.read_pieces(part.volume.image, pieces, room / "ours")
    assert differing(ours, inside, used_ranges("ext", ours, room)) == []
    run("e2fsck", "-fn", inside)
    rounds.comes_back_exactly(twofold, disk, room)
