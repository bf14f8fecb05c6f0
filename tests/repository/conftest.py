"""One sample per test session (and worker), undamaged at the beginning of every test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository.sample import Lab, Sample, add_marks, make_sample


@pytest.fixture(scope="module", autouse=True)  # of the session would be for tests of others too
def _no_waiting_for_the_drive() -> Iterator[None]:
    """Thousands of small writes; none of these tests is about power cuts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _fd: None)
        yield


def _lab_in(folder: Path) -> Lab:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOFOLD_STATE_DIR", str(folder / "memory"))
        patch.setenv("TWOFOLD_CACHE_DIR", str(folder / "cache"))
        sample = make_sample(folder)
        add_marks(sample)
    return Lab(sample)


@pytest.fixture(scope="session")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return _lab_in(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def foreign_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Another repository with the same password."""
    return _lab_in(tmp_path_factory.mktemp("foreign"))


@pytest.fixture
def lab(_lab: Lab) -> Iterator[Lab]:
    yield _lab
    _lab.undo()


@pytest.fixture
def sample(lab: Lab) -> Sample:
    return lab.sample
