"""A network drive that fails for a moment costs a backup a wait, and nothing else.

Calls of the store fail once, in turn. Waits are noted down instead of waited.
"""

import errno
import os

import pytest

from tests.fault.faulty import READING, Fault, FaultyCalls, Kind
from tests.restorer.conftest import place, template
from tests.restorer.place import Place, differences
from twofold.backend import Retry, files
from twofold.commands import backup
from twofold.errors import StoreError
from twofold.events import ignore

__all__ = ["place", "template"]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    noted: list[float] = []
    defaults = Retry.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "sleep", noted.append)
    return noted


def run(place: Place, calls: FaultyCalls) -> backup.BackupResult:
    """A backup through a store that makes these calls."""
    before, files.DEFAULT_CALLS = files.DEFAULT_CALLS, calls
    try:
        options = backup.BackupOptions(access=place.access, paths=(os.fsencode(place.source),))
        return backup.run(options, ignore)
    finally:
        files.DEFAULT_CALLS = before


def fill(place: Place, salt: int) -> None:
    for number in range(4):
        (place.source / f"{number}").write_bytes(b"%d %d" % (salt, number) * 30_000)


@pytest.mark.parametrize("kind", [Kind.FAIL, Kind.FAIL_AFTER])
@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO])
def test_a_change_of_the_store_fails_once(
    place: Place, waits: list[float], kind: Kind, code: int
) -> None:
    fired = 0
    for at in range(1, 60, 5):
        fill(place, at)
        calls = FaultyCalls(Fault(kind, at, code))
        assert run(place, calls).exit_code == 0, at
        fired += calls.fired
    assert fired >= 8
    assert len(waits) >= fired / 2
    place.restore()
    assert differences(place.source, place.target) == []


@pytest.mark.parametrize("call", READING)
def test_a_look_at_the_store_fails_once(place: Place, waits: list[float], call: str) -> None:
    fired = first = 0
    for at in (1, 2, 4, 7):
        fill(place, at)
        calls = FaultyCalls(Fault(Kind.FAIL, at, errno.ETIMEDOUT, call))
        try:
            assert run(place, calls).exit_code == 0, at
            fired += calls.fired
        except StoreError:
            first += 1  # whether there is a repository is asked before there is any patience
    assert first <= (2 if call == "stat" else 0)
    assert len(waits) == fired


def test_what_stays_is_told_at_once(place: Place, waits: list[float]) -> None:
    fill(place, 0)
    for code, expected in ((errno.ENAMETOOLONG, 0), (errno.EIO, 1), (errno.ESTALE, 4)):

        class Broken(FaultyCalls):
            wrong = code

            def open_new(self, path: str) -> int:
                raise OSError(self.wrong, os.strerror(self.wrong), path)

        del waits[:]
        with pytest.raises(StoreError, match="cannot begin"):
            run(place, Broken(Fault(Kind.NOTHING)))
        assert len(waits) == expected
