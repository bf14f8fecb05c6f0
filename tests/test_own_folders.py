"""Where our own folders are: as platformdirs, which is the oracle, says of the same environment."""

import sys
from pathlib import Path

import platformdirs
import pytest

from twofold import own_folders

FOLDERS = {
    "XDG_CACHE_HOME": (own_folders.cache_folder, platformdirs.user_cache_path),
    "XDG_STATE_HOME": (own_folders.state_folder, platformdirs.user_state_path),
    "XDG_CONFIG_HOME": (own_folders.config_folder, platformdirs.user_config_path),
}


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*FOLDERS, "TWOFOLD_CACHE_DIR", "TWOFOLD_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems ask platformdirs itself")
@pytest.mark.parametrize("value", [None, "", "/some/where", "/with a space/", "/t/../u"])
@pytest.mark.parametrize("variable", FOLDERS)
def test_they_are_where_the_system_has_such(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv(variable, value)
    ours, oracle = FOLDERS[variable]
    assert ours() == oracle("twofold", appauthor=False)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such variables")
@pytest.mark.parametrize("variable", FOLDERS)
def test_a_path_that_is_not_absolute_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """The XDG Base Directory Specification wants it so."""
    monkeypatch.setenv(variable, "some/where")
    assert FOLDERS[variable][0]().is_relative_to(tmp_path / "home")


@pytest.mark.parametrize("name", ["TWOFOLD_CACHE_DIR", "TWOFOLD_STATE_DIR"])
def test_our_own_variables_come_first(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    monkeypatch.setenv(name, "/chosen")
    folders = {own_folders.cache_folder(), own_folders.state_folder()}
    assert Path("/chosen") in folders
    assert Path("/elsewhere/twofold") in folders
