"""``twofold stats``, as a user types it: one disk with two systems, its files, and what grew."""

import random
import shutil
from pathlib import Path

import pytest

from tests.imaging.disks import mounted_ntfs, run, starts
from tests.view.installed import two_systems

from .test_cli_json import obeys
from .world import Program

MIB = 1 << 20


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``disk.img``, and the same later; the Windows on it as a folder."""
    folder = tmp_path_factory.mktemp("disks")
    disk = two_systems(folder)
    shutil.copy(disk, folder / "later.img")
    rand = random.Random(4)
    with mounted_ntfs(folder / "ntfs.img", folder / "mnt") as top:
        videos = top / "Users/blue/Videos"
        videos.mkdir()
        (videos / "holiday.mp4").write_bytes(rand.randbytes(5 * MIB))
        (top / "Users/blue/notes.txt").unlink()
    first = starts(folder / "later.img")[0] // MIB
    words = [f"if={folder / 'ntfs.img'}", f"of={folder / 'later.img'}"]
    run("dd", *words, "bs=1M", f"seek={first}", "conv=notrunc")
    return folder


@pytest.fixture
def imaged(twofold: Program, disks: Path) -> Program:
    """A backup of the files, an image, and the same disk later under the same name."""
    twofold("backup", str(disks / "windows"), code=0)
    shutil.copy(disks / "disk.img", twofold.place / "disk.img")
    twofold("image", "disk.img", code=0)
    shutil.copy(disks / "later.img", twofold.place / "disk.img")
    twofold("image", "disk.img", code=0)
    return twofold


@pytest.mark.slow
def test_an_image(imaged: Program) -> None:
    said = imaged("stats", "latest", code=0).out
    assert "disk.img, GPT: 53.0 MiB" in said
    for line in (
        "p1: Windows 11 Pro 25H2, build 26200.7462, Professional",
        "p2: Debian GNU/Linux 12 (bookworm)",
        "    3 programs: 7-Zip 24.08 (x64), Chat 1.2, Old Tool",
        "    2 users: blue, green (disabled)",
    ):
        assert line in said.splitlines()
    assert "Chat 1.2, of blue" in imaged("stats", "latest", "--programs", code=0).out
    narrow = imaged("stats", "latest", env={"COLUMNS": "40"}, code=0).out
    assert max(map(len, narrow.splitlines())) <= 40
    outcome = imaged("stats", "latest", "--json", code=0)
    obeys(outcome)
    shared = outcome.summary["backup"]["sharing"]
    assert shared["files"]["bytes_raw"] > 0
    assert shared["images"]["bytes_raw"] > 0
    assert 5 * MIB <= shared["own"]["bytes_raw"] < 6 * MIB
    assert [each["number"] for each in outcome.of("volume")] == [1, 2]
    assert [each["computer"] for each in outcome.of("system")] == ["BLUE-PC", "attic"]
    assert len(outcome.of("program")) == 3


@pytest.mark.slow
def test_growth_between_images(imaged: Program) -> None:
    outcome = imaged("stats", "latest~1", "latest", "--json", code=0)
    obeys(outcome)
    growth = outcome.summary["growth"]
    assert (growth["bytes_new"], growth["bytes_gone"]) == (5 * MIB, 1800)
    assert (growth["files_new"], growth["files_gone"], growth["files_changed"]) == (1, 1, 0)
    folders = {each["path"]: (each["bytes_new"], each["bytes_gone"])
               for each in outcome.of("folder")}  # fmt: skip
    assert folders == {
        "/p1": (5 * MIB, 1800),
        "/p1/Users": (5 * MIB, 1800),
        "/p1/Users/blue": (5 * MIB, 1800),
        "/p1/Users/blue/Videos": (5 * MIB, 0),
    }
    said = imaged("stats", "latest", "--since", "latest~1", code=0).out
    assert "+5.00 MiB: █ 5.00 MiB new or changed, ░ 1.76 KiB gone or replaced" in said
    assert "  /p1/Users/blue\n" in said
    words = ["stats", "latest~1:p1:/Users/blue/Videos", "latest:p1:/Users/blue/Videos", "--json"]
    assert imaged(*words, code=0).summary["growth"]["files_new"] == 1
    assert "nothing came" in imaged("stats", "latest", "latest", code=0).out
    # a backup of files and a partition
    words = ["stats", "latest:p1:/Users", f"latest~2:{imaged.place}", "--json"]
    assert imaged(*words, code=0).summary["growth"]["bytes_gone"] > 5 * MIB


@pytest.mark.slow
def test_the_repository(imaged: Program) -> None:
    said = imaged("stats", code=0).out
    assert said.startswith("3 backups in ")
    outcome = imaged("stats", "--json", code=0)
    obeys(outcome)
    whole = outcome.summary["repository"]
    packs = [each for each in imaged.place.joinpath("repository/packs").rglob("*")
             if each.is_file()]  # fmt: skip
    assert whole["bytes_stored"] == sum(each.stat().st_size for each in packs)
    assert whole["packs"] == len(packs)
    snapshots = imaged("snapshots", "--json", code=0).of("snapshot")
    assert whole["bytes_total"] == sum(each["bytes_total"] for each in snapshots)
    groups = {each["kind"]: each for each in outcome.of("group")}
    assert {kind: each["snapshots"] for kind, each in groups.items()} == {"files": 1, "image": 2}
    assert groups["image"]["bytes_newest"] == snapshots[-1]["bytes_total"]


def test_backups_of_files(twofold: Program, sample: Path) -> None:
    assert "0 backups in " in twofold("stats", code=0).out
    twofold("backup", "sample", code=0)
    (sample / "more").write_bytes(random.Random(2).randbytes(200_000))
    twofold("backup", "sample", code=0)
    said = twofold("stats", "latest", code=0).out
    assert "3 files in" in said
    outcome = twofold("stats", "latest", "--json", code=0)
    obeys(outcome)
    shared = outcome.summary["backup"]["sharing"]
    assert (shared["own"]["bytes_raw"], shared["images"]["chunks"]) == (200_000, 0)
    assert shared["files"]["bytes_raw"] == 12 * 100 + 256 * 40
    grown = twofold("stats", "latest~1", "latest", env={"COLUMNS": "44"}, code=0).out
    assert "+195 KiB" in grown
    assert max(map(len, grown.splitlines())) <= 44


def test_what_cannot_be(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    assert "leave out --since" in twofold("stats", "a", "b", "--since", "c", code=2).err
    assert "none is named" in twofold("stats", "--since", "latest", code=2).err
    assert "two backups" in twofold("stats", "latest:/x", code=2).err
    twofold("stats", "latest:p1", "latest:p1", code=2)
    assert "neither of the two" in twofold("stats", "latest:/no", "latest:/no", code=1).err
    twofold("stats", "latest~7", code=2)


def test_damage_is_an_exit_code(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    for pack in twofold.place.joinpath("repository/packs").rglob("*"):
        if pack.is_file():
            pack.write_bytes(bytes(pack.stat().st_size))
    outcome = twofold("stats", "latest", "--json", code=5)
    obeys(outcome)
    assert outcome.of("finding")
    assert "Traceback" not in twofold("stats", "latest", code=5).err
