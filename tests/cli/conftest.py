"""Worlds for the tests of the command line; repositories are made once and copied."""

import shutil
from pathlib import Path

import pytest

from twofold.commands import init
from twofold.events import ignore

from .world import KEY_FILE, PASSWORD, Program, key_file_access


@pytest.fixture
def bare(tmp_path: Path) -> Program:
    """A world without a repository."""
    return Program(tmp_path)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository that opens with PASSWORD and with KEY_FILE."""
    place = tmp_path_factory.mktemp("pristine") / "repository"
    init.run(init.InitOptions(access=key_file_access(place)), ignore)
    program = Program(place.parent, {"TWOFOLD_REPO": str(place)})
    (place.parent / "key").write_bytes(KEY_FILE)
    (place.parent / "new").write_text(PASSWORD, "utf-8")
    program("key", "add", "--key-file", "key", "--new-password-file", "new", code=0)
    return place


@pytest.fixture
def twofold(tmp_path: Path, pristine: Path) -> Program:
    """A world with an empty repository, and its key file at hand."""
    shutil.copytree(pristine, tmp_path / "repository")
    (tmp_path / "key").write_bytes(KEY_FILE)
    return Program(
        tmp_path,
        {"TWOFOLD_REPO": str(tmp_path / "repository"), "TWOFOLD_KEY_FILE": str(tmp_path / "key")},
    )


@pytest.fixture
def sample(twofold: Program) -> Path:
    """A small folder to back up."""
    folder = twofold.place / "sample"
    (folder / "sub").mkdir(parents=True)
    (folder / "letter.txt").write_text("Dear reader\n" * 100, "utf-8")
    (folder / "sub" / "numbers").write_bytes(bytes(range(256)) * 40)
    return folder
