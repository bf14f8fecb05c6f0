"""Gives every test of this folder each of the stores in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.stores import STORES, Place, fresh
from twofold.backend import Backend


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A fresh store."""
    with fresh(request.param, tmp_path) as one:
        yield one


@pytest.fixture
def store(place: Place) -> Backend:
    """A handle to a fresh store."""
    return place.open()
