"""For all tests: what this computer remembers of repositories is each test's own, and empty.

No test is judged by a stopwatch, so hypothesis has none either; and nobody waits before a store is
tried again.

A process that has held gigabytes gives them back before the next test: the allocator would keep
them, and every fork of such a process takes long.
"""

import ctypes
import gc
import itertools
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from twofold.backend import Retry

settings.register_profile("twofold", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("twofold")

_NUMBERS = itertools.count()
_MUCH = 1 << 30
_PAGE = 4096


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "memory" / str(next(_NUMBERS))
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(folder))
    monkeypatch.setenv("TWOFOLD_CACHE_DIR", str(folder / "cache"))


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Retry.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "sleep", lambda _seconds: None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Give memory back when a test's fixtures are gone as well."""
    before = _held()
    done = yield
    if _held() - before > _MUCH:
        give_back()
    return done


def _held() -> int:
    """Bytes of memory of this process, where that is told."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE


def give_back() -> None:
    """Give what is free back to the system, where the C library can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
