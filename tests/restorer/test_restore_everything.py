"""What comes out is what went in: every kind of entry, hostile names, depth, holes, by chance."""

import os
import random
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.platform.oracles import HOSTILE_NAMES
from tests.restorer.place import Place, differences, differences_below, has_attributes, room, rsync
from twofold.platform.linux import mounts

ROOT = os.geteuid() == 0


def fill(top: Path, seed: int = 1) -> None:
    """Every kind of entry that needs no rights, some larger than a chunk."""
    rand = random.Random(seed)
    for d in range(6):
        folder = top / f"d{d}" / "inner"
        folder.mkdir(parents=True)
        for f in range(12):
            (folder / f"f{f}").write_bytes(rand.randbytes(rand.choice([0, 1, 100, 5000, 70_000])))
    (top / "large").write_bytes(rand.randbytes(3_000_000) + bytes(300_000) + rand.randbytes(900))
    (top / "twice").write_bytes((top / "large").read_bytes()[:2_500_000] * 2)
    (top / "zeros").write_bytes(bytes(200_000))
    (top / "many zeros").write_bytes(bytes(5_000_000))
    (top / "small with zeros").write_bytes(b"a" + bytes(100_000) + b"b")
    (top / "link").symlink_to("d0/inner/f1")
    (top / "dangling").symlink_to("\udcff nowhere")
    os.link(top / "large", top / "hard link to large")
    os.link(top / "d1/inner/f1", top / "d2/hard")
    os.link(top / "link", top / "d2/hard to link", follow_symlinks=False)
    os.mkfifo(top / "fifo")
    os.link(top / "fifo", top / "d3/fifo again")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(top / "socket"))
    (top / "empty").mkdir()
    os.chmod(top / "d3", 0o1711)
    os.chmod(top / "d4", 0o555)
    os.chmod(top / "large", 0o400)


def age(top: Path, seed: int = 2) -> None:
    """Odd times for everything, deepest first."""
    rand = random.Random(seed)
    for folder, names, files in os.walk(os.fsencode(top), topdown=False):
        for name in (*names, *files):
            when = rand.choice([rand.randrange(2 * 10**18), -rand.randrange(10**17), 0, 1])
            path = os.path.join(folder, name)
            os.utime(path, ns=(0, when), follow_symlinks=False)
    os.utime(top, ns=(0, 1_234_567_890_123_456_789))


def test_everything(place: Place) -> None:
    fill(place.source)
    age(place.source)
    place.backup()
    result = place.restore()
    assert differences(place.source, place.target) == []
    live = sum(len(names) + len(files) for _, names, files in os.walk(place.source))
    assert (result.exit_code, result.new, result.failed) == (0, live, 0)
    assert result.plan.new == live
    assert (result.losses, result.aside) == ((), None)


def files_of(top: Path) -> dict[Path, tuple[int, ...]]:
    """Inode, links and times of content and change of all but directories."""
    found: dict[Path, tuple[int, ...]] = {}
    for path in top.rglob("*"):
        info = path.lstat()
        if not stat.S_ISDIR(info.st_mode):
            found[path] = (info.st_ino, info.st_nlink, info.st_mtime_ns, info.st_ctime_ns)
    return found


def test_everything_again_changes_nothing(place: Place) -> None:
    fill(place.source)
    age(place.source)
    place.backup()
    first = place.restore()
    before = files_of(place.target)
    again = place.restore()
    assert (again.new, again.replaced, again.conflicts) == (0, 0, 0)
    assert again.unchanged == again.plan.unchanged == first.new
    assert files_of(place.target) == before
    assert differences(place.source, place.target) == []


def test_whole_snapshot_keeps_absolute_paths(place: Place) -> None:
    fill(place.source)
    os.chmod(place.base, 0o751)
    place.backup()
    place.restore("latest")
    below = place.target / place.source.relative_to("/")
    assert differences(place.source, below) == []
    for path in place.source.parents:  # the directories on the way have their own metadata
        if path != Path("/"):
            there = (place.target / path.relative_to("/")).stat()
            assert stat.S_IMODE(there.st_mode) == stat.S_IMODE(path.stat().st_mode)
            assert there.st_uid == path.stat().st_uid
    assert stat.S_IMODE(place.target.stat().st_mode) == 0o700


def test_one_file(place: Place) -> None:
    fill(place.source)
    place.backup()
    place.restore(f"latest:{place.source}/large")
    assert os.listdir(place.target) == ["large"]
    assert (place.target / "large").read_bytes() == (place.source / "large").read_bytes()
    place.restore(f"latest:{place.source}/link")
    assert os.readlink(place.target / "link") == "d0/inner/f1"


def test_hostile_names(place: Place) -> None:
    top = os.fsencode(place.source)
    for name in HOSTILE_NAMES:
        if name.startswith(b".twofold-"):
            continue  # is one of ours, and would be cleaned away
        os.mkdir(os.path.join(top, name))
        with open(os.path.join(top, name, name), "wb") as file:
            file.write(name)
        os.symlink(name, os.path.join(top, name, b"link"))
    place.backup()
    assert place.restore().exit_code == 0
    assert differences(place.source, place.target) == []


@pytest.mark.parametrize("depth", [900, pytest.param(5000, marks=pytest.mark.slow)])
def test_depth(place: Place, depth: int) -> None:
    """Directories below one another, each with a file: far beyond any path string."""
    fd = os.open(place.source, os.O_RDONLY)
    for number in range(depth):
        with open(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as file:
            file.write(b"%d" % number)
        name = "d" * 200
        os.mkdir(name, dir_fd=fd)
        fd, above = os.open(name, os.O_RDONLY, dir_fd=fd), fd
        os.close(above)
    os.close(fd)
    place.backup()
    result = place.restore()
    assert (result.exit_code, result.new) == (0, 2 * depth)
    fd = os.open(place.target, os.O_RDONLY)
    for number in range(depth):
        with open(os.open("f", os.O_RDONLY, dir_fd=fd), "rb") as file:
            assert file.read() == b"%d" % number
        fd, above = os.open("d" * 200, os.O_RDONLY, dir_fd=fd), fd
        os.close(above)
    assert os.listdir(fd) == []
    os.close(fd)
    subprocess.run(["rm", "-rf", place.source, place.target], check=True)


def data_of(path: Path) -> tuple[int, bytes]:
    """(size, all that is not zeros, block by block with its place)."""
    found = []
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        at = 0
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // 4096 * 4096
            except OSError:
                break
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            for place in range(at, end, 4096):
                block = os.pread(file.fileno(), 4096, place)
                if block.strip(b"\0"):
                    found.append(b"%d:" % place + block)
            at = end
    return size, b"".join(found)


def test_names_of_one_file_where_inode_numbers_do_not_last(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on overlays, and on most of what is mounted through FUSE."""
    monkeypatch.setattr(mounts, "stable_inodes", lambda _fs_type: False)
    (place.source / "d").mkdir()
    (place.source / "d/a").write_bytes(b"x")
    os.link(place.source / "d/a", place.source / "b")
    place.backup()
    place.restore()
    assert differences(place.source, place.target) == []


def test_holes_stay_holes_and_zeros_take_room(place: Place) -> None:
    island = random.Random(5).randbytes(50_000)
    with open(place.source / "sparse", "wb") as file:  # 3 GiB with islands
        for offset in (0, 700 << 20, (1 << 30) + 4096, 2 << 30):
            file.seek(offset)
            file.write(island)
        file.truncate(3 << 30)
    (place.source / "allocated").write_bytes(bytes(8 << 20))
    place.backup()
    result = place.restore()
    assert result.exit_code == 0
    for name in ("sparse", "allocated"):
        source, target = place.source / name, place.target / name
        assert data_of(source) == data_of(target), name
        assert room(target) <= room(source) + 65536, name
        assert room(target) >= room(source) - 65536, name


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_what_only_root_may(place: Place) -> None:
    top = place.source
    fill(top)
    os.chown(top / "d0", 12_345, 54_321)
    os.chown(top / "d0/inner/f1", NOBODY := 65_534, NOBODY)
    os.lchown(top / "link", 1, 2)
    os.chmod(top / "d0/inner/f1", 0o6755)
    os.mknod(top / "d5/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(top / "d5/block", stat.S_IFBLK | 0o640, os.makedev(7, 200))
    if has_attributes(top):
        os.setxattr(top / "d1", b"user.directory", b"\0\xff")
        os.setxattr(top / "large", b"user.empty", b"")
        os.setxattr(top / "dangling", b"trusted.of.link", b"1", follow_symlinks=False)
        capability = bytes.fromhex("0100000200200000000000000000000000000000")
        os.setxattr(top / "d0/inner/f2", b"security.capability", capability)
    subprocess.run(["setfacl", "-m", "u:1234:rw,m::r", top / "d1/inner/f3"], check=True)
    subprocess.run(["setfacl", "-d", "-m", "g:99:rwx", top / "d2"], check=True)
    place.backup()
    place.target.mkdir()
    os.setxattr(place.target, b"user.x", b"")  # not empty of metadata, but of entries
    subprocess.run(["setfacl", "-d", "-m", "u:77:rwx", place.target], check=True)
    result = place.restore()
    assert (result.exit_code, result.losses) == (0, ())
    assert differences(top, place.target) == []
    again = place.restore()
    assert (again.new, again.replaced, again.conflicts) == (0, 0, 0)
    assert differences_below(top, place.target) == []


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_flags(place: Place) -> None:
    top = place.source
    (top / "d/e").mkdir(parents=True)
    for name in ("d/immutable", "d/append", "d/nodump", "d/e/both"):
        (top / name).write_bytes(name.encode())
    os.link(top / "d/immutable", top / "second name")
    marks = {"d/immutable": "+i", "d/append": "+a", "d/nodump": "+dA", "d/e/both": "+i", "d": "+i"}
    try:
        for name, flags in marks.items():
            done = subprocess.run(["chattr", flags, top / name], capture_output=True, check=False)
            if done.returncode:
                pytest.skip("no inode flags here")
        place.backup()
        assert place.restore().exit_code == 0
        assert differences(top, place.target) == []
        (top / "d/e").chmod(0o750)
        subprocess.run(["chattr", "-i", top / "d/e/both"], check=True)
        (top / "d/e/both").write_bytes(b"another")
        subprocess.run(["chattr", "+i", top / "d/e/both"], check=True)
        place.backup()
        result = place.restore(existing="replace")  # over what forbids it
        assert (result.exit_code, result.replaced) == (0, 1)
        assert differences_below(top, place.target) == []
    finally:
        subprocess.run(["chattr", "-R", "-i", "-a", place.base], capture_output=True, check=False)


def plant(top: Path, rand: random.Random, budget: int) -> None:
    """A random tree; some of it linked, sparse or odd."""
    folders: list[Path] = [top]
    files: list[Path] = []
    for number in range(budget):
        path = rand.choice(folders) / f"{rand.choice(['x', 'ä', ' ', 'Z'])}{number}"
        match rand.randrange(8):
            case 0 | 1:
                path.mkdir()
                folders.append(path)
            case 2 if files:
                os.link(rand.choice(files), path, follow_symlinks=False)
            case 3:
                path.symlink_to("x" * rand.randrange(1, 80))
                files.append(path)
            case 4:
                with open(path, "wb") as file:
                    for _ in range(rand.randrange(4)):
                        file.seek(rand.randrange(1 << 22))
                        file.write(rand.randbytes(rand.choice([1, 4096, 100_000])))
            case _:
                pattern = rand.choice([rand.randbytes(50), b"\0"])
                path.write_bytes(pattern * rand.choice([0, 1, 100, 3000, 30_000]))
                files.append(path)
        if not path.is_symlink():
            os.chmod(path, rand.choice([0o755, 0o700, 0o4711, 0o666]) if path.is_file() else 0o750)


def change(top: Path, rand: random.Random) -> None:
    """Put other things in the place of some."""
    for path in sorted(top.rglob("*")):
        if rand.randrange(4) or (path.parent == top and not rand.randrange(3)):
            continue
        try:
            if path.is_dir() and not path.is_symlink():
                subprocess.run(["rm", "-rf", path], check=True)
                path.write_bytes(b"now a file")
            else:
                path.unlink()
                match rand.randrange(3):
                    case 0:
                        path.mkdir()
                    case 1:
                        path.symlink_to("..")
        except (FileNotFoundError, NotADirectoryError):
            continue  # below something replaced before


@pytest.mark.parametrize("seed", range(6))
def test_random_trees_into_random_targets(place: Place, seed: int) -> None:
    rand = random.Random(seed)
    plant(place.source, rand, 150)
    age(place.source, seed)
    place.backup()
    assert place.restore().exit_code == 0
    assert differences(place.source, place.target) == []
    change(place.target, rand)
    policy: Callable[[], str] = lambda: rand.choice(["keep", "replace"])  # noqa: E731
    result = place.restore(existing=policy())
    assert result.exit_code == 0
    found = rsync(place.source, place.target, exclude=(".twofold-replaced",))
    assert [line for line in found if line != ".d..t...... ./"] == []
    assert place.restore().new == 0
