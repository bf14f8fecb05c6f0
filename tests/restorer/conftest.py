"""Fixtures for restore tests."""

import shutil
from pathlib import Path

import pytest

from tests.restorer.place import Place


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An empty repository; making one takes a second of key derivation."""
    made = Place.make(tmp_path_factory.mktemp("template") / "place")
    assert isinstance(made, Place)
    return made


@pytest.fixture
def place(template: Place, tmp_path: Path) -> Place:
    shutil.copytree(template.base, tmp_path / "place")
    return Place(tmp_path / "place", template.key)
