"""For all tests: what this computer remembers of repositories goes into a folder of the tests."""

import pytest


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(tmp_path_factory.getbasetemp() / "memory"))
