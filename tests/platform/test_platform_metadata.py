"""Metadata: what setfattr, setfacl, chattr and chmod made is read, and given back the same.

Told by getfattr(1), getfacl(1), lsattr(1), getcap(8) and stat(1).
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.platform.conftest import Mounter
from tests.platform.oracles import (
    acl,
    find_names,
    flag_letters,
    in_child,
    run,
    stat_name,
    xattrs,
)
from tests.platform.trees import read_sized
from twofold.platform import Attributes, Extras, SourceDir, TargetDir, current

pytestmark = pytest.mark.usefixtures("either_code")

REGULAR, FOLDER = stat.S_IFREG, stat.S_IFDIR
NODUMP, NOATIME, NOCOW = 0x40, 0x80, 0x80_0000
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def open_target(folder: Path) -> closing[TargetDir]:
    """A folder as a target."""
    return closing(current().open_target(os.fsencode(folder), create=False))


def open_source(folder: Path) -> closing[SourceDir]:
    """A folder as a source."""
    return closing(current().open_source(os.fsencode(folder)))


def put(folder: Path, name: bytes, wanted: Attributes) -> list[str]:
    """Write an empty file, once as one file and once in a batch; the same losses both ways."""
    with open_target(folder) as target:
        losses = target.create_file(name).finish(wanted)
        assert target.write_batch([name + b" in batch"], [b""], [wanted]) == [(0, losses)]
    return losses


def read(folder: Path, name: bytes) -> Extras:
    """Extras of an entry, which for files must be the same by every way."""
    mode = stat_name(folder, name).mode
    with open_source(folder) as source:
        extras = source.extras(name, mode)
        if stat.S_ISREG(mode):
            (small,) = read_sized(source.read_batch, [name], [100], memoryview(bytearray(101)))
            assert (small.extras or Extras()) == extras
            with closing(source.open_file(name)) as file:
                assert file.extras() == extras
        if stat.S_ISDIR(mode):
            with closing(source.open_dir(name)) as below:
                assert below.extras_self() == extras
    return extras


VALUES = [b"", b"\0", b"value", bytes(range(256)), b"x" * 2000]


@pytest.mark.parametrize("where", ["ext4", "xfs", "btrfs", "tmpfs"])
def test_extended_attributes_of_every_kind_of_entry(
    where: str, request: pytest.FixtureRequest, mounted: Mounter, as_root: None
) -> None:
    local = where in ("ext4", "tmpfs")
    folder = request.getfixturevalue(where) if local else mounted(where)
    (folder / "from").mkdir()
    (folder / "to").mkdir()
    for kind, name in (
        (REGULAR, "file"),
        (FOLDER, "folder"),
        (stat.S_IFLNK, "link"),
        (stat.S_IFIFO, "fifo"),
    ):
        _make(folder / "from" / name, kind)
        space = "user" if kind in (REGULAR, FOLDER) else "trusted"
        for number, value in enumerate(VALUES):
            words = ("-n", f"{space}.{number}", "-v", f"0x{value.hex()}" if value else '""')
            run("setfattr", "-h", *words, folder / "from" / name)
        if kind == REGULAR and where != "tmpfs":
            run("setfattr", "-n", "user.ü \udcff", "-v", "x", folder / "from" / name)
        extras = read(folder / "from", name.encode())
        assert extras.problems == []
        told = xattrs(folder / "from" / name)
        assert {os.fsdecode(each): value for each, value in extras.xattrs} == told
        assert len(told) >= len(VALUES)
        assert extras.xattrs == sorted(extras.xattrs)
        wanted = Attributes(kind | 0o600, 0, xattrs=extras.xattrs)
        assert _restore(folder / "to", name.encode(), wanted) == []
        assert xattrs(folder / "to" / name) == told


def _make(path: Path, kind: int) -> None:
    makers: dict[int, Callable[[], object]] = {
        REGULAR: path.touch,
        FOLDER: path.mkdir,
        stat.S_IFLNK: lambda: path.symlink_to("nowhere"),
        stat.S_IFIFO: lambda: os.mkfifo(path),
    }
    makers[kind]()


def _restore(folder: Path, name: bytes, wanted: Attributes) -> list[str]:
    with open_target(folder) as target:
        if stat.S_ISREG(wanted.mode):
            return target.create_file(name).finish(wanted)
        if stat.S_ISLNK(wanted.mode):
            return target.make_symlink(name, b"nowhere", wanted)
        if stat.S_ISFIFO(wanted.mode):
            return target.make_special(name, 0, wanted)
        with closing(target.make_dir(name)) as made:
            return made.apply_self(wanted)


def test_attributes_not_listed_are_removed_but_not_those_of_the_system(
    ext4: Path, as_root: None
) -> None:
    (ext4 / "file").touch()
    run("setfattr", "-n", "user.old", "-v", "x", ext4 / "file")
    run("setfattr", "-n", "trusted.old", "-v", "x", ext4 / "file")
    run("setfacl", "-m", "u:1234:rw", ext4 / "file")
    with open_target(ext4) as target:
        left = Attributes(REGULAR | 0o600, 0)
        assert target.apply(b"file", left, directory=False) == []
        assert set(xattrs(ext4 / "file")) == {
            "user.old",
            "trusted.old",
            "system.posix_acl_access",
        }
        wanted = Attributes(REGULAR | 0o640, 0, xattrs=[(b"user.new", b"y")])
        assert target.apply(b"file", wanted, directory=False) == []
    assert xattrs(ext4 / "file") == {"user.new": b"y", "trusted.old": b"x"}
    assert acl(ext4 / "file") == "user::rw-\ngroup::r--\nother::---\n\n"


ACL = ("u:1234:rwx", "g:5678:r-x", "u::rwx", "g::r--", "m::rwx", "o::---")


@pytest.mark.parametrize("where", ["ext4", "xfs", "btrfs", "tmpfs"])
def test_access_control_lists(
    where: str, request: pytest.FixtureRequest, mounted: Mounter, as_root: None
) -> None:
    folder = request.getfixturevalue(where) if where in ("ext4", "tmpfs") else mounted(where)
    (folder / "from").mkdir()
    (folder / "to").mkdir()
    (folder / "from" / "file").touch()
    (folder / "from" / "folder").mkdir()
    for name in (b"file", b"folder"):
        path = folder / "from" / os.fsdecode(name)
        run("setfacl", "-m", ",".join(ACL), path)
        if name == b"folder":
            run("setfacl", "-d", "-m", "u:99:rwx,g:98:-wx", path)
        extras = read(folder / "from", name)
        mode = stat_name(folder / "from", name).mode
        wanted = Attributes(mode, 0, uid=0, gid=0, xattrs=extras.xattrs)
        assert _restore(folder / "to", name, wanted) == []
        assert acl(folder / "to" / path.name) == acl(path)
        assert stat_name(folder / "to", name).mode == mode
        assert "user:1234:rwx" in acl(path)


def test_inherited_lists_do_not_stay(ext4: Path, as_root: None) -> None:
    """What the parent would give to new entries must not widen what is restored."""
    run("setfacl", "-d", "-m", "u:1234:rwx,g::rwx,m::rwx", ext4)
    default = os.getxattr(ext4, "system.posix_acl_default")
    plain = Attributes(REGULAR | 0o640, 0, xattrs=[])
    put(ext4, b"file", plain)
    assert _restore(ext4, b"folder", Attributes(FOLDER | 0o750, 0, xattrs=())) == []
    assert _restore(ext4, b"fifo", Attributes(stat.S_IFIFO | 0o640, 0, xattrs=())) == []
    for name in ("file", "file in batch", "fifo"):
        assert acl(ext4 / name) == "user::rw-\ngroup::r--\nother::---\n\n", name
    assert acl(ext4 / "folder") == "user::rwx\ngroup::r-x\nother::---\n\n"
    put(ext4, b"as the system does", Attributes(REGULAR | 0o640, 0))
    assert "user:1234:rwx" in acl(ext4 / "as the system does")
    with open_target(ext4) as target:  # no longer so once the directory is told otherwise
        target.create_file(b"before").finish(plain)
        target.apply_self(Attributes(FOLDER | 0o755, 0, xattrs=()))
        target.create_file(b"after").finish(plain)
    with open_target(ext4) as target:  # and the other way round
        target.create_file(b"between").finish(plain)
        given = [(b"system.posix_acl_default", default)]
        target.apply_self(Attributes(FOLDER | 0o755, 0, xattrs=given))
        target.create_file(b"again").finish(plain)
    assert "default:user:1234:rwx" in acl(ext4)
    assert {acl(ext4 / name) for name in ("before", "after", "between", "again")} == {
        acl(ext4 / "file")
    }


def test_group_bits_stay_narrow_where_the_list_cannot_be_set(
    mounts: Mounter, ext4: Path, as_root: None
) -> None:
    """They are the mask of the list there; alone they would let the whole group in."""
    (ext4 / "file").touch()
    run("setfacl", "-m", ",".join(ACL), ext4 / "file")
    extras = read(ext4, b"file")
    assert stat_name(ext4, b"file").mode == REGULAR | 0o770
    folder = mounts("ramfs")  # knows no attributes at all
    losses = put(folder, b"narrow", Attributes(REGULAR | 0o770, 0, xattrs=extras.xattrs))
    assert losses == ["access control list could not be set: not supported here"]
    assert stat_name(folder, b"narrow").mode == REGULAR | 0o740
    broken = [(b"system.posix_acl_access", b"\2\0\0\0garbage")]
    losses = put(ext4, b"broken", Attributes(REGULAR | 0o770, 0, xattrs=broken))
    assert losses == ["access control list could not be set: not possible here"]
    assert stat_name(ext4, b"broken").mode == REGULAR | 0o700


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6711, 0o1777, 0o7777, 0o0, 0o4000])
def test_special_bits_outlive_the_change_of_owner(ext4: Path, as_root: None, mode: int) -> None:
    assert put(ext4, b"file", Attributes(REGULAR | mode, 0, uid=1234, gid=4321)) == []
    assert _restore(ext4, b"folder", Attributes(FOLDER | mode, 0, uid=1234, gid=4321)) == []
    for name in (b"file", b"file in batch", b"folder"):
        told = stat_name(ext4, name)
        assert (stat.S_IMODE(told.mode), told.uid, told.gid) == (mode, 1234, 4321)


def test_rights_of_an_owner_are_not_given_to_another(ext4: Path, as_root: None) -> None:
    """Without its owner, a set-user-id program would run as whoever restores it: as root."""
    wanted = Attributes(REGULAR | 0o6755, 0, xattrs=[(b"security.capability", CAPABILITY)])
    losses = put(ext4, b"file", wanted)
    assert losses == [
        "set-user-id bit left out: the owner was not set",
        "set-group-id bit left out: the group was not set",
        "file capabilities left out: the owner was not set",
    ]
    assert stat_name(ext4, b"file").mode == REGULAR | 0o755
    assert xattrs(ext4 / "file") == {}
    _restore(ext4, b"folder", Attributes(FOLDER | 0o2755, 0))
    assert stat_name(ext4, b"folder").mode == FOLDER | 0o2755  # a mark for inheritance only


@pytest.mark.parametrize("number", [-1, 2**32 - 1, 2**32, 2**70])
def test_ids_that_mean_something_else_to_the_system(ext4: Path, as_root: None, number: int) -> None:
    wanted = Attributes(REGULAR | 0o6755, 0, uid=number, gid=number)
    assert put(ext4, b"file", wanted)[:2] == [
        "owner could not be set: not possible here",
        "group could not be set: not possible here",
    ]
    assert stat_name(ext4, b"file").mode == REGULAR | 0o755
    put(ext4, b"file", Attributes(REGULAR | 0o6755, 0, uid=1234, gid=number))
    told = stat_name(ext4, b"file")
    assert (told.mode, told.uid, told.gid) == (REGULAR | 0o4755, 1234, 0)


def test_capabilities_are_given_after_the_owner(ext4: Path, as_root: None) -> None:
    if not shutil.which("setcap"):
        pytest.skip("setcap is not installed")
    (ext4 / "from").write_bytes(b"program")
    run("setcap", "cap_net_bind_service+ep", ext4 / "from")
    extras = read(ext4, b"from")
    wanted = Attributes(REGULAR | 0o755, 0, uid=1234, gid=1234, xattrs=extras.xattrs)
    assert put(ext4, b"to", wanted) == []
    for name in ("to", "to in batch"):
        assert b"cap_net_bind_service=ep" in run("getcap", ext4 / name)
        assert stat_name(ext4, name.encode()).uid == 1234


@pytest.mark.parametrize("letters", ["d", "A", "S", "i", "a", "Adis", "cdu", "t"])
def test_inode_flags(ext4: Path, as_root: None, letters: str) -> None:
    (ext4 / "from").mkdir()
    (ext4 / "to").mkdir()
    for kind, name in ((REGULAR, b"file"), (FOLDER, b"folder")):
        path = ext4 / "from" / os.fsdecode(name)
        _make(path, kind)
        run("chattr", f"+{letters}", path)
        extras = read(ext4 / "from", name)
        assert flag_letters(path) == "".join(sorted(letters))
        wanted = Attributes(kind | 0o700, 5 * 10**9, uid=12, gid=34, flags=extras.flags)
        assert _restore(ext4 / "to", name, wanted) == []
        assert (
            run("lsattr", "-d", ext4 / "to" / path.name).split()[0]
            == (
                run("lsattr", "-d", path).split()[0]  # with those the file system sets itself
            )
        )
        told = stat_name(ext4 / "to", name)
        assert (told.uid, told.gid, told.mtime_ns) == (12, 34, 5 * 10**9)


def test_no_flags_means_none_and_unsaid_means_as_they_are(ext4: Path, as_root: None) -> None:
    run("chattr", "+dA", ext4)  # new entries inherit these
    put(ext4, b"none", Attributes(REGULAR | 0o600, 0, flags=0))
    put(ext4, b"unsaid", Attributes(REGULAR | 0o600, 0))
    assert flag_letters(ext4 / "none") == ""
    assert flag_letters(ext4 / "unsaid") == "Ad"
    assert read(ext4, b"none").flags == 0
    assert read(ext4, b"unsaid").flags == NODUMP | NOATIME


def test_flags_that_need_an_empty_file(mounted: Mounter) -> None:
    folder = mounted("btrfs")
    with open_target(folder) as target:
        file = target.create_file(b"file", flags=NOCOW)
        file.write_at(b"content", 0)
        assert file.finish(Attributes(REGULAR | 0o600, 0, flags=NOCOW)) == []
        target.write_batch([b"b"], [b"content"], [Attributes(REGULAR | 0o600, 0, flags=NOCOW)])
        target.make_dir(b"folder", flags=NOCOW).close()
    assert {flag_letters(folder / name) for name in ("file", "b", "folder")} == {"C"}


def test_case_insensitive_directories(mounted: Mounter) -> None:
    folder = mounted("ext4-casefold")
    with open_target(folder) as target, closing(target.make_dir(b"f", flags=0x4000_0000)) as made:
        made.make_dir(b"Name").close()
        assert made.apply_self(Attributes(FOLDER | 0o700, 0, flags=0x4000_0000)) == []
    assert flag_letters(folder / "f") == "F"
    assert (folder / "f" / "nAME").exists()


def test_flags_one_by_one_where_not_all_can_be_set(mounted: Mounter, as_root: None) -> None:
    folder = mounted("xfs")
    losses = put(folder, b"file", Attributes(REGULAR | 0o600, 0, flags=NODUMP | NOATIME | 0x2))
    assert losses == ['flag "undeletable" could not be set: not supported here']
    assert flag_letters(folder / "file") == "Ad"


def test_what_a_simple_file_system_cannot_hold(mounts: Mounter) -> None:
    folder = mounts("ramfs")
    xattr = [(b"user.a\x1b[2J\nb", b"x"), (b"user.nul\0", b"x"), (b"security.selinux", b"x")]
    wanted = Attributes(REGULAR | 0o600, 0, xattrs=xattr, flags=0x10)
    assert put(folder, b"file", wanted) == [
        r"extended attribute user.a\x1b[2J\nb could not be set: not supported here",
        r"extended attribute user.nul\x00 could not be set: not possible here",
        "security label could not be set: not supported here",
        'flag "immutable" could not be set: not supported here',
    ]
    extras = read(folder, b"file")
    assert extras == Extras()


@pytest.mark.parametrize(("kind", "fs_type"), [("exfat", "fuseblk"), ("vfat", "vfat")])
def test_losses_of_a_fat_like_file_system(kind: str, fs_type: str, mounted: Mounter) -> None:
    folder = mounted(kind)
    wanted = Attributes(REGULAR | 0o4751, 1_600_000_001 * 10**9, uid=1234, gid=4321, xattrs=[])
    losses = put(folder, b"file", wanted)
    assert losses[:2] == [
        "owner could not be set: not permitted",
        "group could not be set: not permitted",
    ]
    assert (folder / "file").exists()
    with open_target(folder) as target:
        for action in (
            lambda: target.make_symlink(b"link", b"x", Attributes(stat.S_IFLNK, 0)),
            lambda: target.link_from(target, b"file", b"linked"),
        ):
            with pytest.raises(OSError) as caught:
                action()
            assert caught.value.errno in (errno.EPERM, errno.ENOSYS, errno.ENOTSUP)
    assert find_names(folder) == [b"file", b"file in batch"]
    with open_source(folder) as source:
        assert source.fs_type == fs_type


@pytest.mark.parametrize("seconds", [-(2**31), -1, 0, 2**31, 2**32 + 1, 15_032_385_535])
def test_times_of_files_folders_and_links(ext4: Path, seconds: int) -> None:
    ns = seconds * 10**9 + (0 if seconds in (-(2**31), 15_032_385_535) else 123_456_789)
    for kind, name in ((REGULAR, b"file"), (FOLDER, b"folder"), (stat.S_IFLNK, b"link")):
        assert _restore(ext4, name, Attributes(kind | 0o700, ns)) == []
        told = run("stat", "-c", "%Y", ext4 / os.fsdecode(name))
        assert int(told) == (ns // 10**9 if seconds >= 0 or ns % 10**9 == 0 else seconds)
        assert os.lstat(ext4 / os.fsdecode(name)).st_mtime_ns == ns


def test_times_that_do_not_fit_are_told(ext4: Path, mounted: Mounter) -> None:
    beyond = ["modification time is beyond what this file system holds"]
    small = mounted("ext4-small-inodes")
    for folder, seconds in ((ext4, 2**35), (ext4, -(2**32)), (small, 2**32), (small, 2**31)):
        assert put(folder, b"file", Attributes(REGULAR | 0o600, seconds * 10**9)) == beyond
    assert put(ext4, b"file", Attributes(REGULAR | 0o600, 2**100)) == [
        "modification time is beyond what this system holds"
    ]


def test_losses_of_an_ordinary_user_are_few_and_equal(tmp_path: Path, as_root: None) -> None:
    """They are counted by their words, so a million files must not make a million of them."""
    tmp_path.chmod(0o777)
    fd = os.open(tmp_path, os.O_RDONLY)

    def restore() -> str:
        os.fchdir(fd)
        xattr = [(b"security.capability", CAPABILITY), (b"trusted.x", b"x"), (b"user.x", b"x")]
        told = []
        for number in range(3):
            wanted = Attributes(
                REGULAR | 0o6755, number, uid=number, gid=number + 100, xattrs=xattr, flags=0x50
            )
            told += put(Path("."), b"%d" % number, wanted)
        return "\n".join(sorted(set(told)))

    assert in_child(restore, uid=65534).splitlines() == [
        "extended attribute trusted.x could not be set: not permitted",
        "file capabilities left out: the owner was not set",
        'flag "immutable" could not be set: not permitted',
        "group could not be set: not permitted",
        "owner could not be set: not permitted",
        "set-group-id bit left out: the group was not set",
        "set-user-id bit left out: the owner was not set",
    ]
    assert {stat_name(tmp_path, b"%d" % number).mode for number in range(3)} == {REGULAR | 0o755}
    assert xattrs(tmp_path / "0") == {"user.x": b"x"}
    assert flag_letters(tmp_path / "0") == "d"
    os.close(fd)


def test_own_entries_are_marked_even_when_closed_to_their_owner(
    tmp_path: Path, as_root: None
) -> None:
    tmp_path.chmod(0o777)
    fd = os.open(tmp_path, os.O_RDONLY)

    def restore() -> str:
        os.fchdir(fd)
        Path("file").touch(0)
        Path("folder").mkdir(0)
        with open_target(Path(".")) as target:
            losses = target.apply(b"file", Attributes(REGULAR | 0o200, 10**9), directory=False)
            wanted = Attributes(FOLDER | 0o100, 10**9, flags=NODUMP)
            return repr(losses + target.apply(b"folder", wanted, directory=True))

    assert in_child(restore, uid=65534) == "['flags could not be set: not permitted']"
    for name, mode in ((b"file", REGULAR | 0o200), (b"folder", FOLDER | 0o100)):
        assert stat_name(tmp_path, name)[2] == 10**9
        assert stat_name(tmp_path, name).mode == mode
    os.close(fd)


def test_unreadable_attributes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twins_only: None
) -> None:
    (tmp_path / "file").touch()
    os.symlink("x", tmp_path / "link")

    def refuse(*_words: object, **_options: object) -> bytes:
        raise OSError(5, "")

    monkeypatch.setattr(os, "listxattr", refuse)
    told = "extended attributes could not be read: input/output error"
    assert read(tmp_path, b"file").problems == [told]
    assert read(tmp_path, b"link") == Extras(target=b"x", problems=[told])
    monkeypatch.undo()
    run("setfattr", "-n", "user.x", "-v", "x", tmp_path / "file")
    monkeypatch.setattr(os, "getxattr", refuse)
    told = "extended attribute user.x could not be read: input/output error"
    assert read(tmp_path, b"file").problems == [told]


def test_devices_and_links_are_told(tmp_path: Path, as_root: None) -> None:
    os.mknod(tmp_path / "device", stat.S_IFBLK | 0o600, os.makedev(240, 1_000_001))
    os.symlink(b"\xff" * 4000, tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    assert read(tmp_path, b"device") == Extras(device=os.makedev(240, 1_000_001))
    assert read(tmp_path, b"link") == Extras(target=b"\xff" * 4000)
    assert read(tmp_path, b"fifo") == Extras()
    with open_source(tmp_path) as source, pytest.raises(OSError):
        source.extras(b"fifo", stat.S_IFLNK)
    with open_source(tmp_path) as source, pytest.raises(FileNotFoundError):
        source.extras(b"gone", stat.S_IFBLK)
