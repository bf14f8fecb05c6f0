"""Reading a source: names, kinds, holes and races, told by stat(1) and find(1)."""

import errno
import fcntl
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.platform.conftest import Mounter
from tests.platform.oracles import (
    HOSTILE_NAMES,
    exchange,
    find_names,
    in_child,
    run,
    stat_name,
    stat_names,
    xattrs,
)
from tests.platform.trees import read_sized
from twofold.platform import (
    FLAG_FAILED,
    FLAG_FAR_TIME,
    Entry,
    SourceDir,
    current,
    iterate,
    validate,
)

pytestmark = pytest.mark.usefixtures("either_code")


def open_source(folder: Path) -> closing[SourceDir]:
    """The folder as a source, closed at the end of the block."""
    return closing(current().open_source(os.fsencode(folder)))


def scan(folder: Path) -> dict[bytes, Entry]:
    """Entries by name."""
    with open_source(folder) as source:
        return {entry.name: entry for entry in iterate(source.scan())}


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """A test that waits for a FIFO must fail, not wait for ever."""

    def give_up(_number: int, _frame: object) -> None:
        raise TimeoutError("this took far too long")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make_one_of_each(folder: Path) -> None:
    """Every kind of entry a user can make."""
    (folder / "file").write_bytes(b"content")
    (folder / "empty").touch(0o4751)
    (folder / "folder").mkdir(0o2770)
    os.link(folder / "file", folder / "link")
    os.mkfifo(folder / "fifo")
    os.symlink("file", folder / "symlink")
    os.symlink("nowhere/at/all", folder / "dangling")
    os.symlink("loop", folder / "loop")
    with socket.socket(socket.AF_UNIX) as sock:
        fd = os.open(folder, os.O_RDONLY)
        sock.bind(f"/proc/self/fd/{fd}/socket")
        os.close(fd)
    if not os.geteuid():
        os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(folder / "block", stat.S_IFBLK | 0o600, os.makedev(240, 1_000_001))


@pytest.mark.parametrize("where", ["ext4", "tmpfs"])
def test_scan_equals_stat(where: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(where)
    make_one_of_each(folder)
    for number, name in enumerate(HOSTILE_NAMES):
        path = os.path.join(os.fsencode(folder), name)
        with open(path, "wb") as file:
            file.write(bytes(number))
        os.chmod(path, 0o7777 & number * 37)
    names = find_names(folder)
    with open_source(folder) as source:
        listing = source.scan()
        assert source.scan() == listing  # the handle can be used again
        assert [entry.name for entry in iterate(listing)] == names
        for entry, told in zip(iterate(listing), stat_names(folder, names), strict=True):
            assert entry[:8] == told, entry.name
            assert entry.flags == 0
            assert source.stat_child(entry.name) == entry
        assert source.stat_self()[:8] == stat_name(folder, b".")


def test_every_single_byte_name(tmpfs: Path) -> None:
    want = sorted(bytes([byte]) for byte in range(256) if byte not in b"\0/.")
    for name in want:
        os.mkdir(os.path.join(os.fsencode(tmpfs), name))
    assert sorted(scan(tmpfs)) == want == find_names(tmpfs)
    with open_source(tmpfs) as source:
        for name in want:
            source.open_dir(name).close()


def test_hundred_thousand_entries(tmpfs: Path) -> None:
    fd = os.open(tmpfs, os.O_RDONLY)
    for number in range(100_000):
        os.mknod(b"%x" % (number * 2_654_435_761 % 2**32), 0o600, dir_fd=fd)
    os.close(fd)
    with open_source(tmpfs) as source:
        listing = source.scan()
    assert validate(listing) == 100_000
    assert [entry.name for entry in iterate(listing)] == find_names(tmpfs)


def test_names_listed_twice_or_gone_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twins_only: None
) -> None:
    (tmp_path / "here").touch()
    monkeypatch.setattr(os, "listdir", lambda _fd: ["here", "gone", "here"])
    assert list(scan(tmp_path)) == [b"here"]


@pytest.mark.parametrize("seconds", [-(2**31), -1, 0, 2**31, 2**32 + 1, 15_032_385_535])
def test_times_of_ext4(ext4: Path, seconds: int) -> None:
    part = 0 if seconds in (-(2**31), 15_032_385_535) else 123_456_789  # the very ends
    ns = seconds * 10**9 + part
    (ext4 / "old").touch()
    os.utime(ext4 / "old", ns=(0, ns))
    told = stat_name(ext4, b"old")
    assert told.mtime_ns == ns or seconds < 0  # stat(1) prints fractions before 1970 otherwise
    entry = scan(ext4)[b"old"]
    with open_source(ext4) as source:
        assert source.stat_child(b"old").mtime_ns == ns
    assert (entry.mtime_ns - ns) % 2**64 == 0
    assert bool(entry.flags & FLAG_FAR_TIME) is (entry.mtime_ns != ns) is (ns >= 2**63)


@pytest.mark.parametrize("year", [1600, 1677, 2263, 9999])
def test_times_no_record_holds(tmpfs: Path, year: int) -> None:
    run("touch", "-d", f"{year}-01-01 00:00:00 UTC", tmpfs / "far")
    told = stat_name(tmpfs, b"far")
    entry = scan(tmpfs)[b"far"]
    assert entry.flags == FLAG_FAR_TIME
    assert (entry.mtime_ns - told.mtime_ns) % 2**64 == 0
    with open_source(tmpfs) as source:
        assert source.stat_child(b"far").mtime_ns == told.mtime_ns


def test_names_that_cannot_be_examined_are_listed_as_failed(tmp_path: Path, as_root: None) -> None:
    """A directory that may be read but not searched shows names and nothing else."""
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "a").touch()
    (tmp_path / "listed").chmod(0o744)
    tmp_path.chmod(0o755)

    def look() -> str:
        with open_source(Path(".")) as source, closing(source.open_dir(b"listed")) as listed:
            return repr(list(iterate(listed.scan())))

    want = Entry(0, errno.EACCES, 0, 0, 0, 0, 0, 0, FLAG_FAILED, b"a")
    assert _as_nobody_in(tmp_path, look) == repr([want])


def test_unreadable_directory_is_an_error_not_empty(tmp_path: Path, as_root: None) -> None:
    (tmp_path / "closed").mkdir(0o700)
    (tmp_path / "open").mkdir(0o755)
    tmp_path.chmod(0o755)

    def look(name: bytes) -> str:
        with open_source(Path(".")) as source:
            return str(len(source.open_dir(name).scan()))

    assert _as_nobody_in(tmp_path, lambda: look(b"closed")).startswith("PermissionError: [Errno 13")
    assert _as_nobody_in(tmp_path, lambda: look(b"open")) == "0"


def test_a_directory_that_may_only_be_passed(tmp_path: Path, as_root: None) -> None:
    """It leads further, alone and in one go, but shows no names."""
    (tmp_path / "passed" / "below").mkdir(parents=True)
    (tmp_path / "passed" / "below" / "file").touch()
    os.setxattr(tmp_path / "passed", "user.x", b"y")
    (tmp_path / "passed").chmod(0o711)
    tmp_path.chmod(0o755)

    def look() -> str:
        with open_source(Path(".")) as source, closing(source.open_dir(b"passed")) as passed:
            with closing(passed.open_dir(b"below")) as below:
                names = [entry.name for entry in iterate(below.scan())]
                with closing(below.open_parent()) as again:
                    same = again.identity == passed.identity
            found = source.scan_tree((b"passed", b"below"), bytes([1, 2]), 1 << 20)
            told = [each and each.listing[-4:] for each in found]
            return repr((names, same, told, passed.stat_self().mode, passed.fs_type != ""))

    want = ([b"file"], True, [None, b"file"], stat.S_IFDIR | 0o711, True)
    assert _as_nobody_in(tmp_path, look) == repr(want)


def _as_nobody_in(folder: Path, action: Callable[[], str]) -> str:
    """Act with a folder as the current one, which no parent can forbid."""

    def there() -> str:
        os.fchdir(fd)
        return action()

    fd = os.open(folder, os.O_RDONLY)
    try:
        return in_child(there, uid=65534)
    finally:
        os.close(fd)


def test_special_files_are_never_opened_as_files(tmp_path: Path) -> None:
    make_one_of_each(tmp_path)
    kinds = {b"fifo": errno.EINVAL, b"folder": errno.EISDIR, b"socket": errno.ENXIO}
    kinds |= dict.fromkeys([b"symlink", b"dangling", b"loop"], errno.ELOOP)
    kinds |= {b"null": errno.EINVAL} if not os.geteuid() else {}
    with open_source(tmp_path) as source:
        for name, number in kinds.items():
            with pytest.raises(OSError) as caught:
                source.open_file(name)
            assert caught.value.errno == number, name
            if name != b"folder":
                with pytest.raises(OSError):
                    source.open_dir(name)
        buffer = memoryview(bytearray(1000))
        names = [*kinds, b"gone", b"file", b"..", b"a/b", b"nul\0"]
        reads = read_sized(source.read_batch, names, [7] * len(names), buffer)
        errors = dict(zip(names, [read.error for read in reads], strict=True))
    assert errors.pop(b"file") == 0
    assert errors.pop(b"gone") == errno.ENOENT
    assert {errors.pop(name) for name in (b"..", b"a/b", b"nul\0")} == {errno.EINVAL}
    assert errors == kinds


def test_fifo_with_a_waiting_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    writer = subprocess.Popen(["sh", "-c", "echo secret > fifo"], cwd=tmp_path)
    try:
        time.sleep(0.2)
        with open_source(tmp_path) as source:
            (read,) = read_sized(source.read_batch, [b"fifo"], [100], memoryview(bytearray(200)))
            assert (read.length, read.entry) == (0, None)
            assert read.error
            with pytest.raises(OSError, match="not a regular file"):
                source.open_file(b"fifo")
    finally:
        writer.kill()
        writer.wait()


def test_file_swapped_for_a_fifo_and_a_link_never_hangs_or_leads_away(tmp_path: Path) -> None:
    """While it is one or the other every moment: content is the file's own or an error."""
    (tmp_path / "secret").write_bytes(b"secret!")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(b"content")
    os.mkfifo(tmp_path / "in" / "fifo")
    os.symlink("../secret", tmp_path / "in" / "link")
    ends = time.monotonic() + 2
    swapper = os.fork()
    if not swapper:
        while time.monotonic() < ends + 1:
            exchange(tmp_path / "in" / "file", tmp_path / "in" / "fifo")
            exchange(tmp_path / "in" / "file", tmp_path / "in" / "link")
        os._exit(0)
    seen: set[bytes | int] = set()
    buffer = memoryview(bytearray(100))
    with open_source(tmp_path / "in") as source:
        while time.monotonic() < ends:
            (read,) = read_sized(source.read_batch, [b"file"], [7], buffer)
            seen.add(read.error or bytes(buffer[: read.length]))
            try:
                with closing(source.open_file(b"file")) as file:
                    seen.add(bytes(buffer[: file.read_into(buffer[:50], 0)]))
            except OSError as error:
                seen.add(error.errno or 0)
    os.kill(swapper, signal.SIGKILL)
    os.waitpid(swapper, 0)
    assert b"content" in seen
    assert {errno.ELOOP, errno.EINVAL} <= seen  # the race was really run
    assert seen <= {b"content", errno.ELOOP, errno.EINVAL, errno.ENOENT, errno.EAGAIN}


def test_leased_file_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "leased").write_bytes(b"content")
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # how the holder would be asked
    holder = os.open(tmp_path / "leased", os.O_RDWR)
    fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    give_back = threading.Timer(0.3, fcntl.fcntl, [holder, fcntl.F_SETLEASE, fcntl.F_UNLCK])
    began = time.monotonic()
    give_back.start()
    with open_source(tmp_path) as source, closing(source.open_file(b"leased")) as file:
        waited = time.monotonic() - began
        buffer = memoryview(bytearray(7))
        assert file.read_into(buffer, 0) == 7
    give_back.join()
    os.close(holder)
    signal.signal(signal.SIGIO, before)
    assert bytes(buffer) == b"content"
    assert 0.25 < waited < 20


def test_access_times_are_left_alone(ext4: Path) -> None:
    (ext4 / "file").write_bytes(b"content")
    (ext4 / "folder").mkdir()
    past = 1_000_000_000
    for name in ("file", "folder", "."):
        os.utime(ext4 / name, ns=(past, 2 * past))  # relatime would now update at once
    with open_source(ext4) as source:
        source.scan()
        read_sized(source.read_batch, [b"file"], [7], memoryview(bytearray(8)))
        with closing(source.open_file(b"file")) as file:
            file.read_into(memoryview(bytearray(7)), 0)
        source.extras(b"file", stat.S_IFREG)
        with closing(source.open_dir(b"folder")) as below:
            below.scan()
    for name in ("file", "folder", "."):
        assert run("stat", "-c", "%X", ext4 / name) == b"1\n", name


def test_batch_reads_back_to_back(tmp_path: Path) -> None:
    contents = [os.urandom(size) for size in (0, 1, 5, 4096, 70_000, 0, 3)]
    names = [b"%d" % number for number in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        (tmp_path / os.fsdecode(name)).write_bytes(content)
    sizes = [len(content) for content in contents]
    buffer = memoryview(bytearray(sum(sizes) + len(sizes)))
    with open_source(tmp_path) as source:
        reads = read_sized(source.read_batch, names, sizes, buffer)
        with pytest.raises(ValueError, match="too small"):
            read_sized(source.read_batch, names, sizes, buffer[1:])
    assert bytes(buffer[: sum(sizes)]) == b"".join(contents)
    for read, name, content in zip(reads, names, contents, strict=True):
        assert (read.length, read.error, read.extras) == (len(content), 0, None)
        assert buffer[read.offset : read.offset + read.length] == content
        assert read.entry is not None
        assert read.entry[:8] == stat_name(tmp_path, name)


def test_batch_tells_growth_and_shrinking(tmp_path: Path) -> None:
    """Sizes come from a scan that was a moment ago."""
    for name, now in (("grown", 100), ("much", 9000), ("shrunk", 3), ("emptied", 0)):
        (tmp_path / name).write_bytes(bytes([65]) * now)
    names = [b"grown", b"much", b"shrunk", b"emptied"]
    buffer = memoryview(bytearray(400))
    with open_source(tmp_path) as source:
        reads = read_sized(source.read_batch, names, [99, 99, 99, 99], buffer)
    assert [read.length for read in reads] == [100, 100, 3, 0]
    assert [read.entry.size for read in reads if read.entry] == [100, 9000, 3, 0]
    assert [read.offset for read in reads] == [0, 100, 200, 203]


def test_batch_brings_extras(ext4: Path) -> None:
    for name in ("plain", "marked"):
        (ext4 / name).write_bytes(b"x")
    os.setxattr(ext4 / "marked", "user.note", b"\0\xff")
    run("chattr", "+d", ext4 / "marked")
    with open_source(ext4) as source:
        both = [b"plain", b"marked"], [1, 1], memoryview(bytearray(4))
        plain, marked = read_sized(source.read_batch, *both)
        assert source.extras(b"marked", stat.S_IFREG) == marked.extras
    assert plain.extras is None
    assert marked.extras is not None
    assert dict(marked.extras.xattrs) == {b"user.note": b"\0\xff"}
    assert xattrs(ext4 / "marked") == {"user.note": b"\0\xff"}
    assert marked.extras.flags == 0x40


def test_closed_handles_stay_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some calls take the descriptor -1 as the current directory; ours must not get there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    source = current().open_source(b".")
    file = source.open_file(b"file")
    for handle in (file, source):
        handle.close()
        handle.close()
    for action in (source.scan, source.stat_self, source.open_parent, source.extras_self):
        with pytest.raises(OSError):
            action()
    with pytest.raises(OSError):
        file.read_into(memoryview(bytearray(1)), 0)


def test_roots_may_be_links_and_paths_of_any_length(deep_folder: Path) -> None:
    os.symlink(deep_folder, deep_folder / "root")
    fd = os.open(deep_folder, os.O_RDONLY)
    name = "d" * 250
    for _ in range(200):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    want = os.fstat(fd).st_ino
    os.close(fd)
    path = os.fsencode(deep_folder / "root") + b"/" + b"/".join([name.encode()] * 200) + b"/"
    assert len(path) > 50_000
    with closing(current().open_source(path)) as source:
        assert source.identity[1] == want
    with pytest.raises(NotADirectoryError):
        (deep_folder / "file").touch()
        current().open_source(os.fsencode(deep_folder / "file"))
    with pytest.raises(FileNotFoundError):
        current().open_source(b"")


def test_file_system_names(tmpfs: Path, mounted: Mounter) -> None:
    with open_source(tmpfs) as source:
        assert source.fs_type == "tmpfs"
    for kind in ("ext4", "xfs", "btrfs"):
        folder = mounted(kind)
        with open_source(folder) as source:
            assert source.fs_type == kind == _by_findmnt(folder)
            assert source.device == folder.stat().st_dev


def test_file_system_name_of_a_subvolume_with_its_own_device(mounted: Mounter) -> None:
    folder = mounted("btrfs")
    run("btrfs", "subvolume", "create", folder / "sub")
    with open_source(folder) as source, closing(source.open_dir(b"sub")) as below:
        assert below.device != source.device
        assert below.fs_type == "btrfs"


def test_device_changes_at_a_mount_point(mounts: Mounter, tmp_path: Path, as_root: None) -> None:
    (tmp_path / "mounted").mkdir()
    place = mounts("ramfs")
    run("mount", "--bind", place, tmp_path / "mounted")
    try:
        with open_source(tmp_path) as source, closing(source.open_dir(b"mounted")) as below:
            assert below.device != source.device
            assert below.fs_type == "ramfs"
            with closing(below.open_parent()) as parent:
                assert parent.identity == source.identity
    finally:
        run("umount", tmp_path / "mounted")


def _by_findmnt(folder: Path) -> str:
    return run("findmnt", "-no", "FSTYPE", "-T", folder).decode().strip()
