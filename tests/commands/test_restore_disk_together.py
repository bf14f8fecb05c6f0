"""Two processes that want the same file: one gets it, the other is refused and changes nothing.

Each says where it is and waits to be told to go on, so every order of the two is had on purpose.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.conftest import KEY
from tests.imaging.disks import MIB, gpt_disk, make_ext4
from twofold.commands import image
from twofold.errors import RefusedUnsafe
from twofold.events import ignore
from twofold.options import RepositoryAccess

REFUSED = RefusedUnsafe.exit_code
PROGRAM = """
import os, sys
from pathlib import Path
from twofold.commands import export, restore_disk
from twofold.errors import TwofoldError
from twofold.events import Phase, Progress
from twofold.options import RepositoryAccess, Secret

verb, place, key, to = sys.argv[1:]
access = RepositoryAccess(place, lambda: Secret(key.encode(), is_key_file=True))
told = set()

def stop(where):
    if where not in told:
        told.add(where)
        print(where, flush=True)
        sys.stdin.readline()

def planned(plan):
    stop("planned")
    return True

def emit(event):
    if isinstance(event, Phase):
        stop("writing")

try:
    if verb == "export":
        options = export.ExportOptions(access=access, snapshot="latest", file=to)
        code = export.run(options, emit).exit_code
    else:
        options = restore_disk.RestoreDiskOptions(
            access=access, snapshot="latest", target=os.fsencode(to), confirm=planned
        )
        code = restore_disk.run(options, emit).exit_code
except TwofoldError as error:
    print(error.message, flush=True)
    sys.exit(error.exit_code)
sys.exit(code)
"""


class Other:
    """A process that restores or exports, stopped at ``planned`` or ``writing``."""

    def __init__(self, verb: str, access: RepositoryAccess, to: Path) -> None:
        words = [sys.executable, "-c", PROGRAM, verb, access.location, KEY.decode(), str(to)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)

    def reached(self, where: str) -> None:
        assert self.line() == where

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Let it run; its exit code and the last that it said."""
        said, _ = self.process.communicate("\n\n")
        return self.process.returncode, said.strip().rpartition("\n")[2]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(bytes(range(256)) * 4000)
    make_ext4(tmp_path / "root", tree, 16 * MIB)
    gpt_disk(tmp_path / "disk", [(tmp_path / "root", "8300")])
    return tmp_path / "disk"


@pytest.fixture
def imaged(access: RepositoryAccess, disk: Path) -> RepositoryAccess:
    image.run(image.ImageOptions(access=access, disks=(bytes(disk),)), ignore)
    return access


class Start:
    """Starts processes, none of which outlives the test."""

    def __init__(self, access: RepositoryAccess, to: Path) -> None:
        self.access, self.to = access, to
        self.all: list[Other] = []

    def __call__(self, verb: str = "restore-disk") -> Other:
        self.all.append(Other(verb, self.access, self.to))
        return self.all[-1]


@pytest.fixture
def start(imaged: RepositoryAccess, tmp_path: Path) -> Iterator[Start]:
    starts = Start(imaged, tmp_path / "back.raw")
    yield starts
    for other in starts.all:
        other.process.kill()
        other.process.communicate()


def test_two_that_planned_with_a_new_file(start: Start, disk: Path) -> None:
    first, second = start(), start()
    first.reached("planned")
    second.reached("planned")
    assert first.end()[0] == 0
    code, said = second.end()
    assert code == REFUSED
    assert "back.raw' was written by another program meanwhile" in said
    assert start.to.read_bytes() == disk.read_bytes()


def test_two_that_planned_with_the_same_old_file(start: Start, disk: Path) -> None:
    start.to.write_bytes(bytes(disk.stat().st_size))
    first, second = start(), start()
    first.reached("planned")
    second.reached("planned")
    assert first.end()[0] == 0
    assert second.end()[0] == REFUSED
    assert start.to.read_bytes() == disk.read_bytes()


@pytest.mark.parametrize("is_planned", [True, False], ids=["planned before", "comes later"])
def test_one_that_comes_while_another_writes(start: Start, disk: Path, is_planned: bool) -> None:
    first = start()
    first.reached("planned")
    second = start() if is_planned else None
    if second is not None:
        second.reached("planned")
    first.go_on()
    first.reached("writing")
    code, said = (second or start()).end()
    assert code == REFUSED
    assert "by another program" in said
    assert first.end()[0] == 0
    assert start.to.read_bytes() == disk.read_bytes()


def test_an_export_that_ends_after_the_plan(start: Start, disk: Path) -> None:
    restore, export = start(), start("export")
    restore.reached("planned")
    assert export.end()[0] == 0
    assert restore.end()[0] == REFUSED
    assert start.to.read_bytes() == disk.read_bytes()


def test_an_export_that_ends_while_a_restore_writes(start: Start, disk: Path) -> None:
    export = start("export")
    export.reached("writing")
    restore = start()
    restore.reached("planned")
    restore.go_on()
    restore.reached("writing")
    code, said = export.end()
    assert (code, "is there already" in said) == (REFUSED, True)
    assert restore.end()[0] == 0
    assert start.to.read_bytes() == disk.read_bytes()
