"""Removing keys by the protocol: whatever happens in between, somebody can open the repository."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import KEY
from twofold import clock
from twofold.backend import LocalBackend
from twofold.errors import RefusedUnsafe, WrongKey
from twofold.format import names
from twofold.options import RepositoryAccess
from twofold.repository import Repository, open_repository

OTHER = b"another key file, as random as that"
CALLS = ("create", "put", "get", "size", "list", "move", "delete")
HOUR = 3600 * 10**9


class Died(BaseException):
    """The process is no more: nothing that it would do on its way out is done."""


class Stepping:
    """A store that lets something happen before one of its calls, and counts them."""

    def __init__(self, place: Path, at: int, then: Callable[["Stepping"], None]) -> None:
        self._store, self.at, self.then = LocalBackend(place), at, then
        self.made, self.dead = 0, False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._counted(found) if name in CALLS else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **named: Any) -> Any:
            self.made += 1
            if self.dead or self.made == self.at:
                self.then(self)
            return call(*args, **named)

        return step

    def die(self) -> None:
        """From here on nothing reaches the store."""
        self.dead = True
        raise Died


class Two:
    """A repository that two keys open, and nothing else."""

    def __init__(self, access: RepositoryAccess) -> None:
        self.place = Path(access.location)
        with self.open(KEY) as repository:
            self.one = repository.key_slots()
            (recovery,) = (each.id for each in self.one if not each.current)
            self.slots = {KEY: next(each.id for each in self.one if each.current)}
            self.slots[OTHER] = repository.add_key_file(OTHER)
            (self.place / names.object_name(names.KEYS, recovery)).unlink()

    def open(self, key: bytes, store: Any = None) -> Repository:
        return open_repository(store or LocalBackend(self.place), key)

    def remove(self, mine: bytes, other: bytes) -> bool:
        """Whether the slot of the other key was removed with this one."""
        if not self._opens(mine):
            return False
        with self.open(mine) as repository:
            try:
                repository.remove_key(self.slots[other].hex())
            except RefusedUnsafe:
                return False
            return True

    def opening(self) -> list[bytes]:
        """The keys that open it."""
        return [key for key in (KEY, OTHER) if self._opens(key)]

    def _opens(self, key: bytes) -> bool:
        try:
            self.open(key).close()
        except WrongKey:
            return False
        return True

    def left(self) -> list[Path]:
        """Tombstones that are still there."""
        return [path for path in (self.place / "tombs").rglob("*") if path.is_file()]

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.place.rglob("*") if path.is_file()}

    def put_back(self, files: dict[Path, bytes]) -> None:
        for path in self.files().keys() - files.keys():
            path.unlink()
        for path, data in files.items():
            path.write_bytes(data)


@pytest.fixture
def two(access: RepositoryAccess) -> Two:
    return Two(access)


def each_step(two: Two, then: Callable[[Stepping], None]) -> Iterator[tuple[int, bool]]:
    """Remove the other key with ours, with something before each of its calls to the store."""
    files, at = two.files(), 1
    while True:
        two.put_back(files)
        with two.open(KEY) as repository:
            store = Stepping(two.place, at, then)
            repository.backend = repository.objects.backend = store
            try:
                repository.remove_key(two.slots[OTHER].hex())
                done = True
            except (RefusedUnsafe, Died):
                done = False
        if store.made < at:
            return
        yield at, done
        at += 1


def test_of_two_who_remove_each_other_one_stays(two: Two) -> None:
    """The other begins and ends before every step of ours."""
    theirs: list[bool] = []
    seen = set()
    for at, ours in each_step(two, lambda _: theirs.append(two.remove(OTHER, KEY))):
        assert two.opening(), at
        assert not two.left(), at
        seen.add((ours, theirs[-1]))
    assert {(True, False), (False, True)} <= seen
    assert (True, True) not in seen


@pytest.mark.parametrize("hours", [2, -2], ids=["later", "clock set back"])
def test_a_removal_that_died_is_ended_by_the_next(
    two: Two, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    later = clock.now_ns() + hours * HOUR
    for at, done in each_step(two, Stepping.die):
        assert not done
        assert KEY in two.opening(), at
        if two.opening() == [KEY, OTHER]:
            with monkeypatch.context() as patch:
                patch.setattr(clock, "now_ns", lambda: later)
                assert two.remove(KEY, OTHER), at
        else:
            with two.open(KEY) as repository:
                third = repository.add_key_file(b"a third key, and no less random")
                repository.remove_key(third.hex())
        assert two.opening() == [KEY], at
        assert not two.left(), at


def test_the_key_in_use_stays(two: Two) -> None:
    """No other is known to open, though there is one that can be read."""
    with two.open(KEY) as repository, pytest.raises(RefusedUnsafe, match="key in use") as caught:
        repository.remove_key(two.slots[KEY].hex())
    assert "with the key that stays" in caught.value.hint
    assert two.opening() == [KEY, OTHER]
    assert not two.left()


def test_backups_do_not_mind_it(two: Two) -> None:
    """A slot holds no blobs, so nothing that is stored is doomed."""
    for _, _ in each_step(two, Stepping.die):
        with two.open(KEY) as repository:
            assert repository.doomed() == set()
