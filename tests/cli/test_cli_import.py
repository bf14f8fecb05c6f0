"""``twofold import``, as a user types it."""

import os
from pathlib import Path

import pytest

from tests.commands.windows_backup import MIB, Volume, guid_of, make_backup, ntfs_volume

from .test_cli_json import obeys
from .world import Program

C = guid_of("C")


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("backup")
    volume = ntfs_volume(top / "volume", {"Users/ada/letter.txt": b"Dear reader\n" * 500})
    made = [Volume(volume, C, "C:"), Volume(volume, guid_of("R"))]
    make_backup(top, "OFFICE\x1b[31m", "2019-02-22 124351", made)
    return top / "WindowsImageBackup"


def test_people_are_told_what_comes_in(twofold: Program, backup: Path) -> None:
    tried = twofold("import", str(backup), "--dry-run", code=0)
    assert "C: of OFFICE\\x1b[31m, 2019-02-22 12:43, MBR" in tried.out
    assert "dry run: nothing was stored" in tried.out
    assert "0 backups" in twofold("snapshots", code=0).out
    done = twofold("import", str(backup), code=0)
    assert "2 disks imported in" in done.out
    assert "\x1b" not in done.out + done.err
    again = twofold("import", str(backup), code=0)
    assert again.out.splitlines() == ["2 disks imported before, passed over"]
    lines = twofold("snapshots", "--name", "C:", code=0).out.splitlines()
    assert lines[1].split()[1:5] == ["2019-02-22", "12:43", "OFFICE\\x1b[31m", "C:"]
    ident = lines[1].split()[0]
    read = twofold("cat", f"{ident}:p1:/Users/ada/letter.txt", code=0)
    assert read.out == "Dear reader\n" * 500
    assert "days ago (2019-02-22 12:43)" in twofold(code=0).out


def test_programs_are_told(twofold: Program, backup: Path) -> None:
    first = twofold("import", str(backup), "--json", code=0)
    obeys(first)
    told = first.of("imported")
    assert {each["name"] for each in told} == {"C:", f"Windows {guid_of('R')[:8]}"}
    assert {each["made_time"] for each in told} == {"2019-02-22T12:43:51Z"}
    assert not any(each["present"] for each in told)
    second = twofold("import", str(backup), "--json", code=0)
    obeys(second)
    assert [e["snapshot"] for e in second.of("imported")] == [e["snapshot"] for e in told]


def test_times_are_given_in_words(twofold: Program) -> None:
    disk = twofold.place / "disk.raw"
    disk.write_bytes(os.urandom(MIB))
    twofold("import", "disk.raw", "--time", "2011-02-03T10:00:00+02:00", code=0)
    assert "2011-02-03 08:00" in twofold("snapshots", code=0).out
    twofold("import", "disk.raw", "--time", "2012-01-01", env={"TZ": "UTC-3"}, code=0)
    assert "2011-12-31 21:00" in twofold("snapshots", code=0).out
    for never in ("yesterday", "2011-02-30", "2011-02-03T25:00"):
        assert "is not a time" in twofold("import", "disk.raw", "--time", never, code=2).err


def test_what_cannot_be(twofold: Program, sample: Path) -> None:
    assert "holds no backup" in twofold("import", str(sample), code=2).err
    twofold("import", "nothing", code=2)
    twofold("import", code=2)
    twofold("import", "/dev/null", code=2)
    short = twofold.place / "short.vhd"
    short.write_bytes(bytes(MIB))
    assert "cut short" in twofold("import", "short.vhd", code=1).err
    assert "cut short" in twofold("image", "short.vhd", code=1).err
    obeys(twofold("import", "short.vhd", "--json", code=1))
