"""Images on the command line: what people and programs get to see of them."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.disk.ext_volumes import run
from tests.restorer.conftest import place, template
from tests.restorer.place import Place
from tests.view.images import image_of, partitioned

from .test_cli_json import obeys
from .world import COMMAND, Program

__all__ = ["place", "template"]

DATA = random.Random(9).randbytes(200_000)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    (folder / "tree").mkdir()
    (folder / "tree/data").write_bytes(DATA)
    volume = folder / "volume"
    with volume.open("wb") as file:
        file.truncate(4 << 20)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "docs\x1b[31m", "-d", folder / "tree", volume)
    return partitioned(folder / "disk.img", volume)


@pytest.fixture
def twofold(place: Place, disk: Path, tmp_path: Path) -> Program:
    """The program in a world whose repository holds an image."""
    image_of(place, disk)
    world = tmp_path / "world"
    world.mkdir()
    env = {"TWOFOLD_REPO": str(place.base / "repo"), "TWOFOLD_PASSWORD": place.key.decode()}
    return Program(world, env)


def test_ls_shows_partitions_and_files(twofold: Program) -> None:
    listed = twofold("ls", "latest", code=0)
    (line,) = listed.out.splitlines()[:1]
    assert line.split() == ["p1", "4.00", "MiB", "ext4", "docs\\x1b[31m"]
    assert "/data" in twofold("ls", "latest:p1:/", code=0).out.splitlines()
    outcome = twofold("ls", "latest", "--json", code=0)
    obeys(outcome)
    (part,) = outcome.of("partition")
    assert (part["number"], part["system"], part["start"]) == (1, "ext4", 1 << 20)
    outcome = twofold("ls", "latest:/data", code=2)
    assert "partition" in outcome.err


def test_cat_writes_bytes_and_nothing_else(twofold: Program) -> None:
    done = subprocess.run(
        [*COMMAND, "cat", "latest:p1:/data"],
        env=twofold.env,
        cwd=twofold.place,
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (DATA, b"")
    outcome = twofold("cat", "latest:p1:/data", "--json", code=2)
    obeys(outcome)
    assert twofold("cat", "latest:p1:/nothing", code=1).out == ""
    with twofold.start("cat", "latest:p1:/data", stdout=subprocess.PIPE) as reading:
        assert reading.stdout is not None
        reading.stdout.close()
        assert reading.wait() == 0  # nobody reads it: no error


def test_restore_and_export(twofold: Program, disk: Path) -> None:
    twofold("restore", "latest:p1:/data", "--to", "files", code=0)
    assert (twofold.place / "files/data").read_bytes() == DATA
    outcome = twofold("export", "latest", "disk.qcow2", "--json", code=0)
    obeys(outcome)
    assert (outcome.summary["format"], outcome.summary["part"]) == ("qcow2", None)
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", disk, twofold.place / "disk.qcow2")
    shown = twofold("export", "latest", "disk.qcow2", code=17)
    assert "there already" in shown.err
    shown = twofold("export", "latest", "part.raw", "--part", "p1", code=0)
    assert "exported part.raw" in shown.out + shown.err
    assert os.stat(twofold.place / "part.raw").st_size == 4 << 20
    obeys(twofold("export", "latest", "x.raw", "--part", "1", "-n", "--json", code=0))
    twofold("export", "latest", "x.raw", "--part", "one", code=2)
    assert not (twofold.place / "x.raw").exists()
