"""Which program is taken for a peer: the one kept, the one on the PATH, or none and the reason."""

from pathlib import Path

import pytest

from bench import install
from bench.measure import Broken


def program(path: Path, says: str) -> Path:
    """A program that says a version, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n", "utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH, empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An installation of restic that is refused, and how often it was tried."""
    tried: list[str] = []

    def refuse(_: Path) -> None:
        tried.append("restic")
        raise Broken("the source said no")

    monkeypatch.setitem(install.INSTALLERS, "restic", refuse)
    return tried


def test_what_is_kept_goes_before_the_path(path: Path, tmp_path: Path) -> None:
    kept = program(tmp_path / install.PLACES["restic"], "restic 0.18.0 compiled with go1.24.4")
    other = program(path / "restic", "restic 0.19.0")
    assert install.find("restic", tmp_path) == kept
    kept.unlink()
    assert install.find("restic", tmp_path) == other


def test_what_is_too_old_is_not_taken(path: Path, tmp_path: Path, refusal: list[str]) -> None:
    program(path / "restic", "restic 0.17.3")
    with pytest.raises(Broken, match="the source said no"):
        install.find("restic", tmp_path)
    assert refusal == ["restic"]


def test_a_refusal_is_final(path: Path, tmp_path: Path, refusal: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(Broken, match="the source said no"):
            install.find("restic", tmp_path)
    assert refusal == ["restic"]


def test_a_compiler_that_is_not_there_is_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(Broken, match="there is no cargo here"):
        install.find("rustic", tmp_path)
    assert not (tmp_path / "rustic.refused").exists()


def test_an_installation_that_does_not_start_is_told(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(install.INSTALLERS, "borg", lambda _: None)
    with pytest.raises(Broken, match=r"older than 1\.2"):
        install.find("borg", tmp_path)


def test_tools_of_the_system_are_found_or_named(path: Path, tmp_path: Path) -> None:
    tar = program(path / "tar", "tar 1.34")
    assert install.find("tar", tmp_path) == tar
    with pytest.raises(Broken, match="there is no cp here"):
        install.find("cp", tmp_path)
