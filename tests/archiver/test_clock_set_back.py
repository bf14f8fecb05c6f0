"""Backups after the clock was set back: a change may then have the times that a file had before."""

import time
from collections.abc import Callable

import pytest

from tests.archiver.test_backup import fill
from tests.archiver.world import World, assert_same
from twofold import clock
from twofold.events import Notice

HOUR = 3600 * 10**9
At = Callable[[int], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Sets the clock so many hours on from what it is."""

    def set_to(hours: int) -> None:
        monkeypatch.setattr(clock, "now_ns", lambda: time.time_ns() + hours * HOUR)

    return set_to


def test_nothing_is_taken_for_unchanged_once(world: World, at: At) -> None:
    fill(world.source)
    at(9)
    world.backup()
    assert world.backup().root.counts["unchanged"], "else there would be nothing to see"
    at(2)
    back = world.backup()
    assert back.root.counts.get("unchanged", 0) == 0
    assert [e for e in world.events if isinstance(e, Notice) and "to come" in e.text]
    assert_same(world, back.root)
    after = world.backup()
    assert after.root.counts["unchanged"] and not after.root.counts.get("stored", 0)
    assert not [event for event in world.events if isinstance(event, Notice)]
    assert back.snapshot is not None and after.snapshot is not None
    assert after.root.parent == back.snapshot.id
    with world.open() as repository:
        assert repository.snapshots()[-1].id == after.snapshot.id
