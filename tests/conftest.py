"""For all tests: what this computer remembers of repositories is each test's own, and empty."""

import itertools

import pytest

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "memory" / str(next(_NUMBERS))
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(folder))
