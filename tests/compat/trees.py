"""A folder with every kind of entry this machine allows, and a comparison that misses nothing."""

import hashlib
import os
import random
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
SECOND = 10**9


def make(root: Path) -> None:
    """Fill a new folder. What the system or our rights do not allow is left out."""
    rng = random.Random(20260301)
    root.mkdir()
    _files(root / "files", rng)
    _sparse(root / "sparse", rng)
    _links(root / "links")
    _names(root / "names")
    _specials(root / "specials")
    _metadata(root / "metadata")
    _crowd(root / "crowd", rng)
    _times(root)


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _files(folder: Path, rng: random.Random) -> None:
    for size in (0, 1, 63, 64, 4095, 4096, 65_535, 65_536, 300_000):
        _write(folder / f"random {size}", rng.randbytes(size))
    _write(folder / "large", rng.randbytes(3 * MIB))
    _write(folder / "large text", b"".join(b"line %d\n" % n for n in range(200_000)))
    _write(folder / "twice", (folder / "large").read_bytes())
    folder.joinpath("empty folder").mkdir()
    deep = folder.joinpath(*["deep"] * 60)
    _write(deep / "bottom", b"bottom")


def _sparse(folder: Path, rng: random.Random) -> None:
    folder.mkdir()
    _write(folder / "zeros", bytes(200_000))
    _write(folder / "exact run", b"a" + bytes(65_536) + b"b" + bytes(65_535) + b"c")
    _pieces(folder / "many runs", [(n * (64 * KIB + 4096), b"x" * 4096) for n in range(60)])
    _pieces(folder / "holes", [(0, rng.randbytes(8192)), (20 * KIB, rng.randbytes(4096))], 5 * MIB)
    _pieces(folder / "hole first", [(8 * MIB, rng.randbytes(100))])
    _pieces(folder / "only a hole", [], 300 * MIB)


def _pieces(path: Path, pieces: list[tuple[int, bytes]], size: int = 0) -> None:
    """A sparse file: data at places, nothing between."""
    with open(path, "wb") as file:
        for place, data in pieces:
            file.seek(place)
            file.write(data)
        file.truncate(max(size, file.tell()))


def _links(folder: Path) -> None:
    one = _write(folder / "one", b"one of three")
    os.link(one, folder / "two")
    folder.joinpath("below").mkdir()
    os.link(one, folder / "below" / "three")
    os.link(_write(folder / "empty", b""), folder / "empty too")
    for name, target in (("file", "one"), ("dir", "below"), ("loop", "loop"), ("gone", "x/y")):
        folder.joinpath(f"to {name}").symlink_to(target)
    folder.joinpath("absolute").symlink_to("/etc/hostname")
    folder.joinpath("long").symlink_to("t" * 1500)
    os.link(folder / "to gone", folder / "to gone too", follow_symlinks=False)


def _names(folder: Path) -> None:
    folder.mkdir()
    for name in (
        b"n" * 255,
        "naïve – 日本語 🙂".encode(),
        b"latin \xe9\xff",
        b"line\nfeed\ttab",
        b" spaces ",
        b"...",
        b"-rf",
        b"back\\slash",
        b"*?[x]",
        b"\x01\x7f",
        b"a",
        b"a.b",
        b"a b",
        b"A",
    ):
        with suppress(OSError):  # a file system may insist on UTF-8
            Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(name)


def _specials(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "fifo", 0o640)
    os.link(folder / "fifo", folder / "fifo too")
    with suppress(OSError), socket.socket(socket.AF_UNIX) as listener:  # paths are limited
        listener.bind(os.path.relpath(folder / "socket"))
    with suppress(OSError):
        os.mknod(folder / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        os.mknod(folder / "disk", stat.S_IFBLK | 0o660, os.makedev(259, 300_000))


def _metadata(folder: Path) -> None:
    for mode in (0o400, 0o444, 0o644, 0o755, 0o4755, 0o2755, 0o1644, 0o7777, 0o600):
        _write(folder / f"mode {mode:o}", b"%o" % mode).chmod(mode)
    for mode in (0o500, 0o700, 0o1777, 0o2775):
        below = folder / f"folder {mode:o}"
        _write(below / "file", b"file")
        below.chmod(mode)
    xattrs = _write(folder / "xattrs", b"xattrs")
    with suppress(OSError):
        os.setxattr(xattrs, "user.one", b"1")
        os.setxattr(xattrs, "user.empty", b"")
        os.setxattr(xattrs, "user.long", bytes(range(256)) * 8)
        os.setxattr(folder / "folder 700", "user.folder", b"\0\xff")
    acl = bytes.fromhex("02000000 01000600ffffffff 02000700e8030000 04000400ffffffff")
    acl += bytes.fromhex("10000700ffffffff 20000000ffffffff")
    with suppress(OSError):
        os.setxattr(_write(folder / "acl", b"acl"), "system.posix_acl_access", acl)
        os.setxattr(folder / "folder 700", "system.posix_acl_default", acl)
    if os.geteuid() == 0:
        os.chown(_write(folder / "owned", b"owned"), 1234, 5678)
        folder.joinpath("owned link").symlink_to("owned")
        os.chown(folder / "owned link", 1234, 5678, follow_symlinks=False)
        with suppress(OSError):
            os.setxattr(folder / "owned link", "trusted.link", b"on a link", follow_symlinks=False)
            os.setxattr(_write(folder / "capable", b""), "security.capability", bytes.fromhex(
                "0100000200040000000000000000000000000000"))  # fmt: skip


def _crowd(folder: Path, rng: random.Random) -> None:
    """More entries than one page of metadata holds."""
    folder.mkdir()
    for number in range(2000):
        folder.joinpath(f"member {number:05}").write_bytes(rng.randbytes(number % 40))


def _times(root: Path) -> None:
    """Times before 1970, far ahead, and with every nanosecond; folders last, deepest first."""
    times = [-1, 0, 1, 10**18 + 123_456_789, -5 * 10**17 + 7, 4 * 10**18, 1_700_000_000 * SECOND]
    found = sorted(everything(root))
    for number, path in enumerate(reversed(found)):
        time = times[number % len(times)] + number * SECOND
        os.utime(path, ns=(time, time), follow_symlinks=False)
    os.utime(root, ns=(10**18, 10**18))


def everything(root: Path) -> Iterator[Path]:
    """What is below a folder; ``rglob`` of Python 3.11.2 fails at links too long to follow."""
    for top, folders, files in os.walk(root):
        yield from (Path(top, name) for name in folders + files)


def describe(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Everything a restore must bring back, by path: equal descriptions are equal trees."""
    found: dict[bytes, tuple[object, ...]] = {}
    groups: dict[tuple[int, int], bytes] = {}
    base = os.fsencode(root)

    def visit(path: bytes) -> None:
        """One entry, then those below it."""
        about = os.lstat(path)
        name = os.path.relpath(path, base)
        group = groups.setdefault((about.st_dev, about.st_ino), name)
        links = 1 if stat.S_ISDIR(about.st_mode) else about.st_nlink
        owner = (about.st_uid, about.st_gid)
        facts = (about.st_mode, *owner, about.st_mtime_ns, about.st_rdev, links, group)
        found[name] = (*facts, _contents(path, about), _xattrs(path))
        if stat.S_ISDIR(about.st_mode):
            for each in sorted(os.listdir(path)):
                visit(os.path.join(path, each))

    visit(base)
    return found


def _contents(path: bytes, about: os.stat_result) -> object:
    if stat.S_ISLNK(about.st_mode):
        return os.readlink(path)
    if not stat.S_ISREG(about.st_mode):
        return None
    with open(path, "rb") as file:
        return about.st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _xattrs(path: bytes) -> list[tuple[str, bytes]]:
    read: Callable[[str], bytes] = lambda name: os.getxattr(path, name, follow_symlinks=False)  # noqa: E731
    try:
        return sorted((name, read(name)) for name in os.listxattr(path, follow_symlinks=False))
    except OSError:
        return []


def allocated(root: Path) -> int:
    """Bytes that the files of a tree take on the disk."""
    found = [path.lstat() for path in everything(root)]
    return sum(each.st_blocks * 512 for each in found if stat.S_ISREG(each.st_mode))
