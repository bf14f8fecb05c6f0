"""Listings and reads of the C extension against its Python twins: random trees, sizes that are no
longer right, and system calls that fail."""

import errno
import fcntl
import os
import signal
import stat
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.platform.injected import injected
from tests.platform.oracles import find_names, run
from tests.platform.trees import (
    EDGE,
    MADE,
    NAMES,
    SLOW,
    Made,
    Read,
    fresh,
    make,
    once_per_folder,
    opened,
    read_sized,
    without_extension,
)
from tests.twins import needs_extension
from twofold.native import EXTENSION
from twofold.platform import FLAG_FAILED, FLAG_FAR_TIME, Entry, SmallRead, iterate
from twofold.platform.linux import source

pytestmark = needs_extension


@once_per_folder
@given(tree=st.dictionaries(NAMES, MADE, max_size=30))
def test_listings_of_random_trees(tmpfs: Path, tree: dict[bytes, Made]) -> None:
    """On tmpfs, which holds times beyond 64 bits of nanoseconds."""
    with fresh(tmpfs) as folder, opened(folder) as fd:
        for name, made in tree.items():
            make(fd, name, made)
        listing = source.scan_dir(fd)
        assert source.scan_dir(fd) == listing  # the descriptor can be used again
        assert [entry.name for entry in iterate(listing)] == find_names(folder)
        with without_extension():
            assert source.scan_dir(fd) == listing


@pytest.mark.parametrize("ns", [-EDGE - 1, -EDGE, -EDGE + 1, EDGE - 1, EDGE, 2**64, -(2**65)])
def test_times_at_the_edges_of_a_record(tmpfs: Path, ns: int) -> None:
    (tmpfs / "f").touch()
    os.utime(tmpfs / "f", ns=(0, ns))
    with opened(tmpfs) as fd:
        (entry,) = iterate(source.scan_dir(fd))
        (read,) = read_sized(ways(fd)[0], [b"f"], [0], memoryview(bytearray(1)))
    assert (entry.mtime_ns - ns) % 2**64 == 0
    assert bool(entry.flags & FLAG_FAR_TIME) is not (-EDGE <= ns < EDGE)
    assert read.entry is not None
    assert read.entry.mtime_ns == ns


def test_closed_and_wrong_descriptors(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with opened(tmp_path / "f") as fd, pytest.raises(NotADirectoryError):
        source.scan_dir(fd)
    for fd in (2**31 - 1, -1):
        with pytest.raises(OSError, match="Bad file descriptor"):
            source.scan_dir(fd)


def test_a_directory_that_changes_while_it_is_listed(tmpfs: Path) -> None:
    """Names that come and go are there or not; those that stay are always there."""
    stay = [b"%d" % number for number in range(300)]
    with opened(tmpfs) as fd:
        for name in stay:
            os.mknod(name, dir_fd=fd)
        changer = os.fork()
        if not changer:
            while True:
                for number in range(300):
                    os.mknod(b"x%d" % number, dir_fd=fd)
                for number in range(300):
                    os.unlink(b"x%d" % number, dir_fd=fd)
        seen = set()
        try:
            for _ in range(300):
                names = [entry.name for entry in iterate(source.scan_dir(fd))]
                seen.add(len(names))
                assert set(stay) <= set(names)
        finally:
            os.kill(changer, signal.SIGKILL)
            os.waitpid(changer, 0)
    assert len(seen) > 1


STAT = "?newfstatat,?fstatat64,?statx"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EIO, errno.EINTR])
@pytest.mark.parametrize("step", [1, 3])
def test_names_that_cannot_be_looked_at(tmp_path: Path, number: int, step: int) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"x")
    with opened(tmp_path) as fd:
        want = list(iterate(source.scan_dir(fd)))
        bad = want[step - 1].name
        failed = Entry(0, number, 0, 0, 0, 0, 0, 0, FLAG_FAILED, bad)
        want[step - 1 : step] = [] if number == errno.ENOENT else [failed]
        what = f"error={errno.errorcode[number]}:when={step}"
        told = injected(STAT, what, lambda: repr(list(iterate(source.scan_dir(fd)))))
    assert told == repr(want)


@pytest.mark.parametrize("step", [1, 2])
def test_a_listing_that_breaks_off_is_an_error(tmp_path: Path, step: int) -> None:
    (tmp_path / "f").touch()
    with opened(tmp_path) as fd:
        what = f"error=EIO:when={step}"
        told = injected("getdents64", what, lambda: repr(source.scan_dir(fd)))
        assert told == "OSError: [Errno 5] Input/output error"
        assert len(list(iterate(source.scan_dir(fd)))) == 1


# reads


def ways(fd: int) -> tuple[Read, Read]:
    """To read files of a directory: by the extension, and by its twin."""
    return partial(source.read_batch, fd), partial(source._read_in_python, fd)


def both_reads(fd: int, names: Sequence[bytes], sizes: Sequence[int]) -> list[SmallRead]:
    """What the extension reads, having made sure that the twin does the same."""
    room = sum(sizes) + len(sizes)
    here, there = bytearray(room), bytearray(room)
    reads = read_sized(ways(fd)[0], names, sizes, memoryview(here))
    with without_extension():
        assert read_sized(ways(fd)[0], names, sizes, memoryview(there)) == reads
    end = max((read.offset + read.length for read in reads), default=0)
    assert here[:end] == there[:end]
    return reads


@once_per_folder
@given(
    tree=st.dictionaries(NAMES, MADE, max_size=15),
    off=st.lists(st.sampled_from([0, 0, 0, -1, 1, 100, -100]), min_size=15, max_size=15),
    gone=st.lists(NAMES | st.sampled_from([b"", b".", b"..", b"a/b", b"a\0"]), max_size=3),
)
def test_reads_of_random_trees(
    ext4: Path, tree: dict[bytes, Made], off: list[int], gone: list[bytes]
) -> None:
    """With sizes that are no longer right, names that are gone, and names that are none."""
    with fresh(ext4) as folder, opened(folder) as fd:
        for name, made in tree.items():
            make(fd, name, Made(made.kind, made.size, made.mode, 0, made.xattrs))
        sizes = [max(0, made.size + by) for made, by in zip(tree.values(), off, strict=False)]
        reads = both_reads(fd, [*tree, *gone], sizes + [10] * len(gone))
    for read, made, size in zip(reads, tree.values(), sizes, strict=False):
        if made.kind in ("file", "closed"):
            assert read.error == 0
            assert read.length == min(made.size, size + 1)
            found = {} if read.extras is None else dict(read.extras.xattrs)
            assert found == {key.encode(): value for key, value in made.xattrs.items()}
            assert (read.extras is None) is (not found)
        else:
            assert read.error


def changed(entry: Entry, field: int, by: int) -> Entry:
    """With another number, which is not negative if that of the entry is not."""
    number = int(entry[field]) + by
    return Entry._make([*entry[:field], max(0, number), *entry[field + 1 :]])


@once_per_folder
@given(
    tree=st.dictionaries(NAMES, MADE, max_size=10),
    field=st.integers(0, 8),
    by=st.sampled_from([-1, 1, 2**40]),
    settled=st.sampled_from([-(2**63), 0, 10**18, 2**63 - 1]),
)
def test_files_that_are_as_listed_are_not_told_of(
    ext4: Path, tree: dict[bytes, Made], field: int, by: int, settled: int
) -> None:
    """With the listing as it is, without inodes, and with one number of it changed."""
    with fresh(ext4) as folder, opened(folder) as fd:
        for name, made in tree.items():
            make(fd, name, made)
        listed = [e for e in iterate(source.scan_dir(fd)) if stat.S_ISREG(e.mode)]
        other = [changed(e, field, by) for e in listed]
        without = [e._replace(inode=0) for e in listed]
        for entries in (listed, without, [e for e in other if e.size < 10_000]):
            room = memoryview(bytearray(20_000 * len(entries)))
            reads = ways(fd)[0](entries, room, settled)
            assert ways(fd)[1](entries, room, settled) == reads
            for entry, read in zip(entries, reads, strict=True):
                kept = tree[entry.name]
                same = entry in without or entry in listed
                plain = not kept.xattrs and kept.kind in ("file", "closed") and not entry.flags
                young = max(entry.mtime_ns, entry.ctime_ns) > settled
                assert (read is None) is (same and plain and not young)


def test_flags_and_many_attributes(ext4: Path) -> None:
    """More names than the first call asks for, and a value longer than the first one too."""
    (ext4 / "f").write_bytes(b"x")
    run("chattr", "+d", ext4 / "f")
    given = {b"user.%d" % number: b"%d" % number for number in range(60)} | {b"user.x": b"v" * 999}
    for name, value in given.items():
        os.setxattr(ext4 / "f", name, value)
    with opened(ext4) as fd:
        (read,) = both_reads(fd, [b"f"], [1])
    assert read.extras is not None
    assert read.extras.xattrs == sorted(given.items())
    assert read.extras.flags == 0x40


def test_what_does_not_go_together(tmp_path: Path) -> None:
    names = [b"a", b"b"]
    with opened(tmp_path) as fd:
        for sizes, room in (([1, 1], 3), ([1], 10), ([2**62, 2**62], 10)):
            for way in ways(fd):
                with pytest.raises(ValueError):
                    read_sized(way, names, sizes, memoryview(bytearray(room)))
        with pytest.raises(TypeError):
            read_sized(ways(fd)[0], [7, *names], [1, 1, 1], memoryview(bytearray(9)))  # type: ignore[list-item]
        with pytest.raises((TypeError, BufferError)):
            read_sized(ways(fd)[0], names, [1, 1], memoryview(bytes(9)))
        for wrong in (7, b"a", (b"a", 1)):
            with pytest.raises(TypeError):
                source.read_batch(fd, [wrong], memoryview(bytearray(9)), 0)  # type: ignore[list-item]
    assert source.read_batch(0, [], memoryview(bytearray()), 0) == []


@pytest.mark.parametrize("made", [(object, Entry), (SmallRead, object), (int, int)])
def test_results_are_tuples(tmp_path: Path, made: tuple[type, type]) -> None:
    """Other classes are refused; their constructors would be called as if they were tuples."""
    assert EXTENSION is not None
    (tmp_path / "a").write_bytes(b"a")
    with opened(tmp_path) as fd, pytest.raises(TypeError, match="tuples"):
        EXTENSION.read_batch(fd, [], bytearray(9), 0, 0, *made, dict)


def test_a_lease_is_waited_for_while_others_go_on(tmp_path: Path) -> None:
    """The thread that gives it back needs the interpreter that we wait in."""
    (tmp_path / "leased").write_bytes(b"content")
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # how the holder would be asked
    holder = os.open(tmp_path / "leased", os.O_RDWR)
    fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    give_back = threading.Timer(0.1, fcntl.fcntl, [holder, fcntl.F_SETLEASE, fcntl.F_UNLCK])
    give_back.start()
    with opened(tmp_path) as fd:
        (read,) = read_sized(ways(fd)[0], [b"leased"], [7], memoryview(bytearray(8)))
    give_back.join()
    os.close(holder)
    signal.signal(signal.SIGIO, before)
    assert (read.error, read.length) == (0, 7)


READ_CALLS = [
    "openat",
    "readv",
    "preadv,preadv2",
    "?fstat,?newfstatat",
    "flistxattr",
    "fgetxattr",
    "ioctl",
]
READ_ERRORS = ["EIO", "EACCES", "EPERM", "EAGAIN", "EINTR", "ENOTSUP", "ENODATA", "ERANGE"]


@pytest.mark.parametrize("call", [*READ_CALLS, "close"])
@pytest.mark.parametrize("error", ["EIO", *[pytest.param(e, marks=SLOW) for e in READ_ERRORS[1:]]])
def test_reads_whose_calls_fail(ext4: Path, call: str, error: str) -> None:
    """Each of the first calls of a kind, one at a time: both ways tell the same."""
    for name in "abc":
        (ext4 / name).write_bytes(name.encode() * 5)
        os.setxattr(ext4 / name, "user.x", b"1")
        os.setxattr(ext4 / name, "user.y", b"2")
    with opened(ext4) as fd:

        def act(way: Read) -> str:
            buffer = bytearray(40)
            reads = read_sized(way, [b"a", b"b", b"c"], [9, 5, 5], memoryview(buffer))
            return repr([reads, bytes(buffer[: sum(read.length for read in reads)])])

        for step in range(1, 4):
            what = f"error={error}:when={step}"
            ours = injected(call, what, lambda: act(ways(fd)[0]))
            assert ours == injected(call, what, lambda: act(ways(fd)[1]))
        assert "a" in act(ways(fd)[0])
