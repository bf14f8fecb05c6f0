"""Random trees, made for the comparison of the C extension with its Python twins."""

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.platform.conftest import WITH_TWINS, remove
from tests.twins import choose
from twofold.platform import NOTHING_SETTLED, Entry, SmallRead

SLOW = pytest.mark.slow

once_per_folder = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

REGULAR = stat.S_IFREG
NAMES = st.binary(min_size=1, max_size=255).filter(
    lambda name: name not in (b".", b"..") and not {0, ord("/")} & set(name)
)
NAMES = NAMES | st.sampled_from([b"a", b"b", b"ab", b"abcdefgh", b"abcdefghi", b"\xff" * 255])
VALUES = st.binary(max_size=40) | st.integers(250, 1000).map(lambda size: b"v" * size)
XATTRS = st.dictionaries(st.integers(0, 99).map("user.{0:050}".format), VALUES, max_size=3)
EDGE = 2**63
TIMES = st.integers(-(2**66), 2**66) | st.sampled_from(
    [-EDGE - 1, -EDGE, -EDGE + 1, EDGE - 1, EDGE, -1, 0]
)


@contextmanager
def opened(folder: Path | bytes) -> Iterator[int]:
    """A descriptor of a directory."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


Read = Callable[[Sequence[Entry], memoryview, int], list[SmallRead | None]]


def read_sized(
    read: Read, names: Sequence[bytes], sizes: Sequence[int], buffer: memoryview
) -> list[SmallRead]:
    """What reading tells of files of which no more is known than name and size."""
    wanted = [Entry(0, size, 0, 0, 0, 0, 0, 0, 0, n) for n, size in zip(names, sizes, strict=True)]
    reads = read(wanted, buffer, NOTHING_SETTLED)
    told = [each for each in reads if each is not None]
    assert len(told) == len(reads)
    return told


@contextmanager
def without_extension() -> Iterator[None]:
    """The twins alone."""
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, "twin", *WITH_TWINS)
        yield


@contextmanager
def fresh(folder: Path) -> Iterator[Path]:
    """A new directory in one that several examples share."""
    below = Path(tempfile.mkdtemp(dir=folder))
    try:
        yield below
    finally:
        remove(below)


@dataclass(frozen=True)
class Made:
    """An entry of a random tree."""

    kind: str
    size: int
    mode: int
    mtime_ns: int
    xattrs: dict[str, bytes]

    @property
    def content(self) -> bytes:
        """As long as it should be, and not the same everywhere in it."""
        return bytes(number % 251 for number in range(self.size))


MADE = st.builds(
    Made,
    st.sampled_from(["file"] * 5 + ["folder", "fifo", "socket", "link", "closed"]),
    st.integers(0, 50) | st.integers(4000, 9000),
    st.integers(0, 0o7777),
    TIMES,
    st.just({}) | XATTRS,
)


def make(dir_fd: int, name: bytes, made: Made) -> None:
    """Make an entry of a kind; links lead nowhere."""
    path = b"/proc/self/fd/%d/%s" % (dir_fd, name)
    if made.kind == "folder":
        os.mkdir(name, dir_fd=dir_fd)
    elif made.kind == "fifo":
        os.mkfifo(name, dir_fd=dir_fd)
    elif made.kind == "link":
        os.symlink(b"nowhere", name, dir_fd=dir_fd)
    elif made.kind == "socket":
        with socket.socket(socket.AF_UNIX) as sock, opened(b"/proc/self/fd/%d" % dir_fd):
            if len(path) < 100:
                sock.bind(path)
    else:
        _make_file(path, made)
    if made.kind not in ("link", "socket"):
        os.utime(path, ns=(0, made.mtime_ns))


def _make_file(path: bytes, made: Made) -> None:
    with open(path, "wb") as file:
        file.write(made.content)
    for key, value in made.xattrs.items():
        os.setxattr(path, key, value)
    os.chmod(path, made.mode)
