"""Fixtures for archiver tests."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archiver.world import World
from twofold import clock


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> World:
    """An empty repository; making one takes a second of key derivation."""
    return World.make(tmp_path_factory.mktemp("empty") / "world")


@pytest.fixture
def world(empty: World, tmp_path: Path) -> World:
    shutil.copytree(empty.base, tmp_path / "world")
    return World(tmp_path / "world", empty.key)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Moves the archiver's clock an hour on, so that what was just written is no longer racy."""
    offset = [0]

    def move() -> None:
        offset[0] += 3600 * 10**9

    monkeypatch.setattr(clock, "now_ns", lambda: time.time_ns() + offset[0])
    return move
