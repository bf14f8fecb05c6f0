"""Images on the command line: what people and programs get to see of them."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.disk.ext_volumes import run
from tests.restorer.conftest import place, template
from tests.restorer.place import LATER, Place
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


NAMES = (
    b"caf\xe9",
    b"half \xed\xa0\xbd of a pair",
    b"red\x1b[31m",
    "next\N{NEXT LINE}line".encode(),
    "left\N{RIGHT-TO-LEFT OVERRIDE}right".encode(),
    rb"plain \xe9",
    "plain é".encode(),
    b"caf\xe9 here/in\x85side",
)


@pytest.fixture
def odd(place: Place, twofold: Program, tmp_path: Path) -> dict[bytes, bytes]:
    """Contents by path in an ext4 whose image is the latest, with names that cannot be shown."""
    top = tmp_path / "odd"
    for number, name in enumerate(NAMES):
        path = os.fsencode(top) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"content %d" % number)
    volume = tmp_path / "odd.ext4"
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", top, volume, "4M")
    image_of(place, partitioned(tmp_path / "odd.img", volume), time_ns=LATER + 1)
    return {b"/" + name: b"content %d" % number for number, name in enumerate(NAMES)}


def test_names_are_taken_as_they_are_shown(twofold: Program, odd: dict[bytes, bytes]) -> None:
    listed = twofold("ls", "-R", "latest:p1:/", code=0).out.splitlines()
    shown = [line for line in listed if not line.endswith("/") and line.startswith("/")]
    assert len(shown) == len(odd)
    seen = {path: twofold("cat", f"latest:p1:{path}", code=0).out.encode() for path in shown}
    assert sorted(seen.values()) == sorted(odd.values())
    for path in shown:
        twofold("restore", f"latest:p1:{path}", "--to", "out", "--yes", code=0)
    back = os.fsencode(twofold.place / "out") + b"/"
    for true, content in odd.items():
        with open(back + true.rpartition(b"/")[2], "rb") as file:
            assert file.read() == content
    twofold("restore", "latest:p1:/caf\\xe9 here", "in\\x85side", "--to", "part", code=0)
    assert os.listdir(os.fsencode(twofold.place / "part")) == [b"in\x85side"]
    assert "holds no" in twofold("cat", r"latest:p1:/caf\xea", code=1).err


def test_what_is_named_literally_comes_first(twofold: Program, odd: dict[bytes, bytes]) -> None:
    assert twofold("cat", r"latest:p1:/plain \xe9", code=0).out.encode() == odd[rb"/plain \xe9"]


@pytest.mark.parametrize("verb", ["stats", "diff", "versions"])
def test_other_verbs_take_them_too(twofold: Program, odd: dict[bytes, bytes], verb: str) -> None:
    del odd
    path = r"/caf\xe9 here"
    words = {
        "stats": [f"latest:p1:{path}", f"latest:p1:{path}"],
        "diff": [f"latest:p1:{path}", f"latest:p1:{path}"],
        "versions": [rf"p1:{path}/in\x85side"],
    }
    twofold(verb, *words[verb], code=0)
