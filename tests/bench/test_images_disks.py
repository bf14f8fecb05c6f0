"""Real disks: what they hold, what counts as the same disk, and a run over all of it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bench import images, images_files, images_make, images_parts, images_stored
from bench.images_cases import (
    FILES_FIRST,
    IMAGE_FIRST,
    KINDS,
    PRESSED,
    TIMES,
    one_file,
    stored,
    times,
)
from bench.images_disks import START, Disk, part_of, used_of
from bench.images_fixed import FixedBlocks
from bench.images_peers import QemuImg, TwofoldImage
from bench.images_times import rounds
from bench.images_verify import Verifier
from bench.measure import Broken, Pipeline
from bench.program import World
from bench.results import Results
from scripts.environment import ROOT
from tests.restorer.processes import needs_root

OURS = Path(sys.executable).with_name("twofold")
ROOTS = (ROOT / "src", ROOT / "docs", ROOT / "tests")  # this checkout's own files
SIZE = 3_000_000
FREE = 60 << 20  # of a partition of 68 MiB: far behind what is in use
pytestmark = [needs_root, pytest.mark.slow]


@pytest.fixture(scope="module", params=KINDS)
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    """The disks of two computers with this checkout's own files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images_files, "ROOTS", ROOTS)
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="twofold-test-") as folder:
            yield images_make.computers(request.param, Path(folder), SIZE)


def run(*words: str | Path) -> bytes:
    return subprocess.run(words, check=True, capture_output=True).stdout


def digests(disk: Disk) -> dict[str, str]:
    """Of every file, through the mount."""
    with disk.mounted() as folder:
        lines = run("find", folder, "-type", "f", "-exec", "sha256sum", "{}", "+").decode()
    pairs = (line.split(maxsplit=1) for line in lines.splitlines())
    return {name: digest for digest, name in pairs}


def test_a_computer_has_its_files_and_its_changes(disk: Disk) -> None:
    assert b"No errors detected" in run("sfdisk", "--verify", disk.path)
    first = digests(disk)
    with disk.in_second_state():
        second = digests(disk)
    assert digests(disk) == first
    assert len(first) == disk.files
    assert first.keys() == second.keys()
    assert sum(first[name] != second[name] for name in first) == max(1, disk.files // 100)
    assert disk.used > SIZE
    assert run("blkid", "-p", "-s", "PTUUID", "-o", "value", disk.path) != run(
        "blkid", "-p", "-s", "PTUUID", "-o", "value", disk.other
    )


def test_what_is_free_is_zero_and_takes_no_room(disk: Disk) -> None:
    assert disk.path.stat().st_blocks * 512 < disk.used + (1 << 20)


def copied(disk: Disk, to: Path, *changes: int) -> Path:
    """A copy of the disk with other bytes at these places."""
    run("cp", "--sparse=always", disk.path, to)
    with open(to, "r+b") as file:
        for at in changes:
            file.seek(at)
            before = file.read(1)
            file.seek(at)
            file.write(bytes([before[0] ^ 0xFF]))
    return to


@pytest.mark.parametrize(
    ("program", "at", "same"),
    [
        (TwofoldImage, (), True),
        (TwofoldImage, (START + FREE,), True),
        (TwofoldImage, (START + 1080,), False),  # in the superblock, or in the boot code
        (TwofoldImage, (600,), False),
        (FixedBlocks, (), True),
        (FixedBlocks, (START + FREE,), False),
    ],
)
def test_a_disk_is_the_same_when_what_is_in_use_is(
    disk: Disk, program: type[TwofoldImage], at: tuple[int, ...], same: bool
) -> None:
    found = copied(disk, disk.folder / "found", *at)
    try:
        Verifier(disk).prove(disk.path, found, program(Path("nothing")))
    except Broken:
        assert not same
    else:
        assert same
    found.unlink()


class Liar(QemuImg):
    """A program that claims success and changes one byte."""

    name = "liar"

    def restore(self, world: World) -> Pipeline:
        (words,) = super().restore(world)
        spoil = 'at=$1; shift; "$@" && printf x | dd of="$0" bs=1 seek="$at" conv=notrunc'
        return [["sh", "-c", spoil, str(self.landed(world)), str(START + FREE), *words]]


def test_a_disk_that_came_back_otherwise_never_counts(disk: Disk) -> None:
    found = Results()
    programs = [QemuImg(Path("qemu-img")), Liar(Path("qemu-img"))]
    rounds(disk, "case", programs, found, 2)
    assert {each.program for each in found.steps} == {"qemu-img"}
    assert [each["program"] for each in found.broken] == ["liar"]
    assert not (disk.folder / "world").exists()


def test_fixed_blocks_take_every_kind_of_backup(disk: Disk) -> None:
    program = FixedBlocks(Path(sys.executable))
    verifier = Verifier(disk)
    steps = list(images_stored.run(disk, (program, program), "case", FILES_FIRST, verifier))
    assert [each.step for each in steps] == [*FILES_FIRST]
    assert all(one.stored < two.stored for one, two in pairwise(steps))


def test_what_ntfs_is_told_to_compress_it_does(fast: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_files, "ROOTS", ROOTS)
    plain, pressed = (images_make.pressed(fast / str(each), SIZE, each) for each in (False, True))
    assert plain.pressed == 0 < pressed.pressed
    with plain.mounted() as one, pressed.mounted() as two:
        run("diff", "-r", "--no-dereference", one, two)
    saved = plain.used - pressed.used
    assert pressed.pressed / 4 < saved < pressed.pressed


@pytest.fixture
def fast() -> Iterator[Path]:
    """A folder on the tmpfs."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="twofold-test-") as folder:
        yield Path(folder)


def test_the_quick_run_measures_and_tells_everything(
    fast: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images_files, "ROOTS", ROOTS)
    names = "twofold,twofold after files,ntfsclone+zstd,partclone+zstd,qemu-img,cat and cp"
    page = tmp_path / "page.md"
    words = f"--twofold={OURS} --memory={fast} --cache={tmp_path} --output={page} --quick".split()
    assert images.main([*words, "--scale=0.25", f"--programs={names}"]) == 0
    told = page.read_text("utf-8")
    assert told in capsys.readouterr().out
    (records,) = tmp_path.glob("images-*")
    lines = [json.loads(line) for line in records.read_text("utf-8").splitlines()]
    steps = {(each["case"], each["program"], each["step"]) for each in lines if "step" in each}
    for kind in KINDS:
        for order in (FILES_FIRST, IMAGE_FIRST):
            assert {(stored(kind, order), "twofold", step) for step in order} <= steps
        assert {(times(kind), "twofold", step) for step in TIMES} <= steps
        assert (times(kind), "partclone+zstd", "restore") in steps
        assert (one_file(kind), "twofold", "one file") in steps
        assert f"| {one_file(kind)} |" in told
    assert (times("ntfs"), "ntfsclone+zstd", "restore") in steps
    assert "Not measured" not in told
    assert not list(fast.iterdir())


def test_a_part_that_is_not_there_is_told(
    fast: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--twofold={OURS}", f"--memory={fast}", f"--cache={tmp_path}", "--only=zfs"]
    assert images.main([*words, "--programs=twofold"]) == 1
    assert "there is no part 'zfs'" in capsys.readouterr().err


def test_a_part_without_room_is_told_and_the_others_are_measured(
    fast: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_files, "ROOTS", ROOTS)
    monkeypatch.setattr(images_parts, "ROOM", 1e6)
    page = tmp_path / "page.md"
    words = [f"--twofold={OURS}", f"--memory={fast}", f"--cache={tmp_path}", "--only=ntfs,lznt1"]
    chosen = ["--quick", "--scale=0.25", "--programs=twofold", f"--output={page}"]
    assert images.main([*words, *chosen]) == 1
    told = page.read_text("utf-8")
    assert "- the disks, ntfs: this needs 6250.0 GB free" in told
    assert f"| {PRESSED} |" in told


def test_the_copies_for_the_others_are_the_partition_and_what_is_in_use(disk: Disk) -> None:
    disk.cut_out()
    skip = f"--ignore-initial={START}:0"
    run("cmp", skip, f"--bytes={disk.size}", disk.path, part_of(disk.path))
    assert used_of(disk.path).stat().st_size == disk.used
    assert not disk.second.exists()
