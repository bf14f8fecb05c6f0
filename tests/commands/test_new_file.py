"""Files that are there whole or not at all: what a killed run leaves, and what is made of that."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.imaging.disks import mounted_ntfs, new_ntfs
from tests.restorer.processes import needs_root
from twofold.commands import new_file as module
from twofold.commands.new_file import new_file
from twofold.errors import NeedsRights, NoSpace, RefusedUnsafe, TwofoldError

DAY = 24 * 3600
_WRITES = """
import sys, pathlib
from twofold.commands import new_file as module
module._NAMELESS *= int(sys.argv[2])
with module.new_file(pathlib.Path(sys.argv[1])) as out:
    out.write(b"half of it")
    out.flush()
    print("written", flush=True)
    sys.stdin.read()
    out.write(b", and the rest")
"""


@pytest.fixture(params=["nameless", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "named":
        monkeypatch.setattr(module, "_NAMELESS", 0)
    return str(request.param)


def writing(path: Path, *, nameless: bool) -> subprocess.Popen[bytes]:
    """Another process that has written half of a file."""
    words = [sys.executable, "-c", _WRITES, str(path), str(int(nameless))]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"written\n"
    return process


def killed(path: Path, *, nameless: bool) -> None:
    process = writing(path, nameless=nameless)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def write(path: Path) -> None:
    with new_file(path) as out:
        out.write(b"whole")


def age(path: Path, seconds: int) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_file_like_any_other(way: str, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with new_file(tmp_path / "file") as out:
            out.write(b"0123456789")
            out.seek(3)
            assert out.read(2) == b"34"
            out.seek(3)
            out.write(b"xy")
            assert len(os.listdir(tmp_path)) == (way == "named")
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"012xy56789"
    info = (tmp_path / "file").stat()
    assert (stat.S_IMODE(info.st_mode), info.st_nlink) == (0o640, 1)


@pytest.mark.usefixtures("way")
def test_nothing_is_replaced_and_nothing_stays(tmp_path: Path) -> None:
    def is_taken() -> None:
        with new_file(tmp_path / "file") as out:
            out.write(b"ours")
            (tmp_path / "file").write_bytes(b"precious")

    def breaks() -> None:
        with new_file(tmp_path / "other") as out:
            out.write(b"ours")
            raise OSError(28, "no room")

    def stops() -> None:
        with new_file(tmp_path / "other"):
            raise KeyboardInterrupt

    cases: list[tuple[Callable[[], None], type[BaseException]]] = [
        (is_taken, RefusedUnsafe),
        (breaks, NoSpace),
        (stops, KeyboardInterrupt),
    ]
    for case, error in cases:
        with pytest.raises(error):
            case()
        assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"precious"
    with pytest.raises(TwofoldError, match="No such file"):
        write(tmp_path / "absent" / "file")


def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    killed(tmp_path / "file", nameless=True)
    assert os.listdir(tmp_path) == []


@needs_root
def test_where_there_are_only_names(tmp_path: Path) -> None:
    """NTFS through ntfs-3g, which knows no nameless files."""
    volume, mount = new_ntfs(tmp_path / "volume"), tmp_path / "mnt"
    with mounted_ntfs(volume, mount):
        assert not module._holds_nameless(mount / "file")
        write(mount / "file")
        assert os.listdir(mount) == ["file"]
        with pytest.raises(RefusedUnsafe):
            write(mount / "file")
        assert (mount / "file").read_bytes() == b"whole"


def test_what_a_killed_run_left_is_removed_later(tmp_path: Path) -> None:
    path = tmp_path / "file"
    killed(path, nameless=False)
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"half of it"
    write(path)  # where there are no locks, somebody could be writing it
    assert left.exists()
    age(left, DAY + 60)
    strangers = [tmp_path / name for name in (".file.12345.twofold", ".other.12345678.twofold")]
    for each in strangers:
        each.write_bytes(b"not ours")
        age(each, 2 * DAY)
    path.unlink()
    write(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, *strangers])


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    process = writing(path, nameless=False)
    (at_work,) = tmp_path.iterdir()
    age(at_work, 2 * DAY)
    with pytest.raises(RefusedUnsafe), new_file(path) as out:
        out.write(b"ours")
        process.communicate(b"")
    assert process.returncode == 0
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"half of it, and the rest"


def test_a_lock_of_another_is_respected(tmp_path: Path) -> None:
    left = tmp_path / ".file.12345678.twofold"
    left.write_bytes(b"at work")
    age(left, 2 * DAY)
    with left.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write(tmp_path / "file")
        assert left.exists()
    write(tmp_path / "second")
    assert left.exists()
    (tmp_path / "file").unlink()
    write(tmp_path / "file")
    assert not left.exists()


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    age(victim, 2 * DAY)
    left = tmp_path / ".file.12345678.twofold"
    left.symlink_to(victim)
    write(tmp_path / "file")
    assert left.is_symlink() and victim.read_bytes() == b"precious"


def test_no_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "_NAMELESS", 0)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(NeedsRights):
        write(tmp_path / "file")
