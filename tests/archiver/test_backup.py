"""A snapshot holds exactly what was there, and proves unchanged only what is."""

import errno
import os
import random
import socket
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.archiver.world import World, assert_same, live
from tests.platform.oracles import in_child
from twofold import clock
from twofold.archiver import RuleOptions
from twofold.archiver.nodes import XATTR_LIMIT, NodeMaker
from twofold.errors import NeedsRights, NothingDone, TwofoldError
from twofold.events import SourceWarning
from twofold.platform import Entry, Extras, SmallRead, current
from twofold.platform.linux.source import LinuxSourceDir, LinuxSourceFile

Later = Callable[[], None]
NOBODY = 65534


def fill(top: Path, seed: int = 1) -> None:
    """A tree with every type of entry that needs no rights, some of it larger than a chunk."""
    rand = random.Random(seed)
    for d in range(8):
        folder = top / f"d{d}" / "inner"
        folder.mkdir(parents=True)
        for f in range(12):
            (folder / f"f{f}").write_bytes(rand.randbytes(rand.choice([0, 1, 100, 5000, 70_000])))
    (top / "large").write_bytes(rand.randbytes(3_000_000) + bytes(300_000) + rand.randbytes(900))
    (top / "zeros").write_bytes(bytes(200_000))
    (top / "link").symlink_to("d0/inner/f1")
    (top / "dangling").symlink_to(b"\xff\xfe nowhere".decode("utf-8", "surrogateescape"))
    os.link(top / "large", top / "hard link to large")
    os.link(top / "d1/inner/f1", top / "d2/hard")
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(top / "socket"))
    (top / "empty").mkdir()
    os.chmod(top / "d3", 0o1711)


def test_everything_is_stored_as_it_is(world: World) -> None:
    fill(world.source)
    outcome = world.backup()
    assert outcome.complete
    assert_same(world, outcome.root)


def test_hostile_names(world: World) -> None:
    top = os.fsencode(world.source)
    for name in (
        b"new\nline",
        b"\xff\xfe",
        b"x" * 255,
        b"-rf",
        b" ",
        b"\x01\x1b[31m",
        b"a\\b",
        b"~",
    ):
        os.mkdir(top + b"/" + name)
        with open(top + b"/" + name + b"/" + name, "wb") as file:
            file.write(name)
    outcome = world.backup()
    assert_same(world, outcome.root)


@pytest.mark.parametrize("year", [-100, 1, 250, 292, 293, 440])
def test_times_far_from_now(world: World, year: int) -> None:
    """Years from 1970; file systems differ in what they keep, so the live tree decides."""
    path = world.source / "old or new"
    path.write_bytes(b"x")
    os.utime(path, ns=(0, year * 31_556_952 * 10**9 + 123_456_789))
    assert_same(world, world.backup().root)


def test_too_much_of_extended_attributes_is_told() -> None:
    extras = Extras(xattrs=[(b"user.%d" % i, bytes(60_000)) for i in range(9)])
    kept = NodeMaker(current()).bounded(extras)
    assert sum(len(value) for _, value in kept.xattrs) <= XATTR_LIMIT
    assert len(kept.problems) == 9 - len(kept.xattrs)


def test_the_ledger_accounts_for_every_entry(world: World) -> None:
    fill(world.source)
    (world.source / "skip.tmp").write_bytes(b"x")
    counts = world.backup(rules=RuleOptions(patterns=("*.tmp",))).root.counts
    files = [e for e in live(world.source).values() if not stat.S_ISDIR(e[0].st_mode)]
    assert counts["stored"] + counts["excluded"] == len(files)
    assert counts["excluded"] == counts["excluded:*.tmp"] == 1


def test_an_unchanged_tree_costs_nothing_and_stands(world: World, later: Later) -> None:
    fill(world.source)
    later()
    first = world.backup()
    second = world.backup()
    assert_same(world, second.root)
    assert second.root.counts["unchanged"] == first.root.counts["stored"]
    assert second.root.counts.get("stored", 0) == 0
    assert second.root.bytes_read == 0
    assert second.blobs_new < 20  # pages of directories above the source, which others change
    assert first.snapshot is not None
    assert second.root.parent == first.snapshot.id


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda top: (top / "d0/inner/f3").write_bytes(b"changed"),
    "new file": lambda top: (top / "d5/inner/new").write_bytes(b"new"),
    "removed": lambda top: (top / "d5/inner/f0").unlink(),
    "renamed": lambda top: (top / "d5/inner/f0").rename(top / "d6/inner/moved"),
    "mode": lambda top: (top / "d4/inner/f2").chmod(0o600),
    "directory mode": lambda top: (top / "d4/inner").chmod(0o700),
    "deep directory": lambda top: (top / "d4/inner/a/b/c/d").mkdir(parents=True),
    "type": lambda top: _replace_by_directory(top / "d1/inner/f5"),
    "link target": lambda top: _point_elsewhere(top / "link"),
    "same size and time": lambda top: _rewrite_quietly(top / "d2/inner/f3"),
    "large tail": lambda top: _append(top / "large"),
    "removed directory": lambda top: _remove(top / "d7"),
}


def _rewrite_quietly(path: Path) -> None:
    """Same size, same mtime: only ctime tells."""
    info = path.stat()
    path.write_bytes(bytes(info.st_size) or b"")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def _replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _point_elsewhere(link: Path) -> None:
    link.unlink()
    link.symlink_to("d7")


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"tail")


def _remove(path: Path) -> None:
    for folder, names, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(os.path.join(folder, name))
        for name in names:
            os.rmdir(os.path.join(folder, name))
    path.rmdir()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_and_the_rest_proven(world: World, later: Later, change: str) -> None:
    fill(world.source)
    later()
    first = world.backup()
    CHANGES[change](world.source)
    second = world.backup()
    assert_same(world, second.root)
    assert second.root.counts["unchanged"] > first.root.counts["stored"] * 0.8


def test_what_was_written_just_now_proves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file as young as its reading could change again without showing it."""
    fill(world.source)
    infos = [info for info, _ in live(world.source).values()]
    changes = [info.st_ctime_ns for info in infos if not stat.S_ISDIR(info.st_mode)]
    newest = max(changes)
    monkeypatch.setattr(clock, "now_ns", lambda: newest + 1_000_000)
    world.backup()
    again = world.backup()
    young = [changed for changed in changes if changed > newest - 19_000_000]
    assert again.root.counts["stored"] >= len(young)
    assert_same(world, again.root)


def test_what_moves_between_listing_and_reading_is_listed_as_it_was_read(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next run could not prove it unchanged, or would prove what it never saw."""
    fill(world.source)
    later()
    read = LinuxSourceDir.read_batch

    def moved_first(
        directory: LinuxSourceDir, wanted: Sequence[Entry], view: memoryview, settled: int
    ) -> list[SmallRead | None]:
        if b"f3" in [entry.name for entry in wanted]:
            os.chmod(b"f3", 0o640, dir_fd=directory._fd)
        return read(directory, wanted, view, settled)

    with monkeypatch.context() as patch:
        patch.setattr(LinuxSourceDir, "read_batch", moved_first)
        first = world.backup()
    assert_same(world, first.root)
    second = world.backup()
    assert second.root.counts.get("stored", 0) == 0
    assert second.root.counts["unchanged"] == first.root.counts["stored"]


def test_force_reads_everything_again(world: World, later: Later) -> None:
    fill(world.source)
    later()
    world.backup()
    again = world.backup(force=True)
    assert again.root.counts["stored"] > 90
    assert again.root.bytes_stored < 64 << 10  # pages of directories above the source


def test_several_sources_share_one_tree(world: World) -> None:
    fill(world.source)
    outcome = world.backup(world.source / "d0", world.source / "d1/inner/f3")
    stored = world.stored(outcome.root)
    assert set(stored) >= {b"d0", b"d0/inner/f0", b"d1", b"d1/inner", b"d1/inner/f3"}
    assert b"d1/inner/f4" not in stored
    assert b"d2" not in stored


def test_nothing_there_is_said_and_keeps_history(world: World) -> None:
    with pytest.raises(NothingDone):
        world.backup(world.source / "missing")
    with world.open() as repository:
        assert repository.snapshots() == []


def test_a_missing_source_among_others_is_a_failure(world: World) -> None:
    fill(world.source)
    outcome = world.backup(world.source / "d0", world.source / "missing")
    assert not outcome.complete
    warned = [e for e in world.events if isinstance(e, SourceWarning)]
    assert os.fsencode(world.source / "missing") in [e.path for e in warned]


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EACCES, NeedsRights), (errno.EIO, TwofoldError)]
)
def test_a_source_that_cannot_be_looked_at_is_not_called_absent(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int, error: type[TwofoldError]
) -> None:
    """A drive that fails, or a folder of somebody else's above it, is no drive that is away."""
    fill(world.source)
    look, closed = os.lstat, os.fsencode(world.source / "d0")

    def refused(path: bytes, **more: int) -> os.stat_result:
        if path == closed:
            raise OSError(number, os.strerror(number))
        return look(path, **more)

    monkeypatch.setattr(os, "lstat", refused)
    with pytest.raises(TwofoldError) as told:
        world.backup(world.source / "d0")
    assert type(told.value) is error
    assert os.strerror(number) in told.value.message
    outcome = world.backup(world.source / "d0", world.source / "d1")
    assert not outcome.complete
    assert SourceWarning(closed, "open", os.strerror(number)) in world.events
    assert b"d1/inner/f0" in world.stored(outcome.root)


def test_a_path_longer_than_the_system_takes(world: World) -> None:
    deep, name = world.source, "d" * 200
    here = os.open(deep, os.O_RDONLY)
    for _ in range(30):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, deep = below, deep / name
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    try:
        outcome = world.backup(deep)
        assert outcome.complete
        assert os.fsencode(deep.relative_to(world.source) / "file") in world.stored(outcome.root)
    finally:
        subprocess.run(["rm", "-rf", world.source], check=True)


def test_dry_run_stores_nothing(world: World) -> None:
    fill(world.source)
    before = sorted(p for p in (world.base / "repo").rglob("*"))
    outcome = world.backup(dry_run=True)
    assert outcome.snapshot is None
    assert outcome.root.counts["stored"] > 90
    assert sorted(p for p in (world.base / "repo").rglob("*")) == before


@pytest.mark.parametrize(
    ("rules", "gone", "kept"),
    [
        (RuleOptions(patterns=("f1*",)), [b"d0/inner/f1", b"d0/inner/f10"], [b"d0/inner/f2"]),
        (RuleOptions(patterns=("inner/", "!**/d3/inner/")), [b"d0/inner"], [b"d3/inner/f0"]),
        (RuleOptions(larger_than=1_000_000), [b"large"], [b"zeros"]),
        (RuleOptions(if_present=(b"f7",)), [b"d0/inner", b"d0/inner/f1"], [b"d0", b"zeros"]),
    ],
)
def test_rules(world: World, rules: RuleOptions, gone: list[bytes], kept: list[bytes]) -> None:
    fill(world.source)
    stored = world.stored(world.backup(rules=rules).root)
    assert not set(gone) & set(stored)
    assert set(kept) <= set(stored)


def test_cache_directories_need_the_signature(world: World) -> None:
    for name, text in (("real", "Signature: 8a477f597d28d172789f06886806bc55\n"), ("fake", "no")):
        (world.source / name).mkdir()
        (world.source / name / "CACHEDIR.TAG").write_text(text)
        (world.source / name / "data").write_text("x")
    stored = world.stored(world.backup(rules=RuleOptions(caches=True)).root)
    assert b"fake/data" in stored
    assert b"real/data" not in stored


def test_changed_rules_prove_nothing_with_old_ones(world: World, later: Later) -> None:
    fill(world.source)
    later()
    world.backup(rules=RuleOptions(patterns=("f*",)))
    outcome = world.backup()
    assert_same(world, outcome.root)


def test_partial_snapshots_are_whole_and_resumed(world: World, later: Later) -> None:
    fill(world.source)
    later()
    outcome = world.backup(partial_seconds=0.0)
    assert_same(world, outcome.root)
    with world.open() as repository:
        partial = [s for s in repository.snapshots(partial=True) if s.root.partial]
        assert len(partial) > 5
        assert outcome.snapshot is not None
        assert [s.id for s in repository.snapshots()] == [outcome.snapshot.id]
    there = live(world.source)
    for snapshot in partial:
        for path, (_, data) in world.stored(snapshot.root).items():
            assert data == there[path][1], path


def test_a_sparse_file_costs_nothing_to_speak_of(world: World) -> None:
    with (world.source / "sparse").open("wb") as file:
        file.seek(5 << 30)
        file.write(b"island")
        file.truncate(10 << 40)
    outcome = world.backup()
    assert outcome.root.bytes_total == 10 << 40
    assert outcome.root.bytes_read < 64 << 20
    assert outcome.root.bytes_stored < 1 << 20


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_is_named(world: World) -> None:
    fill(world.source)
    (world.source / "d0/inner/f0").chmod(0)
    outcome = world.backup()
    assert not outcome.complete
    assert outcome.root.counts["failed"] == 1


def test_metadata_that_cannot_be_read_is_asked_for_again(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be missing from this backup and, unchanged, from all that follow."""
    fill(world.source)
    later()
    for path in ("d0/inner/f1", "large", "d1"):
        os.setxattr(world.source / path, "user.colour", b"blue")
    with monkeypatch.context() as patch:
        refuse_attributes(patch)
        first = world.backup()
    assert not first.complete
    warned = [event for event in world.events if isinstance(event, SourceWarning)]
    hurt = {os.path.relpath(os.fsdecode(event.path), world.source) for event in warned}
    assert {"d0/inner/f1", "hard link to large", "d1"} <= hurt
    assert first.root.counts["failed"] == len(warned)
    assert {each.reason for each in warned} == {"it cannot be had"}
    assert_same(world, first.root)
    second = world.backup()
    assert second.complete
    found = world.stored(second.root)
    for name in (b"d0/inner/f1", b"large", b"hard link to large", b"d1"):
        more = found[name][0].more
        assert more is not None and more.xattrs == [(b"user.colour", b"blue")]


def refuse_attributes(patch: pytest.MonkeyPatch) -> None:
    """No file or directory shows its extended attributes."""
    none = Extras(problems=["it cannot be had"])
    read = LinuxSourceDir.read_batch

    def without(directory: LinuxSourceDir, *rest: Any) -> list[SmallRead | None]:
        return [
            each._replace(extras=none) if each and each.extras else each
            for each in read(directory, *rest)
        ]

    patch.setattr(LinuxSourceDir, "read_batch", without)
    patch.setattr(LinuxSourceDir, "extras_self", lambda _: none)
    patch.setattr(LinuxSourceFile, "extras", lambda _: none)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_that_may_only_be_passed_leads_to_what_is_below(world: World) -> None:
    """As /home often is: others may go through it and not list it."""
    mine, closed = world.source / "users/me", world.source / "users/me/closed"
    closed.mkdir(parents=True)
    (mine / "file").write_bytes(b"mine")
    (closed / "theirs").touch()
    for folder, _, files in os.walk(world.base):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, NOBODY, NOBODY)
    for above in (mine.parent, closed):
        os.chown(above, 0, 0)
        above.chmod(0o711)
    for above in (world.base, *world.base.parents):
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)

    def act() -> str:
        outcome = world.backup(mine)
        warned = [each for each in world.events if isinstance(each, SourceWarning)]
        return repr((sorted(world.stored(outcome.root)), [each.path for each in warned]))

    names = [b"users", b"users/me", b"users/me/closed", b"users/me/file"]
    assert in_child(act, uid=NOBODY) == repr((names, [os.fsencode(closed)]))


def test_folders_backed_up_in_other_company_are_known(world: World, later: Later) -> None:
    """Another set of folders of this computer proves what it has in common with this one."""
    fill(world.source)
    later()
    first = world.backup(world.source / "d0", world.source / "d1")
    second = world.backup(world.source / "d0")
    assert second.root.counts["unchanged"] >= 12
    assert second.root.bytes_read == 0
    assert second.root.chain.sequence == first.root.chain.sequence == 1
