"""Backups after packs have lost something: it is stored again, and nothing else is."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archiver.test_backup import fill
from tests.archiver.world import World, assert_same, live
from twofold.events import Notice
from twofold.format.envelope import HEADER, Header
from twofold.format.names import Kind
from twofold.repository import remember_lost

Later = Callable[[], None]


@pytest.fixture
def twice(world: World, later: Later) -> World:
    """Backed up twice, the second time with one more folder: packs of both kinds for each."""
    fill(world.source)
    later()
    world.backup()
    (world.source / "d0/more").mkdir()
    (world.source / "d0/more/file").write_bytes(os.urandom(100_000))
    later()
    world.backup()
    return world


def packs(world: World, kind: Kind) -> list[Path]:
    """Oldest first."""
    found = [path for path in (world.base / "repo/packs").rglob("*") if path.is_file()]
    found = [path for path in found if Header.decode(path.read_bytes()).kind == kind]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def spoil(chosen: list[Path]) -> set[bytes]:
    """All of what is in them is gone; headers and sizes are as before."""
    assert chosen
    for path in chosen:
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[: HEADER.size].ljust(path.stat().st_size, b"\0"))
    return {bytes.fromhex(path.name) for path in chosen}


def remember(world: World, lost: set[bytes]) -> None:
    with world.open() as repository:
        remember_lost(repository.id, lost)


def told(world: World) -> list[str]:
    """Sentences about damage in the run before."""
    said = [event.text for event in world.events if isinstance(event, Notice)]
    return [text for text in said if "is damaged" in text]


def test_what_a_known_bad_pack_held_is_stored_again(twice: World) -> None:
    """Though no file has changed; the backup after that takes over what is unchanged again."""
    lost = spoil(packs(twice, Kind.DATA_PACK))
    unaware = twice.backup()
    assert unaware.blobs_new <= 5, "no more than the folders on the way"
    remember(twice, lost)
    healed = twice.backup()
    filled = [data for info, data in live(twice.source).values() if stat.S_ISREG(info.st_mode)]
    assert healed.root.counts["stored"] == sum(data not in (b"", bytes(200_000)) for data in filled)
    assert len(told(twice)) == 1
    assert_same(twice, healed.root)
    assert_same(twice, unaware.root)
    after = twice.backup()
    assert after.root.counts.get("stored", 0) == 0 and after.blobs_new <= 5
    assert not told(twice)
    assert_same(twice, after.root)


def test_only_what_has_lost_something_is_read_again(twice: World) -> None:
    """Files beside it and other folders are taken over as they stand."""
    *_, newest = packs(twice, Kind.DATA_PACK)
    remember(twice, spoil([newest]))
    healed = twice.backup()
    assert healed.root.counts["stored"] == 1
    assert healed.root.bytes_read == 100_000
    assert_same(twice, healed.root)
    assert twice.backup().root.counts.get("stored", 0) == 0


def test_a_bad_pack_that_nothing_needs_any_more_costs_nothing(twice: World, later: Later) -> None:
    """The folder that it was of is gone."""
    *_, newest = packs(twice, Kind.DATA_PACK)
    (twice.source / "d0/more/file").unlink()
    (twice.source / "d0/more").rmdir()
    later()
    twice.backup()
    remember(twice, spoil([newest]))
    after = twice.backup()
    assert after.root.counts.get("stored", 0) == 0
    assert_same(twice, after.root)


@pytest.mark.parametrize("gone", [False, True], ids=["damaged", "missing"])
@pytest.mark.parametrize("which", ["older", "newer", "all"])
def test_pages_of_the_parent_that_cannot_be_read_are_stored_again(
    twice: World, which: str, gone: bool
) -> None:
    """By the first backup already, which nobody told of the damage; the next one is quick again."""
    found = packs(twice, Kind.META_PACK)
    chosen = {"older": found[:-1], "newer": found[-1:], "all": found}[which]
    spoil(chosen)
    if gone:
        for path in chosen:
            path.unlink()
    healed = twice.backup()
    assert healed.complete
    assert_same(twice, healed.root)
    after = twice.backup()
    assert after.root.counts.get("stored", 0) == 0
    assert_same(twice, after.root)


def test_a_change_below_pages_that_are_lost(twice: World, later: Later) -> None:
    """What stands above it would be written around it, out of pages that are not there."""
    (twice.source / "d0/more/another").write_bytes(b"new")
    later()
    spoil(packs(twice, Kind.META_PACK)[:-1])
    healed = twice.backup()
    assert len(told(twice)) == 1
    assert healed.root.counts["stored"] == healed.root.totals.files
    assert_same(twice, healed.root)
