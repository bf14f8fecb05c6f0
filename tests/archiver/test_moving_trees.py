"""Trees that change while they are walked: nothing old is taken for new, and every walk ends."""

import errno
import os
from collections.abc import Callable

import pytest

from tests.archiver.world import World, assert_same
from twofold.archiver import BackupRequest, RuleOptions, absolute, backup
from twofold.events import Event, ItemDone, SourceWarning
from twofold.platform import current
from twofold.platform.linux.source import LinuxSourceDir, LinuxSourceFile

Later = Callable[[], None]


def test_a_further_name_of_a_file_that_changed_is_read_again(world: World, later: Later) -> None:
    """Else the next run would prove by the new times what was read before them."""
    first, other = world.source / "a", world.source / "z/a"
    other.parent.mkdir()
    first.write_bytes(b"before")
    os.link(first, other)
    later()

    def change(event: Event) -> None:
        if isinstance(event, ItemDone) and event.path == os.fsencode(first):
            first.write_bytes(b"and after")

    request = BackupRequest(sources=(absolute(os.fsencode(world.source)),))
    with world.open() as repository:
        backup(repository, current(), request, change)
    assert_same(world, world.backup().root)


def test_a_file_that_grows_as_it_is_read_has_an_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.source / "log"
    path.write_bytes(b"begin")
    os.truncate(path, 20 << 20)
    read, calls = LinuxSourceFile.read_into, [0]

    def and_grow(file: LinuxSourceFile, view: memoryview, offset: int) -> int:
        calls[0] += 1
        assert calls[0] < 50
        done = read(file, view, offset)
        os.truncate(path, path.stat().st_size + (20 << 20))
        return done

    monkeypatch.setattr(LinuxSourceFile, "read_into", and_grow)
    outcome = world.backup()
    assert outcome.root.counts["imperfect"] == 1
    node, data = world.stored(outcome.root)[b"log"]
    assert data.startswith(b"begin\0")
    assert node.size == len(data) >= 20 << 20


def test_a_folder_that_is_gone_for_a_moment_is_there_again(
    world: World, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its times do not tell, only the listing that lacks it does."""
    (world.source / "above/gone/below").mkdir(parents=True)
    (world.source / "above/gone/file").write_bytes(b"x")
    later()
    world.backup()
    enter = LinuxSourceDir.open_dir

    def vanished(directory: LinuxSourceDir, name: bytes) -> LinuxSourceDir:
        if name == b"gone":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return enter(directory, name)

    with monkeypatch.context() as patch:
        patch.setattr(LinuxSourceDir, "open_dir", vanished)
        without = world.backup()
    assert b"above/gone" not in world.stored(without.root)
    assert_same(world, world.backup().root)


def test_what_is_named_is_stored_though_a_rule_left_it_out_before(
    world: World, later: Later
) -> None:
    disc, rules = world.source / "disc.iso", RuleOptions(patterns=("*.iso",))
    disc.write_bytes(b"x")
    later()
    assert world.stored(world.backup(rules=rules).root) == {}
    assert_same(world, world.backup(disc, rules=rules).root)


def test_patterns_are_about_what_lies_below_a_folder_that_is_named(world: World) -> None:
    (world.source / "a\nb").mkdir()
    for name in ("x.tmp", "x", "a\nb/y.tmp", "a\nb/y", "z.tmp\n"):
        (world.source / name).touch()
    rules = RuleOptions(patterns=("*.tmp", "source/"))
    stored = world.stored(world.backup(rules=rules).root)
    assert set(stored) == {b"x", b"a\nb", b"a\nb/y", b"z.tmp\n"}


def test_what_became_something_else_is_told_as_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("link", "large link", "folder"):
        (world.source / name).write_bytes(b"x" * (1 << 20 if "large" in name else 1))
    (world.source / "file").mkdir()
    (world.source / "link next to it").write_bytes(b"y")
    scan = LinuxSourceDir.scan

    def change_afterwards(directory: LinuxSourceDir) -> bytes:
        listing = scan(directory)
        if b"large link" in listing and not (world.source / "file").is_file():
            for name in ("link", "large link"):
                (world.source / name).unlink()
                (world.source / name).symlink_to("elsewhere")
            (world.source / "folder").unlink()
            (world.source / "folder").mkdir()
            (world.source / "file").rmdir()
            (world.source / "file").touch()
        return listing

    monkeypatch.setattr(LinuxSourceDir, "scan", change_afterwards)
    outcome = world.backup()
    told = {
        os.path.basename(event.path): event.reason
        for event in world.events
        if isinstance(event, SourceWarning)
    }
    assert told == {
        b"link": "it became a link while the backup ran",
        b"large link": "it became a link while the backup ran",
        b"folder": "it became a folder while the backup ran",
        b"file": "it is no folder any more",
    }
    assert outcome.root.counts["failed"] == 4
    assert_same(world, world.backup().root)
