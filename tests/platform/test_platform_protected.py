"""Entries that are immutable or append-only: replaced, moved and linked, and protected again."""

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.platform.oracles import find_names, flag_letters, run, stat_name
from twofold.platform import Attributes, TargetDir, current, is_temporary

pytestmark = pytest.mark.usefixtures("either_code")

FILE, LINK, FIFO = (
    Attributes(mode=kind | 0o640, mtime_ns=0) for kind in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO)
)


def open_target(folder: Path) -> closing[TargetDir]:
    """A folder as a target, closed at the end of the block."""
    return closing(current().open_target(os.fsencode(folder), create=False))


def put(target: TargetDir, name: bytes, content: bytes) -> None:
    """Write a file in the ordinary way."""
    file = target.create_file(name)
    file.write_at(content, 0)
    assert file.finish(FILE) == []


IMMUTABLE = 0x10


@pytest.mark.parametrize("flag", ["+i", "+a"])
def test_protected_entries_are_replaced_moved_and_linked(
    ext4: Path, as_root: None, flag: str
) -> None:
    letter = flag[1]
    with open_target(ext4) as target, closing(target.make_dir(b"aside")) as aside:

        def protected(name: str) -> bytes:
            (ext4 / name).write_bytes(b"old")
            run("chattr", flag, ext4 / name)
            return os.fsencode(name)

        put(target, protected("replaced"), b"new")
        target.make_symlink(protected("symlink"), b"x", LINK)
        target.make_special(protected("fifo"), 0, FIFO)
        target.remove_file(protected("removed"))
        target.move_aside(protected("moved"), aside, b"moved")
        target.link_from(target, protected("linked"), b"link")
        target.link_from(target, protected("linked 2"), protected("link 2"))
        assert target.write_batch([protected("batch")], [b"new"], [FILE]) == [(0, [])]
        (ext4 / "folder").mkdir()
        run("chattr", flag, ext4 / "folder")
        with pytest.raises(IsADirectoryError):
            put(target, b"folder", b"new")
    assert (ext4 / "replaced").read_bytes() == (ext4 / "batch").read_bytes() == b"new"
    assert not (ext4 / "removed").exists()
    assert flag_letters(ext4 / "replaced") == ""
    for name in ("aside/moved", "linked", "link", "link 2", "folder"):
        assert flag_letters(ext4 / name) == letter, name
    assert not any(map(is_temporary, find_names(ext4)))


def test_protected_directory_must_be_opened_up_first(ext4: Path, as_root: None) -> None:
    (ext4 / "folder").mkdir()
    run("chattr", "+i", ext4 / "folder")
    with open_target(ext4) as target, closing(target.open_dir(b"folder")) as folder:
        with pytest.raises(PermissionError):
            put(folder, b"name", b"")
        assert folder.lift_flags() == IMMUTABLE
        assert folder.lift_flags() == 0
        put(folder, b"name", b"")
        assert folder.apply_self(Attributes(0o40700, 0, flags=IMMUTABLE)) == []
        assert flag_letters(ext4 / "folder") == "i"
        again = Attributes(0o40750, 7 * 10**9)
        assert folder.apply_self(again) == []  # leaves flags alone, but not in its way
        assert target.apply(b"folder", again, directory=True) == []
    assert flag_letters(ext4 / "folder") == "i"
    told = stat_name(ext4, b"folder")
    assert (told.mode, told.mtime_ns) == (0o40750, 7 * 10**9)
