"""Fixtures for archiver tests."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archiver.world import World
from twofold import clock


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path / "world")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Moves the archiver's clock an hour on, so that what was just written is no longer racy."""
    offset = [0]

    def move() -> None:
        offset[0] += 3600 * 10**9

    monkeypatch.setattr(clock, "now_ns", lambda: time.time_ns() + offset[0])
    return move
