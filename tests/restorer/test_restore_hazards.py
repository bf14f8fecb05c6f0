"""What the world does to a restore: kills it, fills its disk, swaps its directories, denies it."""

import ctypes
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.restorer.place import NOBODY, Craft, Place, differences, rsync
from twofold import clock
from twofold.commands import restore
from twofold.errors import NoSpace, RefusedUnsafe, UsageError
from twofold.events import Progress
from twofold.format.pages import Node, NodeKind
from twofold.format.records import TreeRef
from twofold.platform import Entry
from twofold.platform.linux.target import LinuxTargetDir

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="needs root")

RUN = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from tests.restorer.place import Place
    base, key, target, nofile = sys.argv[1:5]
    if int(nofile):
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(nofile), int(nofile)))
    place = Place(Path(base), key.encode())
    result = place.restore(target=os.fsencode(target))
    print(result.exit_code, result.new, result.failed, flush=True)
    for loss in result.losses:
        print("loss", loss.entries, loss.words)
    for note in result.plan.notes:
        print("note", note)
    for warning in place.warnings():
        print("warning", warning.path, warning.action, warning.reason)
    """
)


def command(place: Place, target: Path, nofile: int = 0) -> list[str]:
    """A restore in a process of its own."""
    words = [sys.executable, "-c", RUN, str(place.base), place.key.decode(), str(target)]
    return [*words, str(nofile)]


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


@contextmanager
def mounted(place: Path, *words: str) -> Iterator[Path]:
    place.mkdir()
    done = subprocess.run(["mount", *words, place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr!r}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


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
def test_another_file_system_below_the_target(place: Place) -> None:
    (place.source / "d").mkdir()
    (place.source / "d/f").write_bytes(b"new")
    place.backup()
    place.target.mkdir()
    with mounted(place.target / "d", "-t", "tmpfs", "tmpfs"):
        (place.target / "d/f").write_bytes(b"old")
        result = place.restore()
        assert (result.exit_code, result.replaced) == (0, 1)
        assert (place.target / "d/f").read_bytes() == b"new"
        (kept,) = [name for name in os.listdir(place.target / "d") if name != "f"]
        assert kept.startswith("f.replaced-")
        assert (place.target / "d" / kept).read_bytes() == b"old"


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
        assert any(line.startswith("note owners and device files") for line in rest)
        assert [line for line in rest if line.startswith("warning")] == [
            f"warning b'{top}/device' restore Operation not permitted"
        ]
        there = home / "to/d"
        assert stat.S_IMODE(there.stat().st_mode) == 0o555
        assert (there / "his").read_bytes() == b"2"
        assert stat.S_IMODE((there / "his").stat().st_mode) == 0o755
        assert (there / "his").stat().st_uid == NOBODY


def as_nobody(place: Place, target: Path) -> list[str]:
    """Restore in a child process of another user, for whom there may be no Python to start."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        sys.argv = ["", str(place.base), place.key.decode(), str(target), "0"]
        with open(writer, "w") as sys.stdout:
            exec(RUN, {})
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        told = pipe.read().splitlines()
    assert os.waitpid(child, 0)[1] == 0, told
    return told


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


def exchange(one: Path, two: Path) -> bool:
    """Swap two entries in one step; whether it worked."""
    libc = ctypes.CDLL(None)
    return not libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(two), 2)


def test_swapped_directories_lead_nowhere(place: Place) -> None:
    """Somebody who may write to the target swaps a directory for a link while we restore."""
    for number in range(40):
        for inner in range(3):
            folder = place.source / "d" / f"s{number % 4}" / f"i{inner}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"f{number}").write_bytes(b"content")
            (folder / f"l{number}").symlink_to("x")
    place.backup()
    outside = place.base / "outside"
    for number in range(4):
        for inner in range(3):
            (outside / f"s{number}" / f"i{inner}").mkdir(parents=True)
    before = sorted(path for path in outside.rglob("*"))
    stop = threading.Event()
    swaps = hits = 0

    def swap() -> None:
        nonlocal swaps
        way, evil = place.target / "d", place.target / "evil"
        while not stop.is_set():
            with suppress(OSError):
                if not evil.is_symlink() and way.is_dir() and not way.is_symlink():
                    if evil.exists():  # the restore has made a new directory meanwhile
                        os.rename(evil, place.target / f"old{swaps}")
                    os.symlink(outside, evil)
            swaps += exchange(way, evil)
            time.sleep(0.0005)

    attacker = threading.Thread(target=swap)
    attacker.start()
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (swaps > 1000 and hits > 3):
            result = place.restore(existing="replace")
            hits += bool(result.failed or result.conflicts)
    finally:
        stop.set()
        attacker.join()
    assert sorted(path for path in outside.rglob("*")) == before
    assert hits > 3  # the swaps came in between


def test_not_into_the_repository(place: Place) -> None:
    (place.source / "f").write_bytes(b"x")
    place.backup()
    repo = place.base / "repo"
    link = place.base / "way in"
    link.symlink_to(repo)
    for target in (repo, repo / "packs", repo / "new/folder", link, link / "packs"):
        with pytest.raises(RefusedUnsafe):
            place.restore(target=os.fsencode(target))
    assert not (repo / "new").exists()


def test_not_over_the_repository(place: Place) -> None:
    """An ancestor of the repository may be the target, unless something would go where it is."""
    parts = [os.fsencode(part) for part in place.base.relative_to("/").parts]

    def build(*inside: bytes, file: bool = False) -> Callable[[Craft], TreeRef]:
        def make(craft: Craft) -> TreeRef:
            *above, last = inside
            node = craft.file(last, b"x") if file else craft.folder(last, craft.file(b"f", b"x"))
            for part in reversed(above):
                node = craft.folder(part, node)
            return craft.directory(node)

        return make

    target = os.fsencode(place.base)
    place.craft(build(b"harmless"))
    assert place.restore("latest", target=target).exit_code == 0
    for number, case in enumerate(
        [build(b"repo"), build(b"repo", b"packs"), build(b"repo", file=True)], 1
    ):
        place.craft(case, end_ns=number)
        with pytest.raises(RefusedUnsafe):
            place.restore(target=target, snapshot=newest(place))
        with pytest.raises(RefusedUnsafe):
            place.restore(target=target, snapshot=newest(place), dry_run=True)
    place.craft(build(*parts, file=True), end_ns=9)
    with pytest.raises(RefusedUnsafe):  # would move everything above the repository aside
        place.restore(target=b"/", snapshot=newest(place), dry_run=True)
    result = place.restore(target=target, snapshot=newest(place, 3), exclude=("repo",))
    assert result.exit_code == 0


def newest(place: Place, back: int = 0) -> str:
    """The id of the snapshot made last."""
    with place.open() as repository:
        found = repository.snapshots()
        return (
            max(found, key=lambda s: (s.root.time_ns, s.root.end_ns)).id.hex()
            if not back
            else sorted(found, key=lambda s: s.root.end_ns)[-1 - back].id.hex()
        )


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


def test_targets_that_are_none(place: Place) -> None:
    (place.source / "f").write_bytes(b"x")
    place.backup()
    (place.base / "file").write_bytes(b"")
    for target in (place.base / "file", place.base / "file/below"):
        with pytest.raises(UsageError):
            place.restore(target=os.fsencode(target))


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


def test_no_session_stays_and_none_is_needed(place: Place) -> None:
    (place.source / "f").write_bytes(b"x")
    place.backup()
    place.restore()
    assert os.listdir(place.base / "repo/sessions/open") == []
    if ROOT:
        subprocess.run(["mount", "--bind", place.base / "repo", place.base / "repo"], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", place.base / "repo"], check=True)
            assert place.restore(target=os.fsencode(place.base / "two")).exit_code == 0
        finally:
            subprocess.run(["umount", place.base / "repo"], check=True)


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
    import os, resource, sys, time
    from pathlib import Path
    from tests.restorer.place import Place
    place = Place(Path(sys.argv[1]), sys.argv[2].encode())
    place.told = type("Deaf", (list,), {"append": lambda self, event: None})()
    begin = time.monotonic()
    from twofold.commands import restore
    options = restore.RestoreOptions(
        access=place.access, snapshot="latest", target=os.fsencode(place.target)
    )
    result = restore.run(options, lambda event: None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(result.exit_code, result.new, peak, time.monotonic() - begin)
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
    code, new, peak, seconds = done.stdout.split()
    assert (code, new) == ("0", "101100")
    assert int(peak) < 400
    assert float(seconds) < 120
    assert (place.target / "d042/e7/099").read_bytes() == b"42 7 99\n" * 40
