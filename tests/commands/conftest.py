"""A repository for commands, opened with a key file so that no test waits for a key derivation."""

import shutil
from pathlib import Path

import pytest

from twofold.commands import init
from twofold.events import ignore
from twofold.options import RepositoryAccess, Secret

KEY = b"sixteen or more random bytes"


def opened_with(place: Path, secret: bytes = KEY, *, is_key_file: bool = True) -> RepositoryAccess:
    """The way to a repository."""
    return RepositoryAccess(str(place), lambda: Secret(secret, is_key_file=is_key_file))


@pytest.fixture(scope="session")
def pristine_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository."""
    place = tmp_path_factory.mktemp("commands") / "repository"
    init.run(init.InitOptions(access=opened_with(place)), ignore)
    return place


@pytest.fixture
def access(tmp_path: Path, pristine_repository: Path) -> RepositoryAccess:
    """The way to a copy of it that may be changed."""
    return opened_with(Path(shutil.copytree(pristine_repository, tmp_path / "repository")))
