"""What the world does to a restore: kills it, fills its disk, lies about what was written."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tests.restorer.place import Craft, Place, differences, rsync
from tests.restorer.processes import command, mounted, needs_root
from tests.twins import choose
from twofold import clock
from twofold.backend import LocalBackend
from twofold.commands import restore
from twofold.errors import NoSpace, StoreError
from twofold.events import Progress
from twofold.format.pages import Node, NodeKind
from twofold.format.records import TreeRef


def many_files(top: Path, count: int = 3000) -> None:
    rand = random.Random(9)
    for number in range(count):
        folder = top / f"d{number % 30}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number}").write_bytes(rand.randbytes(rand.randrange(20_000)))
    (top / "large").write_bytes(rand.randbytes(30_000_000))
    os.link(top / "d1/f1", top / "hard")
    os.chmod(top / "d3", 0o555)


def names_whole(source: Path, target: Path) -> None:
    """What has its final name is complete."""
    for folder, _, names in os.walk(target):
        for name in names:
            path = Path(folder, name)
            if name.startswith(".twofold-"):
                continue
            assert path.read_bytes() == (source / path.relative_to(target)).read_bytes()


def test_killed_and_run_again(place: Place) -> None:
    many_files(place.source)
    os.utime(place.source, (1, 1))
    os.chmod(place.source, 0o751)
    place.backup()
    rand = random.Random(4)
    kills = 0
    for _ in range(6):
        process = subprocess.Popen(
            command(place, place.target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_something(place.target, rand.randrange(1, 2500))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        names_whole(place.source, place.target)
    assert kills > 2
    result = place.restore()
    assert (result.exit_code, result.replaced, result.aside) == (0, 0, None)
    assert differences(place.source, place.target) == []


def wait_for_something(top: Path, count: int) -> None:
    """Until some files are there, or nothing more happens."""
    end = time.monotonic() + 20
    before = sum(len(names) for _, _, names in os.walk(top))
    while time.monotonic() < end:
        now = sum(len(names) for _, _, names in os.walk(top))
        if now >= before + count or now >= 3001:
            return
        time.sleep(0.01)


def test_interrupted_in_the_middle(place: Place) -> None:
    """A signal is an exception in the engine's thread: threads end, nothing half-made stays."""
    many_files(place.source)
    place.backup()
    seen = []

    def interrupt(event: object) -> None:
        seen.append(event)
        if isinstance(event, Progress):
            raise KeyboardInterrupt

    place.told = []
    threads = threading.active_count()

    options = restore.RestoreOptions(
        access=place.access, snapshot=f"latest:{place.source}", target=os.fsencode(place.target)
    )
    with pytest.raises(KeyboardInterrupt):
        restore.run(options, interrupt)
    assert threading.active_count() == threads
    left = [name for _, _, names in os.walk(place.target) for name in names]
    assert not [name for name in left if name.endswith(".part")]
    names_whole(place.source, place.target)
    assert place.restore().exit_code == 0
    assert differences(place.source, place.target) == []


@needs_root
@pytest.mark.parametrize("large", [False, True])
def test_full_target(place: Place, large: bool) -> None:
    rand = random.Random(1)
    if large:
        (place.source / "large").write_bytes(rand.randbytes(12_000_000))
    else:
        for number in range(600):
            (place.source / f"f{number}").write_bytes(rand.randbytes(20_000))
    place.backup()
    with mounted(place.base / "small", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as target:
        with pytest.raises(NoSpace):  # told beforehand
            place.restore(target=os.fsencode(target))
        assert os.listdir(target) == []
        with pytest.raises(NoSpace, match="full"):
            place.restore(target=os.fsencode(target), confirm=lambda plan: not plan.fits)
        names = os.listdir(target)
        assert not [name for name in names if name.endswith(".part")]
        names_whole(place.source, target)
        assert len(names) > (0 if large else 300)
        subprocess.run(["mount", "-o", "remount,size=32m", target], check=True)
        assert place.restore(target=os.fsencode(target)).exit_code == 0
        assert differences(place.source, target) == []


@needs_root
def test_room_is_counted_exactly_when_it_is_short(place: Place) -> None:
    """Holes take no room and further names none either, so this fits although sizes say no."""
    data = os.urandom(3_000_000)
    (place.source / "one").write_bytes(data)
    for number in range(4):
        os.link(place.source / "one", place.source / f"again{number}")
    (place.source / "sparse").write_bytes(b"x")
    os.truncate(place.source / "sparse", 1 << 30)
    place.backup()
    with mounted(place.base / "small", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as target:
        result = place.restore(target=os.fsencode(target))
        assert result.exit_code == 0
        assert result.plan.fits
        assert rsync(place.source, target, "-aHn") == []


@needs_root
@pytest.mark.parametrize("name", ["f", "é" * 127, "x" + "é" * 127])
def test_another_file_system_below_the_target(place: Place, name: str) -> None:
    (place.source / "d").mkdir()
    (place.source / "d" / name).write_bytes(b"new")
    place.backup()
    place.target.mkdir()
    with mounted(place.target / "d", "-t", "tmpfs", "tmpfs"):
        (place.target / "d" / name).write_bytes(b"old")
        result = place.restore()
        assert (result.exit_code, result.replaced) == (0, 1)
        assert (place.target / "d" / name).read_bytes() == b"new"
        (kept,) = [each for each in os.listdir(place.target / "d") if each != name]
        assert ".replaced-" in kept and kept.startswith(name[:100])
        assert (place.target / "d" / kept).read_bytes() == b"old"


def test_few_descriptors(place: Place) -> None:
    fd = os.open(place.source, os.O_RDONLY)
    for number in range(100):  # deep, and with large files on the way
        with open(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as file:
            file.write(os.urandom(1_100_000) if number < 40 else b"small")
        os.mkdir("d", dir_fd=fd)
        fd, above = os.open("d", os.O_RDONLY, dir_fd=fd), fd
        os.close(above)
    os.close(fd)
    place.backup()
    done = subprocess.run(
        command(place, place.target, nofile=64), capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[:3] == ["0", "200", "0"], done.stdout
    assert differences(place.source, place.target) == []


@pytest.mark.parametrize("verify", [False, True])
def test_verify_reads_back(place: Place, monkeypatch: pytest.MonkeyPatch, verify: bool) -> None:
    """A drive that writes something else is noticed only by reading back."""
    (place.source / "small").write_bytes(b"s" * 1000)
    (place.source / "large").write_bytes(os.urandom(2_000_000))
    (place.source / "good").write_bytes(b"g" * 100)
    place.backup()
    pwrite = os.pwrite

    def lying(fd: int, data: bytes, offset: int) -> int:
        if len(data) >= 1000:
            data = b"?" + bytes(data[1:])
        return pwrite(fd, data, offset)

    choose(monkeypatch, "twin", "twofold.platform.linux.target")  # the extension would not ask ours
    monkeypatch.setattr(os, "pwrite", lying)
    result = place.restore(verify=verify)
    names = sorted(os.listdir(place.target))
    if verify:
        assert (result.exit_code, result.failed, names) == (1, 2, ["good"])
    else:
        assert (result.exit_code, result.failed, names) == (0, 0, ["good", "large", "small"])
    monkeypatch.undo()
    assert place.restore(verify=True, existing="replace").exit_code == 0
    assert [line for line in rsync(place.source, place.target) if line != ".d..t...... ./"] == []


def test_leftovers_of_dead_runs_are_cleared_away(place: Place) -> None:
    (place.source / "d").mkdir()
    (place.source / "d/f").write_bytes(b"x")
    place.backup()
    place.restore()
    mine = place.target / "d/.twofold-notes"
    mine.write_bytes(b"not a leftover")
    for folder in (place.target, place.target / "d"):
        (folder / ".twofold-0123456789abcdef.part").write_bytes(b"half")
    place.restore()
    found = [path.name for path in place.target.rglob(".twofold-*")]
    assert found == [".twofold-notes"]


def test_a_wide_directory(place: Place) -> None:
    """Metadata of 40,000 empty files in one directory, windows of 8,192."""

    def build(craft: Craft) -> TreeRef:
        nodes = (Node(b"%06d" % n, NodeKind.FILE, 0o600, -1, n) for n in range(40_000))
        return craft.directory(craft.folder(b"wide", *nodes))

    place.craft(build)
    begin = clock.monotonic()
    assert place.restore("latest").new == 40_001
    assert clock.monotonic() - begin < 60
    assert len(os.listdir(place.target / "wide")) == 40_000
    assert (place.target / "wide/000077").stat().st_mtime_ns == 77


MEASURED = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from tests.memory import peak_mib
    from tests.restorer.place import Place
    place = Place(Path(sys.argv[1]), sys.argv[2].encode())
    place.told = type("Deaf", (list,), {"append": lambda self, event: None})()
    from twofold.commands import restore
    options = restore.RestoreOptions(
        access=place.access, snapshot="latest", target=os.fsencode(place.target)
    )
    result = restore.run(options, lambda event: None)
    print(result.exit_code, result.new, peak_mib())
    """
)


@pytest.mark.slow
def test_a_hundred_thousand_small_files(place: Place) -> None:
    """Memory stays far below a gigabyte, whatever the number of files."""

    def build(craft: Craft) -> TreeRef:
        folders = []
        for d in range(100):
            inner = []
            for e in range(10):
                files = [
                    craft.flow_file(b"%03d" % n, b"%d %d %d\n" % (d, e, n) * 40) for n in range(100)
                ]
                inner.append(craft.folder(b"e%d" % e, *files))
            folders.append(craft.folder(b"d%03d" % d, *inner))
        return craft.directory(*folders)

    place.craft(build)
    words = [sys.executable, "-c", MEASURED, str(place.base), place.key.decode()]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    code, new, peak = done.stdout.split()
    assert (code, new) == ("0", "101100")
    assert int(peak) < 400
    assert (place.target / "d042/e7/099").read_bytes() == b"42 7 99\n" * 40


def test_a_store_out_of_reach_stops_the_restore(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_files(place.source, 300)
    place.backup()
    get, calls = LocalBackend.get, [0]

    def failing(self: LocalBackend, name: str, *more: int) -> bytes:
        calls[0] += name.startswith("packs/")
        if calls[0] > 12:
            raise StoreError("the drive was pulled")
        return get(self, name, *more)

    def unknown(self: LocalBackend, name: str) -> int:
        raise StoreError("the drive was pulled")

    monkeypatch.setattr(LocalBackend, "get", failing)
    monkeypatch.setattr(LocalBackend, "size", unknown)
    _stops(place, "pulled")
    monkeypatch.undo()
    assert place.restore().exit_code == 0
    assert differences(place.source, place.target) == []


def test_a_store_that_vanishes_stops_the_restore(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place where the drive was mounted is an empty folder now."""
    many_files(place.source, 300)
    place.backup()
    get, calls = LocalBackend.get, [0]
    store, away = place.base / "repo", place.base / "away"

    def vanishing(self: LocalBackend, name: str, *more: int) -> bytes:
        calls[0] += name.startswith("packs/")
        if calls[0] == 12:
            store.rename(away)
            store.mkdir()
        return get(self, name, *more)

    monkeypatch.setattr(LocalBackend, "get", vanishing)
    _stops(place, "no longer there")
    monkeypatch.undo()
    store.rmdir()
    away.rename(store)
    assert place.restore().exit_code == 0
    assert differences(place.source, place.target) == []


def _stops(place: Place, words: str) -> None:
    """A restore ends by a store error; no thread, no half file stays."""
    threads = threading.active_count()
    with pytest.raises(StoreError, match=words):
        place.restore()
    assert threading.active_count() == threads
    names_whole(place.source, place.target)
    assert not [name for _, _, names in os.walk(place.target) for name in names if ".part" in name]
