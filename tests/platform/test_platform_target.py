"""Writing a restore target: names, kinds, replacing, and what is left behind after a failure."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.platform.conftest import Mounter
from tests.platform.oracles import (
    HOSTILE_NAMES,
    allocated,
    find_names,
    in_child,
    run,
    stat_name,
)
from twofold.platform import Attributes, TargetDir, current, is_temporary

pytestmark = pytest.mark.usefixtures("either_code")

FILE, LINK, FIFO = (
    Attributes(mode=kind | 0o640, mtime_ns=1_234_567_890_123_456_789)
    for kind in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO)
)
BAD_NAMES = [b"", b".", b"..", b"/", b"a/b", b"../x", b"/etc/passwd", b"nul\0", b"a/../b"]


@pytest.fixture
def target(tmp_path: Path) -> Iterator[TargetDir]:
    """The temporary directory as a target."""
    with closing(current().open_target(os.fsencode(tmp_path), create=False)) as opened:
        yield opened


def open_target(folder: Path) -> closing[TargetDir]:
    """A folder as a target, closed at the end of the block."""
    return closing(current().open_target(os.fsencode(folder), create=False))


def put(target: TargetDir, name: bytes, content: bytes, attributes: Attributes = FILE) -> list[str]:
    """Write a file in the ordinary way."""
    file = target.create_file(name)
    file.write_at(content, 0)
    return file.finish(attributes)


def test_hostile_names_are_written_as_they_are(target: TargetDir, tmp_path: Path) -> None:
    every = [FILE] * len(HOSTILE_NAMES)
    assert target.write_batch(HOSTILE_NAMES, HOSTILE_NAMES, every) == [(0, [])] * len(every)
    assert find_names(tmp_path) == sorted(HOSTILE_NAMES) == sorted(target.names())
    for name in HOSTILE_NAMES:
        told = stat_name(tmp_path, name)
        assert (told.size, told.mode, told.mtime_ns) == (len(name), FILE.mode, FILE.mtime_ns)
        with closing(target.open_existing(name)) as file:
            buffer = memoryview(bytearray(300))
            assert bytes(buffer[: file.read_into(buffer, 0)]) == name
        target.remove_file(name)
        target.make_dir(name).close()
    assert find_names(tmp_path) == sorted(HOSTILE_NAMES)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_no_names(target: TargetDir, tmp_path: Path, name: bytes) -> None:
    put(target, b"good", b"")
    actions: list[Callable[[], object]] = [
        lambda: target.existing(name),
        lambda: target.open_dir(name),
        lambda: target.make_dir(name),
        lambda: target.create_file(name),
        lambda: target.read_link(name),
        lambda: target.open_existing(name),
        lambda: target.make_symlink(name, b"x", LINK),
        lambda: target.make_special(name, 0, FIFO),
        lambda: target.link_from(target, name, b"new"),
        lambda: target.link_from(target, b"good", name),
        lambda: target.move_aside(name, target, b"new"),
        lambda: target.move_aside(b"good", target, name),
        lambda: target.remove_file(name),
        lambda: target.apply(name, FILE, directory=False),
    ]
    for action in actions:
        with pytest.raises(OSError) as caught:
            action()
        assert caught.value.errno == errno.EINVAL
    assert target.write_batch([name], [b"x"], [FILE]) == [(errno.EINVAL, [])]
    assert find_names(tmp_path) == [b"good"]


def test_replaced_links_are_not_followed(target: TargetDir, tmp_path: Path) -> None:
    """Wherever a link stands, the link is replaced, and what it leads to stays as it was."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    victim.chmod(0o600)
    before = stat_name(tmp_path, b"victim")[:7]
    for leads in ("victim", "nowhere", "."):
        for action in (
            lambda: put(target, b"name", b"new"),
            lambda: target.write_batch([b"name"], [b"new"], [FILE]),
            lambda: target.make_symlink(b"name", b"other", LINK),
            lambda: target.make_special(b"name", 0, FIFO),
            lambda: target.link_from(target, b"origin", b"name"),
        ):
            put(target, b"origin", b"linked")
            (tmp_path / "name").unlink(missing_ok=True)
            os.symlink(leads, tmp_path / "name")
            action()
            if os.path.islink(tmp_path / "name"):
                assert os.readlink(tmp_path / "name") == "other"
            assert not (tmp_path / "nowhere").exists()
    assert victim.read_bytes() == b"precious"
    assert stat_name(tmp_path, b"victim")[:7] == before
    assert not any(map(is_temporary, target.names()))


def test_links_are_not_entered_opened_or_changed(target: TargetDir, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch(0o600)
    os.symlink("folder", tmp_path / "to folder")
    os.symlink("file", tmp_path / "to file")
    for action in (
        lambda: target.open_dir(b"to folder"),
        lambda: target.open_existing(b"to file"),
        lambda: target.apply(b"to file", FILE, directory=False),
        lambda: target.apply(b"to folder", FILE, directory=True),
        lambda: target.apply(b"to file", FIFO, directory=False),
    ):
        with pytest.raises(OSError):
            action()
    assert stat.S_IMODE(stat_name(tmp_path, b"file").mode) == 0o600
    found = target.existing(b"to file")
    assert found is not None
    assert stat.S_ISLNK(found.mode)
    assert target.read_link(b"to file") == b"file"


def test_kinds_in_each_others_place(target: TargetDir, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    put(target, b"file", b"old")
    file = target.create_file(b"folder")
    file.write_at(b"new", 0)
    for action, kind in (
        (lambda: file.finish(FILE), IsADirectoryError),
        (lambda: target.make_symlink(b"folder", b"x", LINK), IsADirectoryError),
        (lambda: target.make_special(b"folder", 0, FIFO), IsADirectoryError),
        (lambda: target.link_from(target, b"file", b"folder"), IsADirectoryError),
        (lambda: target.remove_file(b"folder"), IsADirectoryError),
        (lambda: target.open_existing(b"folder"), IsADirectoryError),
        (lambda: target.make_dir(b"file"), FileExistsError),
        (lambda: target.make_dir(b"folder"), FileExistsError),
        (lambda: target.open_dir(b"file"), NotADirectoryError),
        (lambda: target.apply(b"file", FILE, directory=True), NotADirectoryError),
        (lambda: target.open_dir(b"nothing"), FileNotFoundError),
        (lambda: target.remove_file(b"nothing"), FileNotFoundError),
    ):
        with pytest.raises(kind):
            action()
    for action in (
        lambda: target.apply(b"folder", FILE, directory=False),
        lambda: target.apply(b"file", FIFO, directory=False),
        lambda: target.make_special(b"new", 0, FILE),
        lambda: target.make_symlink(b"new", b"nul\0", LINK),
    ):
        with pytest.raises(OSError) as caught:
            action()
        assert caught.value.errno == errno.EINVAL
    assert find_names(tmp_path) == [b"file", b"folder"]
    assert target.existing(b"nothing") is None


def test_nothing_is_seen_under_the_final_name_before_the_end(
    target: TargetDir, tmp_path: Path
) -> None:
    put(target, b"name", b"old")
    file = target.create_file(b"name")
    file.write_at(b"new", 3)
    assert (tmp_path / "name").read_bytes() == b"old"
    (temporary,) = [name for name in find_names(tmp_path) if name != b"name"]
    assert is_temporary(temporary)
    assert stat_name(tmp_path, temporary).mode == stat.S_IFREG | 0o600
    assert file.finish(FILE) == []
    file.abort()
    assert (tmp_path / "name").read_bytes() == b"\0\0\0new"
    assert find_names(tmp_path) == [b"name"]


def test_given_up_files_leave_nothing(target: TargetDir, tmp_path: Path) -> None:
    file = target.create_file(b"name")
    file.write_at(b"half", 0)
    file.abort()
    file.abort()
    with pytest.raises(OSError):
        file.write_at(b"more", 0)
    with pytest.raises(OSError):
        file.finish(FILE)
    assert find_names(tmp_path) == []


def test_full_target_keeps_the_old_file_and_nothing_else(mounts: Mounter) -> None:
    folder = mounts("tiny")
    with open_target(folder) as target:
        put(target, b"name", b"old")
        file = target.create_file(b"name")
        with pytest.raises(OSError, match="No space"):
            file.write_at(bytes(2 << 20), 0)
        file.abort()
        file = target.create_file(b"name")
        file.resize(2 << 20)
        with pytest.raises(OSError, match="No space"):
            file.allocate(0, 2 << 20)
        file.abort()
        names = [b"name", b"big", b"small"]
        batch = target.write_batch(names, [b"new", bytes(2 << 20), b"ok"], [FILE] * 3)
        assert batch == [(0, []), (errno.ENOSPC, []), (0, [])]
    assert find_names(folder) == [b"name", b"small"]
    assert (folder / "name").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs"])
def test_sparse_files_take_only_what_is_written(
    kind: str, request: pytest.FixtureRequest, mounted: Mounter
) -> None:
    folder = request.getfixturevalue("tmpfs") if kind == "tmpfs" else mounted(kind)
    mib = 1 << 20
    with open_target(folder) as target:
        file = target.create_file(b"sparse")
        file.resize(100 * mib)
        file.write_at(b"\1" * mib, 50 * mib)
        buffer = memoryview(bytearray(b"\xff" * 200 * mib))
        assert file.read_into(buffer, 0) == 100 * mib
        assert bytes(buffer[: 50 * mib]).count(0) == 50 * mib
        file.finish(FILE)
        file = target.create_file(b"allocated")
        file.resize(10 * mib)
        file.allocate(mib, 4 * mib)
        file.allocate(0, 0)
        file.finish(FILE)
        target.sync()
        target.sync_file_system()
    assert stat_name(folder, b"sparse").size == 100 * mib
    assert stat_name(folder, b"allocated").size == 10 * mib
    assert mib <= allocated(folder / "sparse") < 2 * mib
    assert 4 * mib <= allocated(folder / "allocated") < 5 * mib
    assert (folder / "allocated").read_bytes() == bytes(10 * mib)


def test_errors_a_file_system_keeps_for_the_end(
    target: TargetDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twins_only: None
) -> None:
    """Some on a network report a full disk only at close, which must be before the rename."""
    from twofold.platform.linux import system

    def report(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    put(target, b"name", b"old")
    monkeypatch.setattr(system, "surface_write_errors", report)
    assert target.write_batch([b"name"], [b"new"], [FILE]) == [(errno.ENOSPC, [])]
    assert (tmp_path / "name").read_bytes() == b"old"
    assert find_names(tmp_path) == [b"name"]


def test_allocation_where_the_system_cannot(
    target: TargetDir, monkeypatch: pytest.MonkeyPatch, twins_only: None
) -> None:
    def refuse(_fd: int, _start: int, _length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    file = target.create_file(b"name")
    file.allocate(0, 10)
    file.abort()


def test_short_writes_are_continued(
    target: TargetDir, monkeypatch: pytest.MonkeyPatch, twins_only: None
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: whole(fd, bytes(data)[:3], at))
    put(target, b"name", b"0123456789")
    with closing(target.open_existing(b"name")) as file:
        buffer = memoryview(bytearray(20))
        assert bytes(buffer[: file.read_into(buffer, 0)]) == b"0123456789"


def test_symbolic_links(target: TargetDir, tmp_path: Path, as_root: None) -> None:
    wanted = Attributes(mode=LINK.mode, mtime_ns=LINK.mtime_ns, uid=1234, gid=4321)
    for number, leads in enumerate([b"x" * 4095, b"/", b"..", b"\xff\n", b"a/../b"]):
        name = b"%d" % number
        assert target.make_symlink(name, leads, wanted) == []
        told = stat_name(tmp_path, name)
        assert (told.uid, told.gid, told.mtime_ns) == (1234, 4321, LINK.mtime_ns)
        assert run("readlink", "-n", b"./" + name, cwd=tmp_path) == leads == target.read_link(name)
    for leads in (b"", b"x" * 4096):
        with pytest.raises(OSError):
            target.make_symlink(b"new", leads, wanted)
    assert target.existing(b"new") is None
    assert not any(map(is_temporary, target.names()))


def test_special_files(target: TargetDir, tmp_path: Path, as_root: None) -> None:
    device = os.makedev(240, 1_000_001)
    for kind, word in (
        (stat.S_IFIFO, b"fifo"),
        (stat.S_IFSOCK, b"socket"),
        (stat.S_IFCHR, b"character special file"),
        (stat.S_IFBLK, b"block special file"),
    ):
        wanted = Attributes(mode=kind | 0o4657, mtime_ns=5 * 10**9 + 1, uid=7, gid=8)
        assert target.make_special(word, device, wanted) == []
        told = run("stat", "--printf", "%F %a %u %g %.9Y %t %T", b"./" + word, cwd=tmp_path)
        numbers = b"f0 f4241" if kind in (stat.S_IFCHR, stat.S_IFBLK) else b"0 0"
        assert told == word + b" 4657 7 8 5.000000001 " + numbers


def test_what_was_swapped_in_does_not_get_our_owner(
    target: TargetDir,
    tmp_path: Path,
    as_root: None,
    monkeypatch: pytest.MonkeyPatch,
    twins_only: None,
) -> None:
    """Somebody links another's entry over the one just made, before its owner is set."""
    os.mkfifo(tmp_path / "fifo")
    os.symlink("x", tmp_path / "link")

    def swapped(name: str) -> Callable[..., None]:
        def make(*words: object, dir_fd: int, **_: object) -> None:
            temporary = next(word for word in words if isinstance(word, bytes) and len(word) > 20)
            os.link(tmp_path / name, temporary, dst_dir_fd=dir_fd, follow_symlinks=False)

        return make

    monkeypatch.setattr(os, "mknod", swapped("fifo"))
    monkeypatch.setattr(os, "symlink", swapped("link"))
    fifo, link = (msgspec.structs.replace(each, uid=1234, gid=1234) for each in (FIFO, LINK))
    actions: list[Callable[[], object]] = [
        lambda: target.make_special(b"new", 0, fifo),
        lambda: target.make_symlink(b"new", b"y", link),
    ]
    for action in actions:
        with pytest.raises(OSError, match="another one by now"):
            action()
    assert {stat_name(tmp_path, name).uid for name in (b"fifo", b"link")} == {os.getuid()}
    assert find_names(tmp_path) == [b"fifo", b"link"]


def test_devices_need_rights(tmp_path: Path, as_root: None) -> None:
    tmp_path.chmod(0o777)
    fd = os.open(tmp_path, os.O_RDONLY)

    def make() -> str:
        os.fchdir(fd)
        with open_target(Path(".")) as target:
            target.make_special(b"fifo", 0, FIFO)
            wanted = Attributes(mode=stat.S_IFCHR | 0o600, mtime_ns=0)
            target.make_special(b"null", os.makedev(1, 3), wanted)
        return "made"

    assert in_child(make, uid=65534).startswith("PermissionError")
    assert find_names(tmp_path) == [b"fifo"]
    os.close(fd)


def test_hard_links(target: TargetDir, tmp_path: Path) -> None:
    with closing(target.make_dir(b"folder")) as folder:
        put(target, b"file", b"content")
        os.symlink("file", tmp_path / "symlink")
        put(folder, b"old", b"old")
        for name in (b"new", b"old", b"new"):  # fresh, over another, over itself
            folder.link_from(target, b"file", name)
        folder.link_from(target, b"symlink", b"linked link")
        target.link_from(target, b"file", b"file")
        with pytest.raises(FileNotFoundError):
            folder.link_from(target, b"nothing", b"x")
        with pytest.raises(OSError):
            folder.link_from(target, b"folder", b"x")
    inode = stat_name(tmp_path, b"file").inode
    assert stat_name(tmp_path, b"file").links == 3
    assert {stat_name(tmp_path / "folder", name).inode for name in (b"new", b"old")} == {inode}
    linked = stat_name(tmp_path / "folder", b"linked link")
    assert linked.inode == stat_name(tmp_path, b"symlink").inode
    assert find_names(tmp_path / "folder") == [b"linked link", b"new", b"old"]
    assert find_names(tmp_path) == [b"file", b"folder", b"symlink"]


@pytest.mark.parametrize("kind", ["tmp_path", "tmpfs", "ramfs", "exfat", "by steps"])
def test_moving_aside_replaces_nothing(
    kind: str,
    request: pytest.FixtureRequest,
    mounted: Mounter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mounts = {"ramfs", "exfat"}
    fixture = {"by steps": "tmp_path"}.get(kind, kind)
    folder = mounted(kind) if kind in mounts else request.getfixturevalue(fixture)
    if kind == "by steps":
        _without_renameat2(monkeypatch)
    with open_target(folder) as target, closing(target.make_dir(b"aside")) as aside:
        for name in (b"file", b"taken", b"also"):
            put(target, name, name)
        put(aside, b"taken", b"kept")
        target.make_dir(b"folder").close()
        target.make_dir(b"other").close()
        aside.make_dir(b"also").close()
        if kind not in ("exfat", "ramfs"):
            target.make_symlink(b"link", b"file", LINK)
            target.move_aside(b"link", aside, b"link")
        target.move_aside(b"file", aside, b"file.1")
        target.move_aside(b"folder", aside, b"folder")
        for name, over in ((b"taken", b"taken"), (b"also", b"also"), (b"other", b"also")):
            with pytest.raises(FileExistsError):
                target.move_aside(name, aside, over)
        with pytest.raises(FileNotFoundError):
            target.move_aside(b"nothing", aside, b"x")
    assert (folder / "aside" / "file.1").read_bytes() == b"file"
    assert (folder / "aside" / "taken").read_bytes() == b"kept"
    assert find_names(folder) == [b"also", b"aside", b"other", b"taken"]


def _without_renameat2(monkeypatch: pytest.MonkeyPatch) -> None:
    from twofold.platform.linux import system

    def refuse(*_words: object) -> None:
        raise OSError(errno.EINVAL, "")

    monkeypatch.setattr(system, "_renameat2", refuse)


def test_targets_are_made_with_their_parents(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "home")
    path = os.fsencode(tmp_path / "home" / "a" / "b" / "c")
    with pytest.raises(FileNotFoundError):
        current().open_target(path, create=False)
    for suffix in (b"/", b"", b"//"):
        with closing(current().open_target(path + suffix, create=True)) as target:
            put(target, b"file", b"")
    assert (tmp_path / "real/a/b/c/file").exists()
    assert {stat_name(tmp_path / "real", name).mode for name in (b"a", b"a/b", b"a/b/c")} == {
        stat.S_IFDIR | 0o700
    }
    with pytest.raises(NotADirectoryError):
        current().open_target(path + b"/file", create=True)
    with pytest.raises(OSError):
        current().open_target(path + b"/file/below", create=True)
    with pytest.raises(OSError):
        current().open_target(b"", create=True)


def test_a_closed_directory_fails_its_files(target: TargetDir, tmp_path: Path) -> None:
    """The descriptor may be another directory's by then; nothing must be done in that one."""
    folder = target.make_dir(b"folder")
    file = folder.create_file(b"name")
    file.write_at(b"content", 0)
    folder.close()
    other = target.make_dir(b"other")  # most likely gets the same descriptor
    with pytest.raises(OSError):
        file.finish(FILE)
    folder.close()
    assert other.names() == []
    assert len(find_names(tmp_path / "folder")) == 1
    for action in (folder.names, folder.sync, folder.sync_file_system, folder.lift_flags):
        with pytest.raises(OSError):  # EBADF: a closed handle stands for no directory
            action()
    other.close()


def test_two_systems_cannot_be_mixed(target: TargetDir) -> None:
    with pytest.raises(TypeError):
        target.link_from(object(), b"a", b"b")  # type: ignore[arg-type]
