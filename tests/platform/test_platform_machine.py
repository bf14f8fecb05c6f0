"""Who we are, who owns what, which processes live, and what a file system is worth."""

import os
import pwd
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.platform.conftest import Mounter
from tests.platform.oracles import run
from twofold.platform import Entry, current

NS = 10**9
ENTRY = Entry(1, 2, 3 * NS + 1, 4 * NS + 1, 0o100644, 0, 0, 1, 0, b"name")
WHOLE = ENTRY._replace(mtime_ns=3 * NS, ctime_ns=4 * NS)


def test_machine_is_told_and_its_secret_id_is_not() -> None:
    told = current().machine()
    assert told == current().machine()
    assert told.host == socket.gethostname()
    assert told.system == "linux"
    assert told.description
    secret = run("sh", "-c", "cat /etc/machine-id || true").decode().strip()
    assert len(told.machine_id) == (32 if secret else 0)
    assert told.machine_id != secret or not secret
    assert told.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.mark.parametrize("text", ["", "uninitialized\n", "not an id at all"])
def test_machine_without_an_id(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twofold.platform.linux import machine

    (tmp_path / "id").write_text(text)
    monkeypatch.setattr(machine, "_MACHINE_IDS", (str(tmp_path / "id"), str(tmp_path / "none")))
    monkeypatch.setattr(machine, "_OS_RELEASES", (str(tmp_path / "none"),))
    assert current().machine().machine_id == ""
    assert current().machine().description.startswith("Linux ")


def test_owners_by_name_and_number() -> None:
    for entry in pwd.getpwall():
        group = run("id", "-gn", entry.pw_name).decode().strip()
        assert current().owner_names(entry.pw_uid, entry.pw_gid)[1] == group
        assert current().owner_ids(entry.pw_name, group) == (entry.pw_uid, entry.pw_gid)
    assert current().owner_names(0, 0) == ("root", "root")
    assert current().owner_names(4_000_000_000, 2**70) == ("", "")
    assert current().owner_ids("", "") == (None, None)
    assert current().owner_ids("no such user", "nul\0") == (None, None)
    assert current().user_name() == run("id", "-un").decode().strip()


def test_processes_live_until_they_end() -> None:
    alive = current().process_alive
    assert alive(os.getpid())
    assert alive(1)
    child = subprocess.Popen(["sleep", "60"])
    assert alive(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(child.pid)  # ended, though not yet reaped
    child.wait()
    assert not alive(child.pid)
    for number in (0, -1, 2**22 + 1, 2**31, 2**70):
        assert not alive(number)


def test_a_program_named_to_confuse(tmp_path: Path) -> None:
    program = tmp_path / "x) Z (y"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "60"])
    try:
        for _ in range(100):  # until it has become that program
            if b") Z" in Path(f"/proc/{child.pid}/stat").read_bytes():
                break
            time.sleep(0.05)
        assert current().process_alive(child.pid)
    finally:
        child.kill()
        child.wait()


def folders(home: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> list[str]:
    """Personal folders with a configuration, relative to the home."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    (home / ".config").mkdir(exist_ok=True)
    config = home / ".config" / "user-dirs.dirs"
    config.unlink(missing_ok=True)
    if text is not None:
        config.write_text(text)
    found = current().personal_folders()
    return [os.path.relpath(os.fsdecode(path), home) for path in found]


def test_personal_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders(tmp_path, monkeypatch, None) == []
    for name in ("Documents", "Bilder", "Pictures", "Desk top", 'quo"te', "Documents/Music"):
        (tmp_path / name).mkdir()
    (tmp_path / "Videos").touch()
    assert folders(tmp_path, monkeypatch, None) == ["Documents", "Pictures"]
    text = """
# written by xdg-user-dirs-update
XDG_DESKTOP_DIR="$HOME/Desk top"
XDG_PICTURES_DIR="$HOME/Bilder"
XDG_MUSIC_DIR="$HOME/Documents/Music"
XDG_DOWNLOAD_DIR="$HOME/"
XDG_TEMPLATES_DIR="$HOME"
XDG_PUBLICSHARE_DIR="$HOME/quo\\"te/"
XDG_VIDEOS_DIR="/nowhere/at all"
XDG_EVIL_DIR="$(reboot)"
"""
    want = ["Desk top", "Documents", "Bilder", 'quo"te']
    assert folders(tmp_path, monkeypatch, text) == want
    whole = text.replace("$HOME/Bilder", str(tmp_path / "Bilder"))
    assert folders(tmp_path, monkeypatch, whole) == want
    assert folders(tmp_path, monkeypatch, "\0garbage=") == ["Documents", "Pictures"]


@pytest.mark.parametrize(
    "fs_type",
    "ext2 ext3 ext4 xfs btrfs tmpfs zfs f2fs ntfs ntfs3 nfs nfs4 hfsplus unheard-of".split(),
)
def test_inode_numbers_that_stay(fs_type: str) -> None:
    assert current().stable_inodes(fs_type)


@pytest.mark.parametrize(
    "fs_type",
    "cifs smb3 fuse fuse.sshfs fuse.rclone fuseblk vfat exfat msdos 9p vboxsf overlay".split(),
)
def test_inode_numbers_that_do_not(fs_type: str) -> None:
    assert not current().stable_inodes(fs_type)


def test_steps_of_time() -> None:
    step = current().timestamp_granularity_ns
    for fs_type in ("ext4", "xfs", "btrfs", "tmpfs", "ntfs3", "zfs"):
        assert step(fs_type, ENTRY) == NS // 100
        assert step(fs_type, ENTRY._replace(mtime_ns=3 * NS)) == NS // 100
        assert step(fs_type, WHOLE) > NS
    for fs_type in ("vfat", "exfat", "msdos", "hfs", "hfsplus", "fuseblk", "unheard-of", ""):
        assert step(fs_type, ENTRY) == step(fs_type, WHOLE) == 2 * NS
    for fs_type in ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse", "9p"):
        assert step(fs_type, ENTRY) >= 2 * NS


@pytest.mark.parametrize(
    ("kind", "rounds"),
    [
        ("ext4", 40),
        ("ext4-small-inodes", 2),
        ("xfs", 40),
        ("btrfs", 40),
        ("exfat", 1),
        ("vfat", 1),
        ("ramfs", 40),
    ],
)
def test_a_change_after_that_step_gets_another_stamp(
    kind: str, rounds: int, mounted: Mounter
) -> None:
    """This is what the unchanged proof rests on."""
    folder = mounted(kind)
    with closing(current().open_source(os.fsencode(folder))) as source:
        for _ in range(rounds):
            (folder / "file").write_bytes(b"x")
            before = source.stat_child(b"file")
            step = current().timestamp_granularity_ns(source.fs_type, before)
            time.sleep(step / NS)
            (folder / "file").write_bytes(b"y")
            after = source.stat_child(b"file")
            assert after.mtime_ns > before.mtime_ns
            assert after.ctime_ns > before.ctime_ns or kind in ("exfat", "vfat")


def test_the_door_is_light() -> None:
    """The door gives one object, and importing it brings no heavy modules."""
    assert current() is current()
    program = "import sys, twofold.platform; print(*sys.modules)"
    loaded = run(sys.executable, "-c", program).decode().split()
    assert not {"ctypes", "pwd", "twofold.platform.linux"} & set(loaded)
