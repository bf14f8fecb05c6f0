"""The program under test with a repository of its own, and room that is given back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import pristine, twofold
from tests.imaging.world import ImageWorld

__all__ = ["pristine", "twofold"]


@pytest.fixture
def world(tmp_path: Path) -> ImageWorld:
    """An empty source and a repository beside it."""
    made = ImageWorld.make(tmp_path)
    assert isinstance(made, ImageWorld)
    return made


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder for disks, which is gone after the test: pytest keeps those of several runs."""
    place = tmp_path / "room"
    place.mkdir()
    yield place
    shutil.rmtree(tmp_path, ignore_errors=True)
