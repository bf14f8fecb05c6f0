"""Operating systems inside of images: hives by hivexsh, file systems by mkntfs and mke2fs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disk import hives
from tests.disk.test_hive_log import changes, entry, log
from tests.imaging.disks import MIB, gpt_disk, make_ext4, make_ntfs
from tests.restorer.place import Place
from tests.view.images import image_of
from tests.view.installed import PERSON, SYSTEM, VERSION, linux_tree, windows_tree
from twofold.view import Program, SystemFacts, Unread, User, systems_in

Spoil = Callable[[Path], object]


def found(place: Place, disk: Path) -> list[SystemFacts | Unread]:
    image_of(place, disk)
    with place.pages() as (pages, root):
        return list(systems_in(pages, root))


@pytest.fixture
def windows(place: Place, tmp_path: Path) -> Callable[[Spoil], SystemFacts]:
    """The facts of a Windows whose files were spoilt before."""

    def facts(spoil: Spoil) -> SystemFacts:
        top = windows_tree(tmp_path / "top")
        spoil(top)
        make_ntfs(tmp_path / "ntfs.img", top, tmp_path / "mnt", 24 * MIB)
        gpt_disk(tmp_path / "disk.img", [(tmp_path / "ntfs.img", "0700")])
        (system,) = found(place, tmp_path / "disk.img")
        assert isinstance(system, SystemFacts)
        return system

    return facts


CONFIG = "Windows/System32/config"


def test_a_windows(windows: Callable[[Spoil], SystemFacts]) -> None:
    assert windows(lambda _: None) == SystemFacts(
        partition=1,
        family="windows",
        name="Windows 11 Pro",
        version="25H2",
        build="26200.7462",
        edition="Professional",
        computer="BLUE-PC",
        time_zone="W. Europe Standard Time",
        owner="Blue Müller",
        installed_ns=1709280000 * 10**9,
        users=(User("Blue", PERSON, "C:\\Users\\blue"), User("Guest", "501", "", disabled=True)),
        programs=(
            Program(1, "7-Zip 24.08 (x64)", "24.08", "Igor Pavlov", "2024-08-17", "", 64),
            Program(1, "Chat", "1.2", "", "", "blue", 64),
            Program(1, "Old Tool", "", "", "", "", 32),
        ),
    )


def test_other_capitals_and_an_older_windows(windows: Callable[[Spoil], SystemFacts]) -> None:
    def spoil(top: Path) -> None:
        (top / CONFIG / "SAM").unlink()
        (top / CONFIG / "SYSTEM").rename(top / CONFIG / "system")
        old = {
            "ProductName": "string:Windows 7 Professional",
            "CurrentBuild": "string:7601",
            "CSDVersion": "string:Service Pack 1",
            "InstallDate": "dword:0",
        }
        hives.made(top / CONFIG / "software", {VERSION: old})
        (top / CONFIG / "SOFTWARE").unlink()
        (top / CONFIG).rename(top / "Windows/System32/Config")
        (top / "Windows/System32").rename(top / "Windows/system32")
        (top / "Windows").rename(top / "WINDOWS")

    facts = windows(spoil)
    assert (facts.name, facts.version, facts.build) == (
        "Windows 7 Professional",
        "Service Pack 1",
        "7601",
    )
    assert (facts.computer, facts.users, facts.installed_ns) == ("BLUE-PC", (), None)
    assert facts.notes == ()


def test_a_hive_in_use_is_brought_up_to_date(
    windows: Callable[[Spoil], SystemFacts], tmp_path: Path
) -> None:
    def spoil(top: Path) -> None:
        path = top / CONFIG / "SYSTEM"
        old = path.read_bytes()
        names = "ControlSet002\\Control\\ComputerName\\ComputerName"
        renamed = {**SYSTEM, names: {"ComputerName": "string:RENAMED"}}
        new = hives.made(tmp_path / "renamed", renamed).read_bytes()
        dirty = bytes(hives.rewritten(old, primary=50, secondary=49))
        path.write_bytes(dirty)
        told = entry(50, len(new) - 4096, changes(old, new))
        path.with_name("SYSTEM.LOG1").write_bytes(log(dirty, [told]))
        software = (top / CONFIG / "SOFTWARE").read_bytes()
        (top / CONFIG / "SOFTWARE").write_bytes(hives.rewritten(software, primary=9))

    facts = windows(spoil)
    assert facts.computer == "RENAMED"
    assert facts.name == "Windows 11 Pro"
    (note,) = facts.notes
    assert note == (
        "the registry hive config\\SOFTWARE was in use and has no log: it may be out of date"
    )


def test_damaged_hives_are_notes(windows: Callable[[Spoil], SystemFacts]) -> None:
    def spoil(top: Path) -> None:
        config = top / CONFIG
        data = bytearray((config / "SOFTWARE").read_bytes())
        at = data.find(b"Uninstall")
        data[at - 76 + 28 : at - 76 + 32] = b"\xf0\xff\xff\x7f"  # where its list of keys is
        (config / "SOFTWARE").write_bytes(data)
        (config / "SYSTEM").write_bytes(b"regf" + bytes(9000))
        (config / "SAM").write_bytes(b"")
        shutil.rmtree(top / "Users")

    facts = windows(spoil)
    assert (facts.name, facts.computer, facts.programs) == ("Windows 11 Pro", "", ())
    assert [user.name for user in facts.users] == ["blue"]
    assert [note.partition(" cannot be read whole: ")[0] for note in facts.notes] == [
        f"the registry hive config\\{name}" for name in ("SOFTWARE", "SYSTEM", "SAM")
    ]


def linux(place: Place, tmp_path: Path, spoil: Spoil) -> list[SystemFacts | Unread]:
    top = linux_tree(tmp_path / "top")
    spoil(top)
    make_ext4(tmp_path / "ext.img", top, 16 * MIB)
    gpt_disk(tmp_path / "disk.img", [(tmp_path / "ext.img", "8300")])
    return found(place, tmp_path / "disk.img")


def test_a_linux(place: Place, tmp_path: Path) -> None:
    assert linux(place, tmp_path, lambda _: None) == [
        SystemFacts(
            partition=1,
            family="linux",
            name="Debian GNU/Linux 12 (bookworm)",
            version="12",
            computer="attic",
            time_zone="Europe/Berlin",
            mounts=("/", "/home"),
            users=(
                User("blue", "1000", "/home/blue"),
                User("green", "1001", "/home/green", disabled=True),
            ),
        )
    ]


def test_a_linux_with_odd_files(place: Place, tmp_path: Path) -> None:
    def spoil(top: Path) -> None:
        (top / "etc/os-release").unlink()
        (top / "etc/os-release").symlink_to("/etc/round")
        (top / "etc/round").symlink_to("os-release")
        (top / "etc/hostname").write_bytes(b"\xff\x1b[31m\n")
        (top / "etc/timezone").write_text("Etc/UTC\n")
        (top / "etc/passwd").write_bytes(b"x" * (2 << 20))
        (top / "etc/fstab").unlink()
        (top / "etc/fstab").mkdir()

    (system,) = linux(place, tmp_path, spoil)
    assert isinstance(system, SystemFacts)
    assert system.name == "Debian GNU/Linux 12 (bookworm)"
    assert (system.computer, system.time_zone) == ("\ufffd\x1b[31m", "Etc/UTC")
    assert (system.users, system.mounts) == ((), ())
    (note,) = system.notes
    assert note == "/etc/passwd cannot be read: it is too long to be read (2,097,152 bytes)"


def test_no_system_is_no_fact(place: Place, tmp_path: Path) -> None:
    assert linux(place, tmp_path, lambda top: shutil.rmtree(top / "usr")) == []


def test_what_is_left_of_a_windows_is_none(place: Place, tmp_path: Path) -> None:
    top = windows_tree(tmp_path / "top")
    (top / CONFIG / "SOFTWARE").unlink()
    make_ntfs(tmp_path / "ntfs.img", top, tmp_path / "mnt", 24 * MIB)
    assert found(place, tmp_path / "ntfs.img") == []
