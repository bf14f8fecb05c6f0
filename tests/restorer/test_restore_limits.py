"""What a target or our rights do not allow is told, entry by entry, and the rest is there."""

import errno
import grp
import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.restorer.place import NOBODY, Craft, Place, changed
from tests.restorer.processes import RUN, mounted, needs_root
from twofold.errors import UsageError
from twofold.format.pages import Owner
from twofold.format.records import PageRef, TreeRef
from twofold.pipeline import ListingWriter, NodeWriter
from twofold.platform import Entry, pack_record
from twofold.platform.linux.target import LinuxTargetDir


@needs_root
def test_fat_takes_what_it_can(place: Place) -> None:
    top = place.source
    for name in ("file", "UPPER", "d/x", "d/colon:", "d/question?"):
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_bytes(name.encode())
    (top / "upper").write_bytes(b"the other one")
    (top / "large").write_bytes(os.urandom(3_000_000))
    (top / "link").symlink_to("file")
    os.link(top / "file", top / "hard")
    os.mkfifo(top / "fifo")
    place.backup()
    image = place.base / "fat"
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    made = subprocess.run(["mkfs.vfat", image], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no mkfs.vfat")
    with mounted(place.base / "stick", "-t", "vfat", "-o", "loop", str(image)) as target:
        dry = place.restore(target=os.fsencode(target / "still to be made"), dry_run=True)
        assert any("vfat" in note for note in dry.plan.notes)
        result = place.restore(target=os.fsencode(target))
        assert any("vfat" in note for note in result.plan.notes)
        assert result.exit_code == 1
        failed = {os.path.basename(warning.path) for warning in place.warnings()}
        assert {b"link", b"fifo", b"upper", b"colon:", b"question?"} == failed
        assert result.failed == len(failed)
        for name in ("file", "UPPER", "d/x", "large", "hard"):
            assert (target / name).read_bytes() == (top / name).read_bytes()
        assert any("hard link" in loss.words for loss in result.losses)


def test_names_that_are_one_to_the_target(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system blind for case the second name would replace the first."""
    for name in ("d/Name", "d/name", "D/inner", "other", "zoë", "zoe\u0308"):
        (place.source / name).parent.mkdir(exist_ok=True)
        (place.source / name).write_bytes(name.encode())
    place.backup()
    look = LinuxTargetDir.existing

    def blind(self: LinuxTargetDir, name: bytes) -> Entry | None:
        for real in self.names():
            if real.lower() == name.lower():
                return look(self, real)
        return None

    monkeypatch.setattr(LinuxTargetDir, "existing", blind)
    result = place.restore()
    failed = {os.path.basename(warning.path) for warning in place.warnings()}
    assert failed == {b"d", b"zo\xc3\xab"}
    assert (result.exit_code, result.failed) == (1, 4)  # d with the two in it
    assert all("cannot tell it from" in warning.reason for warning in place.warnings())


def test_names_and_kinds_the_target_refuses(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        return craft.directory(
            craft.file(b"a good one", b"1"),
            craft.file(b"n" * 300, b"2"),
            craft.folder(b"o" * 300, craft.file(b"x", b"3"), craft.file(b"y", b"4")),
            craft.file(b"p" * 255, b"5"),
            craft.folder(b"z", craft.file(b"z", b"6")),
        )

    place.craft(build)
    result = place.restore("latest")
    assert (result.exit_code, result.new, result.failed) == (1, 4, 4)
    assert sorted(os.listdir(place.target)) == ["a good one", "p" * 255, "z"]
    assert [len(os.path.basename(w.path)) for w in place.warnings()] == [300, 300]


@needs_root
def test_as_another_user(place: Place) -> None:
    top = place.source
    (top / "d").mkdir()
    (top / "d/mine").write_bytes(b"1")
    (top / "d/his").write_bytes(b"2")
    os.chown(top / "d/mine", NOBODY, NOBODY)
    os.chmod(top / "d/his", 0o4755)
    (top / "d/kept").write_bytes(b"3")
    os.setxattr(top / "d/kept", "user.colour", b"blue")
    os.chmod(top / "d/kept", 0o444)  # whose owner may add attributes only before it has this mode
    for name, mode in (("closed", 0), ("closed and his", 0o4111)):  # read again, if not at first
        (top / "d" / name).write_bytes(b"4")
        os.chown(top / "d" / name, NOBODY, NOBODY)
        os.chmod(top / "d" / name, mode)
    os.chmod(top / "d", 0o555)
    os.mknod(top / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    place.backup()
    for folder, names, files in os.walk(place.base / "repo"):
        for name in (*names, *files):
            os.chown(os.path.join(folder, name), NOBODY, NOBODY)
    os.chown(place.base / "repo", NOBODY, NOBODY)
    home = place.base / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    for above in (place.base, *place.base.parents):
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    for _ in range(2):
        first, *rest = as_nobody(place, home / "to")
        assert first.split()[0] == "1"
        assert os.getxattr(home / "to/d/kept", "user.colour") == b"blue"
        assert stat.S_IMODE((home / "to/d/kept").stat().st_mode) == 0o444
        assert any(line.startswith("note owners and device files") for line in rest)
        assert [line for line in rest if line.startswith("warning")] == [
            f"warning b'{top}/device' restore the target takes no device files, or only from an "
            "administrator"
        ]
        for name, mode in (("closed", 0), ("closed and his", 0o4111)):
            assert stat.S_IMODE((home / "to/d" / name).stat().st_mode) == mode
            assert (home / "to/d" / name).read_bytes() == b"4"
        assert not (home / "to/.twofold-replaced").exists()
        there = home / "to/d"
        assert stat.S_IMODE(there.stat().st_mode) == 0o555
        assert (there / "his").read_bytes() == b"2"
        assert stat.S_IMODE((there / "his").stat().st_mode) == 0o755
        assert (there / "his").stat().st_uid == NOBODY


@needs_root
def test_to_where_it_was_by_folders_that_may_only_be_passed(place: Place) -> None:
    """As a user whose home lies in a /home that only root may list; and what is there is kept."""
    mine = place.base / "world/users/me"
    (mine / "d").mkdir(parents=True)
    (mine / "d/file").write_bytes(b"1")
    (mine / "gone").write_bytes(b"2")
    place.backup(mine)
    for path in (mine, *mine.rglob("*"), *place.base.rglob("repo/**/*")):
        os.chown(path, NOBODY, NOBODY)
    for above in (place.base, *place.base.parents):
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    os.chown(place.base / "repo", NOBODY, NOBODY)
    mine.parent.chmod(0o711)
    (mine / "gone").unlink()
    (mine / "d/file").write_bytes(b"changed")
    told = as_nobody(place, place.base / "world", f"latest:{place.base}/world")
    assert told[0].split()[0] == "0", told
    assert not [line for line in told if line.startswith("warning")]
    assert (mine / "gone").read_bytes() == b"2"
    assert (mine / "d/file").read_bytes() == b"1"
    assert next(line for line in told if "kept in the same folder" in line).startswith("loss 1 ")
    (old,) = (mine / "d").glob("file.replaced-*")
    assert old.read_bytes() == b"changed"
    assert stat.S_IMODE(mine.parent.stat().st_mode) == 0o711


def as_nobody(place: Place, target: Path, snapshot: str = "") -> list[str]:
    """Restore in a child process of another user, for whom there may be no Python to start."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        sys.argv = ["", str(place.base), place.key.decode(), str(target), "0", snapshot]
        with open(writer, "w") as sys.stdout:
            exec(RUN, {})
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        told = pipe.read().splitlines()
    assert os.waitpid(child, 0)[1] == 0, told
    return told


def test_targets_that_are_none(place: Place) -> None:
    (place.source / "f").write_bytes(b"x")
    place.backup()
    (place.base / "file").write_bytes(b"")
    for target in (place.base / "file", place.base / "file/below"):
        with pytest.raises(UsageError):
            place.restore(target=os.fsencode(target))


@needs_root
def test_owners_go_by_name_where_the_name_is_known(place: Place) -> None:
    other = Owner(70_001, 70_002, "daemon", "mail")
    unknown = Owner(70_003, 70_004, "nobody-of-this-name", "no-such-group")

    def build(craft: Craft) -> TreeRef:
        writer = NodeWriter(craft.flow.save_page, craft.page_key)
        writer.add(craft.file(b"known", b"1"), other)
        writer.add(craft.file(b"number", b"2"), unknown)
        return writer.finish()

    place.craft(build)
    assert place.restore("latest").exit_code == 0
    known, number = (place.target / "known").stat(), (place.target / "number").stat()
    assert (known.st_uid, known.st_gid) == (
        pwd.getpwnam("daemon").pw_uid,
        grp.getgrnam("mail").gr_gid,
    )
    assert (number.st_uid, number.st_gid) == (70_003, 70_004)
    ours = place.base / "ours"
    result = place.restore("latest", owner=False, target=os.fsencode(ours))
    assert (result.exit_code, result.losses) == (0, ())
    assert {path.stat().st_uid for path in ours.iterdir()} == {0}


def linked(top: Path) -> None:
    (top / "d").mkdir()
    (top / "a").write_bytes(b"one file" * 100)
    for name in ("b", "d/c", "d/e"):
        os.link(top / "a", top / name)


@needs_root
def test_links_across_file_systems_become_copies(place: Place) -> None:
    linked(place.source)
    place.backup()
    place.target.mkdir()
    with mounted(place.target / "d", "-t", "tmpfs", "tmpfs"):
        result = place.restore()
        assert (result.exit_code, result.failed) == (0, 0)
        assert sum(loss.entries for loss in result.losses if "hard link" in loss.words) == 2
        for name in ("a", "b", "d/c", "d/e"):
            assert (place.target / name).read_bytes() == b"one file" * 100
        assert (place.target / "a").stat().st_nlink == 2


def test_links_where_there_are_none(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    linked(place.source)
    os.symlink("x", place.source / "link")
    os.link(place.source / "link", place.source / "link again", follow_symlinks=False)
    place.backup()

    def refuse(*_args: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(LinuxTargetDir, "link_from", refuse)
    result = place.restore()
    assert (result.exit_code, result.new) == (0, 7)
    assert [loss.entries for loss in result.losses] == [4]
    for name in ("a", "b", "d/c", "d/e"):
        assert (place.target / name).read_bytes() == b"one file" * 100
    assert os.readlink(place.target / "link again") == "x"


def test_the_first_name_cannot_be_made(place: Place) -> None:
    """Another name becomes the file the others are linked to."""

    def build(craft: Craft) -> TreeRef:
        file = changed(craft.file(b"x", b"data" * 50), linked=True)
        names = [b"a" * 300, b"b", b"c"]
        nodes = [changed(file, name=name) for name in names]
        listing = ListingWriter(craft.flow.save_page, craft.page_key, 1)
        for name in names:
            record = pack_record(Entry(7, 200, 0, 0, stat.S_IFREG, 0, 0, 3, 0, name))
            listing.add(record, name, None, 200)
        listings.append(listing.finish())
        return craft.directory(*nodes)

    listings: list[PageRef] = []
    place.craft(build)
    place.craft(build, listing=listings[0], end_ns=5)
    with place.open() as repository:
        newest = next(s for s in repository.snapshots() if s.root.end_ns == 5)
    result = place.restore(newest.short)
    assert (result.exit_code, result.failed, result.new) == (1, 1, 2)
    assert (place.target / "b").read_bytes() == b"data" * 50
    assert (place.target / "b").stat().st_ino == (place.target / "c").stat().st_ino


def test_skipped_names_are_no_source_of_links(place: Place) -> None:
    linked(place.source)
    place.backup()
    place.target.mkdir()
    (place.target / "a").write_bytes(b"something else")
    result = place.restore(existing="skip")
    assert (result.exit_code, result.kept) == (0, 1)
    assert (place.target / "a").read_bytes() == b"something else"
    assert (place.target / "b").read_bytes() == b"one file" * 100
    assert (place.target / "b").stat().st_nlink == 3
