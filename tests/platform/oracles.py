"""What other programs say about files: coreutils, findutils, attr, acl and e2fsprogs.

None of this uses the code under test. Names are given to the programs as arguments relative to a
directory, in bytes, so hostile ones need no quoting.
"""

import ctypes
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

HOSTILE_NAMES = [
    b"\n",
    b"new\nline",
    b"-rf",
    b"--help",
    b" ",
    b" leading and trailing ",
    b"trailing dot.",
    b"...",
    b"~",
    b"*",
    b"$(reboot)",
    b"`reboot`",
    b"'\"",
    b"\\",
    b"..\\up",
    b"C:\\x",
    b"CON",
    b"a:b",
    b"\x1b[2J",
    b"\x7f",
    b"\x80",
    b"\xff" * 255,
    b"\xed\xa0\x80",  # a lone surrogate in UTF-8
    b"\xc3",  # half a letter
    "é".encode(),
    "e\u0301".encode(),
    "\u202egpj.exe".encode(),
    "ж".encode() * 127,
    b"x" * 255,
    b".twofold-0123456789abcdef.part",
]


class Told(NamedTuple):
    """One entry as stat(1) tells it; times in ns."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    links: int


def run(*words: str | bytes | Path, cwd: Path | None = None) -> bytes:
    """Output of a program that must succeed."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, check=False)
    assert not done.returncode, (words, done.stderr)
    return done.stdout


def stat_names(folder: Path, names: Sequence[bytes]) -> list[Told]:
    """What stat(1) says of children, in order."""
    out = b""
    for at in range(0, len(names), 1000):  # of bounded length, as a command line is
        batch = [b"./" + name for name in names[at : at + 1000]]
        out += run("stat", "--printf", r"%i %s %.9Y %.9Z %f %u %g %h\0", "--", *batch, cwd=folder)
    return [_told(line) for line in out.split(b"\0")[:-1]]


def stat_name(folder: Path, name: bytes) -> Told:
    """What stat(1) says of a child."""
    return stat_names(folder, [name])[0]


def _told(line: bytes) -> Told:
    inode, size, mtime, ctime, mode, *rest = line.decode().split()
    uid, gid, links = map(int, rest)
    return Told(int(inode), int(size), _ns(mtime), _ns(ctime), int(mode, 16), uid, gid, links)


def _ns(seconds: str) -> int:
    whole, _, part = seconds.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return int(whole) * 10**9 + sign * int(part)


def find_names(folder: Path) -> list[bytes]:
    """Names of the children by find(1), sorted."""
    out = run("find", ".", "-mindepth", "1", "-maxdepth", "1", "-printf", r"%P\0", cwd=folder)
    return sorted(out.split(b"\0")[:-1])


def xattrs(path: Path) -> dict[str, bytes]:
    """Extended attributes by getfattr(1), links not followed; names as it prints them."""
    out = run("getfattr", "-h", "-d", "-m", "-", "-e", "hex", "--absolute-names", "--", path)
    text = os.fsdecode(out)
    pairs = re.findall(r"^([^#=\n]+)=0x([0-9a-f]*)$", text, re.M)
    empty = re.findall(r"^([^#=\n]+)$", text, re.M)
    return {name: bytes.fromhex(value) for name, value in pairs} | dict.fromkeys(empty, b"")


def flag_letters(path: Path) -> str:
    """Inode flags by lsattr(1), as letters without those the file system itself sets."""
    words = run("lsattr", "-d", path).decode().split()[0]
    return "".join(sorted(set(words) - set("-eIEVNBZX")))


def acl(path: Path) -> str:
    """The access control list by getfacl(1)."""
    return run("getfacl", "-cpE", "--", path).decode()


def allocated(path: Path) -> int:
    """Bytes of storage behind a file, by stat(1)."""
    return int(run("stat", "-c", "%b", path)) * 512


def exchange(left: Path, right: Path) -> None:
    """Swap two names atomically, whatever they are."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(left), -100, os.fsencode(right), 2):
        raise OSError(ctypes.get_errno(), "renameat2")


def in_child(action: Callable[[], str], *, uid: int = 0) -> str:
    """Run in a forked process, as another user; what it returned, or the exception in words."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            text = action()
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writer, text.encode("utf-8", "backslashreplace"))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text
