"""For all tests: what this computer remembers of repositories is each test's own, and empty.

No test is judged by a stopwatch, so hypothesis has none either.
"""

import itertools

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("twofold", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("twofold")

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "memory" / str(next(_NUMBERS))
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(folder))
    monkeypatch.setenv("TWOFOLD_CACHE_DIR", str(folder / "cache"))
