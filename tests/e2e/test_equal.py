"""What comes back is what was there, judged by rsync, getfattr and lsattr from the command line.

The trees: ``/usr`` of the machine, a home-like tree with every type of entry, and a tree of
hostile names 5,000 levels deep.
"""

import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RSYNC = ("rsync", "-aHAXn", "--checksum", "--modify-window=-1", "--delete", "--itemize-changes")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the oracles are Linux programs")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line, with a repository of this test."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TWOFOLD_REPO": str(tmp_path / "repo"),
        "TWOFOLD_PASSWORD": "a password of this test",
    }

    def twofold(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "twofold", *words]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done

    twofold("init", environment["TWOFOLD_REPO"])
    return twofold


def assert_equal(source: Path, copy: Path) -> None:
    """rsync would transfer nothing, attributes and flags are the same."""
    difference = subprocess.run(
        [*RSYNC, f"{source}/", f"{copy}/"], capture_output=True, check=False
    )
    assert (difference.returncode, difference.stdout, difference.stderr) == (0, b"", b"")
    for command in (("getfattr", "-R", "-d", "-h", "-m", "-", "."), ("lsattr", "-R", "-a", ".")):
        if shutil.which(command[0]):
            assert output(command, source) == output(command, copy), command


def output(command: tuple[str, ...], folder: Path) -> list[bytes]:
    """Sorted lines a command prints in a folder; lsattr's complaints about links are no matter.

    Of its letters those are left out that the file system sets by itself: e (extents), I (hashed
    directory), N (inline data); so is what stands above the folder.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    lines = done.stdout.splitlines()
    if command[0] == "lsattr":
        pairs = [line.partition(b" ") for line in lines if not line.endswith(b" ./..")]
        lines = [flags.translate(None, b"eIN-") + b" " + name for flags, _, name in pairs]
    return sorted(lines)


def home(top: Path) -> None:
    """Documents, pictures, links, odd modes, attributes, sparse and special files."""
    rand = random.Random(7)
    for folder in ("Documents/letters", "Pictures/2026", ".config/app", "src/project/.git/objects"):
        (top / folder).mkdir(parents=True)
        for i in range(40):
            size = rand.choice([0, 1, 300, 4096, 20_000, 200_000])
            (top / folder / f"file {i}").write_bytes(rand.randbytes(size))
    (top / "Pictures/film").write_bytes(rand.randbytes(9_000_000) + bytes(2_000_000))
    os.link(top / "Documents/letters/file 1", top / "Pictures/linked")
    os.link(top / "Documents/letters/file 1", top / "linked again")
    (top / "link").symlink_to("Documents")
    (top / "dangling").symlink_to("/nowhere/at all")
    with (top / "sparse").open("wb") as file:
        file.truncate(3 << 30)
        file.seek(1 << 30)
        file.write(b"an island")
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(top / "socket"))
    os.chmod(top / "Documents/letters", 0o2750)
    os.chmod(top / "src/project", 0o1777)
    os.setxattr(top / "Documents", "user.colour", b"\0\xffblue")
    subprocess.run(["chattr", "+d", top / "Documents/letters/file 2"], check=False)
    subprocess.run(["setfacl", "-m", "u:1:r", top / "Pictures/film"], check=False)
    os.utime(top / "Documents/letters/file 3", ns=(0, -1_234_567_890_123_456_789))
    if os.geteuid() == 0:
        os.mknod(top / "device", 0o20600, os.makedev(1, 3))
        os.chown(top / "Pictures/2026/file 4", 1234, 4321)
        os.chmod(top / "Pictures/2026/file 4", 0o4755)


def hostile(top: Path) -> None:
    """Names that break programs, and a chain of 5,000 directories."""
    names = [b"new\nline", b"\xff\xfe\xfd", b"n" * 255, b"-rf", b" ", b"\t", b"\x01\x1b[31m"]
    names += [b"a\\b", b"~", b"*", b"$(true)", b"'", b'"', "é".encode(), "e\u0301".encode(), b"..."]
    here = os.open(top, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=here)
        inside = os.open(name, os.O_RDONLY, dir_fd=here)
        for other in names:
            with os.fdopen(os.open(other, os.O_CREAT | os.O_WRONLY, dir_fd=inside), "wb") as file:
                file.write(other)
        os.close(inside)
    for level in range(5000):
        os.mkdir(b"deeper", dir_fd=here)
        below = os.open(b"deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        if level % 1000 == 999:
            with os.fdopen(os.open(b"f", os.O_CREAT | os.O_WRONLY, dir_fd=here), "wb") as file:
                file.write(b"%d" % level)
    os.close(here)


def test_a_home(run: Callable[..., object], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    home(source)
    run("backup", str(source))
    run("restore", f"latest:{source}", "--to", str(tmp_path / "out"))
    assert_equal(source, tmp_path / "out")
    assert (tmp_path / "out/sparse").stat().st_blocks < 2000


def test_whole_paths_without_an_address(run: Callable[..., object], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    home(source)
    run("backup", str(source))
    run("restore", "latest", "--to", str(tmp_path / "out"))
    assert_equal(source, Path(f"{tmp_path}/out{source}"))


def test_hostile_names(run: Callable[..., object], tmp_path: Path) -> None:
    """rsync cannot follow paths of 35,000 bytes, so the deep chain is walked by descriptor."""
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    hostile(source)
    try:
        run("backup", str(source))
        run("restore", f"latest:{source}", "--to", str(out))
        run("check", "--read-data")
        difference = subprocess.run(
            [*RSYNC, "--exclude=/deeper", f"{source}/", f"{out}/"], capture_output=True, check=False
        )
        assert (difference.stdout, difference.returncode) == (b"", 0)
        assert chain(source) == chain(out)
        assert len(chain(out)) == 5001
    finally:
        for top in (source, out):
            subprocess.run(["rm", "-rf", "--", top], check=False)


def chain(top: Path) -> list[tuple[int, int, bytes]]:
    """Mode, mtime and file contents of each level of the deep chain."""
    found = []
    here = os.open(top / "deeper", os.O_RDONLY)
    while True:
        info = os.fstat(here)
        content = b""
        names = os.listdir(here)
        if "f" in names:
            with os.fdopen(os.open("f", os.O_RDONLY, dir_fd=here), "rb") as file:
                content = file.read()
        found.append((info.st_mode, info.st_mtime_ns, content))
        if "deeper" not in names:
            os.close(here)
            return [*found, (len(found), 0, b"")]
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below


@pytest.mark.slow
def test_usr(run: Callable[..., object], tmp_path: Path) -> None:
    """The machine's own programs; owners and modes need root to come back."""
    if os.geteuid() != 0:
        pytest.skip("only root can restore owners")
    part = "/usr" if shutil.disk_usage(tmp_path).free > 30 << 30 else "/usr/share"
    run("backup", part)
    run("restore", f"latest:{part}", "--to", str(tmp_path / "out"))
    assert_equal(Path(part), tmp_path / "out")
    run("check")
