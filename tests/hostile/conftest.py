"""A fresh empty repository per test, made without Argon2."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile.forge import Forge
from twofold.backend import LocalBackend
from twofold.commands import check
from twofold.commands.check import CheckResult
from twofold.events import ignore
from twofold.options import RepositoryAccess, Secret
from twofold.repository import create_repository, open_repository

KEY = b"a key file of at least sixteen bytes"


@pytest.fixture(scope="module", autouse=True)  # of the session would be for tests of others too
def _no_waiting_for_the_drive() -> Iterator[None]:
    """None of these tests is about power cuts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _fd: None)
        yield


@dataclass
class Place:
    """A repository, and the forge in it."""

    store: Path
    forge: Forge

    def check(self, **options: bool) -> CheckResult:
        """What check says."""
        access = RepositoryAccess(str(self.store), lambda: Secret(KEY, is_key_file=True))
        return check.run(check.CheckOptions(access=access, **options), ignore)

    def again(self) -> Forge:
        """Opened anew, as the next program would."""
        return Forge(open_repository(LocalBackend(self.store), KEY))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    store = tmp_path / "store"
    store.mkdir()
    made = create_repository(LocalBackend(store), KEY, key_file=True)
    return Place(store, Forge(made.repository))
