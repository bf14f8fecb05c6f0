"""A file system that takes metadata and drops it in silence: told nevertheless, of each entry.

ntfs-3g says yes to chmod, chown and access lists and keeps none of them, unless it is mounted with
``permissions``. What is there afterwards is asked of the mount.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.imaging.disks import mounted_ntfs, new_ntfs, run
from tests.restorer.place import NOBODY, Place
from tests.restorer.processes import needs_root
from twofold.commands import image
from twofold.commands.restore import RestoreResult
from twofold.events import ignore
from twofold.platform import Dropped, current

PERMISSIONS = "permissions are not kept by this file system"
OWNERS = "owners are not kept by this file system"
LISTS = "extended attributes or access lists are not kept by this file system"


@contextmanager
def stick(base: Path, options: str = "") -> Iterator[Path]:
    """An NTFS file system, mounted as people have it."""
    volume, folder = new_ntfs(base / "stick.img"), base / "stick"
    folder.mkdir()
    run("ntfs-3g", *(["-o", options] if options else []), volume, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


def fill(top: Path) -> None:
    """Two folders with two files, one of them somebody else's, one with an access list."""
    for folder in ("a", "b"):
        (top / folder).mkdir()
        for name in ("mine", "other"):
            (top / folder / name).write_bytes(name.encode())
            (top / folder / name).chmod(0o640)
    (top / "a" / "link").symlink_to("mine")
    os.chown(top / "b" / "other", NOBODY, NOBODY)
    run("setfacl", "-m", "u:1234:r", top / "a" / "mine")


def losses(result: RestoreResult) -> dict[str, int]:
    return {loss.words: loss.entries for loss in result.losses}


@needs_root
def test_what_is_dropped_in_silence_is_told(place: Place) -> None:
    fill(place.source)
    place.backup()
    with stick(place.base) as top:
        result = place.restore(target=os.fsencode(top / "new"))
        files = [top / "new" / each for each in ("a/mine", "a/other", "b/mine", "b/other")]
        assert {path.stat().st_mode & 0o777 for path in files} == {0o777}
        assert {path.stat().st_uid for path in files} == {0}
        assert "system.posix_acl_access" not in os.listxattr(files[0])
        assert os.listdir(top) == ["new"]
        assert sorted(os.listdir(top / "new")) == ["a", "b"]
    assert result.exit_code == 0
    told = losses(result)
    assert (told[OWNERS], told[LISTS]) == (1, 1)
    assert told[PERMISSIONS] == 6
    assert any("may not keep owners" in note for note in result.plan.notes)


@needs_root
def test_nothing_is_told_of_what_is_kept(place: Place) -> None:
    fill(place.source)
    run("setfacl", "-b", place.source / "a" / "mine")
    place.backup()
    with stick(place.base, "permissions") as top:
        result = place.restore(target=os.fsencode(top / "new"))
        assert (top / "new" / "b" / "other").stat().st_uid == NOBODY
        assert (top / "new" / "b" / "other").stat().st_mode & 0o777 == 0o640
    assert losses(result) == {}


@needs_root
def test_owners_not_asked_for_are_not_missed(place: Place) -> None:
    fill(place.source)
    place.backup()
    with stick(place.base) as top:
        told = losses(place.restore(target=os.fsencode(top / "new"), owner=False))
    assert OWNERS not in told
    assert told[PERMISSIONS] == 6


def test_an_ordinary_target_drops_nothing(tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(0, 123_456_789))
    root = current().open_target(os.fsencode(tmp_path), create=False)
    assert root.dropped() == Dropped()
    root.close()
    assert not list(tmp_path.iterdir())
    assert tmp_path.stat().st_mtime_ns == 123_456_789


@needs_root
def test_to_look_changes_nothing(tmp_path: Path) -> None:
    """ntfs-3g knows no files without names, so one is made and removed."""
    with stick(tmp_path) as top:
        os.utime(top, ns=(0, 123_456_700))
        root = current().open_target(os.fsencode(top), create=False)
        assert root.dropped() == Dropped(mode=True, owner=(0, 0), xattrs=(b"system.posix_acl_",))
        root.close()
        assert not list(top.iterdir())
        assert top.stat().st_mtime_ns == 123_456_700


@needs_root
def test_files_of_windows_have_no_permissions_to_lose(place: Place, tmp_path: Path) -> None:
    disk = new_ntfs(tmp_path / "disk")
    with mounted_ntfs(disk, tmp_path / "mnt") as top:
        (top / "file").write_bytes(b"of Windows")
    image.run(image.ImageOptions(access=place.access, disks=(os.fsencode(disk),)), ignore)
    with stick(place.base) as target:
        result = place.restore("latest:p1:/", target=os.fsencode(target))
        assert (target / "file").read_bytes() == b"of Windows"
    assert losses(result) == {}
    assert not any("may not keep" in note for note in result.plan.notes)
