"""Files written by several processes: nothing comes out otherwise than from one."""

import os
import random
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.restorer.place import Place, differences, rsync
from tests.restorer.processes import mounted, needs_root
from tests.restorer.test_restore_damage import small_files, with_bad_chunk
from tests.restorer.test_restore_everything import age, fill
from twofold.errors import NoSpace, TwofoldError
from twofold.restorer import crew, restore
from twofold.restorer.contents import FileContents

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system copies no processes")


@pytest.fixture(autouse=True)
def several(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every restore has two more processes, which get orders of a few files; they all end."""
    before = children()
    monkeypatch.setattr(restore, "MANY", 0)
    monkeypatch.setattr(restore, "crew_size", lambda: 2)
    monkeypatch.setattr(crew, "ORDER_FILES", 7)
    yield
    assert children() == before


def children() -> set[str]:
    """The processes made by this one that are still there, or were not waited for."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text().split()}


def test_everything(place: Place) -> None:
    fill(place.source)
    age(place.source)
    far = place.source / "far from now"
    far.write_bytes(b"its time does not fit 64 bits of nanoseconds")
    os.utime(far, (-(10**10), -(10**10)))
    place.backup()
    result = place.restore()
    assert differences(place.source, place.target) == []
    live = sum(len(names) + len(files) for _, names, files in os.walk(place.source))
    assert (result.exit_code, result.new, result.failed, result.losses) == (0, live, 0, ())
    told = place.actions()["restored"]
    assert len(told) == len(set(told)) == live


def test_over_what_is_there(place: Place) -> None:
    fill(place.source)
    place.backup()
    place.target.mkdir()
    (place.target / "twice").write_bytes(b"something else")
    (place.target / "d1").mkdir()
    (place.target / "d1/mine").write_bytes(b"not in the backup")
    result = place.restore()
    assert (result.exit_code, result.replaced) == (0, 1)
    assert result.aside is not None
    aside = Path(os.fsdecode(result.aside.path))
    assert (aside / "twice").read_bytes() == b"something else"
    assert (place.target / "d1/mine").read_bytes() == b"not in the backup"
    assert (place.target / "twice").read_bytes() == (place.source / "twice").read_bytes()


def test_damage_costs_what_it_hits_and_is_told_by_name(place: Place) -> None:
    bad = with_bad_chunk(place, 300)
    result = place.restore()
    assert (result.exit_code, result.damaged, result.failed) == (5, 1, 0)
    assert place.damage() == [str(bad)]
    assert rsync(place.source, place.target, exclude=["d7/bad"]) == []
    assert not (place.target / "d7/bad").exists()
    place.backup()  # what was looked for in vain is known by now, and stored again
    assert place.restore().exit_code == 0
    assert rsync(place.source, place.target) == []


def test_what_parity_gives_back_is_told_once(place: Place) -> None:
    rand = random.Random(5)
    for number in range(60):
        (place.source / f"{number}").write_bytes(rand.randbytes(40_000))
    place.backup()
    for pack in (place.base / "repo/packs").rglob("*"):
        if pack.is_file():
            pack.chmod(0o600)
            data = bytearray(pack.read_bytes())
            data[len(data) // 3] ^= 1
            pack.write_bytes(data)
    result = place.restore()
    assert result.exit_code == 0
    assert rsync(place.source, place.target) == []
    assert place.damage() != []
    assert len(place.damage()) == len(set(place.damage()))


def test_what_the_target_refuses_is_told_by_name(place: Place) -> None:
    small_files(place.source, 100)
    large = [place.source / "d1/too large", place.source / "d9/too large"]
    for path in large:
        path.write_bytes(os.urandom(2_000_000))
    place.backup()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        result = place.restore()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (result.exit_code, result.failed) == (1, 2)
    assert {os.fsdecode(each.path) for each in place.warnings()} == set(map(str, large))
    assert rsync(place.source, place.target, exclude=["d1/too large", "d9/too large"]) == []


@needs_root
def test_a_full_target_ends_it_and_the_same_restore_goes_on(place: Place, tmp_path: Path) -> None:
    rand = random.Random(6)
    for number in range(200):
        (place.source / f"{number}").write_bytes(rand.randbytes(50_000))
    place.backup()
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=4m", "none") as small:
        with pytest.raises(NoSpace):
            place.restore(target=os.fsencode(small), confirm=lambda _plan: True)
        assert not [name for name in os.listdir(small) if name.startswith(".twofold-tmp")]
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        result = place.restore(target=os.fsencode(small))
        assert (result.exit_code, result.replaced) == (0, 0)
        assert rsync(place.source, small) == []


def test_a_process_that_is_killed_ends_it_and_the_same_restore_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files(place.source, 200)
    place.backup()
    here, write = os.getpid(), FileContents.write
    orders = 0

    def killed(self: FileContents, jobs: object) -> None:
        nonlocal orders
        orders += 1
        if os.getpid() != here and orders == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, jobs)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(FileContents, "write", killed)
        with pytest.raises(TwofoldError, match="SIGKILL"):
            place.restore()
    result = place.restore()
    assert (result.exit_code, result.replaced) == (0, 0)
    assert differences(place.source, place.target) == []


def test_without_further_processes_it_is_done_by_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files(place.source, 50)
    place.backup()
    made = 0

    def fork() -> int:
        nonlocal made
        made += 1
        if made > 1:
            raise BlockingIOError("no more processes")
        return real()

    real = os.fork
    monkeypatch.setattr(os, "fork", fork)
    assert place.restore().exit_code == 0
    assert made == 2
    assert differences(place.source, place.target) == []
